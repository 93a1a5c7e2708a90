//! Verifying one segment: quickly from outside, or every byte of it. Reads with plain reads, never through a map, so that
//! a file that somebody cuts meanwhile is an error and not a signal.

use std::collections::HashMap;
use std::sync::Arc;

use siltstone_format::checksum::key_hash;
use siltstone_format::frame::Frame;
use siltstone_format::key_index::{ENTRIES_PER_BLOCK, block_offset, check_block, decode_header};
use siltstone_format::layout::{FooterFrame, FooterKill, FrameHeader};
use siltstone_format::limits::{HEADER_PAGE_BYTES, KEY_INDEX_BLOCK_BYTES, MAX_FRAME_BYTES};
use siltstone_format::manifest::{SegmentEntry, SegmentState};
use siltstone_format::witness::Witness;
use siltstone_format::{Digest, Flaw, header};

use super::collection::Collector;
use super::{Depth, Severity};
use crate::collection::Shared;
use crate::disk::{DiskFile, Mode, durable};
use crate::distance::check_vector;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::segment::{OpenFile, Segment, SegmentPlace, Stop, open_sealed};
use crate::view::{View, sealed_promise};

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
    let (frames, kills, end) = match sealed_promise(&entry.state) {
        Some(promise) => {
            let Some(sealed) = collector.take(open_sealed(disk, place.clone(), promise))? else {
                // The footer is unusable, but the frames can be walked without it.
                return match depth {
                    Depth::Deep => {
                        deep_without_footer(&*file, shared, entry.segment, promise.bytes, collector)
                    }
                    Depth::Quick => Ok(()),
                };
            };
            verify_index(&sealed, shared, depth, collector)?;
            (sealed.frames, sealed.kills, sealed.end)
        }
        None => {
            let Some(mut open) = collector.take(OpenFile::start(&*file, place.clone()))? else {
                return Ok(());
            };
            let limit = match &entry.state {
                SegmentState::Frozen { end_bytes, .. } => *end_bytes,
                _ => u64::MAX,
            };
            let stop = open.walk.advance(&*file, &place, witness.latest.as_ref(), limit)?;
            if let Stop::Tear { file_bytes } = stop {
                let (from, bytes) = (open.walk.end, file_bytes - open.walk.end);
                let found = "an interrupted commit; the next writer cuts it off and keeps it aside";
                let flaw =
                    Flaw::new("segment", "tail", from, bytes, "the end of the last whole commit", found);
                collector.add(&path, Severity::Note, flaw);
            }
            for flaw in open.walk.gaps {
                collector.add(&path, Severity::Damage, flaw);
            }
            (open.walk.frames, open.walk.kills, open.walk.end)
        }
    };
    if depth == Depth::Deep {
        let span = (frames.as_slice(), kills.as_slice(), end);
        deep(&*file, &place, span, matches!(entry.state, SegmentState::Frozen { .. }), shared, collector)?;
    }
    Ok(())
}

/// Reads every byte of the frames.
fn deep(
    file: &dyn DiskFile,
    place: &SegmentPlace,
    (frames, kills, end): (&[FooterFrame], &[FooterKill], u64),
    frozen: bool,
    shared: &Shared,
    collector: &mut Collector<'_>,
) -> Result<()> {
    let path = place.path();
    let page = read(file, place, 0, HEADER_PAGE_BYTES)?;
    let mut chain = match header::decode(&page) {
        Ok(page) => page.chain,
        Err(flaw) => {
            collector.add(&path, Severity::Damage, flaw);
            [0; 32]
        }
    };
    let mut at = HEADER_PAGE_BYTES;
    let mut kills = kills.iter();
    for entry in frames {
        if entry.offset != at && !frozen {
            let flaw = Flaw::new(
                "segment",
                "frames",
                at,
                1,
                format!("a frame at {at}"),
                format!("one at {}", entry.offset),
            );
            collector.add(&path, Severity::Damage, flaw);
        }
        let follows = (entry.offset == at).then_some(chain);
        let (next, digest) = one_frame(file, place, entry, &mut kills, follows, shared, collector)?;
        (at, chain) = (next, digest);
    }
    if at != end && !frozen {
        let flaw =
            Flaw::new("segment", "frames", at.min(end), at.abs_diff(end), format!("frames up to {end}"), at);
        collector.add(&path, Severity::Damage, flaw);
    }
    collector.report.bytes += end;
    shared.environment.observer.event(&Event::Verified { path, bytes: end });
    Ok(())
}

/// Reads every byte of one frame; returns where it ends and its chain digest.
fn one_frame<'k>(
    file: &dyn DiskFile,
    place: &SegmentPlace,
    entry: &FooterFrame,
    kills: &mut impl Iterator<Item = &'k FooterKill>,
    follows: Option<Digest>,
    shared: &Shared,
    collector: &mut Collector<'_>,
) -> Result<(u64, Digest)> {
    let path = place.path();
    let seed = place.seed();
    let head = read(file, place, entry.offset, FrameHeader::BYTES as u64)?;
    let decoded = FrameHeader::decode(&head, &seed, entry.offset);
    let length = file.len().map_err(Error::io("read", &path))?.saturating_sub(entry.offset);
    let header = match decoded {
        Ok(header) if header.frame_bytes <= length.min(MAX_FRAME_BYTES) => header,
        Ok(header) => {
            collector.add(
                &path,
                Severity::Damage,
                Flaw::short("frame", entry.offset, header.frame_bytes, length),
            );
            return Ok((entry.offset, [0; 32]));
        }
        Err(flaw) => {
            collector.add(&path, Severity::Damage, flaw);
            return Ok((entry.offset, [0; 32]));
        }
    };
    let end = entry.offset + header.frame_bytes;
    let bytes = read(file, place, entry.offset, header.frame_bytes)?;
    let frame = match Frame::with_header(&header, &bytes, place.dims, &seed, entry.offset) {
        Ok(frame) => frame,
        Err(flaw) => {
            collector.add(&path, Severity::Damage, flaw);
            return Ok((end, [0; 32]));
        }
    };
    let wrong = |field, expected: String, found: String| {
        Flaw::new("frame header", field, entry.offset, FrameHeader::BYTES as u64, expected, found)
    };
    let flaws = frame.flaws(&header);
    let sound = flaws.is_empty();
    for flaw in flaws {
        collector.add(&path, Severity::Damage, flaw);
    }
    let listed = (entry.commit, entry.first_row, entry.rows, entry.kills, entry.last);
    let found = (header.commit, header.first_row, header.rows, header.kills, header.last);
    if listed != found {
        collector.add(&path, Severity::Damage, wrong("counts", format!("{listed:?}"), format!("{found:?}")));
    }
    if follows.is_some_and(|chain| chain != header.previous_chain) {
        let expected = "the digest of the frame before".to_owned();
        collector.add(&path, Severity::Damage, wrong("previous_chain", expected, "another digest".into()));
    }
    if sound {
        for kill in frame.kills() {
            if kills.next().is_none_or(|listed| (listed.segment, listed.row) != (kill.segment, kill.row)) {
                let found = format!("row {} of segment {}", kill.row, kill.segment);
                collector.add(
                    &path,
                    Severity::Damage,
                    wrong("kills", "as listed in the footer".into(), found),
                );
            }
        }
        meanings(&frame, entry, place, shared, collector)?;
        collector.report.rows += u64::from(header.rows);
    } else {
        kills.by_ref().take(entry.kills as usize).for_each(drop);
    }
    Ok((end, frame.chain()))
}

/// Checks what the bytes of a sound frame mean: vectors that may be stored, norms that are theirs, metadata that is
/// JSON.
fn meanings(
    frame: &Frame<'_>,
    entry: &FooterFrame,
    place: &SegmentPlace,
    shared: &Shared,
    collector: &mut Collector<'_>,
) -> Result<()> {
    let path = place.path();
    for row in 0..entry.rows {
        let Some(Ok(bytes)) = frame.row(row) else { continue };
        let vector: Vec<f32> = bytes
            .chunks_exact(4)
            .filter_map(|e| e.first_chunk::<4>())
            .map(|e| f32::from_le_bytes(*e))
            .collect();
        let offset = entry.offset + FrameHeader::BYTES as u64 + u64::from(row) * bytes.len() as u64;
        let flaw = |field, expected: String, found: String| {
            Flaw::new("row", field, offset, bytes.len() as u64, expected, found)
        };
        match check_vector(shared.identity.metric, &vector) {
            Err(refused) => {
                let expected = "a vector that may be stored".to_owned();
                collector.add(&path, Severity::Damage, flaw("elements", expected, refused.to_string()));
            }
            Ok(norm) if frame.squared_norm(row).map(f64::to_bits) != Some(norm.to_bits()) => {
                let found = format!("{:?}", frame.squared_norm(row));
                collector.add(&path, Severity::Damage, flaw("squared norm", norm.to_string(), found));
            }
            Ok(_) => {}
        }
        if let Some(Ok(metadata)) = frame.metadata(row)
            && !metadata.is_empty()
            && let Err(error) =
                serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&metadata)
        {
            collector.add(
                &path,
                Severity::Damage,
                flaw("metadata", "a JSON object".into(), error.to_string()),
            );
        }
    }
    Ok(())
}

/// Walks the frames of a sealed segment whose footer cannot be used, to tell how far the damage goes.
fn deep_without_footer(
    file: &dyn DiskFile,
    shared: &Shared,
    segment: u64,
    bytes: u64,
    collector: &mut Collector<'_>,
) -> Result<()> {
    let place = shared.place(segment);
    let Some(mut open) = collector.take(OpenFile::start(file, place.clone()))? else { return Ok(()) };
    open.walk.advance(file, &place, None, bytes)?;
    for flaw in open.walk.gaps {
        collector.add(&place.path(), Severity::Damage, flaw);
    }
    let span = (open.walk.frames.as_slice(), open.walk.kills.as_slice(), open.walk.end);
    deep(file, &place, span, true, shared, collector)
}

/// Checks the key index file of a sealed segment.
fn verify_index(
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
        for (number, entry) in segment.frames.iter().enumerate().filter(|(_, entry)| entry.kills > 0) {
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

fn read(file: &dyn DiskFile, place: &SegmentPlace, offset: u64, length: u64) -> Result<Vec<u8>> {
    let mut bytes = vec![0; length as usize];
    file.read_at(&mut bytes, offset).map_err(Error::io("read", &place.path()))?;
    Ok(bytes)
}
