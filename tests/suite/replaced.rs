//! Putting a collection in the place of another happens or does not, at whatever disk call the power goes or the disk
//! fails: the name is the old collection or the new one, whole, and the old one can be had back.

use std::path::Path;
use std::sync::Arc;

use harness::aftermath::Aftermath;
use harness::events::Tally;
use harness::model::{Rows, Stored, rows_of};
use harness::proof::{each, effort, report};
use harness::rng::mix3;
use harness::sim_disk::{Failure, Fault, Lost, SimDisk, Survivors};
use harness::workload::{ROOT, environment};
use siltstone::backup::{RestoreOptions, restore, safety_copies};
use siltstone::{
    Depth, EmbeddingIdentity, Environment, Error, Observer, Record, Result, Search, Store, verify,
};

const NAME: &str = "guide";
const BESIDE: &str = ".reembed.guide";

fn lives_in(disk: &SimDisk, seed: u64) -> Environment {
    environment(Arc::new(disk.clone()), Arc::new(Tally::default()), seed)
}

fn open(disk: &SimDisk) -> Result<Store> {
    Store::open_in(lives_in(disk, 99), ROOT)
}

fn fill(store: &Store, name: &str, dims: u32, rows: u32) {
    let identity = EmbeddingIdentity { dims, model: format!("of-{dims}"), ..EmbeddingIdentity::default() };
    let mut writer = store.create_collection(name, identity).unwrap().writer().unwrap();
    for row in 0..rows {
        let vector: Vec<f32> = (0..dims).map(|at| (row * 7 + at + 1) as f32).collect();
        writer.upsert(Record::new(&format!("row {row}"), &vector).text(name)).unwrap();
        if row == rows / 2 {
            writer.commit().unwrap();
            writer.seal().unwrap();
        }
    }
    writer.commit().unwrap();
}

/// A collection of three dimensions with a snapshot, one of five beside it, and one that nobody touches.
fn scene() -> SimDisk {
    let disk = SimDisk::new();
    let store = Store::create_in(lives_in(&disk, 1), ROOT).unwrap();
    fill(&store, NAME, 3, 8);
    store.collection(NAME).unwrap().create_snapshot("kept").unwrap();
    fill(&store, BESIDE, 5, 11);
    fill(&store, "other", 3, 4);
    disk.clone_image()
}

fn act(disk: &SimDisk) -> Result<()> {
    open(disk)?.replace_collection(NAME, BESIDE).map(drop)
}

fn stored(disk: &SimDisk) -> Stored {
    Stored::read(&open(disk).unwrap()).unwrap()
}

/// Before and after.
fn allowed() -> [Option<Stored>; 2] {
    let (before, after) = (scene(), scene());
    act(&after).unwrap();
    [Some(stored(&before)), Some(stored(&after))]
}

/// Those that may be found when it returned like this.
fn left<'a>(allowed: &'a [Option<Stored>; 2], outcome: &Result<()>) -> &'a [Option<Stored>] {
    if outcome.is_ok() { &allowed[1..] } else { allowed }
}

fn survive(disk: &SimDisk, allowed: &[Option<Stored>], seed: u64) -> std::result::Result<(), String> {
    let observer: Arc<dyn Observer> = Arc::new(Tally::default());
    let look = |disk: &SimDisk, allowed, seed| Aftermath { disk, allowed, observer: &observer, seed }.look();
    look(disk, allowed, seed)?;
    // Whatever was found, it can be done from there, and then it is done.
    match act(disk) {
        Ok(()) => {}
        Err(Error::NoSuchCollection { .. }) if stored(disk) == *allowed.last().unwrap().as_ref().unwrap() => {
        }
        Err(error) => return Err(format!("once more: {error}")),
    }
    let stored =
        Aftermath { disk, allowed: &allowed[allowed.len() - 1..], observer: &observer, seed: seed + 1 }
            .carry_on()?;
    look(&disk.crash_as(Survivors::Nothing), &[Some(stored)], seed + 3).map(drop)
}

#[test]
fn a_power_cut_at_every_call_leaves_the_old_collection_or_the_new_one() {
    let random = effort(1, 12);
    let allowed = allowed();
    let disk = scene();
    act(&disk).unwrap();
    let calls: Vec<u64> = (0..disk.trace().len() as u64).collect();
    let images = each(&calls, |&call| {
        let disk = scene();
        disk.arm(call, Fault::PowerCut);
        let outcome = act(&disk);
        let survivors =
            disk.corners().into_iter().chain((0..random).map(|n| Survivors::Random(mix3(call, n, 7))));
        let mut tried = 0;
        for survivors in survivors {
            survive(&disk.crash_as(survivors), left(&allowed, &outcome), mix3(call, 1, 1) >> 24)
                .map_err(|error| format!("cut at call {call}, {survivors:?}: {error}"))?;
            tried += 1;
        }
        survive(&disk.kill(), left(&allowed, &outcome), mix3(call, 2, 2) >> 24)
            .map_err(|error| format!("killed at call {call}: {error}"))?;
        Ok(tried + 1)
    });
    let images: Vec<usize> = images.unwrap_or_else(|error: String| panic!("{error}"));
    report(format_args!(
        "replaced: power cut at {} calls, {} images, all passed",
        calls.len(),
        images.iter().sum::<usize>()
    ));
}

#[test]
fn an_error_of_any_call_leaves_the_old_collection_or_the_new_one() {
    let allowed = allowed();
    let disk = scene();
    act(&disk).unwrap();
    let mut failures = Vec::new();
    for (call, kind) in (0u64..).zip(disk.trace()) {
        failures.extend([Fault::Once(Failure::Io), Fault::Lasting(Failure::Io)].map(|fault| (call, fault)));
        if kind.needs_space() {
            failures.push((call, Fault::Once(Failure::Full)));
        }
    }
    let outcomes = each(&failures, |&(call, fault)| {
        let disk = scene();
        disk.lose([Lost::Everything, Lost::Some, Lost::Nothing][call as usize % 3]);
        disk.arm(call, fault);
        let outcome = act(&disk);
        disk.disarm();
        survive(&disk.kill(), left(&allowed, &outcome), mix3(call, 3, 3) >> 24)
            .map_err(|error| format!("{fault:?} at call {call}: {error}"))?;
        Ok(outcome.is_err())
    });
    let outcomes: Vec<bool> = outcomes.unwrap_or_else(|error: String| panic!("{error}"));
    report(format_args!(
        "replaced: {} failures, all passed, {} returned as errors",
        failures.len(),
        outcomes.iter().filter(|returned| **returned).count()
    ));
}

#[test]
fn readers_go_on_and_the_old_one_can_be_had_back() {
    let disk = scene();
    let store = open(&disk).unwrap();
    let rows = |name: &str| -> Rows { rows_of(&store.collection(name).unwrap().view().unwrap()).unwrap() };
    let (old, new) = (rows(NAME), rows(BESIDE));
    let view = store.collection(NAME).unwrap().view().unwrap();
    let writer = store.collection(BESIDE).unwrap().writer().unwrap();
    assert!(matches!(store.replace_collection(NAME, BESIDE), Err(Error::Locked { .. })));
    drop(writer);
    assert!(store.replace_collection(NAME, NAME).is_err());
    assert!(matches!(store.replace_collection(NAME, "none"), Err(Error::NoSuchCollection { .. })));

    let kept = store.replace_collection(NAME, BESIDE).unwrap();
    assert_eq!((rows_of(&view).unwrap(), rows(NAME)), (old.clone(), new.clone()));
    assert_eq!(view.search(&[1.0, 2.0, 3.0], &Search::new(1)).unwrap().hits.len(), 1);
    assert_eq!(store.all_names().unwrap(), [NAME, "other"]);
    let found = verify(&lives_in(&disk, 5), Path::new(ROOT), Depth::Deep, None).unwrap().findings;
    assert_eq!(found, []);

    // The same handle writes to the new one.
    let mut writer = store.collection(NAME).unwrap().writer().unwrap();
    writer.upsert(Record::new("row new", &[1.0, 0.0, 0.0, 0.0, 0.0])).unwrap();
    writer.commit().unwrap();
    drop(writer);

    let copies = safety_copies(store.environment(), store.path()).unwrap();
    assert_eq!(copies.iter().map(|copy| copy.path.clone()).collect::<Vec<_>>(), [kept]);
    let options = RestoreOptions { collection: Some(NAME.to_owned()), ..RestoreOptions::default() };
    restore(store.environment(), &copies[0], store.path(), &options).unwrap();
    let again = open(&disk).unwrap();
    let collection = again.collection(NAME).unwrap();
    assert_eq!(rows_of(&collection.view().unwrap()).unwrap(), old);
    assert_eq!(collection.snapshots().unwrap().len(), 1);
}
