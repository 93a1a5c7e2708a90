//! A snapshot as a collection of its own: its segments, each as far as the snapshot counts it, and nothing that came
//! later. All but the last of a snapshot's segments were sealed when it was taken; the last one was open, and is so again.

use siltstone_format::footer::{self, Footer};
use siltstone_format::layout::{Seal, WitnessSlot};
use siltstone_format::manifest::{Manifest, SegmentEntry, SegmentState, SnapshotEntry};
use siltstone_format::names::{FileKind, WITNESS_FILE};
use siltstone_format::snapshot::{Snapshot, SnapshotSegment};
use siltstone_format::witness::encode_new;
use siltstone_format::{Flaw, Seed};

use super::capture::Captured;
use super::collect::Gather;
use crate::disk::DiskFile;
use crate::error::{Error, Result};
use crate::witness;

/// Gathers the files of a snapshot.
pub(super) fn snapshot(gather: &mut Gather<'_>, manifest: &Manifest, entry: &SnapshotEntry) -> Result<()> {
    let kind = FileKind::Snapshot(entry.file);
    let bytes = gather.document(kind)?;
    let decoded = Snapshot::decode(&bytes).map_err(|flaw| Error::flaw(&gather.path(kind), flaw));
    let (snapshot, digest) = decoded?;
    if digest != entry.digest {
        let (expected, found) = ("the digest that the manifest names", "another snapshot");
        let flaw = Flaw::new("snapshot", "blake3", 0, bytes.len() as u64, expected, found);
        return Err(Error::flaw(&gather.path(kind), flaw));
    }
    let mut segments = Vec::new();
    let last = snapshot.segments.len().saturating_sub(1);
    for (number, cap) in snapshot.segments.iter().enumerate() {
        let kind = FileKind::Segment(cap.segment);
        let file = gather.open(kind)?;
        let footer = footer_of(&*file, manifest, cap).map_err(Error::io("read", &gather.path(kind)))?;
        let state = match footer.map(|(bytes, footer)| (bytes, footer.header, footer.digest)) {
            Some((bytes, header, digest)) if header.frames_end == cap.end_bytes => {
                gather.whole(kind, file)?;
                gather.index(cap.segment)?;
                let (rows, last_commit) = (header.rows, header.last_commit);
                SegmentState::Sealed { bytes, rows, last_commit, digest }
            }
            _ if number == last => {
                gather.cut(kind, file, cap.end_bytes)?;
                SegmentState::Open
            }
            Some((bytes, header, digest)) => {
                gather.whole(kind, file)?;
                gather.index(cap.segment)?;
                let (rows, last_commit) = (header.rows, header.last_commit);
                SegmentState::Capped { bytes, rows, last_commit, digest, cap: cap.last_commit }
            }
            None => {
                let (path, length) = (gather.path(kind), cap.end_bytes);
                let (expected, found) = ("a footer, because later segments follow", "none that can be read");
                return Err(Error::flaw(&path, Flaw::new("segment", "footer", 0, length, expected, found)));
            }
        };
        segments.push(SegmentEntry { segment: cap.segment, state });
    }
    let snapshots = vec![entry.clone()];
    let made = Manifest { segments, snapshots, retired: Vec::new(), ..manifest.clone() };
    let bytes = made.encode().map_err(|reason| Error::invalid("manifest", reason))?;
    gather.made(FileKind::Manifest(made.generation).file_name(), bytes);
    let slot = match snapshot.segments.last() {
        Some(cap) => WitnessSlot {
            segment: cap.segment,
            commit: cap.last_commit,
            end_bytes: cap.end_bytes,
            chain: cap.chain,
            ..witness::blank(manifest.collection)
        },
        None => witness::blank(manifest.collection),
    };
    gather.made(WITNESS_FILE.to_owned(), encode_new(&slot));
    Ok(())
}

/// The length and the footer of a segment that was sealed.
fn footer_of(
    file: &dyn DiskFile,
    manifest: &Manifest,
    cap: &SnapshotSegment,
) -> std::io::Result<Option<(u64, Footer)>> {
    let bytes = file.len()?;
    let seed = Seed::new(&manifest.collection, cap.segment);
    let length = (Seal::BYTES as u64).min(bytes);
    let mut seal = vec![0; length as usize];
    file.read_at(&mut seal, bytes - length)?;
    let Ok((start, seal)) = footer::locate(&seal, bytes, &seed) else { return Ok(None) };
    let mut footer = vec![0; (bytes - start) as usize];
    file.read_at(&mut footer, start)?;
    Ok(footer::decode(&footer, &seal, &seed, start).ok().map(|footer| (bytes, footer)))
}

impl Gather<'_> {
    /// The beginning of a file.
    fn cut(&mut self, kind: FileKind, file: std::sync::Arc<dyn DiskFile>, bytes: u64) -> Result<()> {
        let captured = Captured::of_file(&self.path(kind), file, bytes)?;
        self.put(kind, captured);
        Ok(())
    }
}
