//! Taking out what is beyond repair. The rows of a damaged segment that are whole are written anew, as the rows of one
//! ordinary commit that replaces them where they were; the file is copied to `aside/`; then one manifest edit retires the
//! segment and drops the snapshots that name it. Whatever interrupts this, every whole row counts once, and the next
//! repair goes on.
//!
//! Of the rows that are lost that way, those that a backup has come along in the same commit, so that no moment is
//! durable in which they are taken out and have not come back.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use serde_json::{Value, json};
use siltstone_format::catalogue::CatalogueEntry;
use siltstone_format::checksum::to_hex;
use siltstone_format::manifest::{Manifest, SegmentEntry, SegmentState};
use siltstone_format::names::{FileKind, LOCK_FILE};

use super::examine::{Examined, examine};
use super::item::{LostRow, Remedy, RepairItem, RepairOptions, RepairPlan, RepairReport};
use super::replace::{keep, place_aside};
use super::rows::{Search, hidden};
use super::spare::Spares;
use crate::append::{Record, Writer, WriterOptions, lock_of};
use crate::bitmap::Bitmap;
use crate::disk::{Mode, durable};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::segment::OpenFile;
use crate::view::{At, OnDamage, Part, Row, View, build, open_parts, reach};
use crate::{catalogue, lock, manifest, snapshot, sweep, witness};

/// Takes the segments that are beyond repair out of a collection, and the snapshots too, if that was asked for.
pub(super) fn take_out(
    environment: &Environment,
    root: &Path,
    entry: &CatalogueEntry,
    options: &RepairOptions,
    spares: &mut Spares<'_>,
    report: &mut RepairReport,
) -> Result<()> {
    let directory = catalogue::directory(root, &entry.directory());
    let Some(examined) = freeze(environment, root, entry, &directory)? else { return Ok(()) };
    let hurt_snapshots = examined.hurt_snapshots();
    let (stay, go) =
        if options.drop_snapshots { (Vec::new(), hurt_snapshots) } else { (hurt_snapshots, Vec::new()) };
    report.hurt_snapshots.extend(stay.iter().map(|name| (entry.name.clone(), name.clone())));
    if go.is_empty() && !examined.hurt.iter().any(|segment| examined.manifest.lists(*segment)) {
        report.left.extend(examined.items.iter().filter(is_quarantined).cloned());
        return Ok(());
    }
    let lock = lock_of(&examined.shared)?;
    let mut writer = Writer::open_beside(&examined.shared, WriterOptions::default(), lock, true)?;
    let (whole_rows, view) = views(&examined, writer.manifest())?;
    let (lost, hidden) = lost_rows(&examined, &view)?;
    report.kept.extend(write_lost(environment, &directory, &view, &lost)?);
    let is_hurt = |part: &Part| examined.hurt.contains(&part.segment.place.segment);
    for (number, part) in (0u32..).zip(&view.parts).filter(|(_, part)| is_hurt(part)) {
        for row in part.live.iter(0, u32::MAX) {
            match view.row(number, row) {
                Ok(row) => write(&mut writer, &row)?,
                Err(error) if error.is_damage() => {}
                Err(error) => return Err(error),
            }
        }
    }
    let search = Search::new(&examined, &view, keys_of(&lost), hidden);
    report.returned.extend(search.run(spares, &mut |row| write(&mut writer, row))?);
    carry_kills(&mut writer, &examined, &whole_rows, &view)?;
    writer.commit()?;

    let mut next = writer.manifest().clone();
    let (dropped, kept): (Vec<_>, Vec<_>) =
        next.snapshots.drain(..).partition(|entry| go.contains(&entry.name));
    next.snapshots = kept;
    let (gone, kept) = next.segments.drain(..).partition(|entry| examined.hurt.contains(&entry.segment));
    next.segments = kept;
    let gone: Vec<SegmentEntry> = gone;
    next.retired.extend(gone.iter().map(|entry| entry.segment));
    next.retired.sort_unstable();
    // What goes is kept before anybody may remove it, and so is what perhaps only a lost snapshot named.
    let held = snapshot::held_by_manifest(&examined.shared, &next)?.unwrap_or_default();
    let unnamed = next.retired.iter().filter(|number| !held.contains_key(number));
    let segments = unnamed.map(|number| FileKind::Segment(*number).file_name());
    let snapshots = dropped.iter().map(|entry| FileKind::Snapshot(entry.file).file_name());
    for name in segments.chain(snapshots.clone()) {
        match keep(environment, &directory, &name) {
            Err(error) if error.is_missing_file() => {}
            kept => report.kept.push(kept?),
        }
    }
    let published = manifest::publish(environment, &directory, next)?;
    writer.set_manifest(published);
    for path in snapshots.map(|name| directory.join(name)) {
        match environment.disk.remove(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("remove", &path)(error));
            }
            _ => {}
        }
    }
    sweep::retired(&examined.shared, writer.manifest())?;
    // Opening for writing made a lost witness anew.
    let is_done = |item: &&RepairItem| is_quarantined(item) || matches!(item.remedy, Remedy::Rebuild { .. });
    // What a snapshot goes on naming is where it was, damaged as it was.
    let is_left =
        |item: &&RepairItem| !stay.is_empty() && is_quarantined(item) && examined.is_in_snapshots(&item.path);
    let (left, done): (Vec<_>, Vec<_>) = examined.items.iter().filter(is_done).partition(is_left);
    report.done.extend(done.into_iter().cloned());
    report.left.extend(left.into_iter().cloned());
    report.lost.extend(lost.into_iter().map(|lost| lost.row));
    report.dropped_snapshots.extend(dropped.into_iter().map(|dropped| (entry.name.clone(), dropped.name)));
    Ok(())
}

fn is_quarantined(item: &&RepairItem) -> bool {
    matches!(item.remedy, Remedy::Quarantine { .. })
}

/// Adds a row, bit for bit as it is, to what will be committed.
fn write(writer: &mut Writer, row: &Row<'_>) -> Result<()> {
    writer.upsert(Record::new(row.key, row.vector).metadata(row.metadata.clone()).text(&row.text))
}

/// What would become of the rows of a collection: those that would be taken out, and those of them that would come back.
pub(super) fn outlook(examined: &Examined, spares: &mut Spares<'_>, plan: &mut RepairPlan) -> Result<()> {
    if !examined.hurt.iter().any(|segment| examined.manifest.lists(*segment)) {
        return Ok(());
    }
    let (_, view) = views(examined, &examined.manifest)?;
    let (mut lost, hidden) = lost_rows(examined, &view)?;
    // Flipped bits of the same segment are put right before.
    let is_mended = |lost: &Lost| {
        let flaw = &lost.row.flaw;
        let at_it = |item: &RepairItem| item.path == lost.row.path && item.offset < flaw.offset + flaw.length;
        let mends = examined.items.iter().filter(|item| matches!(item.remedy, Remedy::Mend { .. }));
        mends.filter(|item| at_it(item)).any(|item| flaw.offset < item.offset + item.length)
    };
    lost.retain(|lost| !is_mended(lost));
    let search = Search::new(examined, &view, keys_of(&lost), hidden);
    plan.returned.extend(search.run(spares, &mut |_| Ok(()))?);
    plan.lost.extend(lost.into_iter().map(|lost| lost.row));
    Ok(())
}

fn keys_of(lost: &[Lost]) -> BTreeSet<String> {
    lost.iter().filter_map(|lost| lost.row.key.clone()).collect()
}

/// Looks again, now that everything else is repaired, and closes a damaged open segment, so that nothing is appended to
/// it. Nothing when nothing is beyond repair any more.
fn freeze(
    environment: &Environment,
    root: &Path,
    entry: &CatalogueEntry,
    directory: &Path,
) -> Result<Option<Examined>> {
    let disk = &*environment.disk;
    let _lock = lock::acquire(environment, directory.join(LOCK_FILE))?;
    let Ok(examined) = examine(environment, root, entry)? else { return Ok(None) };
    if !examined.is_hurt() {
        return Ok(None);
    }
    let mut next = examined.manifest.clone();
    let open = next.segments.iter_mut().find(|entry| entry.state == SegmentState::Open);
    let Some(open) = open.filter(|entry| examined.hurt.contains(&entry.segment)) else {
        return Ok(Some(examined));
    };
    let witness = witness::load(disk, directory, &examined.shared.id)?;
    let place = examined.shared.place(open.segment);
    let path = place.path();
    let promised = witness.latest.as_ref().map_or(0, |slot| slot.commit);
    open.state = match disk.open(&path, Mode::Read) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => SegmentState::Frozen {
            end_bytes: siltstone_format::limits::HEADER_PAGE_BYTES,
            last_commit: promised,
            chain: [0; 32],
        },
        file => {
            let file = file.map_err(Error::io("open", &path))?;
            let mut found = OpenFile::start_despite_damage(&*file, place.clone())?;
            found.walk.advance(&*file, &place, &reach(&open.state, &place, &witness))?;
            let walk = found.walk;
            let last_commit = walk.greatest_commit.max(promised);
            SegmentState::Frozen { end_bytes: walk.end, last_commit, chain: walk.chain }
        }
    };
    manifest::publish(environment, directory, next)?;
    Ok(Some(examined))
}

/// The collection as its kills leave it, and as a view that passes over damage shows it: with the newest row of each key
/// only, because kills may be lost.
fn views(examined: &Examined, manifest: &Manifest) -> Result<(View, View)> {
    let shared = &examined.shared;
    let witness = witness::load(&*shared.environment.disk, &shared.directory, &shared.id)?;
    let mut damage = Vec::new();
    let parts = open_parts(shared, manifest, &witness, At::Now, OnDamage::Skip, &mut damage)?;
    let all = build(shared, manifest, parts.clone(), At::Now, OnDamage::Skip, Vec::new());
    Ok((all, build(shared, manifest, parts, At::Now, OnDamage::Skip, damage)))
}

/// A lost row, and where it lies.
struct Lost {
    row: LostRow,
    /// Number of the part, and of the row in it, when there is a frame that tells.
    place: Option<(u32, u32)>,
}

/// The rows that count and cannot be read, and the damage that hides how many rows there were.
fn lost_rows(examined: &Examined, view: &View) -> Result<(Vec<Lost>, BTreeMap<u64, Bitmap>)> {
    let collection = view.collection().to_owned();
    let mut lost = Vec::new();
    for (number, part) in (0u32..).zip(&view.parts) {
        if !examined.hurt.contains(&part.segment.place.segment) {
            continue;
        }
        for row in part.live.iter(0, u32::MAX) {
            let flaw = match view.row(number, row) {
                Err(Error::Damaged { flaw, .. }) => *flaw,
                Err(error) => return Err(error),
                Ok(_) => continue,
            };
            let key = part.segment.key(row).ok().map(str::to_owned);
            let path = part.segment.path();
            let row_of = LostRow { collection: collection.clone(), path, key, rows: 1, flaw };
            lost.push(Lost { row: row_of, place: Some((number, row)) });
        }
    }
    // What takes whole frames along, of which no row is known: unless a footer or a neighbour lists them.
    let mut hidden = hidden(examined, view);
    let mut counted = BTreeSet::new();
    for item in &examined.items {
        let Remedy::Quarantine { flaw } = &item.remedy else { continue };
        let is_known = view.parts.iter().any(|part| {
            let hurt = flaw.offset..flaw.offset.saturating_add(flaw.length);
            part.segment.path() == item.path
                && part.segment.frames.iter().any(|frame| hurt.contains(&frame.offset))
        });
        if flaw.structure == "segment" && matches!(flaw.field, "frames" | "file" | "tail") && !is_known {
            let (path, flaw) = (item.path.clone(), flaw.clone());
            let number = examined.number_of(&path);
            let rows = number.and_then(|number| hidden.get(&number)).map_or(0, Bitmap::count);
            // Several gaps of a segment are counted as one: nothing tells how its rows lay in them. Where the manifest says
            // how many there were, all of them may have been deleted since.
            let is_new = counted.insert(number);
            let is_known = number.is_some_and(|number| examined.is_sealed(number));
            if is_new && (rows > 0 || !is_known) {
                let row = LostRow { collection: collection.clone(), path, key: None, rows, flaw };
                lost.push(Lost { row, place: None });
            }
        }
    }
    // Of a row without a key no more is known than of one without a frame.
    for one in lost.iter().filter(|one| one.row.key.is_none()) {
        let Some((part, row)) = one.place else { continue };
        if let Some(rows) = hidden.get_mut(&view.part(part)?.segment.place.segment) {
            rows.insert(row);
        }
    }
    Ok((lost, hidden))
}

/// Writes what can still be read of lost rows to a file in `aside/`, one JSON object a line.
fn write_lost(
    environment: &Environment,
    directory: &Path,
    view: &View,
    lost: &[Lost],
) -> Result<Option<std::path::PathBuf>> {
    if lost.is_empty() {
        return Ok(None);
    }
    let mut text = String::new();
    for Lost { row, place } in lost {
        let mut line = json!({
            "file": row.path.file_name().map(|name| name.to_string_lossy()),
            "key": row.key,
            "rows": row.rows,
            "flaw": row.flaw.to_string(),
        });
        if let (Some((part, number)), Some(line)) = (place, line.as_object_mut()) {
            line.extend(remains(view.part(*part)?, *number));
        }
        text.push_str(&line.to_string());
        text.push('\n');
    }
    let (aside, name) = place_aside(environment, directory, "rows.jsonl")?;
    durable::publish(&*environment.disk, &aside, &name, text.as_bytes())?;
    Ok(Some(aside.join(name)))
}

/// What can still be read of a row, each piece under its own checksum. The bytes of a vector that fails its checksum are
/// given as they are, and named so.
fn remains(part: &Part, row: u32) -> serde_json::Map<String, Value> {
    let mut found = serde_json::Map::new();
    let segment = &part.segment;
    found.insert("segment".into(), segment.place.segment.into());
    found.insert("row".into(), row.into());
    let Some((number, at)) = segment.frame_of(row) else { return found };
    let Ok(frame) = segment.frame(number) else { return found };
    let row_bytes = frame.geometry().row_bytes;
    let raw = frame.row_section().get(at as usize * row_bytes..).and_then(|rows| rows.get(..row_bytes));
    match (frame.row(at), raw) {
        (Some(Ok(bytes)), _) => found.insert("vector".into(), to_hex(bytes).into()),
        (_, Some(bytes)) => found.insert("damaged_vector".into(), to_hex(bytes).into()),
        _ => None,
    };
    if let Some(Ok(metadata)) = frame.metadata(at)
        && let Ok(value) = serde_json::from_slice(&metadata)
    {
        found.insert("metadata".into(), value);
    }
    if let Some(Ok(text)) = frame.text(at) {
        found.insert("text".into(), text.into());
    }
    found
}

/// Says again what only the segments that go say: which rows of other segments no longer count. Also that of rows with one
/// key only the newest counts.
fn carry_kills(writer: &mut Writer, examined: &Examined, all: &View, view: &View) -> Result<()> {
    let goes = |segment: u64| examined.hurt.contains(&segment);
    let parts: HashMap<u64, &Part> =
        view.parts.iter().map(|part| (part.segment.place.segment, part)).collect();
    let mut kills = std::collections::BTreeSet::new();
    for part in view.parts.iter().filter(|part| goes(part.segment.place.segment)) {
        let cap = examined.manifest.cap(part.segment.place.segment);
        let counted = part.segment.kills.iter().take_while(|kill| kill.commit <= cap);
        kills.extend(counted.map(|kill| (kill.segment, kill.row)));
    }
    for (before, part) in all.parts.iter().zip(&view.parts) {
        let segment = part.segment.place.segment;
        let older = before.live.iter(0, u32::MAX).filter(|row| !part.live.contains(*row));
        kills.extend(older.map(|row| (segment, row)));
    }
    for (segment, row) in kills.into_iter().filter(|(segment, _)| !goes(*segment)) {
        if let Some(part) = parts.get(&segment) {
            let key = part.segment.key(row)?.to_owned();
            writer.delete_at(segment, row, &key)?;
        }
    }
    Ok(())
}
