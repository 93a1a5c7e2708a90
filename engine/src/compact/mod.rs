//! Compaction: the rows that count are written once more, in key order, into fewer and fuller segments, and the segments
//! that they came from are retired.
//!
//! A pure [plan](CompactPlan) chooses groups of segments; each group becomes one new segment, written under a temporary
//! name, synced and read back. The manifest that lists the new segment in place of the old ones is the only moment that
//! changes anything: whoever dies before it leaves a file that the next writer sweeps away, whoever dies after it leaves
//! retired files, which the next writer removes too. Readers keep what they have mapped; snapshots keep their segments.
//!
//! Groups are done one after the other, and a group's old files go before the next one is begun. So beside what is there
//! already, what snapshots hold, and what open views keep mapped, the disk needs room for one new segment and its key index: about
//! [`CompactOptions::target_bytes`], or what is alive of a single segment, where that is longer. Memory holds one frame,
//! and 24 bytes a row of the group.

mod output;
mod plan;
mod report;
mod rewrite;
mod survey;

use std::collections::BTreeSet;

use crate::append::Writer;
use crate::collection::Shared;
use crate::error::{Error, Result};
use crate::view::{OnDamage, View};
use crate::{snapshot, view};

pub use plan::{CompactPlan, PlannedGroup, SegmentShape};
pub use report::{CompactReport, CompactedGroup};
pub use survey::Space;

pub(crate) use survey::space;

/// What to compact, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct CompactOptions {
    /// A segment is rewritten when at least this share of its bytes, 0 to 1, belongs to rows that no longer count. 0.3.
    pub min_dead: f64,
    /// Segments with less than a quarter of [`CompactOptions::target_bytes`] are merged when there are at least so many
    /// of them. 2.
    pub merge_at_least: usize,
    /// Whether a small segment that is longer than all other small ones together is left alone. Then rows move only into
    /// segments at least twice as long, however often compaction runs. No.
    pub spare_longest: bool,
    /// How long a new segment becomes at most, by estimate, unless it replaces a single one that is longer. 256 MiB.
    pub target_bytes: u64,
    /// Whether segments that snapshots keep are rewritten too. That makes the collection shorter to search, but frees
    /// nothing before the snapshots are dropped. No.
    pub rewrite_held: bool,
    /// Rows to delete first, by key, in one commit: rows that only the caller knows to be useless. Keys that are not
    /// there are passed by.
    pub drop_keys: Vec<String>,
    /// Keeps the collection as it was before `drop_keys` under this name, when any of these keys is there.
    pub undo_snapshot: Option<String>,
}

impl Default for CompactOptions {
    fn default() -> Self {
        Self {
            min_dead: 0.3,
            merge_at_least: 2,
            spare_longest: false,
            target_bytes: 256 << 20,
            rewrite_held: false,
            drop_keys: Vec::new(),
            undo_snapshot: None,
        }
    }
}

impl CompactOptions {
    /// For a run after every update: merges only when four small segments have gathered, and never moves a row into a
    /// segment of less than twice the length.
    pub fn automatic() -> Self {
        Self { merge_at_least: 4, spare_longest: true, ..Self::default() }
    }

    fn check(&self) -> Result<()> {
        match (0.0..=1.0).contains(&self.min_dead) {
            true => Ok(()),
            false => Err(Error::invalid("min_dead", format!("{}: it must be 0 to 1", self.min_dead))),
        }
    }
}

/// What compaction would do now. Takes no lock.
pub(crate) fn plan_only(shared: &std::sync::Arc<Shared>, options: &CompactOptions) -> Result<CompactPlan> {
    options.check()?;
    snapshot::with_manifest(shared, |manifest| {
        let view = view::load(shared, view::At::Now, OnDamage::Fail)?;
        let named = named_by_snapshots(shared, manifest)?;
        let shapes = survey::shapes(&view, named.as_ref(), &options.drop_keys)?;
        let mut plan = plan::plan(&shapes, options);
        if plan.kept_for_snapshots_bytes > 0 {
            plan.kept_for = keepers(shared, manifest, &plan, options)?;
        }
        Ok(plan)
    })
}

/// Compacts under the writer's lock, group by group for as long as `go_on` says so.
pub(crate) fn run(
    writer: &mut Writer,
    options: &CompactOptions,
    go_on: &dyn Fn() -> bool,
) -> Result<CompactReport> {
    options.check()?;
    let dropped_rows = drop_rows(writer, options)?;
    let named = named_by_snapshots(writer.shared(), writer.manifest())?;
    let shapes = survey::shapes(&sound_view(writer)?, named.as_ref(), &[])?;
    let plan = plan::plan(&shapes, options);
    let mut report = CompactReport { dropped_rows, ..CompactReport::default() };
    report.left_groups = plan.groups.len();
    if !plan.groups.is_empty() && go_on() {
        // Then no segment is open that could later kill rows of a segment with a greater number.
        writer.seal()?;
        let mut parts = sound_view(writer)?.parts;
        for group in plan.groups.iter().take_while(|_| go_on()) {
            let rewrite = |writer: &mut Writer| rewrite::group(writer, &mut parts, group, named.as_ref());
            report.groups.push(writer.poisoning(rewrite)?);
            report.left_groups -= 1;
        }
    }
    report.held_bytes = survey::held_bytes(writer.shared(), writer.manifest())?;
    Ok(report)
}

/// The last commit, of a collection without damage. With damage nobody knows which rows still count, and copying them
/// would make the uncertainty invisible.
fn sound_view(writer: &Writer) -> Result<View> {
    let view = writer.view()?;
    match view.damage.first() {
        Some(found) => Err(Error::flaw(&found.path, found.flaw.clone())),
        None => Ok(view),
    }
}

/// Deletes what the caller wants to be rid of. Returns how many rows that were.
fn drop_rows(writer: &mut Writer, options: &CompactOptions) -> Result<u64> {
    if options.drop_keys.is_empty() {
        return Ok(0);
    }
    let view = sound_view(writer)?;
    let mut present = BTreeSet::new();
    for key in &options.drop_keys {
        if view.contains(key)? {
            present.insert(key);
        }
    }
    if present.is_empty() {
        return Ok(0);
    }
    if let Some(name) = &options.undo_snapshot {
        writer.create_snapshot(name)?;
    }
    let deleted = present.into_iter().try_for_each(|key| writer.delete(key).map(drop));
    match deleted.and_then(|()| writer.commit()) {
        Ok(receipt) => Ok(receipt.deleted),
        Err(error) => {
            // Nothing of it may come with a later commit.
            let _ = writer.rollback();
            Err(error)
        }
    }
}

/// The names of the snapshots that hold segments which would be rewritten without them.
fn keepers(
    shared: &Shared,
    manifest: &siltstone_format::manifest::Manifest,
    plan: &CompactPlan,
    options: &CompactOptions,
) -> Result<Vec<String>> {
    let is_kept = |number: u64| {
        let shape = plan.segments.iter().find(|shape| shape.segment.0 == number);
        shape.is_some_and(|shape| shape.is_held && shape.is_sparse(options.min_dead))
    };
    let snapshots = snapshot::documents(shared, manifest)?.unwrap_or_default().into_iter();
    let keepers = snapshots.filter(|snapshot| snapshot.segments.iter().any(|named| is_kept(named.segment)));
    Ok(keepers.map(|snapshot| snapshot.name).collect())
}

/// The segments that snapshots name, listed or not; `None` when a snapshot cannot be read.
fn named_by_snapshots(
    shared: &Shared,
    manifest: &siltstone_format::manifest::Manifest,
) -> Result<Option<BTreeSet<u64>>> {
    let snapshots = snapshot::documents(shared, manifest)?;
    let numbers = |snapshots: Vec<siltstone_format::snapshot::Snapshot>| {
        snapshots.iter().flat_map(|snapshot| &snapshot.segments).map(|named| named.segment).collect()
    };
    Ok(snapshots.map(numbers))
}
