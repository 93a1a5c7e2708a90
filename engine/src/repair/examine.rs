//! Examining one collection: reading all of it, and deciding about every damaged structure. Nothing is changed; the order
//! is that in which one file can vouch for another: manifest, snapshots, witness, segments, derived files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use siltstone_format::catalogue::CatalogueEntry;
use siltstone_format::key_index::{ENTRIES_PER_BLOCK, block_offset, check_block, decode_header};
use siltstone_format::layout::WitnessSlot;
use siltstone_format::limits::KEY_INDEX_BLOCK_BYTES;
use siltstone_format::manifest::{Manifest, SegmentEntry, SegmentState};
use siltstone_format::mend::{Mend, differing_bits, mend_witness};
use siltstone_format::names::{FileKind, WITNESS_FILE};
use siltstone_format::snapshot::Snapshot;
use siltstone_format::witness::{self as slots, Witness};
use siltstone_format::{Flaw, Seed};

use super::document::{self, Document};
use super::item::{Remedy, RepairItem};
use super::promise::Promises;
use super::replace::Correction;
use super::segment::{Survey, own_promise, survey};
use super::spare::Missing;
use crate::collection::Shared;
use crate::disk::{Disk, DiskFile, Mode, durable};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::segment::{Promise, SegmentPlace};
use crate::view::sealed_promise;
use crate::{catalogue, manifest, witness};

/// What is to be done about a collection.
#[derive(Debug)]
pub(super) struct Examined {
    /// The collection as its manifest should describe it.
    pub(super) shared: Arc<Shared>,
    pub(super) manifest: Manifest,
    pub(super) items: Vec<RepairItem>,
    /// Corrected copies of files, in the order in which they are to be made.
    pub(super) corrections: Vec<Correction>,
    /// The manifest was lost, and this one is made from the segments; the generation that is beyond repair, if one is
    /// there.
    pub(super) rebuilt: Option<Option<u64>>,
    /// The witness is lost, and has to be made from the last commit.
    pub(super) witness_lost: bool,
    /// Segments that are frozen: their number, and what they are. They are put right by themselves.
    pub(super) frozen: Vec<(u64, Survey)>,
    /// Which of them will be whole, so that they can be sealed.
    whole: Vec<u64>,
    /// The last commit that is whole, as a witness says it.
    pub(super) last: Option<WitnessSlot>,
    /// Segments whose key index has to be made again.
    pub(super) underived: Vec<(SegmentPlace, Promise)>,
    /// Segments beyond repair.
    pub(super) hurt: Vec<u64>,
    /// Snapshots whose documents are beyond repair, by name.
    pub(super) lost_snapshots: Vec<String>,
    /// The files of both: the same ones from elsewhere would do.
    pub(super) missing: Vec<Missing>,
    /// The snapshots whose documents are good.
    snapshots: Vec<Snapshot>,
}

/// Reads a collection.
pub(super) fn examine(
    environment: &Environment,
    root: &Path,
    entry: &CatalogueEntry,
) -> Result<Result<Examined, RepairItem>> {
    let disk = &*environment.disk;
    let directory = catalogue::directory(root, &entry.directory());
    let mut items = Vec::new();
    let mut corrections = Vec::new();
    let found = match disk.list(&directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let flaw = Flaw::new("collection", "directory", 0, 1, "the directory of the collection", "none");
            let none = |flaw| Remedy::None { flaw };
            return Ok(Err(RepairItem::of_flaw(Some(&entry.name), directory, flaw, none)));
        }
        found => found.map_err(Error::io("list", &directory))?,
    };
    let newest = manifest::generations(&found).pop();
    let read = match newest {
        Some(generation) => document::manifest(disk, &directory, &entry.collection, generation)?,
        None => Document::Lost(Flaw::new("manifest", "file", 0, 1, "a manifest of the collection", "none")),
    };
    let mut rebuilt = None;
    let manifest = match read {
        Document::Good(manifest) => manifest,
        Document::Mended(manifest, correction) => {
            items.push(of_correction(&entry.name, &directory, &correction, disk)?);
            corrections.push(correction);
            manifest
        }
        Document::Lost(flaw) => {
            let name = newest.map_or_else(String::new, |newest| FileKind::Manifest(newest).file_name());
            let path = if newest.is_some() { directory.join(name) } else { directory.clone() };
            match manifest::rebuilt(environment, &directory, entry.collection) {
                Ok(manifest) => {
                    rebuilt = Some(newest);
                    let remedy = |flaw| Remedy::Rebuild { flaw };
                    items.push(RepairItem::of_flaw(Some(&entry.name), path, flaw, remedy));
                    manifest
                }
                Err(Error::Damaged { .. }) => {
                    let none = |flaw| Remedy::None { flaw };
                    return Ok(Err(RepairItem::of_flaw(Some(&entry.name), path, flaw, none)));
                }
                Err(error) => return Err(error),
            }
        }
    };
    let shared = Arc::new(Shared::new(environment, root, &manifest, &entry.name).lying_in(&directory));
    let mut examined = Examined {
        shared,
        manifest,
        items,
        corrections,
        rebuilt,
        witness_lost: false,
        frozen: Vec::new(),
        whole: Vec::new(),
        last: None,
        underived: Vec::new(),
        hurt: Vec::new(),
        lost_snapshots: Vec::new(),
        missing: Vec::new(),
        snapshots: Vec::new(),
    };
    let snapshots = examined.snapshots(disk)?;
    let witness = examined.witness(disk)?;
    for entry in examined.manifest.segments.clone() {
        examined.segment(disk, &entry, &witness, &snapshots)?;
    }
    let named = snapshots.iter().flat_map(|snapshot| &snapshot.segments).map(|entry| entry.segment);
    let held: BTreeSet<u64> = named.filter(|segment| !examined.manifest.lists(*segment)).collect();
    for segment in held {
        examined.held(disk, segment, &snapshots)?;
    }
    examined.snapshots = snapshots;
    Ok(Ok(examined))
}

/// The item for a corrected copy: all that changes in the file.
pub(super) fn of_correction(
    collection: &str,
    directory: &Path,
    correction: &Correction,
    disk: &dyn Disk,
) -> Result<RepairItem> {
    let path = directory.join(&correction.name);
    let file = disk.open(&path, Mode::Read).map_err(Error::io("open", &path))?;
    let mut items = of_mends(Some(collection), &path, &*file, &correction.mends)?;
    Ok(items.swap_remove(0))
}

/// One item a mend.
pub(super) fn of_mends(
    collection: Option<&str>,
    path: &Path,
    file: &dyn DiskFile,
    mends: &[Mend],
) -> Result<Vec<RepairItem>> {
    let length = file.len().map_err(Error::io("read", path))?;
    let item = |mend: &Mend| {
        let there = length.saturating_sub(mend.offset).min(mend.bytes.len() as u64);
        let mut old = vec![0; there as usize];
        if !old.is_empty() {
            file.read_at(&mut old, mend.offset).map_err(Error::io("read", path))?;
        }
        Ok(RepairItem {
            collection: collection.map(str::to_owned),
            path: path.to_owned(),
            structure: mend.structure,
            offset: mend.offset,
            length: mend.bytes.len() as u64,
            remedy: Remedy::Mend { bits: differing_bits(&old, &mend.bytes) },
        })
    };
    mends.iter().map(item).collect()
}

impl Examined {
    fn directory(&self) -> PathBuf {
        self.shared.directory.to_path_buf()
    }

    fn note(&mut self, path: PathBuf, flaw: Flaw, remedy: impl FnOnce(Flaw) -> Remedy) {
        self.items.push(RepairItem::of_flaw(Some(&self.shared.name), path, flaw, remedy));
    }

    fn snapshots(&mut self, disk: &dyn Disk) -> Result<Vec<Snapshot>> {
        let directory = self.directory();
        let mut snapshots = Vec::new();
        for entry in self.manifest.snapshots.clone() {
            match document::snapshot(disk, &directory, &self.shared.id, &entry)? {
                Document::Good(snapshot) => snapshots.push(snapshot),
                Document::Mended(snapshot, correction) => {
                    self.items.push(of_correction(&self.shared.name, &directory, &correction, disk)?);
                    self.corrections.push(correction);
                    snapshots.push(snapshot);
                }
                Document::Lost(flaw) => {
                    let path = directory.join(FileKind::Snapshot(entry.file).file_name());
                    self.note(path, flaw, |flaw| Remedy::Quarantine { flaw });
                    self.lost_snapshots.push(entry.name.clone());
                    self.missing.push(Missing::Snapshot(entry));
                }
            }
        }
        Ok(snapshots)
    }

    /// The witness as it should be, or what is left of it.
    fn witness(&mut self, disk: &dyn Disk) -> Result<Witness> {
        let (directory, id) = (self.directory(), self.shared.id);
        let found = witness::load(disk, &directory, &id)?;
        let Some(flaw) = found.flaws.first().cloned() else { return Ok(found) };
        let path = directory.join(WITNESS_FILE);
        let bytes = match durable::read_whole(disk, &path, 1 << 20) {
            Err(error) if error.is_missing_file() => Vec::new(),
            bytes => bytes?,
        };
        if let Some(right) = mend_witness(&bytes, &id) {
            let mends = Mend::between("witness slot", 0, &bytes, &right).into_iter().collect();
            let correction = Correction { name: WITNESS_FILE.to_owned(), mends, bytes: right.len() as u64 };
            self.items.push(of_correction(&self.shared.name, &directory, &correction, disk)?);
            self.corrections.push(correction);
            return Ok(slots::decode(&right, &id));
        }
        self.note(path, flaw, |flaw| Remedy::Rebuild { flaw });
        self.witness_lost = true;
        Ok(found)
    }

    /// The file of a segment; a missing one is beyond repair.
    fn open(&mut self, disk: &dyn Disk, place: &SegmentPlace) -> Result<Option<Arc<dyn DiskFile>>> {
        let path = place.path();
        match disk.open(&path, Mode::Read) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let (expected, found) = ("the file of a segment that counts", "no such file");
                let flaw = Flaw::new("segment", "file", 0, 1, expected, found);
                self.note(path, flaw, |flaw| Remedy::Quarantine { flaw });
                self.hurt.push(place.segment);
                Ok(None)
            }
            file => file.map(Some).map_err(Error::io("open", &path)),
        }
    }

    /// A segment that the manifest lists.
    fn segment(
        &mut self,
        disk: &dyn Disk,
        entry: &SegmentEntry,
        witness: &Witness,
        snapshots: &[Snapshot],
    ) -> Result<()> {
        let place = self.shared.place(entry.segment);
        let promises = Promises::gather(entry.segment, &entry.state, witness, snapshots);
        let sealed = sealed_promise(&entry.state);
        let missing = |promises| Missing::Segment { place: place.clone(), sealed, promises, is_listed: true };
        let Some(file) = self.open(disk, &place)? else {
            self.missing.push(missing(promises));
            return Ok(());
        };
        let surveyed = survey(&*file, &place, sealed, &promises)?;
        self.note_survey(&place, &*file, &surveyed)?;
        let is_lost = !surveyed.lost.is_empty();
        if let Some(chain) = surveyed.chain.filter(|_| !surveyed.frames.is_empty()) {
            self.last = Some(WitnessSlot {
                segment: entry.segment,
                commit: surveyed.frames.last().map_or(0, |frame| frame.commit),
                end_bytes: surveyed.end,
                chain,
                ..witness::blank(self.shared.id)
            });
        }
        if let Some(promise) = sealed.filter(|_| surveyed.lost.is_empty()) {
            self.index(disk, place.clone(), promise);
        }
        if let SegmentState::Frozen { end_bytes, last_commit, chain } = entry.state {
            let is_whole = surveyed.passes(&*file, &place, (end_bytes, last_commit, chain))?;
            self.frozen(&place, surveyed, is_whole);
        } else {
            self.correct(&place, surveyed);
        }
        if is_lost {
            self.missing.push(missing(promises));
        }
        Ok(())
    }

    /// A segment that only snapshots name: it is held against its own seal, and against them.
    fn held(&mut self, disk: &dyn Disk, segment: u64, snapshots: &[Snapshot]) -> Result<()> {
        let place = self.shared.place(segment);
        let promises = Promises::of_snapshots(segment, snapshots);
        let missing =
            |promises| Missing::Segment { place: place.clone(), sealed: None, promises, is_listed: false };
        let Some(file) = self.open(disk, &place)? else {
            self.missing.push(missing(promises));
            return Ok(());
        };
        let sealed = own_promise(&*file, &place)?;
        let surveyed = survey(&*file, &place, sealed, &promises)?;
        self.note_survey(&place, &*file, &surveyed)?;
        let is_lost = !surveyed.lost.is_empty();
        if let Some(promise) = sealed.filter(|_| surveyed.lost.is_empty()) {
            let rows = surveyed.frames.iter().map(|frame| u64::from(frame.rows)).sum();
            let last_commit = surveyed.frames.last().map_or(0, |frame| frame.commit);
            self.index(disk, place.clone(), Promise { rows, last_commit, ..promise });
        }
        self.correct(&place, surveyed);
        if is_lost {
            self.missing.push(missing(promises));
        }
        Ok(())
    }

    fn note_survey(&mut self, place: &SegmentPlace, file: &dyn DiskFile, surveyed: &Survey) -> Result<()> {
        let path = place.path();
        let event = Event::Verified { path: path.clone(), bytes: surveyed.found_bytes };
        self.shared.environment.observer.event(&event);
        self.items.extend(of_mends(Some(&self.shared.name), &path, file, &surveyed.mends)?);
        if surveyed.mends.is_empty() && surveyed.is_mended() {
            let (offset, length) = (surveyed.right_bytes, surveyed.found_bytes - surveyed.right_bytes);
            self.items.push(RepairItem {
                collection: Some(self.shared.name.clone()),
                path: path.clone(),
                structure: "segment",
                offset,
                length,
                remedy: Remedy::Mend { bits: length * 8 },
            });
        }
        for flaw in surveyed.lost.iter().cloned() {
            self.note(path.clone(), flaw, |flaw| Remedy::Quarantine { flaw });
        }
        if !surveyed.lost.is_empty() {
            self.hurt.push(place.segment);
        }
        Ok(())
    }

    fn correct(&mut self, place: &SegmentPlace, surveyed: Survey) {
        if surveyed.is_mended() {
            let name = FileKind::Segment(place.segment).file_name();
            let (mends, bytes) = (surveyed.mends, surveyed.right_bytes);
            self.corrections.push(Correction { name, mends, bytes });
        }
    }

    fn frozen(&mut self, place: &SegmentPlace, surveyed: Survey, is_whole: bool) {
        let segment = place.segment;
        if is_whole {
            self.items.push(RepairItem {
                collection: Some(self.shared.name.clone()),
                path: place.path(),
                structure: "segment",
                offset: surveyed.end,
                length: 1,
                remedy: Remedy::Seal,
            });
            self.whole.push(segment);
        } else if surveyed.lost.is_empty() {
            let expected = "the commits that the manifest lists";
            let flaw = Flaw::new("segment", "state", surveyed.end, 1, expected, "others");
            self.note(place.path(), flaw, |flaw| Remedy::Quarantine { flaw });
            self.hurt.push(segment);
        }
        self.frozen.push((segment, surveyed));
    }

    /// Whether this frozen segment will be whole.
    pub(super) fn is_whole(&self, segment: u64) -> bool {
        self.whole.contains(&segment)
    }

    /// Whether the file is a frozen segment.
    pub(super) fn is_frozen(&self, path: &Path) -> bool {
        self.frozen.iter().any(|(segment, _)| self.shared.place(*segment).path() == path)
    }

    /// The snapshots beyond repair, by name: those whose documents are, and those that name a segment which is.
    pub(super) fn hurt_snapshots(&self) -> Vec<String> {
        let names = |snapshot: &Snapshot, segment: &u64| {
            snapshot.segments.iter().any(|entry| entry.segment == *segment)
        };
        let is_hurt = |snapshot: &&Snapshot| self.hurt.iter().any(|segment| names(snapshot, segment));
        let of_segments = self.snapshots.iter().filter(is_hurt).map(|snapshot| snapshot.name.clone());
        self.lost_snapshots.iter().cloned().chain(of_segments).collect()
    }

    /// Whether the file is that of a snapshot, or of a segment that one names.
    pub(super) fn is_in_snapshots(&self, path: &Path) -> bool {
        let named = self.snapshots.iter().flat_map(|snapshot| &snapshot.segments);
        let mut named = named.map(|entry| FileKind::Segment(entry.segment));
        let mut own = self.manifest.snapshots.iter().map(|entry| FileKind::Snapshot(entry.file));
        let is_it = |kind: FileKind| path.ends_with(kind.file_name());
        named.any(is_it) || own.any(is_it)
    }

    /// The number of the segment in this file, if it is one that the manifest lists.
    pub(super) fn number_of(&self, path: &Path) -> Option<u64> {
        let segments = self.manifest.segments.iter().map(|entry| entry.segment);
        segments.into_iter().find(|number| path.ends_with(FileKind::Segment(*number).file_name()))
    }

    /// Whether the manifest says how many rows the segment has.
    pub(super) fn is_sealed(&self, segment: u64) -> bool {
        let entry = self.manifest.segments.iter().find(|entry| entry.segment == segment);
        entry.is_some_and(|entry| sealed_promise(&entry.state).is_some())
    }

    /// Whether anything is beyond repair.
    pub(super) fn is_hurt(&self) -> bool {
        !(self.hurt.is_empty() && self.lost_snapshots.is_empty())
    }

    /// The key index of a whole sealed segment.
    fn index(&mut self, disk: &dyn Disk, place: SegmentPlace, promise: Promise) {
        if let Some(flaw) = index_flaw(disk, &place, promise) {
            self.note(place.index_path(), flaw, |flaw| Remedy::Derive { flaw });
            self.underived.push((place, promise));
        }
    }
}

/// What is wrong with the key index of a sealed segment, if anything is.
fn index_flaw(disk: &dyn Disk, place: &SegmentPlace, promise: Promise) -> Option<Flaw> {
    let limit = (promise.rows / ENTRIES_PER_BLOCK as u64 + 2) * KEY_INDEX_BLOCK_BYTES as u64;
    let bytes = match durable::read_whole(disk, &place.index_path(), limit) {
        Ok(bytes) => bytes,
        Err(error) if error.is_missing_file() => {
            return Some(Flaw::new("key index", "file", 0, 1, "a key index", "no such file"));
        }
        Err(error) => return Some(Flaw::new("key index", "file", 0, 1, "a key index", error)),
    };
    let seed = Seed::new(&place.collection, place.segment);
    let header = match decode_header(&bytes, bytes.len() as u64, &seed) {
        Ok(header) => header,
        Err(flaw) => return Some(flaw),
    };
    if (header.segment_digest, header.entries) != (promise.digest, promise.rows) {
        let (length, expected) = (KEY_INDEX_BLOCK_BYTES as u64, "that of the segment");
        return Some(Flaw::new("key index header", "segment_digest", 0, length, expected, "another"));
    }
    (0..(header.entries as usize).div_ceil(ENTRIES_PER_BLOCK)).find_map(|number| {
        let block = bytes.get(block_offset(number) as usize..).unwrap_or_default();
        check_block(block.get(..KEY_INDEX_BLOCK_BYTES).unwrap_or(block), number, &seed).err()
    })
}
