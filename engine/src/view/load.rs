//! From a manifest or a snapshot to a view.

use std::collections::HashMap;
use std::sync::Arc;

use siltstone_format::Flaw;
use siltstone_format::manifest::{Manifest, SegmentState};
use siltstone_format::snapshot::{Snapshot, SnapshotSegment};
use siltstone_format::witness::Witness;

use super::{Damage, OnDamage, Part, View};
use crate::bitmap::Bitmap;
use crate::collection::Shared;
use crate::disk::Mode;
use crate::error::{Error, Result};
use crate::segment::{
    Extent, OpenFile, Reach, Segment, SegmentPlace, Stop, open_held, open_sealed, salvage_sealed,
};
use crate::{manifest, witness};

/// Which moment.
#[derive(Debug, Clone, Copy)]
pub(crate) enum At<'a> {
    /// The last commit.
    Now,
    /// A snapshot.
    Snapshot(&'a Snapshot),
}

/// How often a reader starts over when a writer changes the collection under it.
const ATTEMPTS: usize = 20;

/// A view of the last commit or of a snapshot. Takes no lock: starts over when a file vanished meanwhile, and looks
/// twice before it calls anything damage, because a commit may have been under way at the first look.
pub(crate) fn load(shared: &Arc<Shared>, at: At<'_>, on_damage: OnDamage) -> Result<View> {
    let mut attempt = 1;
    loop {
        let result = try_load(shared, at, on_damage);
        let again = match &result {
            Err(error) => {
                (error.is_missing_file() && attempt < ATTEMPTS) || (error.is_damage() && attempt == 1)
            }
            Ok(view) => !view.damage.is_empty() && attempt == 1,
        };
        if !again {
            return result.map_err(|error| shared.mark_copied(error));
        }
        attempt += 1;
    }
}

fn try_load(shared: &Arc<Shared>, at: At<'_>, on_damage: OnDamage) -> Result<View> {
    let disk = &*shared.environment.disk;
    // The witness before the manifest: then what it names can only be older than what the manifest names.
    let witness = witness::load(disk, &shared.directory, &shared.id)?;
    let manifest = manifest::current(disk, &shared.directory, &shared.id)?;
    shared.check_manifest(&manifest)?;
    let mut damage = Vec::new();
    let parts = open_parts(shared, &manifest, &witness, at, on_damage, &mut damage)?;
    Ok(build(shared, &manifest, parts, at, on_damage, damage))
}

/// What a manifest promises of a sealed segment.
pub(crate) fn sealed_promise(state: &SegmentState) -> Option<crate::segment::Promise> {
    match *state {
        SegmentState::Sealed { bytes, rows, last_commit, digest }
        | SegmentState::Capped { bytes, rows, last_commit, digest, .. } => {
            Some(crate::segment::Promise { bytes, rows, last_commit, digest })
        }
        _ => None,
    }
}

/// How far a segment that is not sealed reaches: by the witness or, once it is frozen, by the manifest.
pub(crate) fn reach(state: &SegmentState, place: &SegmentPlace, witness: &Witness) -> Reach {
    match *state {
        SegmentState::Frozen { end_bytes, last_commit, chain } => {
            Reach::promised(place, last_commit, end_bytes, chain)
        }
        _ => Reach::of_open(witness),
    }
}

/// The segments of a moment. Damage ends it, or is listed and passed over.
pub(crate) fn open_parts(
    shared: &Arc<Shared>,
    manifest: &Manifest,
    witness: &Witness,
    at: At<'_>,
    on_damage: OnDamage,
    damage: &mut Vec<Damage>,
) -> Result<Vec<Arc<Segment>>> {
    let wanted = |segment: u64| match at {
        At::Now => true,
        At::Snapshot(snapshot) => snapshot.segments.iter().any(|entry| entry.segment == segment),
    };
    shared.forget_all_but(manifest);
    shared.look_again(Some(manifest));
    let mut segments = Vec::new();
    let mut note = |error: Error| match error {
        Error::Damaged { path, flaw, .. } if on_damage == OnDamage::Skip => {
            damage.push(Damage { path, flaw: *flaw });
            Ok(())
        }
        error => Err(error),
    };
    for entry in manifest.segments.iter().filter(|entry| wanted(entry.segment)) {
        let place = shared.place(entry.segment);
        let path = place.path();
        let opened = match sealed_promise(&entry.state) {
            Some(promise) => shared.cached(entry.segment, Some(promise.digest), || {
                open_sealed(&*shared.environment.disk, place, promise).map(Arc::new)
            }),
            None => open_unsealed(shared, entry.segment, &entry.state, witness, &mut note),
        };
        match opened {
            Ok(segment) => segments.push(segment),
            // A file that is gone although the manifest names it: a writer may just have replaced both.
            Err(error) if error.is_missing_file() && manifest_is_current(shared, manifest) => {
                let flaw =
                    Flaw::new("segment", "file", 0, 1, "the file that the manifest names", "no such file");
                note(Error::flaw(&path, flaw))?;
            }
            Err(error) => {
                note(error)?;
                let Some(promise) = sealed_promise(&entry.state) else { continue };
                match salvage_sealed(&*shared.environment.disk, shared.place(entry.segment), promise) {
                    Ok((segment, flaws)) => {
                        segments.push(Arc::new(segment));
                        flaws.into_iter().try_for_each(|flaw| note(Error::flaw(&path, flaw)))?;
                    }
                    Err(error) => note(error)?,
                }
            }
        }
    }
    for named in held_segments(manifest, at) {
        let place = shared.place(named.segment);
        let path = place.path();
        match open_held(&*shared.environment.disk, place, named, Extent::Snapshot) {
            Ok((segment, flaws)) => {
                segments.push(Arc::new(segment));
                flaws.into_iter().try_for_each(|flaw| note(Error::flaw(&path, flaw)))?;
            }
            Err(error) if error.is_missing_file() && manifest_is_current(shared, manifest) => {
                let flaw =
                    Flaw::new("segment", "file", 0, 1, "the file that the snapshot names", "no such file");
                note(Error::flaw(&path, flaw))?;
            }
            Err(error) => note(error)?,
        }
    }
    segments.sort_by_key(|segment| segment.place.segment);
    if let Some(slot) = witness.latest.as_ref().filter(|slot| slot.segment >= manifest.next_segment) {
        let path = shared.directory.join(siltstone_format::names::WITNESS_FILE);
        let found = format!("next_segment {}", manifest.next_segment);
        let expected = format!("a manifest that knows segment {}", slot.segment);
        note(Error::flaw(&path, Flaw::new("manifest", "generation", 0, 1, expected, found)))?;
    }
    match at {
        At::Now => check_caps(manifest, &segments).map_or(Ok(()), note)?,
        At::Snapshot(snapshot) => check_snapshot(shared, snapshot, &segments).map_or(Ok(()), note)?,
    }
    Ok(segments)
}

/// The segments of a snapshot that the manifest no longer lists.
fn held_segments<'a>(manifest: &Manifest, at: At<'a>) -> impl Iterator<Item = &'a SnapshotSegment> {
    let named = match at {
        At::Now => &[],
        At::Snapshot(snapshot) => snapshot.segments.as_slice(),
    };
    named.iter().filter(|named| !manifest.lists(named.segment))
}

fn manifest_is_current(shared: &Shared, manifest: &Manifest) -> bool {
    let entries = shared.environment.disk.list(&shared.directory);
    entries.is_ok_and(|entries| manifest::generations(&entries).pop() == Some(manifest.generation))
}

/// Opens a segment that grows, or that was left alone after damage.
fn open_unsealed(
    shared: &Shared,
    number: u64,
    state: &SegmentState,
    witness: &Witness,
    note: &mut impl FnMut(Error) -> Result<()>,
) -> Result<Arc<Segment>> {
    let place = shared.place(number);
    let path = place.path();
    let file = shared.environment.disk.open(&path, Mode::Read).map_err(Error::io("open", &path))?;
    let mut grown = shared.open_file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut open = match grown.take() {
        Some(open) if open.place.segment == number && open.walk.gaps.is_empty() => open,
        _ => OpenFile::start_despite_damage(&*file, place)?,
    };
    let reach = reach(state, &open.place, witness);
    let before = open.walk.end;
    let stop = open.walk.advance(&*file, &open.place, &reach)?;
    if stop == Stop::Damage || !open.walk.gaps.is_empty() {
        for flaw in open.walk.gaps.clone() {
            note(Error::flaw(&path, flaw))?;
        }
        return open.segment(&*file).map(Arc::new);
    }
    let unchanged = before == open.walk.end;
    let made = match shared.cached_open(number).filter(|segment| unchanged && segment.end == before) {
        Some(segment) => segment,
        None => Arc::new(open.segment(&*file)?),
    };
    shared.keep(Arc::clone(&made));
    *grown = Some(open);
    Ok(made)
}

/// A cap is one of the segment's commits.
fn check_caps(manifest: &Manifest, segments: &[Arc<Segment>]) -> Option<Error> {
    let uncapped = segments.iter().find(|segment| {
        let cap = manifest.cap(segment.place.segment);
        let is_whole = segment.digest.is_some() && cap < u64::MAX;
        is_whole && segment.frames.binary_search_by_key(&cap, |frame| frame.commit).is_err()
    })?;
    let expected = format!("commit {}, up to which it counts", manifest.cap(uncapped.place.segment));
    let found = format!("{} frames up to commit {}", uncapped.frames.len(), uncapped.last_commit);
    Some(uncapped.damaged(Flaw::new("segment", "cap", 0, uncapped.end, expected, found)))
}

/// Whether the segments still are what a snapshot saw.
fn check_snapshot(shared: &Shared, snapshot: &Snapshot, segments: &[Arc<Segment>]) -> Option<Error> {
    for entry in &snapshot.segments {
        let path = shared.place(entry.segment).path();
        let wrong = |found: String| {
            let expected = format!("commit {} up to byte {}", entry.last_commit, entry.end_bytes);
            Some(Error::flaw(&path, Flaw::new("segment", "snapshot", 0, entry.end_bytes, expected, found)))
        };
        let Some(segment) = segments.iter().find(|segment| segment.place.segment == entry.segment) else {
            return wrong("no such segment".into());
        };
        let count = segment.frames.partition_point(|frame| frame.commit <= entry.last_commit);
        let Some(last) = count.checked_sub(1) else { return wrong("no frame of it".into()) };
        match segment.end_of_frame(last) {
            Ok(found) if found == (entry.end_bytes, entry.chain) => {}
            Ok((end, _)) => return wrong(format!("another digest, or an end at byte {end}")),
            Err(error) => return Some(error),
        }
    }
    None
}

/// Counts what counts: frames up to the moment's commit, minus what their kills name.
pub(crate) fn build(
    shared: &Arc<Shared>,
    manifest: &Manifest,
    segments: Vec<Arc<Segment>>,
    at: At<'_>,
    on_damage: OnDamage,
    damage: Vec<Damage>,
) -> View {
    let last = |segment: &Segment| match at {
        At::Now => manifest.cap(segment.place.segment),
        At::Snapshot(snapshot) => {
            let entry = snapshot.segments.iter().find(|entry| entry.segment == segment.place.segment);
            entry.map_or(0, |entry| entry.last_commit)
        }
    };
    let mut parts: Vec<Part> = segments
        .into_iter()
        .map(|segment| {
            let frames = segment.frames.partition_point(|frame| frame.commit <= last(&segment));
            let mut live = Bitmap::empty(segment.rows);
            for frame in segment.frames.get(..frames).unwrap_or_default() {
                live.insert_range(frame.first_row, frame.first_row + frame.rows);
            }
            Part { segment, frames, live }
        })
        .collect();
    let numbers: HashMap<u64, usize> =
        parts.iter().enumerate().map(|(at, part)| (part.segment.place.segment, at)).collect();
    for from in 0..parts.len() {
        let Some(segment) = parts.get(from).map(|part| Arc::clone(&part.segment)) else { continue };
        for kill in segment.kills.iter().take_while(|kill| kill.commit <= last(&segment)) {
            if let Some(part) = numbers.get(&kill.segment).and_then(|at| parts.get_mut(*at)) {
                part.live.remove(kill.row);
            }
        }
    }
    let commit = parts
        .iter()
        .filter_map(|part| part.frames.checked_sub(1).and_then(|at| part.segment.frames.get(at)))
        .map(|frame| frame.commit)
        .max()
        .unwrap_or(0);
    let mut view = View { shared: Arc::clone(shared), parts, commit, on_damage, damage: Arc::new(damage) };
    if !view.damage.is_empty() {
        view.keep_newest_of_each_key();
    }
    view
}

impl View {
    /// After damage, kills may be lost: of several rows with one key, the newest counts.
    fn keep_newest_of_each_key(&mut self) {
        let mut newest: HashMap<String, (u64, (u32, u32))> = HashMap::new();
        let mut older = Vec::new();
        for (part, row) in self.live_places() {
            let Ok(segment) = self.part(part).map(|part| &part.segment) else { continue };
            let Ok(key) = segment.key(row) else { continue };
            // A compacted segment comes after segments with later commits.
            let found = (segment.commit_of(row), (part, row));
            if let Some(other) = newest.get_mut(key) {
                older.push(found.min(*other).1);
                *other = found.max(*other);
            } else {
                newest.insert(key.to_owned(), found);
            }
        }
        for (part, row) in older {
            if let Some(part) = self.parts.get_mut(part as usize) {
                part.live.remove(row);
            }
        }
    }
}

impl View {
    /// A view of the last commit of now. Shares everything with this one that did not change.
    ///
    /// # Errors
    /// As [`crate::Collection::view`].
    pub fn refreshed(&self) -> Result<Self> {
        load(&self.shared, At::Now, self.on_damage)
    }
}
