//! Who a file belongs to when it cannot say so itself: the checksums of a segment are seeded with its collection and its
//! number, and its geometry follows from its dims. Names and neighbours know them too.

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

/// The collection whose directory the file lies in.
pub(super) fn collection_of(path: &Path) -> Option<Id> {
    let absolute = std::path::absolute(path).ok()?;
    from_hex(absolute.parent()?.file_name()?.to_str()?)
}

/// The place that the path and the files beside it speak of.
pub(super) fn from_path(path: &Path) -> Option<Place> {
    let collection = collection_of(path)?;
    let FileKind::Segment(segment) = FileKind::of(&path.file_name()?.to_string_lossy())? else { return None };
    let directory = path.parent()?;
    let mut names: Vec<String> =
        std::fs::read_dir(if directory.as_os_str().is_empty() { Path::new(".") } else { directory })
            .ok()?
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
    names.sort_unstable_by(|a, b| b.cmp(a));
    let dims = names.iter().find_map(|name| dims_in(&directory.join(name), FileKind::of(name)?))?;
    Some(Place { collection, segment, dims })
}

fn dims_in(path: &Path, kind: FileKind) -> Option<u32> {
    use std::io::Read;
    let limit = match kind {
        FileKind::Manifest(_) => MAX_DOCUMENT_BYTES,
        FileKind::Segment(_) => HEADER_PAGE_BYTES,
        _ => return None,
    };
    let mut bytes = Vec::new();
    std::fs::File::open(path).ok()?.take(limit).read_to_end(&mut bytes).ok()?;
    match kind {
        FileKind::Manifest(_) => Manifest::decode(&bytes).ok().map(|(manifest, _)| manifest.identity.dims),
        _ => header::decode(&bytes).ok().map(|page| page.header.dims),
    }
}
