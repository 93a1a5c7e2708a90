//! The moment that a segment goes on from, where that is not simply all that was there: in the segment itself, so that a
//! lost manifest cannot bring back commits that a restored snapshot had left behind.

use serde::{Deserialize, Serialize};

/// Which of the earlier segments count, and how far. Segments that are not named do not count.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Follows {
    /// Segments that count in full, as runs of numbers: the first and the last of each, rising.
    pub whole: Vec<(u64, u64)>,
    /// Segments that count up to a commit: number and commit, rising.
    pub capped: Vec<(u64, u64)>,
}

impl Follows {
    /// From segments in the order of their numbers, each with the last commit that counts, or nothing where all do.
    pub fn of(segments: impl IntoIterator<Item = (u64, Option<u64>)>) -> Self {
        let mut follows = Self::default();
        for (segment, cap) in segments {
            match (cap, follows.whole.last_mut()) {
                (Some(cap), _) => follows.capped.push((segment, cap)),
                (None, Some((_, last))) if *last + 1 == segment => *last = segment,
                (None, _) => follows.whole.push((segment, segment)),
            }
        }
        follows
    }

    /// The last commit of a segment that counts, at most `u64::MAX`; `None` when it does not count at all.
    pub fn cap(&self, segment: u64) -> Option<u64> {
        if self.whole.iter().any(|(first, last)| (*first..=*last).contains(&segment)) {
            return Some(u64::MAX);
        }
        self.capped.iter().find(|(capped, _)| *capped == segment).map(|(_, cap)| *cap)
    }

    /// What the member should be in segment `own`, when it is not.
    pub(crate) fn flaw(&self, own: u64) -> Option<String> {
        let mut before = 0;
        for &(first, last) in &self.whole {
            if first <= before || last < first || last >= own {
                return Some(format!("runs of segments that rise and stay below {own}"));
            }
            before = last;
        }
        let mut before = 0;
        for &(segment, cap) in &self.capped {
            let is_whole = self.whole.iter().any(|(first, last)| (*first..=*last).contains(&segment));
            if segment <= before || segment >= own || cap == 0 || is_whole {
                return Some(format!("capped segments that rise, stay below {own} and are not whole"));
            }
            before = segment;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_joined_and_found_again() {
        let listed = [(1, None), (2, None), (4, Some(9)), (5, None), (7, None)];
        let follows = Follows::of(listed);
        assert_eq!(follows.whole, [(1, 2), (5, 5), (7, 7)]);
        assert_eq!(follows.capped, [(4, 9)]);
        for (segment, cap) in listed {
            assert_eq!(follows.cap(segment), Some(cap.unwrap_or(u64::MAX)));
        }
        assert_eq!((follows.cap(3), follows.cap(8)), (None, None));
        assert_eq!((follows.flaw(8), follows.flaw(7).is_some()), (None, true));
    }

    #[test]
    fn contradictions_are_refused() {
        for (whole, capped) in [
            (vec![(0, 1)], vec![]),
            (vec![(2, 1)], vec![]),
            (vec![(1, 3), (3, 4)], vec![]),
            (vec![(1, 9)], vec![]),
            (vec![(1, 3)], vec![(2, 5)]),
            (vec![], vec![(2, 5), (2, 6)]),
            (vec![], vec![(2, 0)]),
            (vec![], vec![(9, 5)]),
        ] {
            assert!(Follows { whole, capped }.flaw(9).is_some());
        }
    }
}
