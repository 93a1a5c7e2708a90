//! Reading documents as they should be: as they are, or with one flipped bit put right.

use std::path::Path;

use siltstone_format::catalogue::Catalogue;
use siltstone_format::limits::MAX_DOCUMENT_BYTES;
use siltstone_format::manifest::{Manifest, SnapshotEntry};
use siltstone_format::mend::{Mend, mend_document};
use siltstone_format::names::FileKind;
use siltstone_format::snapshot::Snapshot;
use siltstone_format::{Digest, Flaw, Id};

use super::replace::Correction;
use crate::disk::{Disk, durable};
use crate::error::{Error, Result};

/// A document that was read.
pub(super) enum Document<T> {
    /// As it should be.
    Good(T),
    /// With a flipped bit; the value without it, and what puts the file right.
    Mended(T, Correction),
    /// Not there, or beyond repair.
    Lost(Flaw),
}

/// Reads the document called `name`; `is_right` tells the one that should be there from others.
fn read<T>(
    disk: &dyn Disk,
    directory: &Path,
    (structure, name): (&'static str, &str),
    decode: impl Fn(&[u8]) -> Result<(T, Digest), Flaw>,
    is_right: impl Fn(&T, &Digest) -> bool,
) -> Result<Document<T>> {
    let path = directory.join(name);
    let bytes = match durable::read_whole(disk, &path, MAX_DOCUMENT_BYTES) {
        Ok(bytes) => bytes,
        Err(error) if error.is_missing_file() => {
            let expected = format!("the file {name}");
            return Ok(Document::Lost(Flaw::new(structure, "file", 0, 1, expected, "no such file")));
        }
        Err(error) => return Err(error),
    };
    let other = || {
        let (length, expected) = (bytes.len().max(1) as u64, "the document that belongs here");
        Flaw::new(structure, "blake3", 0, length, expected, "another document")
    };
    let flaw = match decode(&bytes) {
        Ok((value, digest)) if is_right(&value, &digest) => return Ok(Document::Good(value)),
        Ok(_) => return Ok(Document::Lost(other())),
        Err(flaw) if flaw.is_newer_format() => return Err(Error::flaw(&path, flaw)),
        Err(flaw) => flaw,
    };
    let Some(right) = mend_document(&bytes) else { return Ok(Document::Lost(flaw)) };
    match decode(&right) {
        Ok((value, digest)) if is_right(&value, &digest) => {
            let mends = Mend::between(structure, 0, &bytes, &right).into_iter().collect();
            let correction = Correction { name: name.to_owned(), mends, bytes: right.len() as u64 };
            Ok(Document::Mended(value, correction))
        }
        _ => Ok(Document::Lost(flaw)),
    }
}

/// The catalogue of the store in `root`.
pub(super) fn catalogue(disk: &dyn Disk, root: &Path) -> Result<Document<Catalogue>> {
    let name = siltstone_format::names::CATALOGUE_FILE;
    read(disk, root, ("catalogue", name), Catalogue::decode, |_, _| true)
}

/// The manifest of one generation of a collection.
pub(super) fn manifest(
    disk: &dyn Disk,
    directory: &Path,
    collection: &Id,
    generation: u64,
) -> Result<Document<Manifest>> {
    let name = FileKind::Manifest(generation).file_name();
    let is_right =
        |found: &Manifest, _: &Digest| (found.collection, found.generation) == (*collection, generation);
    read(disk, directory, ("manifest", &name), Manifest::decode, is_right)
}

/// A snapshot that a manifest names.
pub(super) fn snapshot(
    disk: &dyn Disk,
    directory: &Path,
    collection: &Id,
    entry: &SnapshotEntry,
) -> Result<Document<Snapshot>> {
    let name = FileKind::Snapshot(entry.file).file_name();
    let is_right = |found: &Snapshot, digest: &Digest| {
        (*digest, &found.name, &found.collection) == (entry.digest, &entry.name, collection)
    };
    read(disk, directory, ("snapshot", &name), Snapshot::decode, is_right)
}
