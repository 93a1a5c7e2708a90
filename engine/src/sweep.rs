//! Removing files that nobody owns: what an interrupted command leaves behind. Nothing that holds rows is ever removed
//! unless it was dropped on purpose, or retired and named by no snapshot.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use siltstone_format::catalogue::Catalogue;
use siltstone_format::checksum::from_hex;
use siltstone_format::limits::HEADER_PAGE_BYTES;
use siltstone_format::manifest::{Manifest, SegmentState};
use siltstone_format::names::{
    COLLECTIONS_DIR, DROPPED_FILE, FileKind, LOCK_FILE, SAFETY_PREFIX, TEMPORARY_SUFFIX,
};

use crate::collection::Shared;
use crate::disk::Mode;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::segment::read_header;
use crate::{lock, safety, snapshot};

/// Removes what an interrupted command left in a collection's directory, and forgets the retired segments that are gone.
/// The caller holds its lock, and has synced the directory.
pub(crate) fn collection(shared: &Shared, manifest: &mut Manifest) -> Result<()> {
    let (environment, directory) = (&shared.environment, &*shared.directory);
    let disk = &*environment.disk;
    let entries = disk.list(directory).map_err(Error::io("list", directory))?;
    let numbers = entries.iter().filter_map(|entry| match FileKind::of(&entry.name) {
        Some(
            FileKind::Segment(number)
            | FileKind::KeyIndex(number)
            | FileKind::Codes(number)
            | FileKind::Attributes(number),
        ) => Some(number),
        _ => None,
    });
    let there: BTreeSet<u64> = numbers.collect();
    let held = match there.iter().all(|number| manifest.lists(*number)) {
        true => Some(BTreeMap::new()),
        false => snapshot::held_by_manifest(shared, manifest)?,
    };
    for entry in entries {
        let path = directory.join(&entry.name);
        // While a snapshot cannot be read, nobody knows what it names.
        let owned =
            |number| manifest.lists(number) || held.as_ref().is_none_or(|held| held.contains_key(&number));
        let unowned = match FileKind::of(&entry.name) {
            Some(FileKind::Temporary | FileKind::Dropped) => true,
            Some(FileKind::Manifest(generation)) => generation < manifest.generation,
            Some(FileKind::Snapshot(file)) => {
                !manifest.snapshots.iter().any(|snapshot| snapshot.file == file)
            }
            Some(FileKind::KeyIndex(number) | FileKind::Codes(number) | FileKind::Attributes(number)) => {
                !owned(number)
            }
            Some(FileKind::Segment(number)) if !owned(number) => {
                manifest.retired.contains(&number) || has_no_rows_of_its_own(shared, manifest, number)?
            }
            _ => false,
        };
        if unowned && !entry.is_dir {
            disk.remove(&path).map_err(Error::io("remove", &path))?;
            environment.observer.event(&Event::Swept { path });
        }
    }
    // What was absent after the caller's sync is gone for good; what was removed just now may come back once.
    manifest.retired.retain(|number| there.contains(number));
    Ok(())
}

/// Whether a segment that nothing names can go. One that was created for a roll that did not happen has no frames. One that
/// a compaction wrote and did not publish has copies of rows that still lie in the segments that it was to replace, if
/// these are all there. Any other one is somebody's rows: it is left, and `verify` reports it.
fn has_no_rows_of_its_own(shared: &Shared, manifest: &Manifest, number: u64) -> Result<bool> {
    let disk = &*shared.environment.disk;
    let length = |number| -> Result<u64> {
        let path = shared.place(number).path();
        let file = disk.open(&path, Mode::Read).map_err(Error::io("open", &path))?;
        file.len().map_err(Error::io("read", &path))
    };
    if length(number)? <= HEADER_PAGE_BYTES {
        return Ok(true);
    }
    if number < manifest.next_segment {
        return Ok(false);
    }
    let place = shared.place(number);
    let file = disk.open(&place.path(), Mode::Read).map_err(Error::io("open", &place.path()))?;
    let replaces = match read_header(&*file, &place) {
        Ok(page) => page.identity.replaces,
        Err(Error::Io { action, path, source }) => return Err(Error::Io { action, path, source }),
        Err(_) => return Ok(false),
    };
    let is_among = |number: u64| replaces.iter().any(|(first, last)| (*first..=*last).contains(&number));
    let inputs: Vec<_> = manifest.segments.iter().filter(|entry| is_among(entry.segment)).collect();
    // One that this manifest does not list may be gone, and its rows are here only.
    let replaced = replaces.iter().fold(0, |sum: u64, (first, last)| sum.saturating_add(last - first + 1));
    if inputs.is_empty() || inputs.len() as u64 != replaced {
        return Ok(false);
    }
    for input in inputs {
        let is_whole = match (length(input.segment), &input.state) {
            (Err(error), _) if error.is_missing_file() => false,
            (found, SegmentState::Sealed { bytes, .. } | SegmentState::Capped { bytes, .. }) => {
                found? == *bytes
            }
            (found, SegmentState::Open) => found? <= HEADER_PAGE_BYTES,
            (_, SegmentState::Frozen { .. }) => false,
        };
        if !is_whole {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Removes the retired segments that no snapshot names any more, and returns their numbers. The caller holds the lock of the
/// collection.
pub(crate) fn retired(shared: &Shared, manifest: &Manifest) -> Result<Vec<u64>> {
    if manifest.retired.is_empty() {
        return Ok(Vec::new());
    }
    let Some(held) = snapshot::held_by_manifest(shared, manifest)? else { return Ok(Vec::new()) };
    let mut removed = manifest.retired.clone();
    removed.retain(|number| !held.contains_key(number));
    for &number in &removed {
        // What is derived first: the next sweep finds a segment by itself, too.
        for kind in [FileKind::Codes, FileKind::Attributes, FileKind::KeyIndex, FileKind::Segment] {
            let kind = kind(number);
            let path = shared.directory.join(kind.file_name());
            match shared.environment.disk.remove(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::io("remove", &path)(error));
                }
                _ => {}
            }
        }
    }
    Ok(removed)
}

/// Removes the directories of collections that were dropped, or that were never finished, and unfinished safety copies. The
/// caller holds the store's lock.
pub(crate) fn directories(environment: &Environment, root: &Path, catalogue: &Catalogue) -> Result<()> {
    let disk = &*environment.disk;
    for entry in disk.list(root).map_err(Error::io("list", root))? {
        if entry.name.starts_with(SAFETY_PREFIX) && entry.name.ends_with(TEMPORARY_SUFFIX) && !entry.is_dir {
            let path = root.join(&entry.name);
            disk.remove(&path).map_err(Error::io("remove", &path))?;
            environment.observer.event(&Event::Swept { path });
        }
    }
    let parent = root.join(COLLECTIONS_DIR);
    let kept = safety::directories(environment, root)?;
    for entry in disk.list(&parent).map_err(Error::io("list", &parent))? {
        let Some(id) = from_hex::<16>(&entry.name).filter(|_| entry.is_dir) else { continue };
        if kept.contains(&id) || catalogue.collections.iter().any(|entry| entry.directory() == id) {
            continue;
        }
        let directory = parent.join(&entry.name);
        let inside = disk.list(&directory).map_err(Error::io("list", &directory))?;
        let dropped = inside.iter().any(|entry| entry.name == DROPPED_FILE);
        let has_rows =
            inside.iter().any(|entry| matches!(FileKind::of(&entry.name), Some(FileKind::Segment(_))));
        let ours = inside.iter().all(|entry| FileKind::of(&entry.name).is_some());
        if !ours || (has_rows && !dropped) {
            continue;
        }
        // Whoever is still at work in there holds its lock.
        if let Ok(_lock) = lock::acquire_now(environment, &directory.join(LOCK_FILE)) {
            remove_directory(environment, &directory)?;
        }
    }
    Ok(())
}

/// Removes the directory of a dropped collection; the mark last, so that an interruption can be finished.
pub(crate) fn remove_directory(environment: &Environment, directory: &Path) -> Result<()> {
    let disk = &*environment.disk;
    let remove = |path: &Path| match disk.remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
        _ => Ok(()),
    };
    let mut entries = disk.list(directory).map_err(Error::io("list", directory))?;
    entries.sort_by_key(|entry| entry.name == DROPPED_FILE);
    for entry in entries {
        let path = directory.join(&entry.name);
        if entry.name == DROPPED_FILE {
            // After a power cut the mark must not be gone while something that it is about is there again.
            disk.sync_dir(directory).map_err(Error::io("sync", directory))?;
        }
        if entry.is_dir {
            for inner in disk.list(&path).map_err(Error::io("list", &path))? {
                remove(&path.join(inner.name))?;
            }
        }
        remove(&path)?;
    }
    remove(directory)?;
    environment.observer.event(&Event::Swept { path: directory.to_owned() });
    Ok(())
}
