//! Creating, dropping and restoring a snapshot either happens or does not, at whatever disk call the power goes or the disk
//! fails; nothing is left behind that nobody owns, and what was restored stays restored when the manifest is lost. A
//! snapshot of a whole store is one instant of it, and what it says of two moments is what a map says.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use harness::aftermath::Aftermath;
use harness::events::Tally;
use harness::model::{Rows, Stored, rows_of};
use harness::proof::{each, effort, report};
use harness::rng::mix3;
use harness::sim_disk::{Call, Failure, Fault, Lost, SimDisk, Survivors};
use harness::workload::{ROOT, Workload, environment};
use siltstone::format::manifest::{Manifest, SegmentState};
use siltstone::format::names::FileKind;
use siltstone::{
    ChangeKind, Depth, EmbeddingIdentity, Environment, Observer, Record, Result, Store, Writer, recover,
    verify,
};

const NAMES: [&str; 3] = ["a", "b", "c"];

fn lives_in(disk: &SimDisk, seed: u64) -> Environment {
    environment(Arc::new(disk.clone()), Arc::new(Tally::default()), seed)
}

fn open(disk: &SimDisk) -> Result<Store> {
    Store::open_in(lives_in(disk, 99), ROOT)
}

fn writer(disk: &SimDisk, name: &str) -> Result<Writer> {
    open(disk)?.collection(name)?.writer()
}

fn put(writer: &mut Writer, rows: std::ops::Range<u32>, text: &str) -> Result<()> {
    for row in rows {
        let vector = [1.0 + row as f32, 2.0, text.len() as f32];
        writer.upsert(Record::new(&format!("row {row}"), &vector).text(text))?;
    }
    writer.commit().map(drop)
}

/// Three collections. Each has a sealed segment of two commits, one snapshot that sees the first of them only and one that
/// sees both, and an open segment that replaces some rows and deletes one.
fn store() -> SimDisk {
    let disk = SimDisk::new();
    let store = Store::create_in(lives_in(&disk, 1), ROOT).unwrap();
    for name in NAMES {
        let identity = EmbeddingIdentity { dims: 3, ..EmbeddingIdentity::default() };
        let mut writer = store.create_collection(name, identity).unwrap().writer().unwrap();
        put(&mut writer, 0..6, "first").unwrap();
        writer.create_snapshot("early").unwrap();
        put(&mut writer, 4..9, "second").unwrap();
        writer.seal().unwrap();
        writer.create_snapshot("late").unwrap();
        put(&mut writer, 0..2, "third").unwrap();
        writer.delete("row 8").unwrap();
        writer.commit().unwrap();
    }
    disk.clone_image()
}

/// [`store`], of which `a` was restored to a capped segment and written to.
fn restored() -> SimDisk {
    let disk = store();
    let mut writer = writer(&disk, "a").unwrap();
    writer.restore_snapshot("early", "before").unwrap();
    put(&mut writer, 20..22, "after").unwrap();
    drop(writer);
    disk.clone_image()
}

/// Something that is interrupted.
struct Step {
    name: &'static str,
    from: fn() -> SimDisk,
    act: fn(&SimDisk) -> Result<()>,
}

const STEPS: [Step; 8] = [
    Step { name: "create", from: store, act: |disk| writer(disk, "a")?.create_snapshot("new").map(drop) },
    Step { name: "drop", from: store, act: |disk| writer(disk, "a")?.drop_snapshot("late") },
    Step {
        name: "restore part of a sealed segment",
        from: store,
        act: |disk| writer(disk, "a")?.restore_snapshot("early", "before").map(drop),
    },
    Step {
        name: "restore a whole segment",
        from: store,
        act: |disk| writer(disk, "a")?.restore_snapshot("late", "before").map(drop),
    },
    Step {
        name: "create after a restore",
        from: restored,
        act: |disk| writer(disk, "a")?.create_snapshot("new").map(drop),
    },
    Step {
        name: "undo a restore",
        from: restored,
        act: |disk| writer(disk, "a")?.restore_snapshot("before", "again").map(drop),
    },
    Step {
        name: "make a restore final",
        from: restored,
        act: |disk| writer(disk, "a")?.drop_snapshot("before"),
    },
    Step {
        name: "create in all",
        from: store,
        act: |disk| open(disk)?.create_snapshot("new", None).map(drop),
    },
];

impl Step {
    /// The states that an interruption may leave: before, after, and for several collections any number of them done.
    fn allowed(&self) -> Vec<Option<Stored>> {
        let disk = (self.from)();
        let before = Stored::read(&open(&disk).unwrap()).unwrap();
        (self.act)(&disk).unwrap();
        let after = Stored::read(&open(&disk).unwrap()).unwrap();
        let mixed = (0u32..8).map(|chosen| {
            let mut mixed = before.clone();
            for (_, name) in NAMES.iter().enumerate().filter(|(bit, _)| chosen >> bit & 1 == 1) {
                mixed.0.insert((*name).to_owned(), after.0[*name].clone());
            }
            Some(mixed)
        });
        mixed.collect()
    }

    /// Of those, the ones that are left when it returned like this: what was acknowledged is done.
    fn after<'a>(allowed: &'a [Option<Stored>], outcome: &Result<()>) -> &'a [Option<Stored>] {
        match outcome {
            Ok(()) => allowed.last().map_or(&[], std::slice::from_ref),
            Err(_) => allowed,
        }
    }

    /// The disk calls that it makes, undisturbed.
    fn trace(&self) -> Vec<Call> {
        let disk = (self.from)();
        (self.act)(&disk).unwrap();
        disk.trace()
    }
}

fn survive(disk: &SimDisk, allowed: &[Option<Stored>], seed: u64) -> std::result::Result<(), String> {
    let observer: Arc<dyn Observer> = Arc::new(Tally::default());
    let stored = Aftermath { disk, allowed, observer: &observer, seed }.carry_on()?;
    let allowed = &[Some(stored)];
    for survivors in [Survivors::Nothing, Survivors::Random(seed)] {
        Aftermath { disk: &disk.crash_as(survivors), allowed, observer: &observer, seed: seed + 2 }.look()?;
    }
    Ok(())
}

#[test]
fn a_power_cut_at_every_call_leaves_the_snapshot_or_not() {
    let (every, random) = effort((5, 1), (1, 6));
    for step in &STEPS {
        let allowed = step.allowed();
        let calls: Vec<u64> = (0..step.trace().len() as u64).step_by(every).collect();
        let images = each(&calls, |&call| {
            let disk = (step.from)();
            disk.arm(call, Fault::PowerCut);
            let allowed = Step::after(&allowed, &(step.act)(&disk));
            let survivors =
                disk.corners().into_iter().chain((0..random).map(|n| Survivors::Random(mix3(call, n, 7))));
            let images = survivors.map(|survivors| {
                survive(&disk.crash_as(survivors), allowed, mix3(call, 1, 1) >> 24)
                    .map_err(|error| format!("{}, cut at call {call}, {survivors:?}: {error}", step.name))
            });
            let tried = images.collect::<std::result::Result<Vec<()>, String>>()?.len();
            survive(&disk.kill(), allowed, mix3(call, 2, 2) >> 24)
                .map_err(|error| format!("{}, killed at call {call}: {error}", step.name))?;
            Ok(tried + 1)
        });
        let images: Vec<usize> = images.unwrap_or_else(|error: String| panic!("{error}"));
        report(format_args!(
            "snapshots: {}: power cut at {} calls, {} images, all passed",
            step.name,
            calls.len(),
            images.iter().sum::<usize>()
        ));
    }
}

#[test]
fn an_error_of_any_call_leaves_the_snapshot_or_not() {
    let every = effort(5, 1);
    for step in &STEPS {
        let allowed = step.allowed();
        let mut failures = Vec::new();
        for (call, kind) in (0u64..).zip(step.trace()) {
            failures
                .extend([Fault::Once(Failure::Io), Fault::Lasting(Failure::Io)].map(|fault| (call, fault)));
            if kind.needs_space() {
                failures.push((call, Fault::Once(Failure::Full)));
            }
            if kind == Call::Write {
                failures.push((call, Fault::Partly(Failure::Full)));
            }
        }
        let failures: Vec<_> = failures.into_iter().step_by(every).collect();
        let outcomes = each(&failures, |&(call, fault)| {
            let disk = (step.from)();
            disk.lose([Lost::Everything, Lost::Some, Lost::Nothing][call as usize % 3]);
            disk.arm(call, fault);
            let outcome = (step.act)(&disk);
            disk.disarm();
            let allowed = Step::after(&allowed, &outcome);
            survive(&disk.kill(), allowed, mix3(call, 3, 3) >> 24)
                .map_err(|error| format!("{}, {fault:?} at call {call}: {error}", step.name))?;
            Ok(outcome.is_err())
        });
        let outcomes: Vec<bool> = outcomes.unwrap_or_else(|error: String| panic!("{error}"));
        report(format_args!(
            "snapshots: {}: {} failures, all passed, {} returned as errors",
            step.name,
            failures.len(),
            outcomes.iter().filter(|returned| **returned).count()
        ));
    }
}

fn manifest_of(disk: &SimDisk, name: &str) -> (PathBuf, Manifest) {
    let directory = open(disk).unwrap().collection(name).unwrap().directory().to_owned();
    let is_manifest = |path: &&PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        path.parent() == Some(&directory) && matches!(FileKind::of(&name), Some(FileKind::Manifest(_)))
    };
    let path = disk.files().iter().find(is_manifest).unwrap().clone();
    let (manifest, _) = Manifest::decode(&disk.read_file(&path).unwrap()).unwrap();
    (path, manifest)
}

fn now(disk: &SimDisk, name: &str) -> Rows {
    rows_of(&open(disk).unwrap().collection(name).unwrap().view().unwrap()).unwrap()
}

fn is_without_findings(disk: &SimDisk) {
    let found = verify(&lives_in(disk, 5), Path::new(ROOT), Depth::Deep, None).unwrap().findings;
    assert_eq!(found, []);
}

#[test]
fn a_restored_moment_is_that_of_the_snapshot_and_goes_on_from_there() {
    let disk = store();
    let snapshot = |disk: &SimDisk, snapshot: &str| {
        rows_of(&open(disk).unwrap().collection("a").unwrap().snapshot(snapshot).unwrap()).unwrap()
    };
    let (early, late, before) = (snapshot(&disk, "early"), snapshot(&disk, "late"), now(&disk, "a"));
    assert_eq!((early.len(), late.len(), before.len()), (6, 9, 8));
    let mut writer = writer(&disk, "a").unwrap();
    let last_commit = writer.last_commit();
    writer.restore_snapshot("early", "undo 1".replace(' ', "-").as_str()).unwrap();
    assert_eq!(rows_of(&writer.view().unwrap()).unwrap(), early);
    let (_, manifest) = manifest_of(&disk, "a");
    assert!(matches!(manifest.segments[0].state, SegmentState::Capped { cap: 1, last_commit: 2, .. }));
    assert_eq!((manifest.features.incompatible, manifest.retired), (1, vec![2]));
    // Rows before the cap are found and replaced; those beyond are new.
    put(&mut writer, 5..8, "fourth").unwrap();
    assert_eq!(writer.last_commit().0, last_commit.0 + 1);
    let receipt = {
        put(&mut writer, 8..9, "fifth").unwrap();
        writer.last_commit()
    };
    assert_eq!(receipt.0, last_commit.0 + 2);
    let view = writer.view().unwrap();
    assert_eq!((view.len(), view.commit().0), (9, last_commit.0 + 2));
    assert_eq!(view.get("row 4").unwrap().unwrap().text, "first");
    assert_eq!(view.get("row 5").unwrap().unwrap().text, "fourth");
    for (name, rows) in [("early", &early), ("late", &late), ("undo-1", &before)] {
        assert_eq!(snapshot(&disk, name), *rows, "{name}");
    }
    is_without_findings(&disk);
    // Back to where it was, in whole segments, and nobody needs to know about caps any more.
    writer.restore_snapshot("undo-1", "undo-2").unwrap();
    assert_eq!(now(&disk, "a"), before);
    assert_eq!(manifest_of(&disk, "a").1.features.incompatible, 0);
    is_without_findings(&disk);
    // Names of snapshots that go take their segments with them.
    for name in ["undo-1", "undo-2", "early", "late"] {
        writer.drop_snapshot(name).unwrap();
    }
    drop(writer);
    assert_eq!(now(&disk, "a"), before);
    self::writer(&disk, "a").unwrap();
    let (path, manifest) = manifest_of(&disk, "a");
    let segments = disk
        .files()
        .iter()
        .filter(|file| {
            file.parent() == path.parent() && file.extension().is_some_and(|ending| ending == "seg")
        })
        .count();
    assert_eq!(segments, manifest.segments.len());
    is_without_findings(&disk);
}

#[test]
fn a_lost_manifest_does_not_bring_back_what_a_restore_left_behind() {
    let mut tried = 0;
    for (snapshot, keeps_undo) in [("early", true), ("late", true), ("early", false), ("late", false)] {
        for writes in [false, true] {
            let disk = store();
            let mut writer = writer(&disk, "a").unwrap();
            writer.restore_snapshot(snapshot, "before").unwrap();
            if writes {
                put(&mut writer, 3..5, "after").unwrap();
                writer.seal().unwrap();
                put(&mut writer, 30..31, "last").unwrap();
            }
            if !keeps_undo {
                writer.drop_snapshot("before").unwrap();
            }
            drop(writer);
            let stored = Stored::read(&open(&disk).unwrap()).unwrap();
            disk.remove_file(manifest_of(&disk, "a").0).unwrap();
            let saved = recover(&lives_in(&disk, 6), Path::new(ROOT), Path::new("/saved")).unwrap();
            assert!(saved.collections[0].manifest_rebuilt && saved.collections[0].with_history, "{saved:?}");
            let found = Stored::read(&Store::open_in(lives_in(&disk, 7), "/saved").unwrap()).unwrap();
            assert!(found == stored, "{}", stored.difference(&found));
            let verified = verify(&lives_in(&disk, 5), Path::new("/saved"), Depth::Deep, None).unwrap();
            assert_eq!(verified.findings, []);
            tried += 1;
        }
    }
    report(format_args!("restore: {tried} manifests lost, what was restored stayed restored"));
}

/// Does something when it goes out of scope, also while a test fails.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[test]
fn a_snapshot_of_the_store_is_one_instant_whoever_writes() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::create(directory.path().join("store")).unwrap();
    let identity = EmbeddingIdentity { dims: 3, ..EmbeddingIdentity::default() };
    let collections = NAMES.map(|name| store.create_collection(name, identity.clone()).unwrap());
    let hidden = store.create_collection(".staging", identity).unwrap();
    let (done, wanted) = (AtomicBool::new(false), effort(20, 100));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _held = hidden.writer().unwrap();
            for number in 0u32.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                // As a transaction would: all locks, then the same mark everywhere.
                let writers: Result<Vec<Writer>> = collections.iter().map(|one| one.writer()).collect();
                let Ok(mut writers) = writers else { continue };
                for writer in &mut writers {
                    let text = number.to_string();
                    writer.upsert(Record::new("mark", &[1.0, 2.0, 3.0]).text(&text)).unwrap();
                    writer.commit().unwrap();
                }
                drop(writers);
                // Others get a turn.
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
        });
        // Whatever happens here, the writer must stop, or the scope would wait for ever.
        let _stop = OnDrop(|| done.store(true, Ordering::Relaxed));
        let (mut taken, mut busy) = (0, 0u64);
        while taken < wanted {
            match store.create_snapshot(&format!("s{taken}"), None) {
                Ok(created) => {
                    assert_eq!(created.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), NAMES);
                    taken += 1;
                }
                Err(error) => {
                    assert!(matches!(error, siltstone::Error::Locked { .. }), "{error}");
                    // Between taking a lock and saying so there is a moment.
                    let says_who = [&format!("process {}", std::process::id()), "has not said who it is yet"];
                    assert!(says_who.iter().any(|words| error.to_string().contains(*words)), "{error}");
                    busy += 1;
                }
            }
            std::thread::sleep(std::time::Duration::from_micros(300));
        }
        report(format_args!(
            "store-wide snapshots: {taken} taken beside a writer, {busy} times told who holds a lock"
        ));
    });
    let mut seen = std::collections::BTreeSet::new();
    for number in 0..wanted {
        let marks: Vec<_> = collections
            .iter()
            .map(|one| one.snapshot(&format!("s{number}")).unwrap().get("mark").unwrap().map(|row| row.text))
            .collect();
        assert!(marks.iter().all(|mark| *mark == marks[0]), "s{number} is torn: {marks:?}");
        seen.insert(marks[0].clone());
    }
    assert!(seen.len() > 2, "nothing was written meanwhile: {seen:?}");
}

#[test]
fn the_difference_of_two_moments_is_that_of_two_maps() {
    let seeds = effort(1..=30, 1..=200);
    let compared = each(&seeds.collect::<Vec<u64>>(), |&seed| {
        let disk = SimDisk::new();
        let tally: Arc<dyn Observer> = Arc::new(Tally::default());
        Workload::new(environment(Arc::new(disk.clone()), tally, seed), seed, (4, 8))
            .run(80)
            .map_err(|error| error.to_string())?;
        differences(&open(&disk).unwrap()).map_err(|error| format!("seed {seed}: {error}"))
    });
    let compared: u64 = compared.unwrap_or_else(|error: String| panic!("{error}")).iter().sum();
    assert!(compared > 50, "{compared}");
    report(format_args!("snapshot diff: {compared} pairs of moments, all as two maps say"));
}

fn differences(store: &Store) -> std::result::Result<u64, String> {
    let mut compared = 0;
    for collection in store.collections().unwrap() {
        let snapshots = collection.snapshots().unwrap();
        let mut moments: Vec<_> =
            snapshots.iter().map(|one| collection.snapshot(&one.name).unwrap()).collect();
        moments.push(collection.view().unwrap());
        for a in &moments {
            for b in &moments {
                let (before, after) = (rows_of(a).unwrap(), rows_of(b).unwrap());
                let mut found = Vec::new();
                let counts = a
                    .changes_until(b, |change| {
                        found.push((change.key.to_owned(), change.kind));
                        Ok(())
                    })
                    .unwrap();
                let expected = expected(&before, &after);
                if found != expected {
                    return Err(format!("{found:?} in place of {expected:?}"));
                }
                let of = |kind: fn(&ChangeKind) -> bool| {
                    found.iter().filter(|(_, found)| kind(found)).count() as u64
                };
                let sums = (
                    of(|kind| *kind == ChangeKind::Added),
                    of(|kind| *kind == ChangeKind::Removed),
                    of(|kind| matches!(kind, ChangeKind::Changed { .. })),
                );
                assert_eq!((counts.added, counts.removed, counts.changed), sums);
                assert_eq!(counts.unchanged + counts.changed + counts.added, after.len() as u64);
                compared += 1;
            }
        }
    }
    Ok(compared)
}

fn expected(before: &Rows, after: &Rows) -> Vec<(String, ChangeKind)> {
    let keys: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let change = |key: &&String| {
        let kind = match (before.get(*key), after.get(*key)) {
            (None, _) => ChangeKind::Added,
            (_, None) => ChangeKind::Removed,
            (Some(a), Some(b)) if a == b => return None,
            (Some(a), Some(b)) => {
                let bits = |vector: &[f32]| vector.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                let vector = bits(&a.vector) != bits(&b.vector);
                ChangeKind::Changed { vector, metadata: a.metadata != b.metadata, text: a.text != b.text }
            }
        };
        Some(((*key).clone(), kind))
    };
    keys.iter().filter_map(change).collect()
}
