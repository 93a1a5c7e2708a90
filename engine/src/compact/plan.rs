//! Choosing what to compact: from a description of the segments to groups of them. Reads and writes nothing.

use std::collections::BTreeSet;

use siltstone_format::limits::{MAX_REPLACED_RANGES, MAX_SEGMENT_ROWS};

use super::CompactOptions;
use crate::ids::SegmentId;

/// A segment, as far as a plan needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentShape {
    /// Its number.
    pub segment: SegmentId,
    /// Length of its file, in bytes.
    pub bytes: u64,
    /// Its rows.
    pub rows: u64,
    /// Those that count.
    pub live_rows: u64,
    /// Whether a snapshot names it, so that its file stays whatever is done.
    pub is_held: bool,
}

impl SegmentShape {
    /// About how many of its bytes belong to rows that count. A segment without rows is taken as it is: its kills may
    /// still be needed.
    pub fn live_bytes(&self) -> u64 {
        match self.rows {
            0 => self.bytes,
            rows => (u128::from(self.bytes) * u128::from(self.live_rows.min(rows)) / u128::from(rows)) as u64,
        }
    }

    /// About how many of its bytes belong to rows that no longer count.
    pub fn dead_bytes(&self) -> u64 {
        self.bytes - self.live_bytes()
    }

    /// Whether at least this share of it is dead.
    pub(super) fn is_sparse(&self, min_dead: f64) -> bool {
        let dead = self.dead_bytes();
        dead > 0 && dead as f64 >= min_dead * self.bytes as f64
    }
}

/// Segments that become one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedGroup {
    /// The segments, rising.
    pub segments: Vec<SegmentShape>,
    /// How long the new segment will be, by estimate, in bytes.
    pub bytes_after: u64,
}

impl PlannedGroup {
    /// Length of the segments as they are, in bytes.
    pub fn bytes_before(&self) -> u64 {
        self.segments.iter().map(|shape| shape.bytes).sum()
    }

    /// Rows that no longer count and will be gone.
    pub fn dead_rows(&self) -> u64 {
        self.segments.iter().map(|shape| shape.rows - shape.live_rows).sum()
    }

    /// Bytes that the disk gets back, by estimate; nothing when snapshots hold the segments.
    pub fn reclaimed_bytes(&self) -> u64 {
        let removed = self.segments.iter().filter(|shape| !shape.is_held);
        removed.map(|shape| shape.bytes).sum::<u64>().saturating_sub(self.bytes_after)
    }
}

/// What compaction will do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CompactPlan {
    /// The groups, in the order in which they are done.
    pub groups: Vec<PlannedGroup>,
    /// Bytes of rows that no longer count in segments that would be rewritten if no snapshot held them.
    pub kept_for_snapshots_bytes: u64,
    /// The snapshots that hold those segments.
    pub kept_for: Vec<String>,
    /// All segments as they are.
    pub segments: Vec<SegmentShape>,
}

/// Chooses the segments that are worth rewriting and puts them into groups of at most the target length, neighbours
/// together.
pub(super) fn plan(shapes: &[SegmentShape], options: &CompactOptions) -> CompactPlan {
    let is_free = |shape: &&SegmentShape| options.rewrite_held || !shape.is_held;
    let sparse = |shape: &SegmentShape| shape.is_sparse(options.min_dead);
    let worth = shapes.iter().filter(is_free).filter(|shape| sparse(shape)).count();
    let small = small(shapes.iter().filter(is_free).filter(|shape| !sparse(shape)), worth, options);
    let chosen = shapes.iter().filter(is_free);
    let chosen = chosen.filter(|shape| sparse(shape) || small.contains(&shape.segment));
    let mut plan = CompactPlan { segments: shapes.to_vec(), ..CompactPlan::default() };
    let mut group: Vec<&SegmentShape> = Vec::new();
    for shape in chosen {
        group.push(shape);
        if !fits(&group, options) && group.len() > 1 {
            group.pop();
            plan.groups.extend(worthwhile(&group, options));
            group = vec![shape];
        }
    }
    plan.groups.extend(worthwhile(&group, options));
    let kept = shapes.iter().filter(|shape| !is_free(shape) && sparse(shape));
    plan.kept_for_snapshots_bytes = kept.map(SegmentShape::dead_bytes).sum();
    plan
}

/// The small segments that are merged, when so many others are rewritten anyway.
fn small<'a>(
    candidates: impl Iterator<Item = &'a SegmentShape>,
    others: usize,
    options: &CompactOptions,
) -> BTreeSet<SegmentId> {
    let mut small: Vec<&SegmentShape> =
        candidates.filter(|shape| shape.live_bytes() < options.target_bytes / 4).collect();
    small.sort_by_key(|shape| (shape.live_bytes(), shape.segment));
    while options.spare_longest
        && let Some((longest, others)) = small.split_last()
        && longest.live_bytes() > others.iter().map(|shape| shape.live_bytes()).sum()
    {
        small.pop();
    }
    if small.len() + others < options.merge_at_least.max(2) {
        small.clear();
    }
    small.into_iter().map(|shape| shape.segment).collect()
}

/// Whether one segment can take the place of these.
fn fits(group: &[&SegmentShape], options: &CompactOptions) -> bool {
    let bytes: u64 = group.iter().map(|shape| shape.live_bytes()).sum();
    let rows: u64 = group.iter().map(|shape| shape.live_rows).sum();
    bytes <= options.target_bytes && rows <= MAX_SEGMENT_ROWS && can_say_what(group)
}

/// Whether the header page of the new segment has room for what it replaces.
fn can_say_what(group: &[&SegmentShape]) -> bool {
    runs(group.iter().map(|shape| shape.segment.0)).len() <= MAX_REPLACED_RANGES
}

/// A group of one is worth the work only for its dead rows.
fn worthwhile(group: &[&SegmentShape], options: &CompactOptions) -> Option<PlannedGroup> {
    let is_worthwhile = match group {
        [] => false,
        [only] => only.is_sparse(options.min_dead),
        _ => true,
    };
    is_worthwhile.then(|| PlannedGroup {
        segments: group.iter().map(|shape| (*shape).clone()).collect(),
        bytes_after: group.iter().map(|shape| shape.live_bytes()).sum(),
    })
}

/// Rising numbers as runs: the first and the last of each.
pub(super) fn runs(numbers: impl IntoIterator<Item = u64>) -> Vec<(u64, u64)> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => runs.push((number, number)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn shape(segment: u64, mib: u64, rows: u64, live_rows: u64) -> SegmentShape {
        let (segment, bytes) = (SegmentId(segment), mib * MIB);
        SegmentShape { segment, bytes, rows, live_rows, is_held: false }
    }

    fn groups(shapes: &[SegmentShape], options: &CompactOptions) -> Vec<Vec<u64>> {
        let numbers = |group: &PlannedGroup| group.segments.iter().map(|shape| shape.segment.0).collect();
        plan(shapes, options).groups.iter().map(numbers).collect()
    }

    #[test]
    fn sparse_segments_are_rewritten_and_full_ones_left_alone() {
        let shapes = [shape(1, 250, 100, 100), shape(2, 250, 100, 69), shape(3, 250, 100, 71)];
        assert_eq!(groups(&shapes, &CompactOptions::default()), [[2]]);
        let all = CompactOptions { min_dead: 0.0, ..CompactOptions::default() };
        assert_eq!(groups(&shapes, &all), [[2], [3]], "a segment without dead rows gains nothing");
    }

    #[test]
    fn small_segments_are_merged_up_to_the_target() {
        let shapes: Vec<_> = (1..=9).map(|number| shape(number, 60, 10, 10)).collect();
        assert_eq!(
            groups(&shapes, &CompactOptions::default()),
            [vec![1, 2, 3, 4], vec![5, 6, 7, 8]],
            "the ninth is alone and has nothing to lose"
        );
        assert_eq!(groups(&shapes[..1], &CompactOptions::default()), Vec::<Vec<u64>>::new());
    }

    #[test]
    fn a_nightly_run_does_not_rewrite_the_same_rows_every_night() {
        let nightly = CompactOptions::automatic();
        let mut shapes = vec![shape(1, 60, 10, 10)];
        shapes.extend((2..=5).map(|number| shape(number, 1, 10, 10)));
        assert_eq!(groups(&shapes, &nightly), [[2, 3, 4, 5]]);
        assert_eq!(groups(&shapes, &CompactOptions::default()), [[1, 2, 3, 4, 5]]);
        assert_eq!(groups(&shapes[..4], &nightly), Vec::<Vec<u64>>::new());
    }

    #[test]
    fn segments_that_snapshots_hold_are_left_alone_unless_asked_for() {
        let mut shapes = vec![shape(1, 9, 10, 1), shape(2, 9, 10, 1)];
        shapes[0].is_held = true;
        let plan = plan(&shapes, &CompactOptions::default());
        assert_eq!(plan.groups.len(), 1);
        assert_eq!(plan.groups[0].segments, [shapes[1].clone()]);
        assert!(plan.kept_for_snapshots_bytes > 8 * MIB);
        let held = CompactOptions { rewrite_held: true, ..CompactOptions::default() };
        assert_eq!(groups(&shapes, &held), [[1, 2]]);
    }

    #[test]
    fn what_is_replaced_fits_the_header_page() {
        // Every other segment is full: what a group replaces is as many ranges as segments.
        let each = |number| shape(number, 50, 100, if number % 2 == 0 { 100 } else { 1 });
        let shapes: Vec<_> = (1..=120).map(each).collect();
        let wide = CompactOptions { merge_at_least: usize::MAX, ..CompactOptions::default() };
        let planned = groups(&shapes, &wide);
        assert!(planned.iter().all(|group| group.len() <= MAX_REPLACED_RANGES), "{planned:?}");
        assert_eq!(planned.concat(), (1..=120).step_by(2).collect::<Vec<u64>>());
    }
}
