//! What is remembered of a segment elsewhere: chain digests at offsets, in manifests, snapshots and the witness.

use siltstone_format::Digest;
use siltstone_format::manifest::SegmentState;
use siltstone_format::snapshot::Snapshot;
use siltstone_format::witness::Witness;

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

    /// Whether somebody remembers this digest at this place.
    pub(super) fn confirm(&self, end: u64, chain: &Digest) -> bool {
        self.ends.iter().any(|known| (known.0, &known.1) == (end, chain))
    }
}
