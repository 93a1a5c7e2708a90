//! Progress and unusual happenings, as data: the engine never prints.

use std::fmt::Debug;
use std::path::PathBuf;

use siltstone_format::Flaw;

use crate::compact::CompactedGroup;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A commit is durable.
    Committed {
        /// The collection.
        collection: String,
        /// The commit.
        commit: u64,
        /// Rows that it added.
        rows: u64,
    },
    /// A segment was sealed.
    Sealed {
        /// The collection.
        collection: String,
        /// The segment.
        segment: u64,
        /// Its rows.
        rows: u64,
    },
    /// An interrupted commit, or an interrupted seal, was cut off. It had not been acknowledged; its bytes were kept.
    TornTailCut {
        /// The segment file.
        path: PathBuf,
        /// Where it was cut, in bytes.
        offset: u64,
        /// How many bytes were cut.
        bytes: u64,
        /// The file that keeps them.
        kept: PathBuf,
    },
    /// Damage was met and left as it is; the writer goes on in a new segment.
    DamageLeft {
        /// The segment file.
        path: PathBuf,
        /// What is wrong.
        flaw: Flaw,
    },
    /// A witness was unreadable and was written anew, after everything it could have named was read and found good.
    WitnessRewritten {
        /// The witness file.
        path: PathBuf,
        /// What was wrong.
        flaw: Flaw,
    },
    /// Commits whose sync nobody had confirmed were made durable again.
    CommitsConfirmed {
        /// The segment file.
        path: PathBuf,
        /// How many bytes were rewritten and synced.
        bytes: u64,
    },
    /// A file that nobody owns was removed.
    Swept {
        /// The file.
        path: PathBuf,
    },
    /// A derived file could not be written or read; answers come from the segment itself.
    DerivedFileUnusable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A file is in a backup that is being made.
    BackedUp {
        /// The file.
        path: PathBuf,
        /// Its bytes.
        bytes: u64,
    },
    /// A file of a backup was unpacked and has the digest that its index names.
    Unpacked {
        /// Where it was unpacked to.
        path: PathBuf,
        /// Its bytes.
        bytes: u64,
    },
    /// A group of segments became one.
    Compacted {
        /// The collection.
        collection: String,
        /// What was done.
        group: Box<CompactedGroup>,
    },
    /// A long verification went on.
    Verified {
        /// The file that was read.
        path: PathBuf,
        /// Its bytes.
        bytes: u64,
    },
}

/// Is told what happens. Called from the thread that does the work, which waits.
pub trait Observer: Debug + Send + Sync {
    /// Takes an event.
    fn event(&self, event: &Event);
}
