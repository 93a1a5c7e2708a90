//! Safety copies: what a store was before a restore. A restore changes which directory a collection lies in and leaves
//! the old directory alone, so the catalogue as it was is all that must be kept to find the old state again. It lies
//! beside the current one as `safety_YYYYMMDD_HHMMSS.json`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use siltstone_format::Id;
use siltstone_format::catalogue::{Catalogue, CatalogueEntry};
use siltstone_format::limits::MAX_DOCUMENT_BYTES;
use siltstone_format::names::{DROPPED_FILE, LOCK_FILE, SAFETY_PREFIX, is_safety_copy};

use crate::disk::{Mode, durable};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::stamp::{free_name, stamp};
use crate::{catalogue, lock, sweep, tree};

/// A safety copy as it lies in the store.
#[derive(Debug, Clone)]
pub(crate) struct SafetyFile {
    pub(crate) path: PathBuf,
    pub(crate) bytes: Vec<u8>,
    /// `None` when the catalogue was damaged already, or is now.
    pub(crate) catalogue: Option<Catalogue>,
}

/// The safety copies of a store, the oldest first.
pub(crate) fn files(environment: &Environment, root: &Path) -> Result<Vec<SafetyFile>> {
    let disk = &*environment.disk;
    let mut found = Vec::new();
    for entry in disk.list(root).map_err(Error::io("list", root))? {
        if entry.is_dir || !is_safety_copy(&entry.name) {
            continue;
        }
        let path = root.join(&entry.name);
        let bytes = match durable::read_whole(disk, &path, MAX_DOCUMENT_BYTES) {
            // Somebody let it go meanwhile.
            Err(error) if error.is_missing_file() => continue,
            bytes => bytes?,
        };
        let catalogue = Catalogue::decode(&bytes).ok().map(|(catalogue, _)| catalogue);
        found.push(SafetyFile { path, bytes, catalogue });
    }
    Ok(found)
}

/// The directories that some safety copy names.
pub(crate) fn directories(environment: &Environment, root: &Path) -> Result<BTreeSet<Id>> {
    let catalogues = files(environment, root)?.into_iter().filter_map(|file| file.catalogue);
    Ok(catalogues.flat_map(|catalogue| catalogue.collections).map(|entry| entry.directory()).collect())
}

/// Keeps the bytes of a catalogue as a safety copy. The caller holds the store's lock.
pub(crate) fn keep(environment: &Environment, root: &Path, bytes: &[u8]) -> Result<PathBuf> {
    let disk = &*environment.disk;
    // A restore that died before it changed anything may have kept the same catalogue.
    if let Some(same) = files(environment, root)?.into_iter().find(|file| file.bytes == bytes) {
        return Ok(same.path);
    }
    let entries = disk.list(root).map_err(Error::io("list", root))?;
    let stem = format!("{SAFETY_PREFIX}{}", stamp(environment.clock.now_ms()));
    let name = free_name(&stem, |name| entries.iter().any(|entry| entry.name == format!("{name}.json")));
    let name = format!("{name}.json");
    durable::publish(disk, root, &name, bytes)?;
    Ok(root.join(name))
}

/// Lets a safety copy go, with the directories that nothing else names. Dying on the way leaves the copy whole, or
/// directories that are marked as dropped, which the next edit of the catalogue removes.
///
/// # Errors
/// [`Error::Locked`] while somebody is at work in one of the directories; a disk that refuses.
pub(crate) fn discard(environment: &Environment, root: &Path, path: &Path) -> Result<()> {
    let disk = &*environment.disk;
    let _lock = lock::acquire_soon(environment, &root.join(LOCK_FILE))?;
    let current = catalogue::load(environment, root)?;
    catalogue::confirm(environment, root)?;
    let (mut own, mut others): (Vec<Id>, BTreeSet<Id>) = (Vec::new(), BTreeSet::new());
    let of_catalogue = |catalogue: Catalogue| {
        let of = |entry: &CatalogueEntry| entry.directory();
        catalogue.collections.iter().map(of).collect::<Vec<Id>>()
    };
    others.extend(of_catalogue(current));
    for file in files(environment, root)? {
        let named = file.catalogue.map(of_catalogue).unwrap_or_default();
        match file.path == path {
            true => own = named,
            false => others.extend(named),
        }
    }
    let mut directories = Vec::new();
    for directory in own.iter().filter(|id| !others.contains(*id)).map(|id| catalogue::directory(root, id)) {
        if tree::is_there(environment, &directory)? {
            directories.push(directory);
        }
    }
    let own = directories;
    let mut locks = Vec::new();
    for directory in &own {
        locks.push(lock::acquire(environment, directory.join(LOCK_FILE))?);
    }
    for directory in &own {
        mark_dropped(environment, directory)?;
    }
    disk.remove(path).map_err(Error::io("remove", path))?;
    disk.sync_dir(root).map_err(Error::io("sync", root))?;
    own.iter().try_for_each(|directory| sweep::remove_directory(environment, directory))
}

/// Marks a directory as one to be removed unless the catalogue names it, and makes that durable.
pub(crate) fn mark_dropped(environment: &Environment, directory: &Path) -> Result<()> {
    let disk = &*environment.disk;
    let mark = directory.join(DROPPED_FILE);
    match disk.open(&mark, Mode::Create) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(Error::io("create", &mark)(error))
        }
        _ => disk.sync_dir(directory).map_err(Error::io("sync", directory)),
    }
}
