//! Restoring in place. Collections are unpacked into new directories beside the old ones, which nothing names yet and
//! which are marked as dropped, so that the next edit of the catalogue removes them should this one never come. Then one
//! rename of the catalogue makes them the store. The catalogue before stays as a safety copy, and so do the directories
//! that it names.

use std::io;
use std::path::{Path, PathBuf};

use siltstone_format::Id;
use siltstone_format::backup::BackupIndex;
use siltstone_format::catalogue::{Catalogue, CatalogueEntry};
use siltstone_format::checksum::from_hex;
use siltstone_format::limits::MAX_DOCUMENT_BYTES;
use siltstone_format::names::{CATALOGUE_FILE, COLLECTIONS_DIR, LOCK_FILE};

use super::beside::Beside;
use super::{Restored, Wanted, check_sound, rows_of};
use crate::backup::content::Content;
use crate::backup::{BackupInfo, check_room};
use crate::disk::durable;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::lock::{self, Lock};
use crate::verify::Depth;
use crate::{catalogue, safety, sweep, tree};

/// The catalogue as it is: its bytes, and what they say unless they are damaged.
struct Before {
    bytes: Option<Vec<u8>>,
    catalogue: Option<Catalogue>,
}

impl Before {
    fn read(environment: &Environment, root: &Path) -> Result<Self> {
        let path = root.join(CATALOGUE_FILE);
        let bytes = match durable::read_whole(&*environment.disk, &path, MAX_DOCUMENT_BYTES) {
            Err(error) if error.is_missing_file() => None,
            bytes => Some(bytes?),
        };
        let catalogue = match bytes.as_deref().map(Catalogue::decode) {
            Some(Err(flaw)) if flaw.is_newer_format() => return Err(Error::flaw(&path, flaw)),
            decoded => decoded.and_then(|decoded| decoded.ok()).map(|(catalogue, _)| catalogue),
        };
        Ok(Self { bytes, catalogue })
    }

    fn entries(&self) -> &[CatalogueEntry] {
        self.catalogue.as_ref().map_or(&[], |catalogue| &catalogue.collections)
    }

    /// The directories of which the collections are about to be replaced. Without a catalogue, all that there are.
    fn replaced(
        &self,
        environment: &Environment,
        root: &Path,
        is_replaced: impl Fn(&CatalogueEntry) -> bool,
    ) -> Result<Vec<PathBuf>> {
        if self.catalogue.is_some() {
            let entries = self.entries().iter().filter(|entry| is_replaced(entry));
            return Ok(entries.map(|entry| catalogue::directory(root, &entry.directory())).collect());
        }
        let parent = root.join(COLLECTIONS_DIR);
        let entries = match environment.disk.list(&parent) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            entries => entries.map_err(Error::io("list", &parent))?,
        };
        let ours = entries.iter().filter(|entry| entry.is_dir && from_hex::<16>(&entry.name).is_some());
        Ok(ours.map(|entry| parent.join(&entry.name)).collect())
    }
}

/// Replaces the store at `root`, or one collection of it, by what a backup has.
pub(super) fn restore(
    environment: &Environment,
    content: Box<dyn Content>,
    root: &Path,
    wanted: Wanted,
) -> Result<Restored> {
    let index = content.index().clone();
    let before = Before::read(environment, root)?;
    let incoming: Vec<_> = index.collections.iter().filter(|one| wanted.has(&one.collection)).collect();
    let is_replaced = |entry: &CatalogueEntry| {
        wanted == Wanted::Everything
            || incoming.iter().any(|one| one.collection == entry.collection || one.name == entry.name)
    };
    let locks = lock_all(environment, &before.replaced(environment, root, is_replaced)?)?;
    let parent = root.join(COLLECTIONS_DIR);
    ensure_directory(environment, &parent)?;
    if let Some(catalogue) = &before.catalogue {
        let _lock = lock::acquire_soon(environment, &root.join(LOCK_FILE))?;
        sweep::directories(environment, root, catalogue)?;
    }
    check_room(environment, &parent, index.bytes())?;

    let mut fresh = Beside::new(environment, root);
    let unpacked = incoming.iter().try_for_each(|one| fresh.make(one.collection)).and_then(|()| {
        let unpacked = fresh.fill(content)?;
        let report = fresh.verify(&index)?;
        check_sound(&report, !index.damage.is_empty())?;
        Ok(unpacked)
    });
    let unpacked = match unpacked {
        Ok(unpacked) => unpacked,
        Err(error) => {
            // Nothing names them. Where even this fails, the next edit of the catalogue removes them.
            fresh.remove();
            return Err(error);
        }
    };

    let mut entries: Vec<CatalogueEntry> =
        before.entries().iter().filter(|entry| !is_replaced(entry)).cloned().collect();
    entries.extend(fresh.entries(&index));
    let safety_copy = match publish(environment, root, &before, &index, entries) {
        Ok(safety_copy) => safety_copy,
        Err(error) => {
            // While the catalogue is the old one, nothing names them and nothing ever will.
            if Before::read(environment, root).is_ok_and(|now| now.bytes == before.bytes) {
                fresh.remove();
            }
            return Err(error);
        }
    };
    fresh.unmark();
    drop(locks);
    let (collections, rows) = rows_of(&index, |id| wanted.has(id));
    Ok(Restored {
        store: root.to_owned(),
        collections,
        rows,
        files: unpacked.files,
        bytes: unpacked.bytes,
        safety_copy,
        damage: index.damage,
        left: unpacked.left,
    })
}

/// Goes back to what the store was before a restore. Nothing is copied: the catalogue names the old directories again.
pub(super) fn safety_copy(
    environment: &Environment,
    backup: &BackupInfo,
    root: &Path,
    collection: Option<&str>,
) -> Result<Restored> {
    let before = Before::read(environment, root)?;
    let file = safety::files(environment, root)?.into_iter().find(|file| file.path == backup.path);
    let Some(kept) = file.and_then(|file| file.catalogue) else {
        let reason =
            format!("{} cannot be read: it was damaged already when it was kept", backup.path.display());
        return Err(Error::invalid("safety copy", reason));
    };
    let incoming: Vec<&CatalogueEntry> =
        kept.collections.iter().filter(|entry| collection.is_none_or(|name| entry.name == name)).collect();
    if let Some(name) = collection.filter(|_| incoming.is_empty()) {
        return Err(Error::NoSuchCollection { name: name.to_owned(), similar: Vec::new() });
    }
    let is_replaced = |entry: &CatalogueEntry| {
        collection.is_none()
            || incoming.iter().any(|one| one.collection == entry.collection || one.name == entry.name)
    };
    let mut directories = before.replaced(environment, root, is_replaced)?;
    directories.extend(incoming.iter().map(|entry| catalogue::directory(root, &entry.directory())));
    directories.sort();
    directories.dedup();
    let _locks = lock_all(environment, &directories)?;
    for entry in &incoming {
        let report = crate::verify::collection::verify(environment, root, entry, Depth::Quick)?;
        // It was whatever it was; only what is no collection any more cannot come back.
        if let Some(missing) = report.findings.iter().find(|found| found.flaw.structure == "manifest") {
            return Err(Error::flaw(&missing.path, missing.flaw.clone()));
        }
    }
    let mut entries: Vec<CatalogueEntry> =
        before.entries().iter().filter(|entry| !is_replaced(entry)).cloned().collect();
    entries.extend(incoming.iter().map(|entry| (*entry).clone()));
    let collections: Vec<String> = incoming.iter().map(|entry| entry.name.clone()).collect();
    let safety_copy = swap(environment, root, &before, entries, (kept.store, kept.generation))?;
    if collection.is_none() {
        // What it kept is the store now. Where this fails, it goes on naming what the store names too.
        let _ = environment.disk.remove(&backup.path);
    }
    let store = crate::store::Store::open_in(environment.clone(), root)?;
    let mut rows = 0;
    for name in &collections {
        rows += store.collection(name).and_then(|one| one.view()).map_or(0, |view| view.len());
    }
    Ok(Restored { store: root.to_owned(), collections, rows, safety_copy, ..Restored::default() })
}

fn lock_all(environment: &Environment, directories: &[PathBuf]) -> Result<Vec<Lock>> {
    let mut locks = Vec::new();
    for directory in directories {
        if tree::is_there(environment, directory)? {
            locks.push(lock::acquire(environment, directory.join(LOCK_FILE))?);
        }
    }
    Ok(locks)
}

fn ensure_directory(environment: &Environment, directory: &Path) -> Result<()> {
    match environment.disk.create_dir(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(Error::io("create", directory)(error))
        }
        _ => Ok(()),
    }
}

fn publish(
    environment: &Environment,
    root: &Path,
    before: &Before,
    index: &BackupIndex,
    entries: Vec<CatalogueEntry>,
) -> Result<Option<PathBuf>> {
    let parent = root.join(COLLECTIONS_DIR);
    environment.disk.sync_dir(&parent).map_err(Error::io("sync", &parent))?;
    swap(environment, root, before, entries, (index.store, index.generation))
}

/// The one moment in which a restore changes the store: keeps the catalogue that is there, and publishes the next one.
fn swap(
    environment: &Environment,
    root: &Path,
    before: &Before,
    mut entries: Vec<CatalogueEntry>,
    (store, generation): (Id, u64),
) -> Result<Option<PathBuf>> {
    let path = root.join(CATALOGUE_FILE);
    let _lock = lock::acquire_soon(environment, &root.join(LOCK_FILE))?;
    if Before::read(environment, root)?.bytes != before.bytes {
        // A collection was created, dropped or restored meanwhile; whoever did that did not know about this.
        return Err(Error::Locked { path, holder: None });
    }
    catalogue::confirm(environment, root)?;
    let kept = match &before.bytes {
        Some(bytes) => Some(safety::keep(environment, root, bytes)?),
        None => None,
    };
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    let (store, generation) = match &before.catalogue {
        Some(catalogue) => (catalogue.store, catalogue.generation),
        None => (store, generation),
    };
    let next = Catalogue { generation: generation + 1, collections: entries, ..Catalogue::empty(store) };
    catalogue::write(environment, root, &next)?;
    Ok(kept)
}
