//! Long readers beside a compaction that never rests: backups, exports and deep scans in processes of their own, while
//! others rewrite the rows and compact away the files that they came from.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use siltstone::{Collection, Error, Record, Store};

use crate::harness::{Work, builtin, metadata, unit};

const COLLECTIONS: [&str; 3] = ["docs_Alpha", "docs_Beta", "docs_Gamma"];
const ROWS: u32 = 60;

/// Writes every fourth row again, in a segment of its own.
fn rewrite(collection: &Collection, round: u32) -> siltstone::Result<()> {
    let mut writer = collection.writer()?;
    for row in (0..ROWS).filter(|row| (row + round).is_multiple_of(4)) {
        let (file, chunk) = (format!("guide/page{}.md", row / 5), row % 5);
        let vector = unit(((row + round) % 32) as usize);
        let text = format!("Round {round} of row {row}.");
        let metadata = metadata("Alpha", &file, chunk);
        writer.upsert(Record::new(&format!("{file}#{chunk}"), &vector).metadata(metadata).text(&text))?;
    }
    writer.commit()?;
    writer.seal()?;
    Ok(())
}

#[test]
fn backups_exports_and_deep_scans_end_well_beside_compactions_without_rest() {
    let rounds = if std::env::var("SILTSTONE_PROOF").is_ok_and(|mode| mode == "full") { 60 } else { 5 };
    let work = Work::empty();
    let store = Store::create(work.store()).unwrap();
    for name in COLLECTIONS {
        let collection = store.create_collection(name, builtin()).unwrap();
        (0..4).for_each(|round| rewrite(&collection, round).unwrap());
    }
    let (is_over, rewritten, compacted) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 4.. {
                for name in COLLECTIONS {
                    match rewrite(&store.collection(name).unwrap(), round) {
                        Ok(()) => rewritten.fetch_add(1, Ordering::Relaxed),
                        Err(Error::Locked { .. }) => 0,
                        Err(error) => panic!("{error}"),
                    };
                }
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
        });
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let arguments = ["compact", "--min-dead", "0", "--lock-wait", "30s", "--json"];
                let done = work.run(&arguments).expect(0).json();
                let groups = |one: &serde_json::Value| one["groups"].as_array().unwrap().len() as u64;
                let groups: u64 = done["collections"].as_array().unwrap().iter().map(groups).sum();
                compacted.fetch_add(groups, Ordering::Relaxed);
            }
        });
        let readers = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for round in 0..rounds {
                let made = work.run(&["backup", "create", "--json"]).expect(0).json();
                assert_eq!(made["backup"]["rows"], 3 * ROWS, "{made}");
                let name = made["backup"]["name"].as_str().unwrap().to_owned();
                work.run(&["backup", "create", "--repository", "repo"]).expect(0);
                let rows = work.run(&["export"]).expect(0).stdout;
                assert_eq!(rows.matches("\"key\"").count(), 3 * ROWS as usize, "round {round}");
                let found = work.run(&["health", "--deep-scan", "--json"]).expect(0).json();
                assert_eq!(found["surveyed"].as_array().unwrap().len(), 3, "{found}");
                work.run(&["backup", "verify", &name]).expect(0);
            }
            work.run(&["backup", "verify", "latest", "--repository", "repo"]).expect(0);
        }));
        is_over.store(true, Ordering::Relaxed);
        readers.unwrap_or_else(|cause| std::panic::resume_unwind(cause));
    });
    let (rewritten, compacted) = (rewritten.into_inner(), compacted.into_inner());
    println!(
        "beside {rewritten} rewrites and {compacted} compacted groups: {rounds} archives, repository backups, exports and \
         deep scans, all whole"
    );
    assert!(rewritten > 0 && compacted > 0);
}
