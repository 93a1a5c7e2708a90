//! Snapshots from the command line: one instant of all collections, and what changed between two moments.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use siltstone::{Collection, Record, Store};

use crate::harness::{DIMS, Ended, Work, metadata, unit};

fn put(collection: &Collection, key: &str, at: usize, text: &str) {
    let mut writer = collection.writer().unwrap();
    let fields = metadata("Alpha", "guide/more.md", 0);
    writer.upsert(Record::new(key, &unit(at)).metadata(fields).text(text)).unwrap();
    writer.commit().unwrap();
}

#[test]
fn diff_names_what_was_added_changed_and_removed() {
    let work = Work::with_store();
    work.run(&["snapshot", "create", "one"]).expect(0);
    let same = work.run(&["snapshot", "diff", "one"]).expect(0);
    assert!(same.stdout.contains("docs_Alpha: 0 added, 0 changed, 0 removed, 20 unchanged"), "{same:?}");

    let alpha = work.collection("docs_Alpha");
    put(&alpha, "new", 3, "Something new.");
    put(&alpha, "guide/page0.md#0", 0, "Another text.");
    let mut writer = alpha.writer().unwrap();
    writer.delete("guide/page1.md#1").unwrap();
    // Written again as it was, in another segment: nobody can tell the difference.
    let view = alpha.view().unwrap();
    let row = view.get("guide/page3.md#4").unwrap().unwrap();
    writer.upsert(Record::new(row.key, row.vector).metadata(row.metadata.clone()).text(&row.text)).unwrap();
    writer.commit().unwrap();
    drop(writer);

    let ended = work.run(&["snapshot", "diff", "one", "now"]).expect(0);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert!(lines[0].starts_with("docs_Alpha: 1 added, 1 changed, 1 removed, 18 unchanged"), "{ended:?}");
    assert_eq!(lines[1..4], ["  ~ guide/page0.md#0 (metadata, text)", "  - guide/page1.md#1", "  + new"]);
    assert!(lines[4].starts_with("docs_Beta: 0 added"), "{ended:?}");

    let json = work.run(&["snapshot", "diff", "now", "one", "--limit", "1", "--json"]).expect(0).json();
    let alpha = &json["collections"][0];
    assert_eq!((&alpha["added"], &alpha["removed"], &alpha["not_shown"]), (&1.into(), &1.into(), &2.into()));
    assert_eq!(alpha["keys"].as_array().unwrap().len(), 1);
    assert_eq!(alpha["keys"][0]["change"], "changed");
    assert_eq!(alpha["keys"][0]["parts"], serde_json::json!(["metadata", "text"]));

    let ended = work.run(&["snapshot", "diff", "one", "none"]).expect(2);
    assert!(ended.stderr.contains("no snapshot named \"none\"") && ended.stderr.contains("there are: one"));
    assert!(work.run(&["snapshot", "create", "now"]).expect(2).stderr.contains("current moment"));
}

#[test]
fn a_snapshot_of_all_collections_is_one_instant_while_processes_update_them() {
    let work = Work::with_store();
    // Another process writes the same number into one collection after the other, again and again.
    let mut updater = updater(&work);
    let (mut taken, started) = (0, Instant::now());
    while taken < 8 && started.elapsed() < Duration::from_secs(60) {
        let name = format!("s{taken}");
        let ended = work.run(&["snapshot", "create", &name, "--lock-wait", "20s"]);
        ended.expect(0);
        taken += 1;
    }
    updater.kill().unwrap();
    updater.wait().unwrap();
    let mut numbers = Vec::new();
    for snapshot in 0..taken {
        let marks = ["docs_Alpha", "docs_Beta"].map(|name| mark(&work, name, &format!("s{snapshot}")));
        let [alpha, beta] = marks;
        assert!(alpha >= beta && alpha <= beta + 1, "s{snapshot} is torn: {alpha} and {beta}");
        numbers.push(alpha);
    }
    assert!(numbers.is_sorted() && numbers.first() < numbers.last(), "nothing was updated: {numbers:?}");
}

/// This very test binary as a process of its own: it counts in both collections.
fn updater(work: &Work) -> Child {
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "snapshots::updates_both_collections_for_ever", "--ignored", "--nocapture"])
        .env("SILTSTONE_UPDATED_STORE", work.store())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while work.collection("docs_Beta").view().unwrap().get("mark").unwrap().is_none() {
        assert!(started.elapsed() < Duration::from_secs(30), "the updater does nothing");
        std::thread::sleep(Duration::from_millis(10));
    }
    child
}

#[test]
#[ignore = "the other process of a test"]
fn updates_both_collections_for_ever() {
    let Some(path) = std::env::var_os("SILTSTONE_UPDATED_STORE") else { return };
    let store = Store::open(path).unwrap();
    for number in 1u64.. {
        for name in ["docs_Alpha", "docs_Beta"] {
            let collection = store.collection(name).unwrap();
            let mut writer = loop {
                match collection.writer() {
                    Ok(writer) => break writer,
                    Err(siltstone::Error::Locked { .. }) => std::thread::sleep(Duration::from_millis(1)),
                    Err(error) => panic!("{error}"),
                }
            };
            writer.upsert(Record::new("mark", &[1.0; DIMS as usize]).text(&number.to_string())).unwrap();
            writer.commit().unwrap();
        }
    }
}

fn mark(work: &Work, collection: &str, snapshot: &str) -> u64 {
    let view = work.collection(collection).snapshot(snapshot).unwrap();
    view.get("mark").unwrap().unwrap().text.parse().unwrap()
}

#[test]
fn a_name_that_one_collection_has_is_created_in_none() {
    let work = Work::with_store();
    work.run(&["snapshot", "create", "x", "--collection", "docs_Beta"]).expect(0);
    let ended = work.run(&["snapshot", "create", "x"]).expect(1);
    assert!(ended.stderr.contains("\"docs_Beta\" has a snapshot named \"x\" already"), "{ended:?}");
    assert!(work.collection("docs_Alpha").snapshots().unwrap().is_empty());
}

#[test]
fn hidden_collections_are_left_out() {
    let work = Work::with_store();
    let store = Store::open(work.store()).unwrap();
    let hidden = store.create_collection(".staging", crate::harness::builtin()).unwrap();
    let _writer = hidden.writer().unwrap();
    let ended: Ended = work.run(&["snapshot", "create", "x"]).expect(0);
    assert!(!ended.stdout.contains("staging"), "{ended:?}");
    assert!(hidden.snapshots().unwrap().is_empty());
}

#[test]
fn restore_goes_back_and_can_be_undone_with_the_command_that_it_prints() {
    let work = Work::with_store();
    work.run(&["snapshot", "create", "one"]).expect(0);
    put(&work.collection("docs_Alpha"), "new", 3, "Something new.");
    let ended = work.run(&["snapshot", "restore", "one", "--json"]).expect(0).json();
    assert_eq!(ended["collections"][0]["outcome"], "restored");
    assert_eq!(work.collection("docs_Alpha").view().unwrap().len(), 20);
    let same = work.run(&["snapshot", "diff", "one"]).expect(0).stdout;
    assert!(same.contains("docs_Alpha: 0 added, 0 changed, 0 removed, 20 unchanged"), "{same}");
    work.run(&["health", "--deep-scan"]).expect(0);
    let undo: Vec<&str> = ended["undo"].as_str().unwrap().split(' ').skip(1).collect();
    assert_eq!(undo[..2], ["snapshot", "restore"]);
    assert!(undo[2].starts_with("before-restore-2"));
    let ended = work.run(&undo).expect(0);
    assert!(ended.stdout.contains("to undo: siltstone snapshot restore before-restore-2"), "{ended:?}");
    assert!(work.collection("docs_Alpha").view().unwrap().contains("new").unwrap());
    work.run(&["health", "--deep-scan"]).expect(0);
    work.run(&["inspect", "docs_Alpha"]).expect(0);
    // The snapshot has not seen what the present has.
    let rows = |arguments: &[&str]| {
        let flags = ["health", "--json", "--collection", "docs_Alpha"];
        let report = work.run(&[&flags[..], arguments].concat()).expect(0).json();
        report["surveyed"][0]["rows"].as_u64()
    };
    assert_eq!((rows(&[]), rows(&["--snapshot", "one"])), (Some(21), Some(20)));
    work.run(&["health", "--snapshot", "none"]).expect(2);
    work.run(&["health", "--snapshot", "one", "--fix"]).expect(2);
    let ended = work.run(&["snapshot", "restore", "none"]).expect(2);
    assert!(ended.stderr.contains("no collection has a snapshot named"), "{ended:?}");
    let ended = work.run(&["snapshot", "restore", "one", "--collection", "docs_Gamma"]).expect(2);
    assert!(ended.stderr.contains("docs_Gamma"), "{ended:?}");
}
