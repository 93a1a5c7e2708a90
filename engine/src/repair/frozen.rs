//! Segments that were left alone for their damage, and that can be put right. Rows of theirs come back that the writers
//! since could not see: one whose key was written or deleted later must not count again, so a commit says so before the
//! corrected copy takes its place.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use siltstone_format::Flaw;
use siltstone_format::footer;
use siltstone_format::frame::Frame;
use siltstone_format::layout::FooterFrame;
use siltstone_format::manifest::SegmentState;
use siltstone_format::mend::Mend;
use siltstone_format::names::{FileKind, LOCK_FILE};

use super::examine::Examined;
use super::item::{Remedy, RepairItem, RepairReport};
use super::replace::{Correction, replace};
use super::segment::Survey;
use crate::append::{Writer, WriterOptions, lock_of};
use crate::collection::Shared;
use crate::disk::Mode;
use crate::error::{Error, Result};
use crate::segment::{Promise, open_sealed, write_index};
use crate::view::{At, OnDamage, open_parts};
use crate::{lock, manifest, snapshot, witness};

/// Puts a frozen segment right, and seals it when it is whole.
pub(super) fn heal(
    examined: &Examined,
    segment: u64,
    survey: &Survey,
    report: &mut RepairReport,
) -> Result<()> {
    let whole = examined.is_whole(segment);
    if !survey.is_mended() && !whole {
        return Ok(());
    }
    let shared = &examined.shared;
    let overridden = overridden(shared, segment, survey)?;
    if !overridden.is_empty() {
        if let Some(snapshot) = made_since(examined, segment)? {
            let expected = "no snapshot that would show two rows of one key";
            let flaw = Flaw::new("segment", "state", survey.end, 1, expected, format!("{snapshot:?}"));
            let (name, path) = (Some(shared.name.as_str()), shared.place(segment).path());
            report.left.push(RepairItem::of_flaw(name, path, flaw, |flaw| Remedy::None { flaw }));
            return Ok(());
        }
        let mut writer = match Writer::open_beside(shared, WriterOptions::default(), lock_of(shared)?, true) {
            // Other damage is in the way; it is taken out first.
            Err(error) if error.is_damage() => return Ok(()),
            writer => writer?,
        };
        for (row, key) in &overridden {
            writer.delete_at(segment, *row, key)?;
        }
        writer.commit()?;
    }
    let environment = &shared.environment;
    let disk = &*environment.disk;
    let directory = &shared.directory;
    let _lock = lock::acquire(environment, directory.join(LOCK_FILE))?;
    let mut current = manifest::current(disk, directory, &shared.id)?;
    let name = FileKind::Segment(segment).file_name();
    let (mut mends, mut bytes) = (survey.mends.clone(), survey.found_bytes);
    let mut promise = None;
    if let Some(chain) = survey.chain.filter(|_| whole) {
        let place = shared.place(segment);
        let (ending, digest) =
            footer::encode(&survey.frames, &survey.kills, (survey.end, chain), &place.seed());
        bytes = survey.end + ending.len() as u64;
        mends.push(Mend { structure: "footer", offset: survey.end, bytes: ending });
        let rows = survey.frames.iter().map(|frame| u64::from(frame.rows)).sum();
        let last_commit = survey.frames.last().map_or(0, |frame| frame.commit);
        promise = Some(Promise { bytes, rows, last_commit, digest });
    }
    report.kept.push(replace(environment, directory, &Correction { name, mends, bytes })?);
    if let Some(Promise { bytes, rows, last_commit, digest }) = promise {
        for entry in current.segments.iter_mut().filter(|entry| entry.segment == segment) {
            entry.state = match entry.state {
                // A snapshot was restored that saw less of it.
                SegmentState::Frozen { last_commit: cap, .. } if cap < last_commit => {
                    SegmentState::Capped { bytes, rows, last_commit, digest, cap }
                }
                _ => SegmentState::Sealed { bytes, rows, last_commit, digest },
            };
        }
        manifest::publish(environment, directory, current)?;
        let promise = Promise { bytes, rows, last_commit, digest };
        write_index(&open_sealed(disk, shared.place(segment), promise)?, disk)?;
    }
    let path = shared.place(segment).path();
    let is_own =
        |item: &&RepairItem| item.path == path && matches!(item.remedy, Remedy::Mend { .. } | Remedy::Seal);
    report.done.extend(examined.items.iter().filter(is_own).cloned());
    Ok(())
}

/// A snapshot of the segment and of later ones: it does not know of a commit that is made now.
fn made_since(examined: &Examined, segment: u64) -> Result<Option<String>> {
    for entry in &examined.manifest.snapshots {
        let named = match snapshot::load(&examined.shared, entry).map_err(snapshot::missing) {
            Err(error) if error.is_damage() => continue,
            snapshot => snapshot?.segments,
        };
        let (first, last) = (named.iter().any(|one| one.segment == segment), named.last());
        if first && last.is_some_and(|last| last.segment > segment) {
            return Ok(Some(entry.name.clone()));
        }
    }
    Ok(None)
}

/// The rows of a segment, as it will be, that count although their keys were written or deleted in a later segment.
fn overridden(shared: &Arc<Shared>, segment: u64, survey: &Survey) -> Result<Vec<(u32, String)>> {
    let disk = &*shared.environment.disk;
    let witness = witness::load(disk, &shared.directory, &shared.id)?;
    let manifest = manifest::current(disk, &shared.directory, &shared.id)?;
    let parts = open_parts(shared, &manifest, &witness, At::Now, OnDamage::Skip, &mut Vec::new())?;
    let (mut later, mut killed) = (HashSet::new(), HashSet::new());
    for part in parts.iter().filter(|part| part.place.segment > segment) {
        let cap = manifest.cap(part.place.segment);
        let kills = part.kills.iter().filter(|kill| kill.segment == segment && kill.commit <= cap);
        killed.extend(kills.map(|kill| kill.row));
        for number in 0..part.frames.partition_point(|frame| frame.commit <= cap) {
            let Ok(frame) = part.frame(number) else { continue };
            let keys = (0..frame.rows()).chain(frame.kills().map(|kill| kill.key));
            later.extend(keys.filter_map(|key| frame.key(key)?.ok().map(str::to_owned)));
        }
    }
    killed.extend(survey.kills.iter().filter(|kill| kill.segment == segment).map(|kill| kill.row));
    let mut overridden = HashMap::new();
    for (row, key) in keys(shared, segment, survey)? {
        if !killed.contains(&row) && later.contains(&key) {
            overridden.insert(row, key);
        }
    }
    let mut overridden: Vec<_> = overridden.into_iter().collect();
    overridden.sort_unstable();
    Ok(overridden)
}

/// Number and key of every row of a segment that can be read once it is put right.
fn keys(shared: &Shared, segment: u64, survey: &Survey) -> Result<Vec<(u32, String)>> {
    let place = shared.place(segment);
    let path = place.path();
    let file = shared.environment.disk.open(&path, Mode::Read).map_err(Error::io("open", &path))?;
    let mut keys = Vec::new();
    let ends = survey.frames.iter().skip(1).map(|frame| frame.offset).chain([survey.end]);
    for (FooterFrame { offset, first_row, rows, .. }, end) in survey.frames.iter().zip(ends) {
        let mut bytes = vec![0; end.min(survey.found_bytes).saturating_sub(*offset) as usize];
        file.read_at(&mut bytes, *offset).map_err(Error::io("read", &path))?;
        survey.mends.iter().for_each(|mend| super::replace::apply(mend, &mut bytes, *offset));
        let seed = place.seed();
        let Ok((frame, _)) = Frame::new(&bytes, place.dims, &seed, *offset) else { continue };
        if frame.check_index().is_ok() {
            let key = |at: u32| Some((first_row + at, frame.key(at)?.ok()?.to_owned()));
            keys.extend((0..*rows).filter_map(key));
        }
    }
    Ok(keys)
}
