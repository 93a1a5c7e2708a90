//! A backup takes no lock: while others write, seal, snapshot and drop, each backup is one moment of each collection.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use harness::proof::{effort, report};
use siltstone::backup::{self, BackupOptions, Place, RestoreOptions, restore};
use siltstone::{CompactOptions, EmbeddingIdentity, Environment, Order, Record, Store, WriterOptions};

/// Each commit writes the same number under all keys, so a view that shows two numbers shows half a commit.
fn write(store: &Store, name: &str, stop: &AtomicBool, commits: &AtomicU64) {
    let options = WriterOptions { seal_bytes: 64 << 10, ..WriterOptions::default() };
    let collection = store.collection(name).unwrap();
    let mut writer = collection.writer_with(options).unwrap();
    let mut number = 0u32;
    while !stop.load(Ordering::Relaxed) {
        number += 1;
        for key in 0..20 {
            let vector = [number as f32, key as f32 + 1.0];
            writer.upsert(Record::new(&format!("key {key}"), &vector).text(&number.to_string())).unwrap();
        }
        writer.commit().unwrap();
        commits.fetch_add(1, Ordering::Relaxed);
        match number % 10 {
            3 => drop(writer.create_snapshot("moving").unwrap()),
            7 => writer.drop_snapshot("moving").unwrap_or_default(),
            9 => drop(writer.seal().unwrap()),
            _ => {}
        }
        // The store stays small, and files vanish while they are backed up.
        if number.is_multiple_of(200) {
            drop(writer);
            collection.compact(&CompactOptions::default()).unwrap();
            writer = collection.writer_with(options).unwrap();
        }
    }
}

#[test]
fn backups_of_a_store_that_is_written_are_whole_commits() {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().join("store");
    let store = Store::create(&root).unwrap();
    let names = ["a", "b"];
    for name in names {
        let identity = EmbeddingIdentity { dims: 2, ..EmbeddingIdentity::default() };
        store.create_collection(name, identity).unwrap();
    }
    let (stop, commits) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let rounds = effort(4, 15);
    std::thread::scope(|scope| {
        for name in names {
            let (store, stop, commits) = (store.clone(), Arc::clone(&stop), Arc::clone(&commits));
            scope.spawn(move || write(&store, name, &stop, &commits));
        }
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for round in 0..rounds {
                for place in [
                    Place::Directory(scratch.path().join("backups")),
                    Place::Repository(scratch.path().join("repository")),
                ] {
                    back_up(&root, &place, &scratch.path().join(format!("restored-{round}")));
                }
            }
        }));
        stop.store(true, Ordering::Relaxed);
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    let all =
        backup::list(&Environment::default(), &Place::Directory(scratch.path().join("backups"))).unwrap();
    assert_eq!(all.len(), rounds);
    report(format_args!(
        "backup, online: {} backups during {} commits, each whole, no two of one name",
        2 * rounds,
        commits.load(Ordering::Relaxed)
    ));
}

fn back_up(root: &Path, place: &Place, to: &Path) {
    let environment = Environment::default();
    let made = backup::create(&environment, root, place, &BackupOptions::default()).unwrap().backup;
    assert!(made.damage.is_empty(), "{made:?}");
    let checked = backup::verify(&environment, &made).unwrap();
    assert!(checked.damage.is_empty(), "{checked:?}");
    let options = RestoreOptions { to: Some(to.to_owned()), ..Default::default() };
    restore(&environment, &made, root, &options).unwrap();
    let store = Store::open(to).unwrap();
    for collection in store.collections().unwrap() {
        let view = collection.view().unwrap();
        let texts: std::collections::BTreeSet<String> =
            view.iter(Order::Storage).unwrap().map(|row| row.unwrap().text).collect();
        assert!(texts.len() <= 1 && [0, 20].contains(&view.len()), "half a commit: {texts:?}");
    }
    std::fs::remove_dir_all(to).unwrap();
}

/// Two at once in one second, from two threads: two names.
#[test]
fn two_backups_at_once_do_not_collide() {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().join("store");
    Store::create(&root).unwrap();
    let place = Place::Directory(scratch.path().join("backups"));
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                backup::create(&Environment::default(), &root, &place, &BackupOptions::default()).unwrap()
            });
        }
    });
    let all = backup::list(&Environment::default(), &place).unwrap();
    assert_eq!(all.len(), 6);
    for made in all {
        assert!(backup::verify(&Environment::default(), &made).unwrap().damage.is_empty());
    }
}
