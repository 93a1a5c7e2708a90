//! How much of their documents the collections hold, from what the last updates counted: nothing is scanned for it, so it
//! is as old as it says, and only `health` knows what happened to the folders since.

use serde::Serialize;

use crate::sources::Coverage;

/// Documents, how many of them are embedded, and when that was counted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Covered {
    pub(crate) documents: u64,
    pub(crate) embedded: u64,
    /// 0 to 1.
    pub(crate) ratio: f64,
    pub(crate) counted_ms: i64,
}

impl Covered {
    /// Nothing where there are no documents.
    pub(crate) fn of(coverage: Coverage) -> Option<Covered> {
        let Coverage { documents, embedded, counted_ms } = coverage;
        Some(Covered { documents, embedded, ratio: coverage.ratio()?, counted_ms })
    }

    /// Of several together, as old as the oldest.
    pub(crate) fn all(parts: impl Iterator<Item = Covered>) -> Option<Covered> {
        let sum = parts
            .map(|part| (part.documents, part.embedded, part.counted_ms))
            .reduce(|all, part| (all.0 + part.0, all.1 + part.1, all.2.min(part.2)));
        let (documents, embedded, counted_ms) = sum?;
        Covered::of(Coverage { documents, embedded, counted_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_together_weigh_by_their_documents_and_are_as_old_as_the_oldest() {
        let of = |documents, embedded, counted_ms| Covered::of(Coverage { documents, embedded, counted_ms });
        let parts = [of(1, 1, 7), of(3, 1, 5), of(0, 0, 1)];
        assert_eq!(Covered::all(parts.into_iter().flatten()), of(4, 2, 5));
        assert_eq!(of(4, 2, 5).unwrap().ratio, 0.5);
        assert_eq!(Covered::all([].into_iter()), None);
    }
}
