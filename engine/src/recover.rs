//! Saving what is whole of a damaged store into a new one. The old store is only read.
//!
//! A collection whose segments are all whole is copied file by file, with its commits and snapshots, under a manifest
//! that is rebuilt from the segments when the old one is lost. A collection with damaged segments is copied row by row:
//! every row that is whole, without its history.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use siltstone_format::Id;
use siltstone_format::catalogue::CatalogueEntry;
use siltstone_format::checksum::{from_hex, to_hex};
use siltstone_format::manifest::{Manifest, SegmentState};
use siltstone_format::names::{COLLECTIONS_DIR, FileKind, WITNESS_FILE, check_name, is_hidden};
use siltstone_format::witness::Witness;

use crate::append::Record;
use crate::collection::Shared;
use crate::disk::{Disk, Mode, durable};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::segment::{Promise, Segment, SegmentPlace, open_sealed, write_index};
use crate::store::Store;
use crate::view::{At, Damage, OnDamage, Order, build, open_parts};
use crate::{catalogue, manifest, witness};

/// What was saved of a store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecoveryReport {
    /// One entry a collection, by name.
    pub collections: Vec<RecoveredCollection>,
    /// Directories of which nothing could be saved, and why.
    pub lost: Vec<(PathBuf, String)>,
}

/// What was saved of a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveredCollection {
    /// Its name in the new store.
    pub name: String,
    /// Rows that it has there.
    pub rows: u64,
    /// Whether its history (commits and snapshots) was saved too.
    pub with_history: bool,
    /// Whether its manifest was lost and was rebuilt from the segments.
    pub manifest_rebuilt: bool,
    /// What is damaged in the old store, and so not in the new one.
    pub damage: Vec<Damage>,
}

/// Saves everything that is whole in the store at `from` into a new store at `to`.
///
/// # Errors
/// [`Error::NotAStore`] when `from` has nothing of a store; [`Error::NewerFormat`]; [`Error::PathTaken`]; a disk that
/// refuses. Damage is no error: it is in the report.
pub fn recover(environment: &Environment, from: &Path, to: &Path) -> Result<RecoveryReport> {
    let disk = &*environment.disk;
    let parent = from.join(COLLECTIONS_DIR);
    let entries = match disk.list(&parent) {
        Ok(entries) => entries,
        Err(error)
            if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) =>
        {
            let found = format!("it has no directory {COLLECTIONS_DIR}");
            return Err(Error::NotAStore { path: from.to_owned(), found });
        }
        Err(error) => return Err(Error::io("list", &parent)(error)),
    };
    let names = match catalogue::load(environment, from) {
        Ok(names) => Some(names),
        // A damaged or missing catalogue costs names only; a newer one may say what this version cannot read.
        Err(error @ Error::NewerFormat { .. }) => return Err(error),
        Err(_) => None,
    };
    let store = Store::create_in(environment.clone(), to)?;
    let mut report = RecoveryReport::default();
    let mut taken = BTreeSet::new();
    for entry in entries.iter().filter(|entry| entry.is_dir) {
        let Some(id) = from_hex::<16>(&entry.name) else { continue };
        let known =
            names.as_ref().map(|names| names.collections.iter().find(|entry| entry.directory() == id));
        if known == Some(None) {
            // A whole catalogue does not name it: it was dropped, or replaced, or never finished.
            continue;
        }
        match one(environment, from, &store, id, known.flatten(), &mut taken) {
            Ok(saved) => report.collections.push(saved),
            Err(error @ Error::Damaged { .. }) => {
                report.lost.push((parent.join(&entry.name), error.to_string()))
            }
            Err(error) => return Err(error),
        }
    }
    report.collections.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(report)
}

fn one(
    environment: &Environment,
    from: &Path,
    store: &Store,
    lies_in: Id,
    known: Option<&CatalogueEntry>,
    taken: &mut BTreeSet<String>,
) -> Result<RecoveredCollection> {
    let disk = &*environment.disk;
    let directory = catalogue::directory(from, &lies_in);
    // Without a catalogue, only a manifest can tell that a directory bears another name than its collection.
    let id = known.map_or_else(|| manifest::owner(disk, &directory).unwrap_or(lies_in), |it| it.collection);
    let witness = witness::load(disk, &directory, &id)?;
    let path = directory.join(WITNESS_FILE);
    let lost = witness.flaws.iter().map(|flaw| Damage { path: path.clone(), flaw: flaw.clone() });
    let mut damage: Vec<Damage> = lost.collect();
    let (manifest, manifest_rebuilt) = match manifest::current(disk, &directory, &id) {
        Ok(manifest) => (manifest, false),
        Err(Error::Damaged { path, flaw, .. }) => {
            damage.push(Damage { path, flaw: *flaw });
            (manifest::rebuilt(environment, &directory, id)?, true)
        }
        Err(error) => return Err(error),
    };
    let name = free_name(known.map_or(&manifest.name, |entry| &entry.name), &lies_in, taken);
    let shared = Arc::new(Shared::new(environment, from, &manifest, &name).lying_in(&directory));
    let before = damage.len();
    let parts = open_parts(&shared, &manifest, &witness, At::Now, OnDamage::Skip, &mut damage)?;
    let frozen =
        |entry: &siltstone_format::manifest::SegmentEntry| matches!(entry.state, SegmentState::Frozen { .. });
    // Of two states of one collection the second cannot keep the identity that its checksums are made with.
    let is_second = disk.list(&catalogue::directory(store.path(), &id)).is_ok();
    let mut broken = damage.len() > before || manifest.segments.iter().any(frozen) || is_second;
    let view = build(&shared, &manifest, parts, At::Now, OnDamage::Fail, Vec::new());
    if !broken {
        // Every byte that will be copied, of rows that no longer count too, is read here.
        for part in &view.parts {
            let path = part.segment.path();
            let flaws = part.segment.check(disk)?.into_iter();
            damage.extend(flaws.map(|flaw| Damage { path: path.clone(), flaw }));
        }
        broken = damage.len() > before;
    }
    let rows = match broken {
        false => {
            let manifest = Manifest { name: name.clone(), ..manifest };
            copy_files(environment, &shared, store, manifest, (&view, &witness), &mut damage)?;
            view.len()
        }
        true => {
            let view = build(
                &shared,
                &manifest,
                view.parts.iter().map(|part| Arc::clone(&part.segment)).collect(),
                At::Now,
                OnDamage::Skip,
                damage.clone(),
            );
            copy_rows(store, &name, &view, &mut damage)?
        }
    };
    damage.dedup();
    Ok(RecoveredCollection { name, rows, with_history: !broken, manifest_rebuilt, damage })
}

/// A name that the new store does not have yet.
fn free_name(wanted: &str, id: &Id, taken: &mut BTreeSet<String>) -> String {
    let mut name = match check_name(wanted) {
        Ok(()) => wanted.to_owned(),
        Err(_) => format!("recovered_{}", to_hex(id)),
    };
    if taken.contains(&name) {
        name = format!("recovered_{}{}", if is_hidden(&name) { "hidden_" } else { "" }, to_hex(id));
    }
    taken.insert(name.clone());
    name
}

/// Copies the files of a collection without damage into the new store, whose catalogue names it last.
fn copy_files(
    environment: &Environment,
    shared: &Arc<Shared>,
    store: &Store,
    mut manifest: Manifest,
    (view, witness): (&crate::view::View, &Witness),
    damage: &mut Vec<Damage>,
) -> Result<()> {
    let disk = &*environment.disk;
    let directory = catalogue::directory(store.path(), &shared.id);
    disk.create_dir(&directory).map_err(Error::io("create", &directory))?;
    for part in &view.parts {
        copy_segment(disk, &directory, &part.segment)?;
    }
    // An open segment without frames promises nothing.
    let last = view.parts.iter().rev().map(|part| &part.segment).find(|segment| !segment.frames.is_empty());
    let slot = siltstone_format::layout::WitnessSlot {
        segment: last.map_or(0, |segment| segment.place.segment),
        commit: last.map_or(0, |segment| segment.last_commit),
        end_bytes: last.map_or(0, |segment| segment.end),
        chain: last.map_or([0; 32], |segment| segment.chain),
        ..witness::blank(shared.id)
    };
    witness::create(disk, &directory, &slot)?;
    let mut snapshots = Vec::new();
    // Segments that only snapshots name, each as far as the snapshots need it.
    let mut held: BTreeMap<u64, Arc<Segment>> = BTreeMap::new();
    for entry in &manifest.snapshots {
        // A snapshot that cannot be read, or whose commits are not there, cannot be kept; the rows that there are lie in
        // the segments all the same.
        let before = damage.len();
        let snapshot = match crate::snapshot::load(shared, entry).map_err(crate::snapshot::missing) {
            Err(Error::Damaged { path, flaw, .. }) => {
                damage.push(Damage { path, flaw: *flaw });
                continue;
            }
            snapshot => snapshot?,
        };
        let at = At::Snapshot(&snapshot);
        let mut parts = open_parts(shared, &manifest, witness, at, OnDamage::Skip, damage)?;
        parts.retain(|part| !manifest.lists(part.place.segment));
        for part in &parts {
            let flaws = part.check(disk)?.into_iter();
            damage.extend(flaws.map(|flaw| Damage { path: part.path(), flaw }));
        }
        if damage.len() > before {
            continue;
        }
        for part in parts {
            let longest = held.entry(part.place.segment).or_insert_with(|| Arc::clone(&part));
            if longest.end < part.end {
                *longest = part;
            }
        }
        let bytes = snapshot.encode().map_err(|reason| Error::invalid("snapshot", reason))?;
        let name = FileKind::Snapshot(entry.file).file_name();
        durable::publish(disk, &directory, &name, &bytes)?;
        snapshots.push(entry.clone());
    }
    held.values().try_for_each(|segment| copy_segment(disk, &directory, segment))?;
    manifest.retired.retain(|number| held.contains_key(number));
    manifest.snapshots = snapshots;
    manifest::write(environment, &directory, &manifest)?;
    store.adopt(&manifest.name, shared.id)?;
    Ok(())
}

/// Copies the file of a segment: all of a sealed one, else whole commits only. The index of a sealed one is made anew.
fn copy_segment(disk: &dyn Disk, directory: &Path, segment: &Segment) -> Result<()> {
    let from = segment.path();
    let source = disk.open(&from, Mode::Read).map_err(Error::io("open", &from))?;
    let (bytes, place) = (segment.file_bytes(), &segment.place);
    let name = FileKind::Segment(place.segment).file_name();
    durable::publish_copy(disk, directory, &name, &*source, 0..bytes)?;
    let Some(digest) = segment.digest else { return Ok(()) };
    let place = SegmentPlace { directory: directory.into(), ..place.clone() };
    let (rows, last_commit) = (u64::from(segment.rows), segment.last_commit);
    write_index(&open_sealed(disk, place, Promise { bytes, rows, last_commit, digest })?, disk)
}

/// Copies every whole row into a new collection.
fn copy_rows(store: &Store, name: &str, view: &crate::view::View, damage: &mut Vec<Damage>) -> Result<u64> {
    let collection = store.create_collection(name, view.identity().clone())?;
    let mut writer = collection.writer()?;
    for row in view.iter(Order::Storage)? {
        match row {
            Err(Error::Damaged { path, flaw, .. }) => damage.push(Damage { path, flaw: *flaw }),
            Err(error) => return Err(error),
            Ok(row) => {
                writer.upsert(Record::new(row.key, row.vector).metadata(row.metadata).text(&row.text))?
            }
        }
    }
    Ok(writer.commit()?.rows)
}
