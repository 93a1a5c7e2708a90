//! Damage is found, named, worked around and left behind; nothing is repaired in silence.

use crate::harness::{Work, flip, segments};

#[test]
fn damage_ends_with_3_and_names_the_file_and_the_byte() {
    let work = Work::with_store();
    let segment = segments(&work.collection("docs_Alpha"))[0].clone();
    // In the vectors of the first frame.
    flip(&segment, 4096 + 256 + 40);
    let name = segment.file_name().unwrap().to_str().unwrap();
    let ended = work.run(&["health", "--deep-scan"]).expect(3);
    assert!(ended.stdout.contains("FAIL  integrity") && ended.stdout.contains(name), "{ended:?}");
    assert!(ended.stdout.contains("recover --to"), "{ended:?}");
    let report = work.run(&["health", "--deep-scan", "--json", "--collection", "docs_Beta"]).expect(0).json();
    assert_eq!(report["status"], "info");
    let ended = work.run(&["inspect", segment.to_str().unwrap()]).expect(3);
    assert!(ended.stdout.contains("flaw: row at byte 4352") && ended.stdout.contains("footer"), "{ended:?}");
    let json = work.run(&["inspect", segment.to_str().unwrap(), "--json"]).expect(3).json();
    assert_eq!(json["files"][0]["flaws"].as_u64().unwrap(), json["flaws"].as_u64().unwrap());

    let ended = work.run(&["search", "install part", "-k", "99"]).expect(3);
    assert!(ended.stderr.contains(name) && ended.stderr.contains("--skip-damaged"), "{ended:?}");
    let hits = work.run(&["search", "install part", "-k", "99", "--skip-damaged", "--json"]).expect(0).json();
    assert_eq!(hits["hits"].as_array().unwrap().len(), 39);

    let ended = work.run(&["recover", "--to", "saved"]).expect(3);
    assert!(
        ended.stdout.contains("docs_Alpha: 19 rows") && ended.stdout.contains("docs_Beta: 20 rows"),
        "{ended:?}"
    );
    work.run(&["--store", "saved", "health", "--deep-scan"]).expect(0);
    assert!(work.run(&["recover", "--to", "saved"]).expect(1).stderr.contains("is taken"));
}

#[test]
fn one_lost_manifest_hides_no_other_collection() {
    let work = Work::with_store();
    let alpha = work.collection("docs_Alpha");
    let manifests: Vec<_> = std::fs::read_dir(alpha.directory())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("manifest"))
        .collect();
    manifests.iter().for_each(|path| flip(path, 30));
    let ended = work.run(&["status"]).expect(3);
    assert!(ended.stdout.contains("DAMAGED docs_Alpha") && ended.stdout.contains("docs_Beta"), "{ended:?}");
    let ended = work.run(&["health"]).expect(3);
    assert!(ended.stdout.contains("not checked: docs_Alpha"), "{ended:?}");
    work.run(&["search", "install"]).expect(3);
    let found = work.run(&["search", "install", "--skip-damaged", "--json"]).expect(0).json();
    assert_eq!(found["hits"].as_array().unwrap().len(), 10);
    assert!(found["damage"][0].as_str().unwrap().contains("docs_Alpha"), "{found}");
    // Inspecting reads what the directory holds, whatever the manifest says.
    let ended = work.run(&["inspect", "docs_Alpha"]).expect(3);
    assert!(ended.stdout.contains("segment-00000001.seg"), "{ended:?}");
    assert!(work.run(&["recover", "--to", "saved"]).expect(3).stdout.contains("manifest rebuilt"));
}

#[test]
fn a_damaged_catalogue_is_reported_by_every_command() {
    let work = Work::with_store();
    flip(&work.store().join("catalogue.json"), 20);
    let report = work.run(&["health", "--json"]).expect(3).json();
    assert_eq!(report["components"][0]["status"], "fail");
    assert_eq!(report["components"][1]["status"], "info");
    for arguments in [&["status"][..], &["search", "x"], &["snapshot", "list"], &["inspect", "docs_Alpha"]] {
        assert!(work.run(arguments).expect(3).stderr.contains("catalogue.json"));
    }
    assert!(work.run(&["inspect", "vectorstore/catalogue.json"]).expect(3).stdout.contains("flaw:"));
}

#[test]
fn an_interrupted_commit_is_information_and_not_damage() {
    let work = Work::with_store();
    let open = segments(&work.collection("docs_Alpha")).pop().unwrap();
    let mut bytes = std::fs::read(&open).unwrap();
    bytes.extend_from_slice(&[7; 700]);
    std::fs::write(&open, bytes).unwrap();
    let ended = work.run(&["health"]).expect(0);
    assert!(ended.stdout.contains("INFO  integrity"), "{ended:?}");
    work.run(&["search", "install"]).expect(0);
    let ended = work.run(&["snapshot", "create", "after"]).expect(0);
    assert!(ended.stderr.contains("an interrupted commit was cut off at byte"), "{ended:?}");
    let ended = work.run(&["snapshot", "drop", "after", "--quiet", "--force"]).expect(0);
    assert!(ended.stderr.is_empty(), "{ended:?}");
}

#[test]
fn inspect_reads_any_file_however_damaged() {
    let work = Work::with_store();
    let collection = work.collection("docs_Alpha");
    let names: Vec<_> = std::fs::read_dir(collection.directory())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file() && !path.ends_with("lock"))
        .collect();
    for path in names {
        let good = std::fs::read(&path).unwrap();
        let text = path.to_str().unwrap();
        for bad in [&good[..good.len() / 2], &good[..1], &[], &[0xff; 5000], &good[300.min(good.len() - 1)..]]
        {
            std::fs::write(&path, bad).unwrap();
            let ended = work.run(&["inspect", text, "--keys"]).expect(3);
            assert!(ended.stdout.contains("flaw:"), "{ended:?}");
        }
        std::fs::write(&path, &good).unwrap();
        work.run(&["inspect", text, "--keys"]).expect(0);
    }
}

#[test]
fn a_quick_check_fails_on_what_a_search_would_refuse() {
    // The header of a frame, and a key in it: a verification of structures reads neither.
    for place in ["header", "key"] {
        let work = Work::with_store();
        let segment = segments(&work.collection("docs_Alpha"))[0].clone();
        let bytes = std::fs::read(&segment).unwrap();
        let key = bytes.windows(2).position(|bytes| bytes == b"#0").unwrap();
        flip(&segment, if place == "key" { key } else { 4096 + 20 });
        let ended = work.run(&["health"]).expect(3);
        let name = segment.file_name().unwrap().to_str().unwrap();
        assert!(
            ended.stdout.contains("FAIL  integrity") && ended.stdout.contains(name),
            "{place}: {ended:?}"
        );
        // It does not turn into a pass once an update has failed on it.
        work.run(&["update", "documentation", "--split", "--force"]);
        work.run(&["health"]).expect(3);
    }
}
