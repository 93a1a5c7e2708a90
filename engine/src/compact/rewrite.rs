//! Rewriting one group of segments, and the one publication that puts the new segment in their place.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use siltstone_format::follows::Follows;
use siltstone_format::frame_builder::NewRow;
use siltstone_format::header::SegmentIdentity;
use siltstone_format::manifest::{Manifest, SegmentEntry, SegmentState};
use siltstone_format::names::FileKind;

use super::output::{Output, Written};
use super::plan::{PlannedGroup, runs};
use super::report::CompactedGroup;
use crate::append::{Writer, free_number};
use crate::disk::durable;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::ids::SegmentId;
use crate::segment::create::{Continues, header_page};
use crate::segment::{Promise, Segment, SegmentPlace, open_sealed, write_index};
use crate::view::Part;
use crate::{encode, manifest, sweep};

/// Kills that must go on counting: place of the row, and its key.
type Carried = BTreeMap<(u64, u32), String>;

/// So many rows are copied before the memory of what was read is let go of.
const LET_GO_EVERY: usize = 4096;

/// A group on its way.
struct Job<'a> {
    inputs: Vec<&'a Part>,
    /// Its rows by key.
    rows: Vec<(&'a str, &'a Part, u32)>,
    carried: Carried,
    /// The last commit of the inputs, counted or not, so that no later one gets its number: what the new segment is as of.
    commit: u64,
}

/// Rewrites a group, whose segments leave `parts`, so that nothing holds them mapped when their files are removed. `named`
/// are the segments that snapshots name, when that is known.
pub(super) fn group(
    writer: &mut Writer,
    parts: &mut Vec<Part>,
    planned: &PlannedGroup,
    named: Option<&BTreeSet<u64>>,
) -> Result<CompactedGroup> {
    let numbers: BTreeSet<u64> = planned.segments.iter().map(|shape| shape.segment.0).collect();
    let taken: Vec<Part> =
        parts.extract_if(.., |part| numbers.contains(&part.segment.place.segment)).collect();
    let inputs: Vec<&Part> = taken.iter().collect();
    let commit = inputs.iter().map(|part| part.segment.last_commit).max().unwrap_or(0);
    let job = Job {
        rows: rows_by_key(&inputs)?,
        carried: carried(&inputs, writer.manifest(), &numbers)?,
        commit,
        inputs,
    };
    // Also when nothing is left: the new segment goes on saying which segments no longer count, and how many commits there
    // were.
    let (output, written) = job.write(writer, &numbers)?;
    publish(writer, &numbers, &output)?;
    let bytes_of = |part: &&Part| part.segment.file_bytes();
    let is_removed = |part: &&&Part| named.is_some_and(|named| !named.contains(&part.segment.place.segment));
    let done = CompactedGroup {
        inputs: numbers.iter().copied().map(SegmentId).collect(),
        output: SegmentId(output.place.segment),
        rows_kept: job.rows.len() as u64,
        rows_dropped: job.inputs.iter().map(|part| u64::from(part.segment.rows) - part.live.count()).sum(),
        bytes_before: job.inputs.iter().map(bytes_of).sum(),
        bytes_after: written.bytes,
        removed_bytes: job.inputs.iter().filter(is_removed).map(bytes_of).sum(),
    };
    let collection = writer.shared().name.clone();
    let group = Box::new(done.clone());
    writer.shared().environment.observer.event(&Event::Compacted { collection, group });
    Ok(done)
}

fn rows_by_key<'a>(inputs: &[&'a Part]) -> Result<Vec<(&'a str, &'a Part, u32)>> {
    let mut rows = Vec::new();
    for part in inputs {
        for row in part.live.iter(0, u32::MAX) {
            rows.push((part.segment.key(row)?, *part, row));
        }
    }
    rows.sort_unstable_by_key(|(key, _, _)| *key);
    Ok(rows)
}

/// The kills in the group's frames that name rows of segments which go on counting. The others have done their work: what
/// they killed is gone with this group, or with an earlier one.
fn carried(inputs: &[&Part], manifest: &Manifest, group: &BTreeSet<u64>) -> Result<Carried> {
    let mut carried = Carried::new();
    for part in inputs {
        let segment = &part.segment;
        // A frame that does not count kills nothing.
        let counted = segment.frames.iter().enumerate().take(part.frames);
        let with_kills = counted.filter(|(_, entry)| entry.kills > 0);
        for (number, entry) in with_kills {
            let frame = segment.frame(number)?;
            for kill in frame.kills() {
                if group.contains(&kill.segment) || !manifest.lists(kill.segment) {
                    continue;
                }
                let missing = || segment.no_such_row(entry.first_row);
                let key = frame.key(kill.key).ok_or_else(missing)?.map_err(|flaw| segment.damaged(flaw))?;
                carried.insert((kill.segment, kill.row), key.to_owned());
            }
        }
    }
    Ok(carried)
}

impl Job<'_> {
    /// Writes the new segment, its key index and its search codes. Nothing names them yet.
    fn write(&self, writer: &Writer, group: &BTreeSet<u64>) -> Result<(Arc<Segment>, Written)> {
        let shared = writer.shared();
        let disk = &*shared.environment.disk;
        let place = shared.place(free_number(shared, writer.manifest())?);
        let page = self.page(writer, &place, group)?;
        let committed_at_ms = self.committed_at_ms()?;
        let name = FileKind::Segment(place.segment).file_name();
        let written = durable::publish_with(disk, &shared.directory, &name, |file, path| {
            let commit = (self.commit, committed_at_ms);
            let mut output = Output::begin((file, path), &place, &page, commit, writer.options())?;
            for ((segment, row), key) in &self.carried {
                output.kill(*segment, *row, key)?;
            }
            for rows in self.rows.chunks(LET_GO_EVERY) {
                for (_, part, row) in rows {
                    copy(&part.segment, *row, &mut output)?;
                }
                // Each row is read once: memory must not grow to the size of the inputs.
                self.inputs.iter().for_each(|part| part.segment.let_go());
            }
            output.finish(&place)
        })?;
        let Written { bytes, rows, digest } = written;
        let promise = Promise { bytes, rows, last_commit: self.commit, digest };
        let segment = open_sealed(disk, place, promise)?;
        if let Err(error) = write_index(&segment, disk) {
            let (path, reason) = (segment.place.index_path(), error.to_string());
            shared.environment.observer.event(&Event::DerivedFileUnusable { path, reason });
        }
        encode::at_seal(shared, &segment);
        Ok((Arc::new(segment), written))
    }

    /// When the last commit of the inputs was made.
    fn committed_at_ms(&self) -> Result<i64> {
        let last = self.inputs.iter().max_by_key(|part| part.segment.last_commit);
        last.map_or(Ok(0), |part| part.segment.committed_at_ms())
    }

    /// The header page, which says what the segment replaces, and what goes on counting beside it.
    fn page(&self, writer: &Writer, place: &SegmentPlace, group: &BTreeSet<u64>) -> Result<Vec<u8>> {
        let shared = writer.shared();
        let gone = |number: u64| group.contains(&number) || writer.empty_segment() == Some(number);
        let (replaced, others): (Vec<&SegmentEntry>, Vec<&SegmentEntry>) =
            writer.manifest().segments.iter().partition(|entry| gone(entry.segment));
        let replaced = replaced.into_iter().map(|entry| entry.segment);
        let out = replaced.clone().chain(writer.manifest().retired.iter().copied()).collect();
        let (replaces, follows) = (runs(replaced), Some(follows(&others, out)));
        let name = SegmentIdentity::new(&shared.name, shared.identity.clone());
        let identity = SegmentIdentity { replaces, follows, ..name };
        let last = self.inputs.iter().max_by_key(|part| part.segment.place.segment);
        let continues = Continues {
            segment: last.map_or(0, |part| part.segment.place.segment),
            chain: last.map_or([0; 32], |part| part.segment.chain),
            commit: self.commit.saturating_sub(1),
        };
        header_page(place, &identity, continues, shared.environment.clock.now_ms())
    }
}

/// What goes on counting. A number that no file has means nothing, so runs go on over it: only what is `out` and may still
/// have a file ends them, and the header page has room for them however many segments there are.
fn follows(counting: &[&SegmentEntry], mut out: BTreeSet<u64>) -> Follows {
    let mut follows = Follows::default();
    for entry in counting {
        if let SegmentState::Capped { cap, .. } = entry.state {
            follows.capped.push((entry.segment, cap));
            out.insert(entry.segment);
        }
    }
    for entry in counting.iter().filter(|entry| !out.contains(&entry.segment)) {
        match follows.whole.last_mut() {
            Some((_, last)) if out.range(*last..entry.segment).next().is_none() => *last = entry.segment,
            _ => follows.whole.push((entry.segment, entry.segment)),
        }
    }
    follows
}

/// Copies a row, every byte of which is verified on the way.
fn copy(segment: &Segment, row: u32, output: &mut Output<'_>) -> Result<()> {
    let missing = || segment.no_such_row(row);
    let damaged = |flaw| segment.damaged(flaw);
    let (number, at) = segment.frame_of(row).ok_or_else(missing)?;
    let frame = segment.frame(number)?;
    frame.row(at).ok_or_else(missing)?.map_err(damaged)?;
    let (entry, dims) = (segment.frames.get(number).ok_or_else(missing)?, segment.place.dims as usize);
    let from = at as usize * dims;
    let metadata = frame.metadata(at).ok_or_else(missing)?.map_err(damaged)?;
    let text = frame.text(at).ok_or_else(missing)?.map_err(damaged)?;
    output.row(NewRow {
        key: frame.key(at).ok_or_else(missing)?.map_err(damaged)?,
        vector: segment.vectors(entry).get(from..from + dims).ok_or_else(missing)?,
        squared_norm: frame.squared_norm(at).ok_or_else(missing)?,
        metadata: &metadata,
        text: &text,
    })
}

/// Publishes the manifest that lists the new segment in place of the group, and removes the files that nothing names then.
fn publish(writer: &mut Writer, group: &BTreeSet<u64>, new: &Arc<Segment>) -> Result<()> {
    let shared = Arc::clone(writer.shared());
    let mut next = writer.manifest().clone();
    // An open segment without commits has a number below that of the new one, whose rows it could not kill.
    let empty = writer.empty_segment();
    let gone = |number: u64| group.contains(&number) || empty == Some(number);
    next.retired.extend(next.segments.iter().map(|entry| entry.segment).filter(|number| gone(*number)));
    next.retired.sort_unstable();
    next.segments.retain(|entry| !gone(entry.segment));
    let (segment, bytes, rows) = (new.place.segment, new.file_bytes(), u64::from(new.rows));
    let digest = new.digest.unwrap_or_default();
    let state = SegmentState::Sealed { bytes, rows, last_commit: new.last_commit, digest };
    next.segments.push(SegmentEntry { segment, state });
    next.next_segment = segment + 1;
    let published = manifest::publish(&shared.environment, &shared.directory, next)?;
    writer.take_over(published, new)?;
    let removed = sweep::retired(&shared, writer.manifest())?;
    let directory = &*shared.directory;
    shared.environment.disk.sync_dir(directory).map_err(Error::io("sync", directory))?;
    let mut manifest = writer.manifest().clone();
    manifest.retired.retain(|number| !removed.contains(number));
    writer.set_manifest(manifest);
    Ok(())
}
