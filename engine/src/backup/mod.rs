//! Backups: a whole store, as it was at one moment of each collection, in one archive or in a repository that keeps what
//! several backups share once.
//!
//! ```text
//! store --capture--> files held open --verify, hash--> index --write, read back--> archive or repository
//!                                                                                     |
//!                              verify (rehearses), restore <--------------------------+
//! ```
//!
//! Making one takes no lock: an update may be running. What is written is verified first, row by row, and read back
//! afterwards; a store that is damaged is backed up as it is, and the backup says so.

mod archive;
mod capture;
mod collect;
pub(crate) mod content;
mod extract;
mod frames;
mod list;
mod member;
mod moment;
mod prune;
mod repository;
pub(crate) mod scratch;
mod shelf;
pub(crate) mod stream;
mod survey;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use archive::Archive;
use capture::Capture;

use crate::environment::Environment;
use crate::error::{Error, Result};

pub use crate::restore::{RestoreOptions, Restored, restore};
pub use extract::extract;
pub use list::{BackupInfo, BackupKind, Latest, Place, find, latest, list, safety_copies};
pub use prune::{Keep, PrunePlan, Pruned, plan_prune, prune};
pub(crate) use survey::check_room;
pub use verify::{BackupReport, verify};

/// A file that goes into a backup beside the store's own: settings, lists of sources, ledgers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extra {
    /// The file. When it is not there, the backup does without it.
    pub from: PathBuf,
    /// The path that it has in the backup, relative, with `/` between the parts.
    pub path: String,
}

/// What goes into a backup.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BackupOptions {
    /// Only the moments that a snapshot of this name keeps, of the collections that have it.
    pub snapshot: Option<String>,
    /// Files beside the store's own.
    pub extras: Vec<Extra>,
}

/// A backup that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// The backup.
    pub backup: BackupInfo,
    /// How many bytes were written: all of an archive, in a repository what was not there already.
    pub added_bytes: u64,
}

/// How often a backup is begun anew because a writer removed files that were not held open.
const ATTEMPTS: usize = 5;

/// Makes a backup of the store at `root`.
///
/// Takes no lock of the store. Reads everything three times: to verify it, to hash it, to write it; memory stays small.
/// When it returns, the backup is on disk, was read back, and has its name; before that it has none.
///
/// # Errors
/// [`Error::NotAStore`]; a damaged catalogue; no room; [`Error::Locked`] while somebody else changes the repository; a disk
/// that refuses. Damage to collections is no error: the backup is marked, and [`BackupInfo::damage`] lists it.
pub fn create(
    environment: &Environment,
    root: &Path,
    place: &Place,
    options: &BackupOptions,
) -> Result<Created> {
    for extra in &options.extras {
        let checked = siltstone_format::backup::check_path(&extra.path);
        checked
            .map_err(|reason| Error::invalid("path in a backup", format!("{:?}: {reason}", extra.path)))?;
    }
    let mut attempt = 1;
    loop {
        match try_create(environment, root, place, options) {
            Err(error) if error.is_missing_file() && attempt < ATTEMPTS => attempt += 1,
            result => return result,
        }
    }
}

fn try_create(
    environment: &Environment,
    root: &Path,
    place: &Place,
    options: &BackupOptions,
) -> Result<Created> {
    let snapshot = options.snapshot.as_deref();
    let capture = Arc::new(Capture::take(environment, root, snapshot, &options.extras)?);
    let index = survey::index(environment, &capture)?;
    let disk = &*environment.disk;
    match place {
        Place::Directory(directory) => {
            let path = shelf::create(environment, directory, &index, &capture)?;
            let backup = list::archive_info(disk, &path)?;
            Ok(Created { added_bytes: backup.bytes, backup })
        }
        Place::Repository(repository) => {
            let (path, added_bytes) = repository::create(environment, repository, &index, &capture)?;
            Ok(Created { added_bytes, backup: list::stored_info(disk, &path)? })
        }
    }
}

/// Opens a backup for reading.
pub(crate) fn open(environment: &Environment, backup: &BackupInfo) -> Result<Box<dyn content::Content>> {
    let disk = &*environment.disk;
    match backup.kind {
        BackupKind::Archive => {
            let expected = shelf::sidecar(disk, &backup.path)?;
            Ok(Box::new(Archive::open(disk, &backup.path, expected)?))
        }
        BackupKind::Repository => Ok(Box::new(repository::Stored::open(environment, &backup.path)?)),
        BackupKind::Safety => {
            let reason = format!("{} is a safety copy, which is no backup", backup.path.display());
            Err(Error::invalid("backup", reason))
        }
    }
}
