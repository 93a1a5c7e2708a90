//! Seeded numbers. A failing run is repeated from its seed alone, so the generator is written here and never changes
//! with a dependency: SplitMix64, whose state is one word.

/// A well-mixed function of one word.
pub fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// A well-mixed function of a seed and two numbers, for choices that must not depend on the order of asking.
pub fn mix3(seed: u64, a: u64, b: u64) -> u64 {
    mix(mix(mix(seed ^ STEP).wrapping_add(a)).wrapping_add(b).wrapping_add(STEP))
}

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A stream of numbers that its seed decides.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// The stream of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// A number below `bound`, or zero when `bound` is. The bias is below 2^-32 for the bounds that tests use.
    pub fn below(&mut self, bound: u64) -> u64 {
        u64::try_from((u128::from(self.next_u64()) * u128::from(bound)) >> 64).unwrap_or(0)
    }

    /// An index below `bound`, or zero when `bound` is.
    pub fn index(&mut self, bound: usize) -> usize {
        usize::try_from(self.below(bound as u64)).unwrap_or(0)
    }

    /// True `times` in `of` cases.
    pub fn chance(&mut self, times: u64, of: u64) -> bool {
        self.below(of) < times
    }

    /// A number from -1 to 1.
    pub fn signed_unit_f32(&mut self) -> f32 {
        let steps = (self.next_u64() >> 40) as f32;
        steps / (1u32 << 23) as f32 - 1.0
    }

    /// One of `items`, which are not empty.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.index(items.len())]
    }

    /// `count` bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next_u64().to_le_bytes()[0]).collect()
    }

    /// Puts `items` in any order, each as likely as another.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.index(i + 1));
        }
    }
}
