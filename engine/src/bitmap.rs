//! A set of row numbers of one segment.

use std::sync::Arc;

/// A fixed-size set of bits. Clones share their words until one changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bitmap {
    words: Arc<Vec<u64>>,
    bits: u32,
}

impl Bitmap {
    /// All of `bits` set.
    pub(crate) fn full(bits: u32) -> Self {
        let mut map = Self { words: Arc::new(vec![u64::MAX; bits.div_ceil(64) as usize]), bits };
        if let Some(last) = Arc::make_mut(&mut map.words).last_mut()
            && !bits.is_multiple_of(64)
        {
            *last = (1 << (bits % 64)) - 1;
        }
        map
    }

    /// None of `bits` set.
    pub(crate) fn empty(bits: u32) -> Self {
        Self { words: Arc::new(vec![0; bits.div_ceil(64) as usize]), bits }
    }

    /// Whether a bit is set; a bit beyond the end is not.
    pub(crate) fn contains(&self, bit: u32) -> bool {
        self.words.get(bit as usize / 64).is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }

    /// The thirty-two bits from `from` on, which is a multiple of thirty-two; those beyond the end are not set.
    pub(crate) fn thirty_two(&self, from: u32) -> u32 {
        self.words.get(from as usize / 64).map_or(0, |word| (word >> (from % 64)) as u32)
    }

    /// Clears a bit.
    pub(crate) fn remove(&mut self, bit: u32) {
        if self.contains(bit)
            && let Some(word) = Arc::make_mut(&mut self.words).get_mut(bit as usize / 64)
        {
            *word &= !(1 << (bit % 64));
        }
    }

    /// Sets a bit within the size.
    pub(crate) fn insert(&mut self, bit: u32) {
        if bit < self.bits
            && let Some(word) = Arc::make_mut(&mut self.words).get_mut(bit as usize / 64)
        {
            *word |= 1 << (bit % 64);
        }
    }

    /// Sets the bits `from..to` that are within the size.
    pub(crate) fn insert_range(&mut self, from: u32, to: u32) {
        let to = to.min(self.bits);
        if from >= to {
            return;
        }
        let (first, last) = (from / 64, (to - 1) / 64);
        let words = Arc::make_mut(&mut self.words).get_mut(first as usize..=last as usize);
        for (at, word) in (first..).zip(words.unwrap_or_default()) {
            let low = from.saturating_sub(at * 64);
            let high = (to - at * 64).min(64);
            *word |= (u64::MAX << low) & (u64::MAX >> (64 - high));
        }
    }

    /// Grows the set to `bits`, the new ones set.
    pub(crate) fn grow_full(&mut self, bits: u32) {
        let before = self.bits;
        if bits <= before {
            return;
        }
        Arc::make_mut(&mut self.words).resize(bits.div_ceil(64) as usize, 0);
        self.bits = bits;
        (before..bits).for_each(|bit| self.insert(bit));
    }

    /// Whether no bit is set.
    pub(crate) fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// In how many groups of thirty-two bits, as [`thirty_two`](Self::thirty_two) gives them, some bit is set.
    pub(crate) fn groups(&self) -> u64 {
        let groups = |word: &u64| u64::from(*word as u32 != 0) + u64::from(*word >> 32 != 0);
        self.words.iter().map(groups).sum()
    }

    /// Clears what `other`, a set of the same size, has not.
    pub(crate) fn intersect(&mut self, other: &Self) {
        self.combine(other, |word, other| word & other);
    }

    /// Sets what `other`, a set of the same size, has.
    pub(crate) fn unite(&mut self, other: &Self) {
        self.combine(other, |word, other| word | other);
    }

    /// Clears what `other`, a set of the same size, has.
    pub(crate) fn subtract(&mut self, other: &Self) {
        self.combine(other, |word, other| word & !other);
    }

    fn combine(&mut self, other: &Self, with: impl Fn(u64, u64) -> u64) {
        let words = Arc::make_mut(&mut self.words);
        words.iter_mut().zip(&*other.words).for_each(|(word, other)| *word = with(*word, *other));
    }

    /// What is not set.
    pub(crate) fn inverse(&self) -> Self {
        let mut inverse = Self::full(self.bits);
        inverse.subtract(self);
        inverse
    }

    /// How many bits are set.
    pub(crate) fn count(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// The set bits within `from..to`, rising.
    pub(crate) fn iter(&self, from: u32, to: u32) -> impl Iterator<Item = u32> + '_ {
        let to = to.min(self.bits);
        let words = (from / 64)..to.div_ceil(64).max(from / 64);
        words.flat_map(move |at| {
            let mut word = self.words.get(at as usize).copied().unwrap_or(0);
            std::iter::from_fn(move || {
                let bit = (word != 0).then(|| at * 64 + word.trailing_zeros())?;
                word &= word - 1;
                Some(bit)
            })
            .filter(move |bit| (from..to).contains(bit))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bitmap_is_a_set() {
        for bits in [0, 1, 63, 64, 65, 200] {
            let mut map = Bitmap::full(bits);
            assert_eq!(map.count(), u64::from(bits));
            let shared = map.clone();
            map.remove(0);
            map.remove(bits);
            assert_eq!(map.count(), u64::from(bits).saturating_sub(1));
            assert_eq!(shared.count(), u64::from(bits));
            map.grow_full(bits + 70);
            assert_eq!(
                map.iter(0, u32::MAX).collect::<Vec<_>>(),
                (0..bits + 70).filter(|b| *b != 0 || bits == 0).collect::<Vec<_>>()
            );
            assert_eq!(map.iter(5, 9).collect::<Vec<_>>(), (5..9).collect::<Vec<_>>());
            assert_eq!(Bitmap::empty(bits).count(), 0);
            assert!(Bitmap::empty(bits).is_empty());
            assert_eq!(Bitmap::empty(bits).inverse(), Bitmap::full(bits));
            let (mut odd, mut low) = (Bitmap::empty(bits), Bitmap::empty(bits));
            (1..bits).step_by(2).for_each(|bit| odd.insert(bit));
            low.insert_range(0, 70);
            let listed = |map: &Bitmap| map.iter(0, u32::MAX).collect::<Vec<_>>();
            for (act, holds) in [
                (
                    Bitmap::intersect as fn(&mut Bitmap, &Bitmap),
                    (|b| b % 2 == 1 && b < 70) as fn(u32) -> bool,
                ),
                (Bitmap::unite, |b| b % 2 == 1 || b < 70),
                (Bitmap::subtract, |b| b % 2 == 1 && b >= 70),
            ] {
                let mut both = odd.clone();
                act(&mut both, &low);
                assert_eq!(listed(&both), (0..bits).filter(|bit| holds(*bit)).collect::<Vec<_>>());
            }
            assert_eq!(low.groups(), u64::from(bits.min(70).div_ceil(32)));
            for (from, to) in [(0, 0), (0, 1), (3, 60), (3, 64), (63, 65), (64, 128), (5, 200), (199, 900)] {
                let mut range = Bitmap::empty(bits);
                range.insert_range(from, to);
                assert_eq!(listed(&range), (from..to.min(bits)).collect::<Vec<_>>());
            }
        }
    }
}
