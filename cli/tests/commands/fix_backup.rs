//! `health --fix` and what only backups have: rows whose documents are gone, files of snapshots; and what is left when
//! nothing has them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;
use siltstone::{CompactOptions, Order};

use crate::fix::{keys, remove, snapshots, with_many_documents};
use crate::harness::{Work, segments};
use crate::health::{codes, part, report, write};

type Rows = BTreeMap<String, (Vec<u32>, String)>;

/// The rows of a collection with the bits of their vectors.
fn rows(work: &Work) -> Rows {
    let view = work.collection("docs_Alpha").view().unwrap();
    let rows = view.iter(Order::Storage).unwrap().map(|row| {
        let row = row.unwrap();
        (row.key.to_owned(), (row.vector.iter().map(|element| element.to_bits()).collect(), row.text))
    });
    rows.collect()
}

fn seal(work: &Work) {
    work.collection("docs_Alpha").writer().unwrap().seal().unwrap();
}

/// The one sealed segment, with the rows that begin there overwritten.
fn overwrite_rows(work: &Work) -> PathBuf {
    let segment = segments(&work.collection("docs_Alpha"))[0].clone();
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[4096 + 256..4096 + 256 + 200].fill(0xaa);
    std::fs::write(&segment, bytes).unwrap();
    segment
}

/// A store with a backup, of which every file is another one since: rows were added, and it was compacted.
fn changed_since_the_backup(arguments: &[&str]) -> Work {
    let work = with_many_documents();
    seal(&work);
    work.run(&[&["backup", "create"], arguments].concat()).expect(0);
    write(&work, "Alpha/later.md", "# Later\n\nThis page came after the backup.\n");
    work.run(&["update", "docs"]).expect(0);
    seal(&work);
    let options = CompactOptions { min_dead: 0.0, ..CompactOptions::default() };
    work.collection("docs_Alpha").compact(&options).unwrap();
    work
}

/// The documents of the rows that a fix would take out.
fn documents_of(lost: &Value) -> Vec<String> {
    let keys = lost.as_array().unwrap().iter().map(|row| row["key"].as_str().unwrap());
    let mut documents: Vec<String> = keys.map(|key| key.rsplit_once('#').unwrap().0.to_owned()).collect();
    documents.dedup();
    documents
}

#[test]
fn rows_whose_documents_are_gone_come_back_from_a_backup_bit_for_bit() {
    for arguments in [&[][..], &["--repository", "backups/repository"]] {
        let work = changed_since_the_backup(arguments);
        let before = rows(&work);
        overwrite_rows(&work);
        let planned = report(&work, &["--deep-scan", "--fix", "--dry-run"], 3);
        let planned = &planned["fix"]["repair"];
        let lost = planned["lost"].as_array().unwrap().len();
        assert!(lost > 0 && planned["returned"][0]["rows"] == lost, "{planned}");
        for document in documents_of(&planned["lost"]) {
            remove(&work, &format!("Alpha/{document}"));
        }
        let said = work.run(&["health", "--deep-scan", "--fix", "--dry-run"]).expect(3);
        assert_eq!((said.stdout + &said.stderr).matches("would come back from backup_").count(), 1);
        // They are passages of documents that are gone, and are not removed in the run that brought them back.
        let fixed = report(&work, &["--deep-scan", "--fix"], 3);
        assert_eq!(rows(&work), before, "{fixed}");
        assert_eq!(fixed["fix"]["repair"]["returned"], planned["returned"], "{fixed}");
        assert!(fixed["fix"]["lost"].as_array().unwrap().is_empty(), "{fixed}");
        assert!(fixed["fix"]["undo"][0].as_str().unwrap().contains("aside"), "{fixed}");
        assert_eq!(part(&fixed, "integrity")["status"], "info", "{fixed}");
        assert_eq!(codes(&part(&fixed, "orphaned"))[0].0, "orphaned", "{fixed}");
    }
}

#[test]
fn rows_that_nothing_has_are_named_and_the_run_ends_with_3() {
    let work = with_many_documents();
    seal(&work);
    overwrite_rows(&work);
    let planned = report(&work, &["--deep-scan", "--fix", "--dry-run"], 3);
    let documents = documents_of(&planned["fix"]["repair"]["lost"]);
    documents.iter().for_each(|document| remove(&work, &format!("Alpha/{document}")));
    let hidden = Work { directory: tempfile::tempdir().unwrap() };
    let mut copy = std::process::Command::new("cp");
    copy.args(["-a", "."]).arg(hidden.path()).current_dir(work.path());
    assert!(copy.status().unwrap().success());
    let said = work.run(&["health", "--deep-scan", "--fix"]).expect(3).stdout;
    assert!(said.contains("lost:") && said.contains("no backup and no document has them"), "{said}");
    assert!(said.contains(&format!("docs_Alpha: {}", documents[0])) && said.contains("undo: "), "{said}");
    // Nothing else is wrong any more, and the next run has nothing to say about it.
    work.run(&["health", "--deep-scan"]).expect(0);
    let said = hidden.run(&["health", "--deep-scan", "--fix", "--privacy"]).expect(3).stdout;
    assert!(said.contains("lost:") && said.contains("document-") && !said.contains(&documents[0]), "{said}");
}

#[test]
fn a_whole_lost_segment_counts_its_rows_and_comes_back_from_its_documents() {
    let work = with_many_documents();
    seal(&work);
    let before = keys(&work, "docs_Alpha");
    std::fs::remove_file(&segments(&work.collection("docs_Alpha"))[0]).unwrap();
    let said = work.run(&["health", "--fix"]).expect(0).stdout;
    let rows = format!("{} rows beyond repair taken out", before.len());
    assert!(said.contains(&rows) && !said.contains("lost:"), "{said}");
    assert_eq!(keys(&work, "docs_Alpha"), before);
}

#[test]
fn lost_files_come_back_from_a_backup_with_the_snapshots_that_need_them() {
    let work = with_many_documents();
    seal(&work);
    work.run(&["snapshot", "create", "kept"]).expect(0);
    work.run(&["backup", "create"]).expect(0);
    let alpha = work.collection("docs_Alpha");
    let segment = segments(&alpha)[0].clone();
    let pristine = std::fs::read(&segment).unwrap();
    std::fs::remove_file(&segment).unwrap();
    let document = std::fs::read_dir(alpha.directory()).unwrap().map(|entry| entry.unwrap().path());
    let document = { document }.find(|path| path.to_string_lossy().contains("snapshot-")).unwrap();
    std::fs::write(&document, "nonsense").unwrap();
    let fixed = report(&work, &["--fix"], 0);
    let mended = fixed["fix"]["repair"]["mended"].as_array().unwrap();
    assert_eq!(mended.iter().filter(|one| one["remedy"] == "fetch").count(), 2, "{fixed}");
    assert_eq!(std::fs::read(&segment).unwrap(), pristine);
    assert_eq!(snapshots(&work), ["kept", "kept"]);
    work.run(&["health", "--snapshot", "kept"]).expect(0);
}

#[test]
fn snapshots_that_nothing_can_put_right_are_listed_and_go_only_with_force() {
    let work = with_many_documents();
    seal(&work);
    work.run(&["snapshot", "create", "precious", "--collection", "docs_Alpha"]).expect(0);
    overwrite_rows(&work);
    let before = keys(&work, "docs_Alpha");
    let said = work.run(&["health", "--deep-scan", "--fix", "--dry-run"]).expect(3);
    assert_eq!(said.stdout.matches("would repair").count() + said.stderr.matches("would repair").count(), 1);
    assert!(said.stdout.contains("docs_Alpha: precious") && said.stdout.contains("--force"), "{said:?}");
    // Unattended, the rows are made again and the snapshot stays as it is.
    let said = work.run(&["health", "--deep-scan", "--fix"]).expect(3).stdout;
    assert!(said.contains("stays damaged: docs_Alpha: precious") && said.contains("--fix --force"), "{said}");
    assert!(snapshots(&work).contains(&"precious".to_owned()));
    assert_eq!(keys(&work, "docs_Alpha"), before);
    work.run(&["health", "--deep-scan"]).expect(3);
    let said = work.run(&["health", "--deep-scan", "--fix", "--force"]).expect(0).stdout;
    assert!(said.contains("kept aside: docs_Alpha: precious"), "{said}");
    assert!(!snapshots(&work).contains(&"precious".to_owned()));
    work.run(&["health", "--deep-scan"]).expect(0);
}

#[test]
fn damaged_blocks_of_derived_files_are_found_without_a_deep_scan() {
    let work = with_many_documents();
    seal(&work);
    let index = segments(&work.collection("docs_Alpha"))[0].with_extension("keys");
    let pristine = std::fs::read(&index).unwrap();
    crate::harness::flip(&index, 4096 + 10);
    let said = work.run(&["health"]).expect(0).stdout;
    assert!(said.contains("rows and text not read: --deep-scan"), "{said}");
    let fixed = report(&work, &["--fix"], 0);
    assert_eq!(fixed["fix"]["repair"]["mended"][0]["remedy"], "derive", "{fixed}");
    assert_eq!(std::fs::read(&index).unwrap(), pristine);
}
