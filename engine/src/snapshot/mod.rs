//! Snapshots: keeping a moment under a name. Nothing that was committed changes, so a snapshot is a list of segments
//! and how far each counts.

mod restore;
pub(crate) mod store_wide;

use std::collections::BTreeMap;
use std::sync::Arc;

use siltstone_format::Flaw;
use siltstone_format::limits::{FORMAT_VERSION, MAX_DOCUMENT_BYTES};
use siltstone_format::manifest::{Manifest, SnapshotEntry};
use siltstone_format::names::{FileKind, check_name};
use siltstone_format::snapshot::{SNAPSHOT_FORMAT, Snapshot, SnapshotSegment};

use crate::append::Writer;
use crate::collection::Shared;
use crate::disk::durable;
use crate::error::{Error, Result};
use crate::ids::CommitSeq;
use crate::view::{self, At, OnDamage, View};
use crate::{manifest, sweep};

pub use restore::Restored;
pub(crate) use restore::restore;

/// A snapshot, as listings show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotInfo {
    /// Its name.
    pub name: String,
    /// When it was created, in milliseconds since 1970-01-01 UTC.
    pub created_at_ms: i64,
    /// The last commit that it shows.
    pub commit: CommitSeq,
    /// How many segments it keeps.
    pub segments: usize,
}

impl From<&Snapshot> for SnapshotInfo {
    fn from(snapshot: &Snapshot) -> Self {
        Self {
            name: snapshot.name.clone(),
            created_at_ms: snapshot.created_at_ms,
            commit: CommitSeq(snapshot.commit),
            segments: snapshot.segments.len(),
        }
    }
}

pub(crate) fn list(shared: &Arc<Shared>) -> Result<Vec<SnapshotInfo>> {
    with_manifest(shared, |manifest| {
        let loaded = manifest.snapshots.iter().map(|entry| load(shared, entry));
        loaded.map(|snapshot| Ok(SnapshotInfo::from(&snapshot?))).collect()
    })
}

pub(crate) fn open(shared: &Arc<Shared>, name: &str, on_damage: OnDamage) -> Result<View> {
    let named = || with_manifest(shared, |manifest| load(shared, find(shared, manifest, name)?));
    let mut snapshot = named()?;
    loop {
        let opened = view::load(shared, At::Snapshot(&snapshot), on_damage);
        if opened.as_ref().is_ok_and(|view| view.damage.is_empty()) {
            return opened;
        }
        // A segment that only the snapshot named is gone once that was dropped, which is no damage.
        let now = named()?;
        if now == snapshot {
            return opened;
        }
        snapshot = now;
    }
}

/// The segments that some snapshot names and the manifest does not list, each as far as the snapshots need it.
pub(crate) fn held(manifest: &Manifest, snapshots: &[Snapshot]) -> BTreeMap<u64, SnapshotSegment> {
    let mut held: BTreeMap<u64, SnapshotSegment> = BTreeMap::new();
    let named = snapshots.iter().flat_map(|snapshot| &snapshot.segments);
    for named in named.filter(|named| !manifest.lists(named.segment)) {
        let longest = held.entry(named.segment).or_insert_with(|| named.clone());
        if longest.end_bytes < named.end_bytes {
            *longest = named.clone();
        }
    }
    held
}

/// As [`held`], from the documents; `None` when one of them cannot be read.
pub(crate) fn held_by_manifest(
    shared: &Shared,
    manifest: &Manifest,
) -> Result<Option<BTreeMap<u64, SnapshotSegment>>> {
    Ok(documents(shared, manifest)?.map(|snapshots| held(manifest, &snapshots)))
}

/// The documents of all snapshots; `None` when one of them cannot be read, because then nobody knows what it names.
pub(crate) fn documents(shared: &Shared, manifest: &Manifest) -> Result<Option<Vec<Snapshot>>> {
    let mut snapshots = Vec::new();
    for entry in &manifest.snapshots {
        match load(shared, entry).map_err(missing) {
            Err(error) if error.is_damage() => return Ok(None),
            snapshot => snapshots.push(snapshot?),
        }
    }
    Ok(Some(snapshots))
}

/// Starts over when a writer removed what the manifest named.
pub(crate) fn with_manifest<T>(shared: &Arc<Shared>, step: impl Fn(&Manifest) -> Result<T>) -> Result<T> {
    let mut attempt = 1;
    loop {
        let disk = &*shared.environment.disk;
        let current = manifest::current(disk, &shared.directory, &shared.id);
        match current.and_then(|manifest| step(&manifest)) {
            Err(error) if error.is_missing_file() && attempt < 20 => attempt += 1,
            result => return result.map_err(|error| shared.mark_copied(missing(error))),
        }
    }
}

/// A file that stays missing although the manifest names it is damage.
pub(crate) fn missing(error: Error) -> Error {
    match &error {
        Error::Io { path, .. } if error.is_missing_file() => Error::flaw(
            path,
            Flaw::new("snapshot", "file", 0, 1, "the file that the manifest names", "no such file"),
        ),
        _ => error,
    }
}

fn find<'m>(shared: &Shared, manifest: &'m Manifest, name: &str) -> Result<&'m SnapshotEntry> {
    manifest.snapshots.iter().find(|entry| entry.name == name).ok_or_else(|| Error::NoSuchSnapshot {
        collection: shared.name.clone(),
        name: name.to_owned(),
        existing: manifest.snapshots.iter().map(|entry| entry.name.clone()).collect(),
    })
}

/// The document of a snapshot, compared with what the manifest says of it.
pub(crate) fn load(shared: &Shared, entry: &SnapshotEntry) -> Result<Snapshot> {
    let path = shared.directory.join(FileKind::Snapshot(entry.file).file_name());
    let bytes = durable::read_whole(&*shared.environment.disk, &path, MAX_DOCUMENT_BYTES)?;
    let (snapshot, digest) = Snapshot::decode(&bytes).map_err(|flaw| Error::flaw(&path, flaw))?;
    if digest != entry.digest || snapshot.name != entry.name || snapshot.collection != shared.id {
        let expected = format!("the snapshot {:?} that the manifest names", entry.name);
        let found = format!("another snapshot, {:?}", snapshot.name);
        return Err(Error::flaw(
            &path,
            Flaw::new("snapshot", "blake3", 0, bytes.len() as u64, expected, found),
        ));
    }
    Ok(snapshot)
}

/// Everything that a snapshot names was synced when it was committed or when the writer was opened.
pub(crate) fn create(writer: &mut Writer, name: &str) -> Result<SnapshotInfo> {
    let shared = Arc::clone(writer.shared());
    check_new(&shared, writer.manifest(), name)?;
    let snapshot = describe(writer, name)?;
    let mut next = writer.manifest().clone();
    next.snapshots.push(publish(&shared, &next, &snapshot)?);
    next.snapshots.sort_by(|a, b| a.name.cmp(&b.name));
    let published = manifest::publish(&shared.environment, &shared.directory, next)?;
    writer.set_manifest(published);
    Ok(SnapshotInfo::from(&snapshot))
}

/// Whether a snapshot of this name can be created.
fn check_new(shared: &Shared, manifest: &Manifest, name: &str) -> Result<()> {
    check_name(name).map_err(|reason| Error::invalid("snapshot name", format!("{name:?}: {reason}")))?;
    match manifest.snapshots.iter().any(|entry| entry.name == name) {
        true => Err(Error::SnapshotExists { collection: shared.name.clone(), name: name.to_owned() }),
        false => Ok(()),
    }
}

/// The moment that a writer stands at, under a name.
fn describe(writer: &Writer, name: &str) -> Result<Snapshot> {
    let shared = writer.shared();
    let segments = writer.moment()?;
    Ok(Snapshot {
        format: SNAPSHOT_FORMAT.to_owned(),
        version: FORMAT_VERSION,
        collection: shared.id,
        name: name.to_owned(),
        created_at_ms: shared.environment.clock.now_ms(),
        commit: segments.iter().map(|entry| entry.last_commit).max().unwrap_or(0),
        segments,
    })
}

/// Publishes the document of a snapshot, which the manifest after this one is to name.
fn publish(shared: &Shared, manifest: &Manifest, snapshot: &Snapshot) -> Result<SnapshotEntry> {
    let bytes = snapshot.encode().map_err(|reason| Error::invalid("snapshot", reason))?;
    let (_, digest) = Snapshot::decode(&bytes).map_err(|flaw| Error::invalid("snapshot", flaw))?;
    let file = manifest.generation + 1;
    let file_name = FileKind::Snapshot(file).file_name();
    durable::publish(&*shared.environment.disk, &shared.directory, &file_name, &bytes)?;
    Ok(SnapshotEntry { name: snapshot.name.clone(), file, digest })
}

pub(crate) fn drop(writer: &mut Writer, name: &str) -> Result<()> {
    let shared = Arc::clone(writer.shared());
    let mut next = writer.manifest().clone();
    let file = find(&shared, &next, name)?.file;
    next.snapshots.retain(|entry| entry.name != name);
    let published = manifest::publish(&shared.environment, &shared.directory, next)?;
    writer.set_manifest(published);
    let path = shared.directory.join(FileKind::Snapshot(file).file_name());
    shared.environment.disk.remove(&path).map_err(Error::io("remove", &path))?;
    sweep::retired(&shared, writer.manifest()).map(|_| ())
}
