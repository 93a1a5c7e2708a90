//! Identities, so that no two kinds of number are mixed up.

use std::fmt;

macro_rules! number {
    ($(#[$doc:meta] $name:ident($ty:ty);)*) => {$(
        #[$doc]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $ty);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

number! {
    /// Number of a segment in its collection, from 1.
    SegmentId(u64);
    /// Number of a commit in its collection, from 1; 0 is before the first.
    CommitSeq(u64);
    /// Number of a manifest, from 1.
    Generation(u64);
    /// Index of a row in its segment, from 0.
    RowIndex(u32);
}

/// Where a row lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowPlace {
    /// Its segment.
    pub segment: SegmentId,
    /// Its index there.
    pub row: RowIndex,
}
