//! The moment that a writer stands at: what a snapshot of it lists, and going on from another one.

use std::sync::Arc;

use siltstone_format::follows::Follows;
use siltstone_format::manifest::{SegmentEntry, SegmentState, SnapshotEntry};
use siltstone_format::snapshot::SnapshotSegment;

use super::{OpenPart, SealedPart, Writer};
use crate::error::{Error, Result};
use crate::view::{At, OnDamage};
use crate::{manifest, sweep, view, witness};

impl Writer {
    /// Segment, last commit, end and chain of every segment that counts: what a snapshot lists.
    pub(crate) fn moment(&self) -> Result<Vec<SnapshotSegment>> {
        let mut moment = Vec::new();
        for part in &self.sealed {
            let segment = &part.segment;
            let number = segment.place.segment;
            let cap = self.manifest.cap(number);
            let count = segment.frames.partition_point(|frame| frame.commit <= cap);
            // A segment that was left alone for its damage may have no frame that counts.
            let Some(last) = count.checked_sub(1) else { continue };
            let (last_commit, (end_bytes, chain)) = match count == segment.frames.len() {
                true => (segment.last_commit, (segment.end, segment.chain)),
                false => (cap, segment.end_of_frame(last)?),
            };
            moment.push(SnapshotSegment { segment: number, last_commit, end_bytes, chain });
        }
        let open = self.open.iter().filter(|open| !open.state.walk.frames.is_empty());
        moment.extend(open.map(|open| SnapshotSegment {
            segment: open.state.place.segment,
            last_commit: open.state.walk.last_commit,
            end_bytes: open.state.walk.end,
            chain: open.state.walk.chain,
        }));
        Ok(moment)
    }

    /// Makes these segments, and a new one after them, all that counts, and names a snapshot in the same manifest, whose
    /// document `keep` publishes. Segments that no longer count are retired.
    pub(crate) fn go_on_from(
        &mut self,
        segments: Vec<SegmentEntry>,
        keep: impl FnOnce(&Self) -> Result<SnapshotEntry>,
    ) -> Result<()> {
        let caps = segments.iter().map(|entry| match entry.state {
            SegmentState::Capped { cap, .. } => (entry.segment, Some(cap)),
            SegmentState::Frozen { last_commit, .. } => (entry.segment, Some(last_commit)),
            SegmentState::Sealed { .. } | SegmentState::Open => (entry.segment, None),
        });
        let (number, open) = self.begin_segment(Some(Follows::of(caps))).map_err(|error| match error {
            Error::Invalid { .. } => {
                let reason = "its segments are too many separate ones to go on from; export it, and import that into a \
                              new collection";
                Error::invalid("snapshot", reason)
            }
            error => error,
        })?;
        let kept = keep(self)?;
        let mut next = self.manifest.clone();
        next.retired.extend(self.manifest.segments.iter().map(|entry| entry.segment));
        next.segments = segments;
        next.segments.push(SegmentEntry { segment: number, state: SegmentState::Open });
        next.retired.retain(|number| next.segments.iter().all(|entry| entry.segment != *number));
        next.retired.sort_unstable();
        next.retired.dedup();
        next.next_segment = number + 1;
        next.snapshots.push(kept);
        next.snapshots.sort_by(|a, b| a.name.cmp(&b.name));
        self.manifest = manifest::publish(&self.shared.environment, &self.shared.directory, next)?;
        self.reload(open)?;
        sweep::retired(&self.shared, &self.manifest).map(drop)
    }

    /// Looks at what counts anew, as after opening.
    fn reload(&mut self, open: OpenPart) -> Result<()> {
        let shared = &self.shared;
        let witness = witness::load(&*shared.environment.disk, &shared.directory, &shared.id)?;
        let mut damage = Vec::new();
        let parts = view::open_parts(shared, &self.manifest, &witness, At::Now, OnDamage::Skip, &mut damage)?;
        let view = view::build(shared, &self.manifest, parts, At::Now, OnDamage::Skip, damage);
        let own = open.state.place.segment;
        let sealed = view.parts.into_iter().filter(|part| part.segment.place.segment != own);
        self.sealed =
            sealed.map(|part| SealedPart { segment: Arc::clone(&part.segment), live: part.live }).collect();
        self.open = Some(open);
        Ok(())
    }
}
