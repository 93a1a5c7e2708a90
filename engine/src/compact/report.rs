//! What compaction did, as data.

use crate::ids::SegmentId;

/// What compaction did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CompactReport {
    /// The groups, in the order in which they were done.
    pub groups: Vec<CompactedGroup>,
    /// Rows that were deleted because the caller asked for it.
    pub dropped_rows: u64,
    /// Planned groups that were left as they are, because the caller wanted to stop.
    pub left_groups: usize,
    /// Bytes of segments that now only snapshots keep.
    pub held_bytes: u64,
}

impl CompactReport {
    /// Bytes that the disk got back.
    pub fn reclaimed_bytes(&self) -> u64 {
        let freed: u64 = self.groups.iter().map(|group| group.removed_bytes).sum();
        freed.saturating_sub(self.groups.iter().map(|group| group.bytes_after).sum())
    }
}

/// A group of segments that became one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompactedGroup {
    /// The segments that no longer count.
    pub inputs: Vec<SegmentId>,
    /// The one that took their place.
    pub output: SegmentId,
    /// Rows that were copied.
    pub rows_kept: u64,
    /// Rows that no longer counted and are gone.
    pub rows_dropped: u64,
    /// Length of the old segments, in bytes.
    pub bytes_before: u64,
    /// Length of the new one.
    pub bytes_after: u64,
    /// Length of those old ones whose files were removed; the others are kept for snapshots.
    pub removed_bytes: u64,
}
