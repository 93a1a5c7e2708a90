//! What is remembered of a segment elsewhere: chain digests at offsets, in manifests, snapshots and the witness.

use siltstone_format::Digest;
use siltstone_format::layout::FrameTrailer;
use siltstone_format::limits::HEADER_PAGE_BYTES;
use siltstone_format::manifest::SegmentState;
use siltstone_format::snapshot::Snapshot;
use siltstone_format::witness::Witness;

use crate::disk::DiskFile;
use crate::error::{Error, Result};
use crate::segment::SegmentPlace;

/// What other files say of one segment.
#[derive(Debug, Default)]
pub(super) struct Promises {
    /// Where a frame ends, and the chain digest there.
    ends: Vec<(u64, Digest)>,
    /// Everything before was durable.
    pub(super) durable_end: u64,
    /// Whether what follows the last commit can be what an interruption left.
    pub(super) may_be_torn: bool,
}

impl Promises {
    /// Gathers what is said of `segment`.
    pub(super) fn gather(
        segment: u64,
        state: &SegmentState,
        witness: &Witness,
        snapshots: &[Snapshot],
    ) -> Self {
        let mut promises =
            Self { may_be_torn: *state == SegmentState::Open && witness.flaws.is_empty(), ..Self::default() };
        if let Some(slot) = witness.latest.as_ref().filter(|slot| slot.segment == segment) {
            promises.add(slot.end_bytes, slot.chain);
        }
        if let SegmentState::Frozen { end_bytes, chain, .. } = *state {
            // Bytes after what counts of a frozen segment are nobody's.
            promises.may_be_torn = true;
            promises.add(end_bytes, chain);
        }
        promises.add_snapshots(segment, snapshots);
        promises
    }

    /// Gathers what is said of a segment that only snapshots name: all of its bytes are whole commits or a footer.
    pub(super) fn of_snapshots(segment: u64, snapshots: &[Snapshot]) -> Self {
        let mut promises = Self::default();
        promises.add_snapshots(segment, snapshots);
        promises
    }

    fn add_snapshots(&mut self, segment: u64, snapshots: &[Snapshot]) {
        for entry in snapshots.iter().flat_map(|snapshot| &snapshot.segments) {
            if entry.segment == segment {
                self.add(entry.end_bytes, entry.chain);
            }
        }
    }

    fn add(&mut self, end: u64, chain: Digest) {
        self.durable_end = self.durable_end.max(end);
        self.ends.push((end, chain));
    }

    /// Whether a file has the digests that are remembered of it, as far as it goes. It was surveyed, so that each of its
    /// frames continues the one before.
    pub(super) fn agree(&self, file: &dyn DiskFile, place: &SegmentPlace) -> Result<bool> {
        let length = file.len().map_err(Error::io("read", &place.path()))?;
        for (end, chain) in &self.ends {
            // Nothing of the segment counted there; or nobody could read how far it did.
            if *end <= HEADER_PAGE_BYTES || *chain == [0; 32] {
                continue;
            }
            if *end > length {
                return Ok(false);
            }
            let at = end - FrameTrailer::BYTES as u64;
            let mut trailer = vec![0; FrameTrailer::BYTES];
            file.read_at(&mut trailer, at).map_err(Error::io("read", &place.path()))?;
            if FrameTrailer::decode(&trailer, &place.seed(), at).map(|found| found.chain).ok() != Some(*chain)
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether somebody remembers this digest at this place.
    pub(super) fn confirm(&self, end: u64, chain: &Digest) -> bool {
        self.ends.iter().any(|known| (known.0, &known.1) == (end, chain))
    }
}
