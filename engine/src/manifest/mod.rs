//! The manifest of a collection: reading the current one, the one function that publishes the next, and making a lost one
//! again from the segments.

mod rebuild;

use std::path::Path;

use siltstone_format::Flaw;
use siltstone_format::Id;
use siltstone_format::checksum::to_hex;
use siltstone_format::limits::MAX_DOCUMENT_BYTES;
use siltstone_format::manifest::Manifest;
use siltstone_format::names::FileKind;

use crate::disk::{Disk, Entry, durable};
use crate::environment::Environment;
use crate::error::{Error, Result};

pub(crate) use rebuild::rebuilt;

/// The generations that lie in a directory, rising.
pub(crate) fn generations(entries: &[Entry]) -> Vec<u64> {
    let mut found: Vec<u64> = entries
        .iter()
        .filter_map(|entry| match FileKind::of(&entry.name) {
            Some(FileKind::Manifest(generation)) => Some(generation),
            _ => None,
        })
        .collect();
    found.sort_unstable();
    found
}

/// The manifest of the highest generation. An invalid one is damage: older ones are never taken instead.
pub(crate) fn current(disk: &dyn Disk, directory: &Path, collection: &Id) -> Result<Manifest> {
    let entries = disk.list(directory).map_err(Error::io("list", directory))?;
    let Some(generation) = generations(&entries).pop() else {
        let flaw = Flaw::new("manifest", "file", 0, 1, "a manifest in the collection's directory", "none");
        return Err(Error::flaw(directory, flaw));
    };
    load(disk, directory, collection, generation)
}

/// The collection that the manifest of the highest generation says it is of, if it can be read.
pub(crate) fn owner(disk: &dyn Disk, directory: &Path) -> Option<Id> {
    let generation = generations(&disk.list(directory).ok()?).pop()?;
    let path = directory.join(FileKind::Manifest(generation).file_name());
    let bytes = durable::read_whole(disk, &path, MAX_DOCUMENT_BYTES).ok()?;
    Manifest::decode(&bytes).ok().map(|(manifest, _)| manifest.collection)
}

/// The manifest of one generation.
pub(crate) fn load(disk: &dyn Disk, directory: &Path, collection: &Id, generation: u64) -> Result<Manifest> {
    let path = directory.join(FileKind::Manifest(generation).file_name());
    let bytes = durable::read_whole(disk, &path, MAX_DOCUMENT_BYTES)?;
    let (manifest, _) = Manifest::decode(&bytes).map_err(|flaw| Error::flaw(&path, flaw))?;
    let found = (manifest.collection, manifest.generation);
    if found != (*collection, generation) {
        let name =
            |(id, generation): (Id, u64)| format!("generation {generation} of collection {}", to_hex(&id));
        let (expected, found) = (name((*collection, generation)), name(found));
        let length = bytes.len() as u64;
        return Err(Error::flaw(&path, Flaw::new("manifest", "collection", 0, length, expected, found)));
    }
    Ok(manifest)
}

/// Publishes `next` as the generation after its own and removes the manifests before it: the only moment in which a
/// collection changes its segments or snapshots. The caller holds the collection's lock.
pub(crate) fn publish(environment: &Environment, directory: &Path, mut next: Manifest) -> Result<Manifest> {
    let before = next.generation;
    next.generation += 1;
    next.created_at_ms = environment.clock.now_ms();
    write(environment, directory, &next)?;
    let old = directory.join(FileKind::Manifest(before).file_name());
    environment.disk.remove(&old).map_err(Error::io("remove", &old))?;
    Ok(next)
}

/// Writes a manifest under the name of its generation.
pub(crate) fn write(environment: &Environment, directory: &Path, manifest: &Manifest) -> Result<()> {
    let bytes = manifest.encode().map_err(|reason| Error::invalid("manifest", reason))?;
    let name = FileKind::Manifest(manifest.generation).file_name();
    durable::publish(&*environment.disk, directory, &name, &bytes)
}
