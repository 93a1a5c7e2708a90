//! Backup, restore and prune may die at any step: the store is what it was or what it was to become, every backup that
//! is listed is whole, and nothing is left that nobody owns. What is damaged is named, and nothing of it is restored.

mod beside;
mod damaged;
mod interrupted;
mod online;
mod round_trip;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use harness::answers::{Moment, answers};
use harness::clock::{SeqEntropy, StepClock};
use harness::fixture::{self, STORE};
use harness::sim_disk::SimDisk;
use siltstone::backup::{self, BackupInfo, BackupOptions, Place};
use siltstone::disk::Disk;
use siltstone::{Compression, Depth, Environment, Record, Severity, Store, verify};

const BACKUPS: &str = "/backups";
const REPOSITORY: &str = "/repository";

fn archives() -> Place {
    Place::Directory(BACKUPS.into())
}

fn repository() -> Place {
    Place::Repository(REPOSITORY.into())
}

/// An environment of its own time and identities.
fn environment(disk: Arc<dyn Disk>, seed: u64) -> Environment {
    Environment {
        disk,
        clock: Arc::new(StepClock::new(1_800_000_000_000 + seed as i64 * 10_000)),
        entropy: Arc::new(SeqEntropy::new(1000 + seed)),
        ..Environment::default()
    }
}

fn on(disk: &SimDisk, seed: u64) -> Environment {
    environment(Arc::new(disk.clone()), seed)
}

fn create(disk: &SimDisk, place: &Place, seed: u64) -> BackupInfo {
    backup::create(&on(disk, seed), Path::new(STORE), place, &BackupOptions::default()).unwrap().backup
}

fn state(disk: &SimDisk) -> Result<Vec<Moment>, String> {
    let store = Store::open_in(on(disk, 900), STORE).map_err(|error| format!("open: {error}"))?;
    answers(&store).map_err(|error| format!("read: {error}"))
}

/// A store with a history, two backups of it in each place, and what it was at the first and is now.
struct Scene {
    disk: SimDisk,
    before: Vec<Moment>,
    now: Vec<Moment>,
    first: BackupInfo,
    first_stored: BackupInfo,
}

impl Scene {
    fn new() -> Self {
        let disk = fixture::basic(Compression::Zstd);
        let before = state(&disk).unwrap();
        let (first, first_stored) = (create(&disk, &archives(), 1), create(&disk, &repository(), 2));
        fixture::go_on(&disk, "guide", 7);
        create(&disk, &archives(), 3);
        create(&disk, &repository(), 4);
        let now = state(&disk).unwrap();
        assert!(before != now);
        Self { disk: disk.clone_image(), before, now, first, first_stored }
    }
}

/// Everything that is damaged in the store at `root`.
fn damage(environment: &Environment, root: &str) -> Vec<String> {
    let report = verify(environment, Path::new(root), Depth::Deep, None).unwrap();
    let damage = report.findings.into_iter().filter(|finding| finding.severity == Severity::Damage);
    damage.map(|finding| format!("{} {}", finding.path.display(), finding.flaw)).collect()
}

/// Writes a row to every collection, and creates one, so that whoever sweeps has swept.
fn touch(environment: &Environment) -> siltstone::Result<()> {
    let store = Store::open_in(environment.clone(), STORE)?;
    for name in store.all_names()? {
        let collection = store.collection(&name)?;
        let vector = vec![1.0; collection.identity().dims as usize];
        let mut writer = collection.writer()?;
        writer.upsert(Record::new("touched", &vector))?;
        writer.commit()?;
    }
    let identity = siltstone::EmbeddingIdentity { dims: 2, ..Default::default() };
    store.create_collection("touched", identity).map(drop)
}

/// The files below a directory, by their paths in it.
fn below(disk: &SimDisk, directory: &str) -> Vec<PathBuf> {
    let files = disk.files().into_iter();
    files.filter_map(|file| file.strip_prefix(directory).ok().map(Path::to_owned)).collect()
}
