//! What a repair finds, would do and did, as data.

use std::path::PathBuf;

use siltstone_format::Flaw;

use crate::backup::BackupInfo;

/// What puts a damaged structure right.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// The bytes become what they were when they were written, which a digest confirms: a corrected copy takes the place
    /// of the file.
    Mend {
        /// How many bits change.
        bits: u64,
    },
    /// A file that is lost or unreadable is written anew from what other files say: a manifest from its segments, a
    /// witness from the last commit, a catalogue from the manifests.
    Rebuild {
        /// What is wrong with it.
        flaw: Flaw,
    },
    /// A derived file is made again from its segment.
    Derive {
        /// What is wrong with it.
        flaw: Flaw,
    },
    /// A segment that was left alone for its damage is whole again, and is sealed.
    Seal,
    /// Nothing in the store tells what the bytes were, but a backup has the same file whole, as the digests that promise
    /// it confirm: its copy takes the place of the file.
    Fetch {
        /// Name of the backup.
        backup: String,
        /// What is wrong with the file.
        flaw: Flaw,
    },
    /// Nothing tells what the bytes were. The rows that are whole are written anew, what can still be read of the
    /// others is put aside, and the damaged file is taken out of the collection.
    Quarantine {
        /// What is wrong.
        flaw: Flaw,
    },
    /// Nothing can be done here: what is whole can be saved with [`recover`](crate::recover()).
    None {
        /// What is wrong.
        flaw: Flaw,
    },
}

/// A damaged structure and its remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepairItem {
    /// The collection, if the file belongs to one.
    pub collection: Option<String>,
    /// The file.
    pub path: PathBuf,
    /// The structure, as `SPEC.md` names it.
    pub structure: &'static str,
    /// Where the bytes that change begin, in bytes from the start of the file.
    pub offset: u64,
    /// How many bytes, from the first that changes to the last.
    pub length: u64,
    /// What is done about it.
    pub remedy: Remedy,
}

impl RepairItem {
    pub(super) fn of_flaw(
        collection: Option<&str>,
        path: PathBuf,
        flaw: Flaw,
        remedy: impl FnOnce(Flaw) -> Remedy,
    ) -> Self {
        let (structure, offset, length) = (flaw.structure, flaw.offset, flaw.length);
        let collection = collection.map(str::to_owned);
        Self { collection, path, structure, offset, length, remedy: remedy(flaw) }
    }

    /// Whether nothing is lost by it: the bytes are what they were, or can be made again from others that are good.
    pub fn is_certain(&self) -> bool {
        matches!(
            self.remedy,
            Remedy::Mend { .. } | Remedy::Derive { .. } | Remedy::Fetch { .. } | Remedy::Seal
        )
    }
}

/// What a repair would do. Made by reading only.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RepairPlan {
    /// The steps, in the order of collections and files.
    pub items: Vec<RepairItem>,
    /// Rows that would be taken out, as in [`RepairReport::lost`].
    pub lost: Vec<LostRow>,
    /// Those of them that would come back from backups.
    pub returned: Vec<Returned>,
    /// Snapshots that nothing can put right: collection and name. They go only when
    /// [`RepairOptions::drop_snapshots`] says so.
    pub hurt_snapshots: Vec<(String, String)>,
    /// Backups that could not be used.
    pub passed_over: Vec<PassedOver>,
}

/// What a repair may do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RepairOptions {
    /// Only these collections; all of them otherwise, hidden ones too.
    pub only: Option<Vec<String>>,
    /// Whether rows beyond repair are taken out of the last commit, and the segments that they lie in. What was there is put
    /// aside, never deleted.
    pub quarantine: bool,
    /// Whether snapshots go that nothing can put right, with `quarantine`. They are put aside with the segments that only they
    /// name. Without it they stay as they are: damaged, and open to whoever passes over damage.
    pub drop_snapshots: bool,
    /// Backups to take from what the store itself does not tell: files, and with `quarantine` rows. The newest that has
    /// something is taken first; those that are not sound are left alone.
    pub backups: Vec<BackupInfo>,
}

/// A row that was taken out, or several that nothing but their number is known of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostRow {
    /// The collection.
    pub collection: String,
    /// The segment file that it lay in.
    pub path: PathBuf,
    /// Its key, when that can still be read.
    pub key: Option<String>,
    /// How many rows this stands for: 1 when there is a place for it in a frame, and for lost frames as many as what lies
    /// around them says; 0 when nothing tells.
    pub rows: u64,
    /// What is wrong with it.
    pub flaw: Flaw,
}

/// Rows that came back from a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returned {
    /// The collection.
    pub collection: String,
    /// Name of the backup.
    pub backup: String,
    /// Their keys.
    pub keys: Vec<String>,
}

/// A backup that could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// Its name.
    pub backup: String,
    /// Why not.
    pub reason: String,
}

/// What a repair did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RepairReport {
    /// What was put right.
    pub done: Vec<RepairItem>,
    /// What is still wrong: it was not asked for, or cannot be done.
    pub left: Vec<RepairItem>,
    /// Files that keep what was replaced or taken out.
    pub kept: Vec<PathBuf>,
    /// Rows that were taken out, those that came back included.
    pub lost: Vec<LostRow>,
    /// Rows that came back from backups, as they were there: no key that counts was written over.
    pub returned: Vec<Returned>,
    /// Snapshots that were dropped with what they named: collection and name.
    pub dropped_snapshots: Vec<(String, String)>,
    /// Snapshots that are still damaged, because nobody asked to drop them.
    pub hurt_snapshots: Vec<(String, String)>,
    /// Backups that could not be used.
    pub passed_over: Vec<PassedOver>,
}
