//! Verifying one segment: quickly from outside, or every byte of it; and its keys against those of the others.

use std::collections::HashMap;
use std::sync::Arc;

use siltstone_format::checksum::key_hash;
use siltstone_format::key_index::{ENTRIES_PER_BLOCK, block_offset, check_block, decode_header};
use siltstone_format::layout::{FooterFrame, FooterKill};
use siltstone_format::limits::KEY_INDEX_BLOCK_BYTES;
use siltstone_format::manifest::{SegmentEntry, SegmentState};
use siltstone_format::snapshot::SnapshotSegment;
use siltstone_format::witness::Witness;
use siltstone_format::{Digest, Flaw};

use super::collection::Collector;
use super::{Depth, Severity, codes};
use crate::collection::Shared;
use crate::disk::{DiskFile, Mode, durable};
use crate::error::{Error, Result};
use crate::event::Event;
use crate::segment::check::{Listed, check_frames};
use crate::segment::{Extent, OpenFile, Segment, SegmentPlace, Stop, open_held, open_sealed, salvage_sealed};
use crate::view::{View, reach, sealed_promise};

pub(super) fn verify(
    shared: &Arc<Shared>,
    entry: &SegmentEntry,
    witness: &Witness,
    depth: Depth,
    collector: &mut Collector<'_>,
) -> Result<()> {
    let disk = &*shared.environment.disk;
    let place = shared.place(entry.segment);
    let path = place.path();
    let file = match disk.open(&path, Mode::Read) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let flaw = Flaw::new("segment", "file", 0, 1, "the file that the manifest names", "no such file");
            collector.add(&path, Severity::Damage, flaw);
            return Ok(());
        }
        file => file.map_err(Error::io("open", &path))?,
    };
    if let SegmentState::Frozen { end_bytes, last_commit, .. } = entry.state {
        let found = "a segment that was damaged while it was open, and left alone since";
        let expected = format!("more than commit {last_commit}");
        let length = file.len().map_err(Error::io("read", &path))?;
        let length = length.saturating_sub(end_bytes).max(1);
        let flaw = Flaw::new("segment", "state", end_bytes, length, expected, found);
        collector.add(&path, Severity::Damage, flaw);
    }
    let segment = match sealed_promise(&entry.state) {
        Some(promise) => match collector.take(open_sealed(disk, place.clone(), promise))? {
            Some(sealed) => {
                verify_index(&sealed, shared, depth, collector)?;
                codes::verify(&sealed, shared, depth, collector)?;
                Scanned::of(sealed, false)
            }
            None if depth == Depth::Quick => return Ok(()),
            None => match collector.take(salvage_sealed(disk, place.clone(), promise))? {
                Some((found, flaws)) => {
                    flaws.into_iter().for_each(|flaw| collector.add(&path, Severity::Damage, flaw));
                    Scanned::of(found, true)
                }
                None => return Ok(()),
            },
        },
        None => {
            let Some(mut open) = collector.take(OpenFile::start_despite_damage(&*file, place.clone()))?
            else {
                return Ok(());
            };
            let stop = open.walk.advance(&*file, &place, &reach(&entry.state, &place, witness))?;
            if let Stop::Tear { file_bytes } = stop {
                let (from, bytes) = (open.walk.end, file_bytes - open.walk.end);
                let found = "an interrupted commit; the next writer cuts it off and keeps it aside";
                let flaw =
                    Flaw::new("segment", "tail", from, bytes, "the end of the last whole commit", found);
                collector.add(&path, Severity::Note, flaw);
            }
            for flaw in open.walk.gaps.drain(..) {
                collector.add(&path, Severity::Damage, flaw);
            }
            Scanned {
                has_gaps: stop == Stop::Damage,
                frames: open.walk.frames,
                kills: open.walk.kills,
                end: open.walk.end,
                chain: open.walk.chain,
            }
        }
    };
    match depth {
        Depth::Quick => Ok(()),
        Depth::Deep => segment.read(shared, &*file, &place, collector),
    }
}

/// Verifies a segment that only snapshots name.
pub(super) fn verify_held(
    shared: &Arc<Shared>,
    named: &SnapshotSegment,
    depth: Depth,
    collector: &mut Collector<'_>,
) -> Result<()> {
    let disk = &*shared.environment.disk;
    let place = shared.place(named.segment);
    let path = place.path();
    let file = match disk.open(&path, Mode::Read) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let flaw = Flaw::new("segment", "file", 0, 1, "the file that the snapshot names", "no such file");
            collector.add(&path, Severity::Damage, flaw);
            return Ok(());
        }
        file => file.map_err(Error::io("open", &path))?,
    };
    let opened = collector.take(open_held(disk, place.clone(), named, Extent::File))?;
    let Some((segment, flaws)) = opened else { return Ok(()) };
    let has_gaps = !flaws.is_empty();
    flaws.into_iter().for_each(|flaw| collector.add(&path, Severity::Damage, flaw));
    if segment.digest.is_some() {
        verify_index(&segment, shared, depth, collector)?;
    }
    match depth {
        Depth::Quick => Ok(()),
        Depth::Deep => Scanned::of(segment, has_gaps).read(shared, &*file, &place, collector),
    }
}

/// The frames of a segment that are to be read.
struct Scanned {
    frames: Vec<FooterFrame>,
    kills: Vec<FooterKill>,
    end: u64,
    chain: Digest,
    has_gaps: bool,
}

impl Scanned {
    fn of(segment: Segment, has_gaps: bool) -> Self {
        let Segment { frames, kills, end, chain, .. } = segment;
        Self { frames, kills, end, chain, has_gaps }
    }

    /// Reads every byte of the frames.
    fn read(
        &self,
        shared: &Shared,
        file: &dyn DiskFile,
        place: &SegmentPlace,
        collector: &mut Collector<'_>,
    ) -> Result<()> {
        let Self { frames, kills, end, chain, has_gaps } = self;
        let listed = Listed { frames, kills, end: *end, chain: *chain, has_gaps: *has_gaps };
        let checked = check_frames(file, place, listed)?;
        let path = place.path();
        checked.flaws.into_iter().for_each(|flaw| collector.add(&path, Severity::Damage, flaw));
        collector.report.bytes += end;
        collector.report.rows += checked.rows;
        shared.environment.observer.event(&Event::Verified { path, bytes: *end });
        Ok(())
    }
}

/// Checks the key index file of a sealed segment.
pub(super) fn verify_index(
    segment: &Segment,
    shared: &Shared,
    depth: Depth,
    collector: &mut Collector<'_>,
) -> Result<()> {
    let path = segment.place.index_path();
    let limit = (u64::from(segment.rows) / ENTRIES_PER_BLOCK as u64 + 2) * KEY_INDEX_BLOCK_BYTES as u64;
    let bytes = match durable::read_whole(&*shared.environment.disk, &path, limit.max(1 << 20)) {
        Ok(bytes) => bytes,
        Err(error) => {
            let flaw = Flaw::new("key index", "file", 0, 1, "a key index", &error);
            collector.add(&path, Severity::Derived, flaw);
            return Ok(());
        }
    };
    collector.report.files += 1;
    collector.report.bytes += bytes.len() as u64;
    let seed = segment.place.seed();
    let header = match decode_header(&bytes, bytes.len() as u64, &seed) {
        Ok(header) => header,
        Err(flaw) => {
            collector.add(&path, Severity::Derived, flaw);
            return Ok(());
        }
    };
    if Some(header.segment_digest) != segment.digest || header.entries != u64::from(segment.rows) {
        let flaw = Flaw::new("key index header", "segment_digest", 0, 4096, "that of the segment", "another");
        collector.add(&path, Severity::Derived, flaw);
    }
    if depth == Depth::Deep {
        for number in 0..(header.entries as usize).div_ceil(ENTRIES_PER_BLOCK) {
            let block = bytes.get(block_offset(number) as usize..).unwrap_or_default();
            let block = block.get(..KEY_INDEX_BLOCK_BYTES.min(block.len())).unwrap_or_default();
            if let Err(flaw) = check_block(block, number, &seed) {
                collector.add(&path, Severity::Derived, flaw);
            }
        }
    }
    Ok(())
}

/// Checks keys against each other: no key has two live rows, and every kill names the key of the row that it kills.
pub(super) fn verify_keys(view: &View, collector: &mut Collector<'_>) -> Result<()> {
    let mut seen: HashMap<u64, Vec<(u32, u32)>> = HashMap::new();
    for (part, row) in view.live_places() {
        let Some(key) = collector.take(view.part(part).and_then(|part| part.segment.key(row)))? else {
            continue;
        };
        let same = seen.entry(key_hash(key)).or_default();
        for &(other_part, other_row) in same.iter() {
            let other = view.part(other_part).and_then(|part| part.segment.key(other_row))?;
            if other == key {
                let (expected, found) = ("one live row a key", format!("two rows of the key {key:?}"));
                let flaw = Flaw::new("key", "live rows", 0, 1, expected, found);
                collector.add(&view.part(part)?.segment.path(), Severity::Damage, flaw);
            }
        }
        same.push((part, row));
    }
    let parts: HashMap<u64, u32> =
        (0u32..).zip(&view.parts).map(|(at, part)| (part.segment.place.segment, at)).collect();
    for part in &view.parts {
        let segment = &part.segment;
        let counted = segment.frames.get(..part.frames).unwrap_or_default();
        for (number, entry) in counted.iter().enumerate().filter(|(_, entry)| entry.kills > 0) {
            let Some(frame) = collector.take(segment.frame(number))? else { continue };
            for kill in frame.kills() {
                let Some(target) = parts.get(&kill.segment).and_then(|at| view.parts.get(*at as usize))
                else {
                    continue;
                };
                let own = segment.place.segment;
                if kill.segment > own || kill.segment == own && kill.row >= entry.first_row {
                    let found = format!("row {} of segment {}", kill.row, kill.segment);
                    let expected = format!("a row before row {} of segment {own}", entry.first_row);
                    let flaw = Flaw::new("kill entry", "row", entry.offset, 1, expected, found);
                    collector.add(&segment.path(), Severity::Damage, flaw);
                }
                let killed = target.segment.key(kill.row);
                let named = frame.key(kill.key).and_then(|key| key.ok());
                if killed.as_ref().ok().copied() != named {
                    let found = format!("{named:?} for row {} of segment {}", kill.row, kill.segment);
                    let expected = format!("the key of the row, {:?}", killed.ok());
                    let flaw = Flaw::new("kill entry", "key", entry.offset, 1, expected, found);
                    collector.add(&segment.path(), Severity::Damage, flaw);
                }
            }
        }
    }
    Ok(())
}
