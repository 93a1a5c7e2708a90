//! Who a file belongs to when it cannot say so itself: the checksums of a segment are seeded with its collection and its
//! number, and its geometry follows from its dims. Names and neighbours know them too.

use std::io::Read;
use std::path::Path;

use siltstone_format::checksum::from_hex;
use siltstone_format::limits::{HEADER_PAGE_BYTES, MAX_DOCUMENT_BYTES};
use siltstone_format::manifest::Manifest;
use siltstone_format::names::FileKind;
use siltstone_format::{Id, Seed, header};

/// What is needed to read the frames of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) collection: Id,
    pub(super) segment: u64,
    pub(super) dims: u32,
}

impl Place {
    pub(super) fn seed(&self) -> Seed {
        Seed::new(&self.collection, self.segment)
    }
}

/// The collection whose directory the file lies in: as its newest readable manifest says, because one that was restored
/// lies in a directory of another name; else as the directory is called.
pub(super) fn collection_of(path: &Path) -> Option<Id> {
    let absolute = std::path::absolute(path).ok()?;
    let directory = absolute.parent()?;
    let named = from_hex(directory.file_name()?.to_str()?)?;
    let manifests = newest_first(directory).into_iter().filter(|name| is_manifest(name));
    let mut owners = manifests.filter_map(|name| {
        let bytes = head_of(&directory.join(name), MAX_DOCUMENT_BYTES)?;
        Manifest::decode(&bytes).ok().map(|(manifest, _)| manifest.collection)
    });
    Some(owners.next().unwrap_or(named))
}

fn is_manifest(name: &str) -> bool {
    matches!(FileKind::of(name), Some(FileKind::Manifest(_)))
}

/// The names in a directory, the greatest first.
fn newest_first(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort_unstable_by(|a, b| b.cmp(a));
    names
}

/// The first bytes of a file.
fn head_of(path: &Path, limit: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path).ok()?.take(limit).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// The place that the path and the files beside it speak of.
pub(super) fn from_path(path: &Path) -> Option<Place> {
    let collection = collection_of(path)?;
    let FileKind::Segment(segment) = FileKind::of(&path.file_name()?.to_string_lossy())? else { return None };
    let directory = path.parent()?;
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let names = newest_first(directory);
    let dims = names.iter().find_map(|name| dims_in(&directory.join(name), FileKind::of(name)?))?;
    Some(Place { collection, segment, dims })
}

fn dims_in(path: &Path, kind: FileKind) -> Option<u32> {
    let limit = match kind {
        FileKind::Manifest(_) => MAX_DOCUMENT_BYTES,
        FileKind::Segment(_) => HEADER_PAGE_BYTES,
        _ => return None,
    };
    let bytes = head_of(path, limit)?;
    match kind {
        FileKind::Manifest(_) => Manifest::decode(&bytes).ok().map(|(manifest, _)| manifest.identity.dims),
        _ => header::decode(&bytes).ok().map(|page| page.header.dims),
    }
}
