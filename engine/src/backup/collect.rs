//! The files of one collection at one moment.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use siltstone_format::catalogue::CatalogueEntry;
use siltstone_format::layout::WitnessSlot;
use siltstone_format::limits::MAX_DOCUMENT_BYTES;
use siltstone_format::manifest::{Manifest, SegmentEntry, SegmentState};
use siltstone_format::names::{FileKind, WITNESS_FILE};
use siltstone_format::snapshot::Snapshot;
use siltstone_format::witness::{Witness, encode_new};

use super::capture::Captured;
use super::moment;
use crate::disk::{Attributes, Disk, DiskFile, Mode, durable};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::segment::{OpenFile, Reach, SegmentPlace, Stop};
use crate::{catalogue, manifest, witness};

/// What was collected.
#[derive(Debug, Default)]
pub(super) struct Collected {
    /// By name; `None` when the collection does not have the snapshot that is wanted.
    pub(super) files: Option<Vec<(String, Captured)>>,
    /// Whether something looked damaged on the way. The files are then as they lie, so that nothing is lost.
    pub(super) is_damaged: bool,
}

/// Collects a collection's files: its last commit with all snapshots, or one snapshot alone. At most `room` of them stay
/// open.
pub(super) fn collection(
    environment: &Environment,
    root: &Path,
    entry: &CatalogueEntry,
    (snapshot, room): (Option<&str>, usize),
) -> Result<Collected> {
    let disk = &*environment.disk;
    let directory = catalogue::directory(root, &entry.directory());
    let mut gather =
        Gather { disk, directory: &directory, entry, files: Vec::new(), room, is_damaged: false };
    // The witness before the manifest: then what it names can only be older than what the manifest names.
    let (witness, witness_bytes) = witness::load_with_bytes(disk, &directory, &entry.collection)?;
    gather.is_damaged |= !witness.flaws.is_empty();
    match manifest::current(disk, &directory, &entry.collection) {
        Ok(manifest) => match snapshot {
            Some(name) => {
                let Some(found) = manifest.snapshots.iter().find(|found| found.name == name) else {
                    return Ok(Collected::default());
                };
                moment::snapshot(&mut gather, &manifest, found)?;
            }
            None => gather.current(&manifest, &witness, witness_bytes)?,
        },
        Err(Error::Damaged { .. }) => gather.everything()?,
        Err(error) => return Err(error),
    }
    Ok(Collected { files: Some(gather.files), is_damaged: gather.is_damaged })
}

/// Gathers files.
pub(super) struct Gather<'a> {
    disk: &'a dyn Disk,
    directory: &'a Path,
    entry: &'a CatalogueEntry,
    files: Vec<(String, Captured)>,
    /// How many more files may be held open.
    room: usize,
    is_damaged: bool,
}

impl Gather<'_> {
    /// The last commit.
    fn current(&mut self, manifest: &Manifest, witness: &Witness, bytes: Option<Vec<u8>>) -> Result<()> {
        self.document(FileKind::Manifest(manifest.generation))?;
        let mut snapshots = Vec::new();
        for entry in &manifest.snapshots {
            let kind = FileKind::Snapshot(entry.file);
            match self.document(kind) {
                Ok(bytes) => snapshots.extend(Snapshot::decode(&bytes).map(|(snapshot, _)| snapshot)),
                Err(error) if error.is_missing_file() && self.is_current(manifest) => self.is_damaged = true,
                Err(error) => return Err(error),
            }
        }
        self.is_damaged |= snapshots.len() < manifest.snapshots.len();
        let named = snapshots.iter().flat_map(|snapshot| &snapshot.segments).map(|entry| entry.segment);
        let listed: BTreeSet<u64> = manifest.segments.iter().map(|entry| entry.segment).collect();
        let only_in_snapshots: BTreeSet<u64> = named.filter(|segment| !listed.contains(segment)).collect();
        let mut end = None;
        for entry in &manifest.segments {
            let file = match self.open(FileKind::Segment(entry.segment)) {
                Err(error) if error.is_missing_file() && self.is_current(manifest) => {
                    self.is_damaged = true;
                    continue;
                }
                file => file?,
            };
            match entry.state {
                SegmentState::Open => end = self.open_segment(manifest, entry, &file, witness)?,
                _ => self.whole(FileKind::Segment(entry.segment), file)?,
            }
            self.index(entry.segment)?;
        }
        for segment in only_in_snapshots {
            match self.open(FileKind::Segment(segment)) {
                Err(error) if error.is_missing_file() && self.is_current(manifest) => self.is_damaged = true,
                file => self.whole(FileKind::Segment(segment), file?)?,
            }
            self.index(segment)?;
        }
        // The witness says where the open segment was cut. Where there is nothing to say, it is the one that was read before
        // the manifest: a later one may know of segments that this manifest does not.
        let made = end.filter(|_| !self.is_damaged).map(|slot| encode_new(&slot));
        if let Some(bytes) = made.or(bytes) {
            self.made(WITNESS_FILE.to_owned(), bytes);
        }
        Ok(())
    }

    /// The open segment up to its last whole commit; where it is damaged, all of it. Returns what a witness says of its
    /// end, once it has one.
    fn open_segment(
        &mut self,
        manifest: &Manifest,
        entry: &SegmentEntry,
        file: &Arc<dyn DiskFile>,
        witness: &Witness,
    ) -> Result<Option<WitnessSlot>> {
        let place = SegmentPlace {
            directory: self.directory.into(),
            collection: self.entry.collection,
            dims: manifest.identity.dims,
            metric: manifest.identity.metric.code(),
            segment: entry.segment,
        };
        let (path, kind) = (place.path(), FileKind::Segment(entry.segment));
        let open = OpenFile::start_despite_damage(&**file, place).and_then(|mut open| {
            let place = open.place.clone();
            let stop = open.walk.advance(&**file, &place, &Reach::of_open(witness))?;
            Ok((open.walk, stop))
        });
        let walk = match open {
            Ok((walk, stop)) if stop != Stop::Damage && walk.gaps.is_empty() => walk,
            Ok(_) | Err(Error::Damaged { .. }) => {
                self.is_damaged = true;
                self.whole(kind, Arc::clone(file))?;
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        self.put(kind, Captured::of_file(&path, Arc::clone(file), walk.end)?);
        Ok((!walk.frames.is_empty()).then(|| WitnessSlot {
            segment: entry.segment,
            commit: walk.last_commit,
            end_bytes: walk.end,
            chain: walk.chain,
            ..witness::blank(self.entry.collection)
        }))
    }

    /// A file, which stays open if there is room for it.
    pub(super) fn put(&mut self, kind: FileKind, mut file: Captured) {
        file.hold_within(&mut self.room);
        self.files.push((kind.file_name(), file));
    }

    /// A file that is made here.
    pub(super) fn made(&mut self, name: String, bytes: Vec<u8>) {
        self.files.push((name, Captured::of_bytes(bytes, Attributes::default())));
    }

    /// A small file, whole.
    pub(super) fn document(&mut self, kind: FileKind) -> Result<Vec<u8>> {
        let path = self.directory.join(kind.file_name());
        let file = self.open(kind)?;
        let attributes = file.attributes().map_err(Error::io("read", &path))?;
        let bytes = durable::read_whole(self.disk, &path, MAX_DOCUMENT_BYTES)?;
        self.files.push((kind.file_name(), Captured::of_bytes(bytes.clone(), attributes)));
        Ok(bytes)
    }

    /// A file as long as it is.
    pub(super) fn whole(&mut self, kind: FileKind, file: Arc<dyn DiskFile>) -> Result<()> {
        let path = self.directory.join(kind.file_name());
        let bytes = file.len().map_err(Error::io("read", &path))?;
        self.put(kind, Captured::of_file(&path, file, bytes)?);
        Ok(())
    }

    /// The key index of a segment, if there is one. Derived: without it, lookups read the segment.
    pub(super) fn index(&mut self, segment: u64) -> Result<()> {
        match self.open(FileKind::KeyIndex(segment)) {
            Err(error) if error.is_missing_file() => Ok(()),
            file => self.whole(FileKind::KeyIndex(segment), file?),
        }
    }

    pub(super) fn open(&self, kind: FileKind) -> Result<Arc<dyn DiskFile>> {
        let path = self.directory.join(kind.file_name());
        self.disk.open(&path, Mode::Read).map_err(Error::io("open", &path))
    }

    pub(super) fn path(&self, kind: FileKind) -> std::path::PathBuf {
        self.directory.join(kind.file_name())
    }

    /// Whether no writer replaced the manifest meanwhile: what is missing then is damage.
    fn is_current(&self, manifest: &Manifest) -> bool {
        let entries = self.disk.list(self.directory);
        entries.is_ok_and(|entries| manifest::generations(&entries).pop() == Some(manifest.generation))
    }

    /// Without a manifest nobody knows which files count: all that are siltstone's.
    fn everything(&mut self) -> Result<()> {
        self.is_damaged = true;
        for entry in self.disk.list(self.directory).map_err(Error::io("list", self.directory))? {
            match FileKind::of(&entry.name) {
                Some(FileKind::Lock | FileKind::Dropped | FileKind::Temporary | FileKind::Aside) | None => {}
                Some(_) if entry.is_dir => {}
                Some(kind) => {
                    let file = match self.open(kind) {
                        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => continue,
                        file => file?,
                    };
                    self.whole(kind, file)?;
                }
            }
        }
        Ok(())
    }
}
