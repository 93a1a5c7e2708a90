//! What a collection holds, compared with the folder that it was made from.

use serde_json::{Value, json};

use crate::harness::{DIMS, Work, metadata};

/// Records that both collections come from a folder with pages 0 to 3, of which the store holds all.
fn with_documents() -> Work {
    let work = Work::with_store();
    let root = work.path().join("docs");
    std::fs::create_dir_all(root.join("guide")).unwrap();
    for page in 0..4 {
        std::fs::write(root.join(format!("guide/page{page}.md")), "# A page\n\nIt says something.\n")
            .unwrap();
    }
    record(&work, 1, 2);
    work
}

fn record(work: &Work, started_ms: i64, finished_ms: i64) {
    let roots = json!({
        "framework": "Alpha", "roots": [{ "path": work.path().join("docs"), "include": [], "exclude": [] }],
        "max_file_size_bytes": 1_000_000, "never_enter": [], "started_ms": started_ms, "finished_ms": finished_ms,
    });
    let sources = json!({
        "format": "siltstone sources", "version": 1, "collections": { "docs_Alpha": roots, "docs_Beta": roots },
    });
    std::fs::write(work.store().join("sources.json"), sources.to_string()).unwrap();
}

fn component(work: &Work, name: &str, code: i32) -> Value {
    let report = work.run(&["health", "--json"]).expect(code).json();
    report["components"].as_array().unwrap().iter().find(|one| one["component"] == name).unwrap().clone()
}

#[test]
fn a_store_that_holds_its_documents_passes() {
    let work = with_documents();
    let report = work.run(&["health", "--json", "--output", "report.json"]).expect(0).json();
    assert_eq!(report["status"], "pass", "{report}");
    assert_eq!(report["components"][2]["coverage_percent"], 100.0);
    let written = std::fs::read_to_string(work.path().join("report.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&written).unwrap()["components"], report["components"]);
    assert!(work.run(&["health", "--output", "no/where.json"]).expect(1).stderr.contains("no/where.json"));
}

#[test]
fn documents_that_went_and_came_are_found_with_the_command_that_helps() {
    let work = with_documents();
    std::fs::remove_file(work.path().join("docs/guide/page1.md")).unwrap();
    let orphaned = component(&work, "orphaned", 3);
    assert_eq!((&orphaned["status"], &orphaned["count"]), (&json!("fail"), &json!(2)));
    assert_eq!(orphaned["examples"][0], "docs_Alpha: guide/page1.md");
    assert!(orphaned["summary"].as_str().unwrap().contains("10 passages"), "{orphaned}");
    let fix = orphaned["fix"].as_str().unwrap();
    assert!(fix.starts_with("siltstone update ") && fix.ends_with("/docs"), "{fix}");

    std::fs::write(work.path().join("docs/new.md"), "# New\n\nText.\n").unwrap();
    // Files that hold nothing to embed are not missing.
    std::fs::write(work.path().join("docs/empty.md"), "").unwrap();
    std::fs::write(work.path().join("docs/blank.md"), "\n \n").unwrap();
    std::fs::write(work.path().join("docs/binary.md"), [0u8, 159, 146, 150]).unwrap();
    let missing = component(&work, "missing", 3);
    assert_eq!((&missing["status"], &missing["count"]), (&json!("fail"), &json!(2)));
    assert_eq!(missing["coverage_percent"], 75.0);
    assert_eq!(missing["examples"][0], "docs_Alpha: new.md");
}

#[test]
fn what_an_unfinished_update_left_undone_is_information() {
    let work = with_documents();
    std::fs::write(work.path().join("docs/new.md"), "# New\n\nText.\n").unwrap();
    record(&work, 3, 2);
    let missing = component(&work, "missing", 0);
    assert_eq!((&missing["status"], &missing["count"]), (&json!("info"), &json!(2)));
    assert!(missing["summary"].as_str().unwrap().contains("did not finish"), "{missing}");
    assert!(missing["fix"].as_str().unwrap().contains("update"), "{missing}");
}

#[test]
fn a_folder_that_is_not_there_accuses_nobody() {
    let work = with_documents();
    std::fs::rename(work.path().join("docs"), work.path().join("elsewhere")).unwrap();
    let orphaned = component(&work, "orphaned", 0);
    assert_eq!((&orphaned["status"], &orphaned["count"]), (&json!("info"), &json!(0)));
    assert!(orphaned["not_checked"][0].as_str().unwrap().contains("is not there"), "{orphaned}");
    std::fs::create_dir(work.path().join("docs")).unwrap();
    let orphaned = component(&work, "orphaned", 0);
    assert!(orphaned["not_checked"][0].as_str().unwrap().contains("is it mounted?"), "{orphaned}");
}

#[test]
fn without_sources_or_with_unreadable_ones_the_rest_is_checked() {
    let work = Work::with_store();
    let missing = component(&work, "missing", 0);
    assert_eq!(missing["status"], "info");
    assert!(missing["fix"].as_str().unwrap().contains("update PATH"), "{missing}");
    std::fs::write(work.store().join("sources.json"), "{ not json").unwrap();
    let missing = component(&work, "missing", 0);
    assert!(missing["not_checked"][0].as_str().unwrap().contains("sources.json"), "{missing}");
    work.run(&["search", "install", "--framework", "Alpha"]).expect(0);
}

#[test]
fn incomplete_metadata_fails_until_the_configuration_says_otherwise() {
    let work = with_documents();
    let mut writer = work.collection("docs_Beta").writer().unwrap();
    let mut fields = metadata("Beta", "guide/page1.md", 1);
    fields.remove("chunk_hash");
    let record = siltstone::Record::new("guide/page1.md#1", &[0.5; DIMS as usize]);
    writer.upsert(record.metadata(fields)).unwrap();
    writer.commit().unwrap();
    drop(writer);
    let found = component(&work, "metadata", 3);
    assert_eq!((&found["status"], &found["count"]), (&json!("fail"), &json!(1)));
    assert_eq!(found["examples"][0], "docs_Beta: guide/page1.md#1: chunk_hash is missing");
    let config = "[metadata.docs_Beta]\nframework = \"string\"\nfile_size = \"integer\"\n";
    std::fs::write(work.path().join("siltstone.toml"), config).unwrap();
    assert_eq!(component(&work, "metadata", 0)["status"], "pass");
}

#[test]
fn a_foreign_file_in_the_store_is_mentioned_and_left_alone() {
    let work = with_documents();
    std::fs::write(work.store().join("notes.txt"), "mine").unwrap();
    let integrity = component(&work, "integrity", 0);
    assert_eq!(integrity["status"], "info");
    assert!(integrity["examples"][0].as_str().unwrap().contains("notes.txt"), "{integrity}");
    assert!(work.store().join("notes.txt").exists());
}
