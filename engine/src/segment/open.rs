//! Opening segment files: headers and footers are read, rows are only mapped.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;

use siltstone_format::footer::{self, Footer};
use siltstone_format::header::{self, HeaderPage};
use siltstone_format::layout::Seal;
use siltstone_format::limits::HEADER_PAGE_BYTES;
use siltstone_format::names::FileKind;
use siltstone_format::{Digest, Flaw, Id, Seed};

use super::{Segment, Walk};
use crate::disk::{Disk, DiskFile, Mode};
use crate::error::{Error, Result};

/// Which segment, of what, where.
#[derive(Debug, Clone)]
pub(crate) struct SegmentPlace {
    pub(crate) directory: Arc<Path>,
    pub(crate) collection: Id,
    pub(crate) dims: u32,
    pub(crate) metric: u32,
    pub(crate) segment: u64,
}

impl SegmentPlace {
    pub(crate) fn path(&self) -> PathBuf {
        self.directory.join(FileKind::Segment(self.segment).file_name())
    }

    pub(crate) fn index_path(&self) -> PathBuf {
        self.directory.join(FileKind::KeyIndex(self.segment).file_name())
    }

    pub(crate) fn codes_path(&self) -> PathBuf {
        self.directory.join(FileKind::Codes(self.segment).file_name())
    }

    pub(crate) fn attributes_path(&self) -> PathBuf {
        self.directory.join(FileKind::Attributes(self.segment).file_name())
    }

    pub(crate) fn seed(&self) -> Seed {
        Seed::new(&self.collection, self.segment)
    }
}

/// Reads `length` bytes at `offset` of the file at `path`.
pub(super) fn read(file: &dyn DiskFile, path: &Path, offset: u64, length: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    file.read_at(&mut bytes, offset).map_err(Error::io("read", path))?;
    Ok(bytes)
}

/// Reads and checks the header page of a segment, and that it is the one it should be.
pub(crate) fn read_header(file: &dyn DiskFile, place: &SegmentPlace) -> Result<HeaderPage> {
    let path = place.path();
    let length = file.len().map_err(Error::io("read", &path))?.min(HEADER_PAGE_BYTES);
    let page =
        header::decode(&read(file, &path, 0, length as usize)?).map_err(|flaw| Error::flaw(&path, flaw))?;
    let of_file = (page.header.collection, page.header.segment, page.header.dims, page.header.metric);
    let of_manifest = (place.collection, place.segment, place.dims, place.metric);
    if of_file != of_manifest {
        let name = |(collection, segment, dims, metric): (Id, u64, u32, u32)| {
            let collection = siltstone_format::checksum::to_hex(&collection);
            format!("segment {segment} of collection {collection}, {dims} dims, metric {metric}")
        };
        let (expected, found) = (name(of_manifest), name(of_file));
        let flaw =
            Flaw::new("segment header", "collection and segment", 0, HEADER_PAGE_BYTES, expected, found);
        return Err(Error::flaw(&path, flaw));
    }
    Ok(page)
}

/// What the manifest promises of a sealed segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Promise {
    pub(crate) bytes: u64,
    pub(crate) rows: u64,
    pub(crate) last_commit: u64,
    pub(crate) digest: Digest,
}

/// Opens a sealed segment: reads its header page and footer, compares them with the manifest's promise, and maps the
/// rest unread.
pub(crate) fn open_sealed(disk: &dyn Disk, place: SegmentPlace, promise: Promise) -> Result<Segment> {
    let path = place.path();
    let file = disk.open(&path, Mode::Read).map_err(Error::io("open", &path))?;
    let length = file.len().map_err(Error::io("read", &path))?;
    if length != promise.bytes {
        let (expected, found) = (format!("{} bytes", promise.bytes), format!("{length} bytes"));
        let suspect = promise.bytes.abs_diff(length);
        let from = length.min(promise.bytes);
        return Err(Error::flaw(&path, Flaw::new("segment", "length", from, suspect, expected, found)));
    }
    let page = read_header(&*file, &place)?;
    let segment = by_footer(&*file, place, promise)?;
    Ok(Segment { features_read_only: page.header.features_read_only, ..segment })
}

/// A sealed segment from its footer alone; the header page is not looked at.
pub(super) fn by_footer(file: &dyn DiskFile, place: SegmentPlace, promise: Promise) -> Result<Segment> {
    let length = promise.bytes;
    let footer = read_footer(file, &place, length)?;
    let start = footer.header.frames_end;
    let of_file = (footer.header.rows, footer.header.last_commit, footer.digest);
    if of_file != (promise.rows, promise.last_commit, promise.digest) {
        let found = format!("{} rows up to commit {}", footer.header.rows, footer.header.last_commit);
        let expected =
            format!("{} rows up to commit {} and the manifest's digest", promise.rows, promise.last_commit);
        let flaw = Flaw::new("footer", "digest", start, length - start, expected, found);
        return Err(Error::flaw(&place.path(), flaw));
    }
    mapped(file, place, length, footer)
}

/// Reads and checks the footer of a segment file of this length.
pub(super) fn read_footer(file: &dyn DiskFile, place: &SegmentPlace, length: u64) -> Result<Footer> {
    let path = place.path();
    let damaged = |flaw| Error::flaw(&path, flaw);
    let seed = place.seed();
    let tail_at = length.saturating_sub(Seal::BYTES as u64);
    let tail = read(file, &path, tail_at, (length - tail_at) as usize)?;
    let (start, seal) = footer::locate(&tail, length, &seed).map_err(damaged)?;
    let bytes = read(file, &path, start, (length - start) as usize)?;
    footer::decode(&bytes, &seal, &seed, start).map_err(damaged)
}

/// The segment that a footer describes, its rows mapped unread.
pub(super) fn mapped(
    file: &dyn DiskFile,
    place: SegmentPlace,
    length: u64,
    footer: Footer,
) -> Result<Segment> {
    let path = place.path();
    let map = file.map(length).map_err(Error::io("map", &path))?;
    let checked = footer.frames.iter().map(|_| AtomicBool::new(false)).collect();
    Ok(Segment {
        map,
        seed: place.seed(),
        rows: footer.header.rows as u32,
        end: footer.header.frames_end,
        chain: footer.header.chain,
        last_commit: footer.header.last_commit,
        digest: Some(footer.digest),
        features_read_only: 0,
        frames: footer.frames,
        kills: footer.kills,
        checked,
        keys: OnceLock::new(),
        place,
    })
}

/// A segment that is not sealed, as a file that was walked.
#[derive(Debug)]
pub(crate) struct OpenFile {
    pub(crate) place: SegmentPlace,
    pub(crate) walk: Walk,
    pub(crate) features_read_only: u64,
}

impl OpenFile {
    /// Reads the header page; no frame yet.
    pub(crate) fn start(file: &dyn DiskFile, place: SegmentPlace) -> Result<Self> {
        let page = read_header(file, &place)?;
        let walk = Walk::new(&page);
        Ok(Self { place, walk, features_read_only: page.header.features_read_only })
    }

    /// As [`OpenFile::start`]; but when the header page is damaged, which is then the first gap of the walk, the frames
    /// can be found without it.
    pub(crate) fn start_despite_damage(file: &dyn DiskFile, place: SegmentPlace) -> Result<Self> {
        match Self::start(file, place.clone()) {
            Err(Error::Damaged { flaw, .. }) => {
                Ok(Self { place, walk: Walk::without_page(*flaw), features_read_only: 0 })
            }
            result => result,
        }
    }

    /// The segment as far as it was walked.
    pub(crate) fn segment(&self, file: &dyn DiskFile) -> Result<Segment> {
        let path = self.place.path();
        // A file that was cut may not even have its header page.
        let length = file.len().map_err(Error::io("read", &path))?.min(self.walk.end);
        let map = file.map(length).map_err(Error::io("map", &path))?;
        Ok(Segment {
            map,
            seed: self.place.seed(),
            frames: self.walk.frames.clone(),
            kills: self.walk.kills.clone(),
            rows: self.walk.rows,
            end: self.walk.end,
            chain: self.walk.chain,
            last_commit: self.walk.last_commit,
            digest: None,
            features_read_only: self.features_read_only,
            checked: self.walk.frames.iter().map(|_| AtomicBool::new(false)).collect(),
            keys: OnceLock::new(),
            place: self.place.clone(),
        })
    }
}
