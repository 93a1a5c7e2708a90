//! Restoring: a backup becomes a store again, in a new directory or in the place of the store that is there.
//!
//! Whatever is restored is unpacked beside what is there, made durable and verified row by row before anything points to
//! it; then one rename makes it the store. Dying at any step leaves the old store or the new one. The old one is kept as a
//! safety copy.

mod beside;
mod fresh;
mod swap;
mod unpack;

use std::path::{Path, PathBuf};

use siltstone_format::Id;

use crate::backup::{self, BackupInfo, BackupKind};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::verify::{Report, Severity};

pub(crate) use unpack::{Unpacked, Wanted, unpack};

/// What to restore, and where to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RestoreOptions {
    /// A new store in this directory, which is not there or empty. Without it the store in place is replaced.
    pub to: Option<PathBuf>,
    /// Only this collection; the others of a store in place stay as they are.
    pub collection: Option<String>,
}

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Restored {
    /// The store.
    pub store: PathBuf,
    /// Names of the collections.
    pub collections: Vec<String>,
    /// Rows that count.
    pub rows: u64,
    /// Files and their bytes.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What the store was before, when there was one.
    pub safety_copy: Option<PathBuf>,
    /// What was damaged in the store when the backup was made, and so is again.
    pub damage: Vec<String>,
    /// Files of the backup that lie beside the store and were left in it: settings, ledgers.
    pub left: Vec<String>,
}

/// Restores a backup: a new store at [`RestoreOptions::to`], or the store at `root` in its place.
///
/// In place it holds the locks of the collections that it replaces from the beginning to the end; readers go on with what
/// they have open. The state before stays on disk as a safety copy, which can be restored and pruned like a backup. Needs as
/// much room as the files of the backup take. A safety copy is restored without copying anything.
///
/// # Errors
/// Damage to the backup, named by member and place; [`Error::NewerFormat`]; [`Error::Locked`] while somebody writes;
/// [`Error::PathTaken`]; [`Error::NoSuchCollection`] in the backup; no room; a disk that refuses. In each of these cases
/// nothing was restored.
pub fn restore(
    environment: &Environment,
    backup: &BackupInfo,
    root: &Path,
    options: &RestoreOptions,
) -> Result<Restored> {
    if backup.kind == BackupKind::Safety {
        if options.to.is_some() {
            let reason = "a safety copy goes back in its own store only: leave the target directory out";
            return Err(Error::invalid("restore", reason));
        }
        return swap::safety_copy(environment, backup, root, options.collection.as_deref());
    }
    let content = backup::open(environment, backup)?;
    let wanted = wanted(content.index(), options.collection.as_deref())?;
    let (target, is_new) = match &options.to {
        Some(to) => (to.as_path(), true),
        None => (root, is_nothing(environment, root)?),
    };
    match is_new {
        true => fresh::restore(environment, content, target, wanted),
        false => swap::restore(environment, content, target, wanted),
    }
}

fn wanted(index: &siltstone_format::backup::BackupIndex, collection: Option<&str>) -> Result<Wanted> {
    let Some(name) = collection else { return Ok(Wanted::Everything) };
    let found = index.collections.iter().find(|one| one.name == name);
    let found =
        found.ok_or_else(|| Error::NoSuchCollection { name: name.to_owned(), similar: Vec::new() })?;
    Ok(Wanted::Collection(found.collection))
}

/// Whether there is no store to replace: nothing at all, or an empty directory.
fn is_nothing(environment: &Environment, root: &Path) -> Result<bool> {
    match environment.disk.list(root) {
        Ok(entries) => Ok(entries.is_empty()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(Error::io("list", root)(error)),
    }
}

/// What was unpacked must be a sound store, unless the store was damaged already when the backup was made.
fn check_sound(report: &Report, was_damaged: bool) -> Result<()> {
    let mut damage = report.findings.iter().filter(|finding| finding.severity == Severity::Damage);
    match damage.next().filter(|_| !was_damaged) {
        None => Ok(()),
        Some(finding) => Err(Error::flaw(&finding.path, finding.flaw.clone())),
    }
}

fn rows_of(index: &siltstone_format::backup::BackupIndex, ids: impl Fn(&Id) -> bool) -> (Vec<String>, u64) {
    let restored = index.collections.iter().filter(|one| ids(&one.collection));
    restored.fold((Vec::new(), 0), |(mut names, rows), one| {
        names.push(one.name.clone());
        (names, rows + one.rows)
    })
}
