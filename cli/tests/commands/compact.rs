//! `siltstone compact`: space comes back, answers stay, snapshots keep what is theirs, and `kill -9` costs nothing.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;
use siltstone::{Depth, Order, Record, Store, WriterOptions, verify};

use crate::harness::{DIMS, Work, builtin, flip, segments};

const NAME: &str = "docs_Alpha";

/// Everything in a collection: key, vector bits, text.
fn content(work: &Work, name: &str) -> BTreeMap<String, (Vec<u32>, String)> {
    let view = work.collection(name).view().unwrap();
    let rows = view.iter(Order::Storage).unwrap().map(Result::unwrap);
    rows.map(|row| (row.key.to_owned(), (row.vector.iter().map(|x| x.to_bits()).collect(), row.text)))
        .collect()
}

/// Deletes half of a collection's rows.
fn thin_out(work: &Work, name: &str) {
    let collection = work.collection(name);
    let mut writer = collection.writer().unwrap();
    for document in 0..4 {
        for chunk in [0, 2, 4] {
            assert!(writer.delete(&format!("guide/page{document}.md#{chunk}")).unwrap());
        }
    }
    writer.commit().unwrap();
}

fn of<'a>(result: &'a Value, name: &str) -> &'a Value {
    let collections = result["collections"].as_array().unwrap();
    collections.iter().find(|one| one["collection"] == name).unwrap()
}

#[test]
fn dead_rows_give_their_space_back_and_answers_stay() {
    let work = Work::with_store();
    thin_out(&work, NAME);
    let before = content(&work, NAME);
    let searched = || work.run(&["search", "install part 3", "-k", "40", "--json"]).expect(0).json();
    let bytes = || work.run(&["status", "--json"]).expect(0).json()["totals"]["bytes"].as_u64().unwrap();
    let (hits, bytes_before) = (searched()["hits"].clone(), bytes());
    let status = work.run(&["status"]).expect(0).stdout;
    assert!(status.contains("dead rows take about") && status.contains("siltstone compact"), "{status}");

    let planned = work.run(&["compact", "--dry-run", "--json"]).expect(0).json();
    assert_eq!((&of(&planned, NAME)["outcome"], bytes()), (&"planned".into(), bytes_before), "{planned}");
    let done = work.run(&["compact", "--json"]).expect(0).json();
    let (plan, did) = (&of(&planned, NAME)["groups"], &of(&done, NAME)["groups"]);
    for member in ["rows_kept", "rows_dropped", "inputs"] {
        assert_eq!(plan[0][member], did[0][member], "{member}");
    }
    assert_eq!((did[0]["rows_kept"].as_u64(), did[0]["rows_dropped"].as_u64()), (Some(8), Some(12)));
    let reclaimed = done["reclaimed_bytes"].as_u64().unwrap();
    assert!(reclaimed > 0 && bytes() < bytes_before, "{done}");
    assert_eq!(content(&work, NAME), before);
    let without_commit = |mut hits: Value| {
        for hit in hits.as_array_mut().unwrap() {
            hit.as_object_mut().unwrap().remove("commit");
        }
        hits
    };
    assert_eq!(without_commit(searched()["hits"].clone()), without_commit(hits));
    let again = work.run(&["compact"]).expect(0);
    assert!(
        again.stdout.lines().all(|line| line.contains("nothing to do: no row in it is dead")),
        "{again:?}"
    );
    work.run(&["health", "--deep-scan", "--collection", NAME]).expect(0);
}

#[test]
fn what_snapshots_keep_is_left_alone_shown_and_given_back_with_them() {
    let work = Work::with_store();
    work.run(&["snapshot", "create", "then", "--collection", NAME]).expect(0);
    let then = content(&work, NAME);
    thin_out(&work, NAME);
    work.collection(NAME).writer().unwrap().seal().unwrap();
    let left = work.run(&["compact", "--collection", NAME, "--dry-run", "--json"]).expect(0).json();
    assert!(of(&left, NAME)["kept_for_snapshots_bytes"].as_u64().unwrap() > 0, "{left}");
    let done = work.run(&["compact", "--collection", NAME, "--rewrite-held", "--json"]).expect(0).json();
    let held = of(&done, NAME)["held_bytes"].as_u64().unwrap();
    assert!(held > 0, "{done}");
    let status = work.run(&["status", "--json"]).expect(0).json();
    assert_eq!(of(&status, NAME)["held_bytes"].as_u64(), Some(held));
    assert!(work.run(&["status"]).expect(0).stdout.contains("snapshots alone keep"));
    let view = work.collection(NAME).snapshot("then").unwrap();
    assert!(view.keys().unwrap().iter().copied().eq(then.keys().map(String::as_str)));
    drop(view);
    work.run(&["snapshot", "drop", "then", "--force"]).expect(0);
    let status = work.run(&["status", "--json"]).expect(0).json();
    assert_eq!(of(&status, NAME)["held_bytes"], 0, "{status}");
}

#[test]
fn a_locked_and_a_damaged_collection_fail_alone() {
    let work = Work::with_store();
    thin_out(&work, "docs_Beta");
    let collection = work.collection(NAME);
    let writer = collection.writer().unwrap();
    let ended = work.run(&["compact", "--json"]).expect(11).json();
    let failed = of(&ended, NAME);
    assert_eq!(failed["outcome"], "failed");
    assert!(failed["reason"].as_str().unwrap().contains("held by"), "{failed}");
    assert_eq!(of(&ended, "docs_Beta")["outcome"], "compacted");
    drop(writer);
    thin_out(&work, NAME);
    let file = &segments(&collection)[0];
    let last = std::fs::metadata(file).unwrap().len() as usize - 1;
    flip(file, last);
    let ended = work.run(&["compact"]).expect(3);
    assert!(ended.stdout.contains("segment-00000001.seg is damaged"), "{ended:?}");
}

#[test]
fn an_update_compacts_what_it_replaced_unless_it_is_told_not_to() {
    let work = Work::empty();
    let docs = work.path().join("docs");
    std::fs::create_dir_all(&docs).unwrap();
    let write = |edition: u32| {
        for page in 0..20 {
            let text =
                format!("# Page {page}\n\nEdition {edition} of page {page} says {}.\n", page * edition);
            std::fs::write(docs.join(format!("page{page}.md")), text).unwrap();
        }
    };
    let dead = || {
        let status = work.run(&["status", "--json"]).expect(0).json();
        (status["totals"]["dead_rows"].as_u64().unwrap(), status["totals"]["chunks"].as_u64().unwrap())
    };
    write(1);
    work.run(&["update", "docs"]).expect(0);
    write(2);
    let ended = work.run(&["update", "docs"]).expect(0);
    assert!(ended.stderr.contains("given back"), "{ended:?}");
    let (dead_rows, rows) = dead();
    assert_eq!(dead_rows, 0);
    std::fs::write(work.path().join("siltstone.toml"), "[compact]\nafter_update = false\n").unwrap();
    write(3);
    let ended = work.run(&["update", "docs"]).expect(0);
    assert!(!ended.stderr.contains("given back"), "{ended:?}");
    assert_eq!(dead(), (rows, rows));
    std::fs::write(work.path().join("siltstone.toml"), "[compact]\nmin_dead = 2.0\n").unwrap();
    let refused = work.run(&["update", "docs"]).expect(2);
    assert!(refused.stderr.contains("compact.min_dead"), "{refused:?}");
}

/// A store of one collection with many segments, most of whose rows are dead.
fn layers(work: &Work) {
    let store = Store::create(work.store()).unwrap();
    let collection = store.create_collection("layers", builtin()).unwrap();
    let options = WriterOptions { seal_bytes: 64 << 10, ..WriterOptions::default() };
    let mut writer = collection.writer_with(options).unwrap();
    for round in 0..12u32 {
        for row in 0..400u32 {
            let mut vector = vec![0.01f32; DIMS as usize];
            vector[(row % DIMS) as usize] = 1.0 + round as f32;
            let (key, text) = (format!("row{}", row + 60 * round), format!("round {round} of row {row}"));
            writer.upsert(Record::new(&key, &vector).text(&text)).unwrap();
        }
        writer.commit().unwrap();
        if round == 5 {
            writer.create_snapshot("half").unwrap();
        }
    }
}

#[test]
fn kill_9_of_compact_changes_nothing_about_how_it_ends() {
    let kills_wanted =
        if std::env::var("SILTSTONE_PROOF").is_ok_and(|mode| mode == "full") { 300 } else { 12 };
    let arguments = ["compact", "--min-dead", "0", "--rewrite-held", "--quiet"];
    let (mut kills, mut attempts, mut usual) = (0, 0u32, Duration::from_millis(60));
    while kills < kills_wanted {
        let work = Work::empty();
        layers(&work);
        let before = content(&work, "layers");
        let half: Vec<String> = {
            let view = work.collection("layers").snapshot("half").unwrap();
            view.keys().unwrap().into_iter().map(str::to_owned).collect()
        };
        for _ in 0..6 {
            attempts += 1;
            let mut command = work.command(&arguments);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            let started = Instant::now();
            // Moments spread over the run by a sequence that never repeats itself.
            let patience = usual.mul_f64((f64::from(attempts) * 0.618_034).fract());
            let status = loop {
                if let Some(status) = child.try_wait().unwrap() {
                    break Some(status);
                }
                if started.elapsed() >= patience {
                    child.kill().unwrap();
                    child.wait().unwrap();
                    break None;
                }
                std::thread::sleep(Duration::from_micros(100));
            };
            match status {
                Some(status) => {
                    assert!(status.success(), "{status}");
                    usual = started.elapsed().max(Duration::from_millis(5));
                }
                None => kills += 1,
            }
            assert_eq!(content(&work, "layers"), before);
            let view = work.collection("layers").snapshot("half").unwrap();
            assert!(view.keys().unwrap().into_iter().eq(half.iter().map(String::as_str)));
            let report =
                verify(&siltstone::Environment::default(), &work.store(), Depth::Quick, None).unwrap();
            assert!(!report.is_damaged(), "{report:?}");
        }
        work.run(&arguments).expect(0);
        assert_eq!(content(&work, "layers"), before);
        work.collection("layers").writer().unwrap();
        let report = verify(&siltstone::Environment::default(), &work.store(), Depth::Deep, None).unwrap();
        let is_litter = |found: &&siltstone::Finding| {
            found.severity != siltstone::Severity::Derived && found.flaw.field != "aside"
        };
        let litter = report.findings.iter().find(is_litter);
        assert_eq!(litter, None, "nothing is left behind");
    }
    eprintln!("compact: {kills} kills in {attempts} runs, nothing changed and nothing left behind");
}
