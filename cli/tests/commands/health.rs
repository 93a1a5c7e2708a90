//! What a collection holds, compared with the folder that it was made from, and with what its embeddings promise.

use std::path::PathBuf;

use serde_json::{Value, json};
use siltstone::{EmbeddingIdentity, Metric, Record, Store};

use crate::harness::{DIMS, Ended, Work, metadata, unit};

const DIMS_FLAG: &str = "32";

/// Two frameworks of four pages each, indexed by the binary.
pub(crate) fn with_documents() -> Work {
    let work = Work::empty();
    for framework in ["Alpha", "Beta"] {
        for page in 0..4 {
            write(&work, &format!("{framework}/guide/page{page}.md"), &text(framework, page));
        }
    }
    std::fs::write(work.path().join("siltstone.toml"), format!("[embedder]\ndims = {DIMS_FLAG}\n")).unwrap();
    work.run(&["update", "docs", "--split"]).expect(0);
    work
}

fn text(framework: &str, page: usize) -> String {
    format!("# Page {page}\n\nPage number {page} of {framework} explains part {page} at some length.\n")
}

pub(crate) fn write(work: &Work, path: &str, text: &str) {
    let path = work.path().join("docs").join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn edit_sources(work: &Work, edit: impl Fn(&mut Value)) {
    let path = work.store().join("sources.json");
    let mut sources: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    sources["collections"].as_object_mut().unwrap().values_mut().for_each(edit);
    std::fs::write(path, sources.to_string()).unwrap();
}

pub(crate) fn report(work: &Work, arguments: &[&str], code: i32) -> Value {
    let report = work.run(&[&["health", "--json"], arguments].concat()).expect(code).json();
    assert_eq!(report["exit"], code, "{report}");
    report
}

pub(crate) fn part(report: &Value, name: &str) -> Value {
    report["components"].as_array().unwrap().iter().find(|one| one["component"] == name).unwrap().clone()
}

pub(crate) fn component(work: &Work, name: &str, code: i32) -> Value {
    part(&report(work, &[], code), name)
}

/// The codes of a component's findings, with their counts.
pub(crate) fn codes(component: &Value) -> Vec<(String, u64)> {
    let findings = component["findings"].as_array().unwrap().iter();
    findings.map(|one| (one["code"].as_str().unwrap().to_owned(), one["count"].as_u64().unwrap())).collect()
}

fn only(code: &str, count: u64) -> Vec<(String, u64)> {
    vec![(code.to_owned(), count)]
}

#[test]
fn a_store_that_holds_its_documents_passes() {
    let work = with_documents();
    for flags in [&[][..], &["--deep-scan"]] {
        let found = report(&work, &[flags, &["--output", "report.json"]].concat(), 0);
        assert_eq!(found["status"], "pass", "{found}");
        assert_eq!(found["schema"], "siltstone-health-1");
        assert_eq!(part(&found, "missing")["coverage_percent"], 100.0);
        let written = std::fs::read_to_string(work.path().join("report.json")).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), found);
    }
    let unwritten = work.run(&["health", "--output", "no/where.json"]).expect(1);
    assert!(
        unwritten.stderr.contains("no/where.json") && unwritten.stdout.contains("PASS  health of"),
        "{unwritten:?}"
    );
}

#[test]
fn documents_that_went_and_came_are_found_with_the_command_that_helps() {
    let work = with_documents();
    std::fs::remove_file(work.path().join("docs/Alpha/guide/page1.md")).unwrap();
    let orphaned = component(&work, "orphaned", 3);
    assert_eq!(codes(&orphaned), only("orphaned", 1));
    assert_eq!(orphaned["examples"][0], "docs_Alpha: guide/page1.md");
    assert!(orphaned["summary"].as_str().unwrap().contains("1 passage of 1 document"), "{orphaned}");
    let fix = orphaned["fix"].as_str().unwrap();
    assert!(fix.starts_with("siltstone update ") && fix.ends_with("/docs/Alpha"), "{fix}");

    write(&work, "Alpha/new.md", "# New\n\nText.\n");
    // Files that hold nothing to embed are not missing.
    write(&work, "Alpha/empty.md", "");
    write(&work, "Alpha/blank.md", "\n \n");
    std::fs::write(work.path().join("docs/Alpha/binary.md"), [0u8, 159, 146, 150]).unwrap();
    let missing = component(&work, "missing", 3);
    assert_eq!(codes(&missing), only("missing", 1));
    assert_eq!(missing["coverage_percent"], 87.5);
    assert_eq!(missing["examples"][0], "docs_Alpha: new.md");
    let surveyed = &report(&work, &[], 3)["surveyed"][0];
    assert_eq!((&surveyed["orphaned"], &surveyed["missing"]), (&json!(1), &json!(1)));
}

#[test]
fn changed_emptied_and_incomplete_documents_are_told_apart() {
    let work = with_documents();
    write(&work, "Alpha/guide/page0.md", "# Page 0\n\nIt says something else now.\n");
    assert_eq!(codes(&component(&work, "content", 3)), only("stale", 1));
    write(&work, "Alpha/guide/page0.md", &text("Alpha", 0));
    assert_eq!(component(&work, "content", 0)["status"], "pass");
    write(&work, "Alpha/guide/page0.md", "  \n");
    let found = report(&work, &[], 3);
    assert_eq!(codes(&part(&found, "orphaned")), only("orphaned", 1));
    assert_eq!(part(&found, "content")["status"], "pass");
    write(&work, "Alpha/guide/page0.md", &text("Alpha", 0));

    // One passage of two is lost.
    let long = format!("# Long\n\n{}", "A sentence that goes on and on until it ends. ".repeat(200));
    write(&work, "Beta/long.md", &long);
    work.run(&["update", "docs"]).expect(0);
    let mut writer = work.collection("docs_Beta").writer().unwrap();
    assert!(writer.delete("long.md#1").unwrap());
    writer.commit().unwrap();
    drop(writer);
    let content = component(&work, "content", 3);
    assert_eq!(
        (codes(&content), &content["examples"][0]),
        (only("incomplete", 1), &json!("docs_Beta: long.md"))
    );
}

#[test]
fn a_deep_scan_compares_the_very_words() {
    let work = with_documents();
    let alpha = work.collection("docs_Alpha");
    let view = alpha.view().unwrap();
    let row = view.get("guide/page2.md#0").unwrap().unwrap();
    let mut writer = alpha.writer().unwrap();
    writer
        .upsert(
            Record::new(row.key, row.vector).metadata(row.metadata.clone()).text("Somebody else's words."),
        )
        .unwrap();
    writer.commit().unwrap();
    drop(writer);
    // The digest of the file is right, so only the words give it away.
    assert_eq!(component(&work, "content", 0)["status"], "pass");
    let found = report(&work, &["--deep-scan"], 3);
    let content = part(&found, "content");
    assert_eq!(codes(&content), only("text-differs", 1));
    assert_eq!(content["examples"][0], "docs_Alpha: guide/page2.md");
}

#[test]
fn what_an_unfinished_update_left_undone_is_information() {
    let work = with_documents();
    write(&work, "Alpha/new.md", "# New\n\nText.\n");
    write(&work, "Alpha/guide/page0.md", "# Page 0\n\nChanged.\n");
    std::fs::remove_file(work.path().join("docs/Alpha/guide/page1.md")).unwrap();
    component(&work, "missing", 3);
    edit_sources(&work, |one| one["finished_ms"] = json!(1));
    let found = report(&work, &[], 0);
    assert_eq!(found["status"], "info");
    let missing = part(&found, "missing");
    let both = vec![("missing-unfinished".to_owned(), 1), ("unfinished".to_owned(), 2)];
    assert_eq!(codes(&missing), both);
    assert!(missing["fix"].as_str().unwrap().contains("update"), "{missing}");
    assert_eq!(codes(&part(&found, "orphaned")), only("orphaned-unfinished", 1));
    assert_eq!(codes(&part(&found, "content")), only("stale-unfinished", 1));
}

#[test]
fn a_folder_that_is_not_there_accuses_nobody() {
    let work = with_documents();
    std::fs::rename(work.path().join("docs"), work.path().join("elsewhere")).unwrap();
    let orphaned = component(&work, "orphaned", 0);
    assert_eq!((&orphaned["status"], &orphaned["count"]), (&json!("info"), &json!(0)));
    assert!(orphaned["not_checked"][0].as_str().unwrap().contains("is not there"), "{orphaned}");
    std::fs::create_dir_all(work.path().join("docs/Alpha")).unwrap();
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
    let mut fields = metadata("Beta", "guide/page1.md", 0);
    fields.remove("chunk_hash");
    writer.upsert(Record::new("guide/page1.md#0", &unit(1)).metadata(fields)).unwrap();
    writer.commit().unwrap();
    drop(writer);
    let found = component(&work, "metadata", 3);
    assert_eq!(codes(&found), only("metadata", 1));
    assert_eq!(found["examples"][0], "docs_Beta: guide/page1.md#0: chunk_hash is missing");
    let config = "[metadata.docs_Beta]\nframework = \"string\"\nfile_size = \"integer\"\n";
    std::fs::write(work.path().join("siltstone.toml"), config).unwrap();
    assert_eq!(component(&work, "metadata", 3)["status"], "pass");
}

#[test]
fn a_foreign_file_in_the_store_is_mentioned_and_left_alone() {
    let work = with_documents();
    std::fs::write(work.store().join("notes.txt"), "mine").unwrap();
    let integrity = component(&work, "integrity", 0);
    assert_eq!(codes(&integrity), only("note", 1));
    assert!(integrity["examples"][0].as_str().unwrap().contains("notes.txt"), "{integrity}");
    assert!(work.store().join("notes.txt").exists());
}

#[test]
fn embeddings_that_are_not_what_their_collection_promises_fail() {
    let work = with_documents();
    let mut writer = work.collection("docs_Alpha").writer().unwrap();
    let long = [0.5; DIMS as usize];
    writer
        .upsert(Record::new("guide/page1.md#0", &long).metadata(metadata("Alpha", "guide/page1.md", 0)))
        .unwrap();
    writer.commit().unwrap();
    drop(writer);
    let integrity = component(&work, "integrity", 3);
    assert_eq!(codes(&integrity), only("vector-norm", 1));
    let example = integrity["examples"][0].as_str().unwrap();
    assert!(example.contains("guide/page1.md#0") && example.contains("2.8284 instead of 1"), "{example}");
}

#[test]
fn duplicates_are_information() {
    let work = with_documents();
    write(&work, "Alpha/copy.md", &text("Alpha", 3));
    work.run(&["update", "docs"]).expect(0);
    assert_eq!(codes(&component(&work, "integrity", 0)), only("duplicate-text", 1));
    // Without order of words, the built-in embedder cannot tell these apart; a deep scan says so.
    let mut writer = work.collection("docs_Beta").writer().unwrap();
    for (key, text) in [("a", "one"), ("b", "two")] {
        writer.upsert(Record::new(key, &unit(5)).metadata(metadata("Beta", key, 0)).text(text)).unwrap();
    }
    writer.commit().unwrap();
    drop(writer);
    let integrity = part(&report(&work, &["--deep-scan", "--collection", "docs_Beta"], 3), "integrity");
    assert!(codes(&integrity).contains(&("duplicate-vector".to_owned(), 1)), "{integrity}");
}

#[test]
fn another_embedder_in_the_settings_is_noticed() {
    let work = with_documents();
    std::fs::write(work.path().join("siltstone.toml"), "").unwrap();
    let integrity = component(&work, "integrity", 0);
    assert_eq!(codes(&integrity), only("identity-differs", 2));
    assert!(integrity["examples"][0].as_str().unwrap().contains("dims 32 against 1536"), "{integrity}");
    let identity = EmbeddingIdentity {
        provider: "builtin".into(),
        model: "lexical-0".into(),
        metric: Metric::Cosine,
        ..EmbeddingIdentity::default()
    };
    Store::open(work.store()).unwrap().create_collection("old", identity).unwrap();
    let integrity = component(&work, "integrity", 3);
    assert!(codes(&integrity).contains(&("identity-mismatch".to_owned(), 1)), "{integrity}");
}

#[test]
fn a_derived_file_that_is_gone_or_damaged_is_information() {
    let work = Work::with_store();
    let index: PathBuf = work.collection("docs_Alpha").directory().join("segment-00000001.keys");
    let bytes = std::fs::read(&index).unwrap();
    std::fs::remove_file(&index).unwrap();
    let derived = |flags: &[&str]| codes(&part(&report(&work, flags, 0), "integrity"));
    assert!(derived(&[]).contains(&("derived".to_owned(), 1)));
    let mut bad = bytes.clone();
    bad[4096 + 5] ^= 1;
    std::fs::write(&index, bad).unwrap();
    assert!(derived(&["--deep-scan"]).contains(&("derived".to_owned(), 1)));
    std::fs::write(&index, bytes).unwrap();
    assert!(!derived(&["--deep-scan"]).iter().any(|(code, _)| code == "derived"));
}

#[test]
fn a_deep_scan_goes_on_where_its_time_was_over() {
    let work = with_documents();
    let scan = |time: &str| report(&work, &["--deep-scan", "--max-time", time], 0);
    let first = scan("0s");
    assert_eq!(codes(&part(&first, "integrity")), only("scan-unfinished", 2));
    assert_eq!(first["scan"], json!({ "collections_done": 0, "collections": 2, "is_complete": false }));
    assert_eq!(scan("1h")["scan"]["is_complete"], true);

    // Half of a round is done: the rest is scanned, what changed since is scanned again.
    let state = std::fs::read_dir(work.path().join("logs")).unwrap().map(|entry| entry.unwrap().path());
    let state = state.into_iter().find(|path| path.to_str().unwrap().contains("deep-scan")).unwrap();
    let commit = |name: &str| work.collection(name).view().unwrap().commit().0;
    let done = |commit: u64| json!({ "commit": commit, "is_read": true, "rows": 4, "is_done": true });
    let half = |alpha: u64| {
        let mut value: Value = serde_json::from_slice(&std::fs::read(&state).unwrap()).unwrap();
        value["collections"] = json!({ "docs_Alpha": done(alpha) });
        std::fs::write(&state, value.to_string()).unwrap();
    };
    half(commit("docs_Alpha"));
    assert_eq!(scan("1h")["rows_verified"], 4);
    half(commit("docs_Alpha") + 1);
    assert_eq!(scan("1h")["rows_verified"], 8);
    std::fs::write(&state, "{ torn").unwrap();
    assert_eq!(scan("1h")["rows_verified"], 8);
}

#[test]
fn a_private_report_names_nothing_in_any_form() {
    let work = with_documents();
    for (path, text) in [("Alpha/zebra/plan.md", "# Z\n\nzebra\n"), ("Alpha/zebra/same.md", "# Z\n\nzebra\n")]
    {
        write(&work, path, text);
    }
    work.run(&["update", "docs"]).expect(0);
    std::fs::remove_file(work.path().join("docs/Alpha/zebra/plan.md")).unwrap();
    write(&work, "Beta/zebra.md", "# New\n\nzebra\n");
    write(&work, "Beta/guide/page1.md", "# Changed\n\nzebra\n");
    std::fs::write(work.store().join("zebra.txt"), "foreign").unwrap();
    let segment = crate::harness::segments(&work.collection("docs_Alpha"))[0].clone();
    crate::harness::flip(&segment, 4096 + 256 + 8);
    let shown = |ended: Ended| ended.stdout + &ended.stderr;
    let mut all = String::new();
    for flags in [&["--privacy"][..], &["--privacy", "--json"], &["--privacy", "--deep-scan", "--json"]] {
        all += &shown(work.run(&[&["health"], flags].concat()).expect(3));
    }
    for file in ["report.json", "report.html"] {
        work.run(&["health", "--privacy", "--quiet", "--output", file]).expect(3);
        all += &std::fs::read_to_string(work.path().join(file)).unwrap();
    }
    let secrets = ["zebra", "page", "docs", "Alpha", "Beta", "guide", work.path().to_str().unwrap()];
    for secret in secrets {
        let found = all.lines().find(|line| line.contains(secret) && !line.contains("passage"));
        assert!(found.is_none(), "{secret} in {found:?}");
    }
    assert!(all.contains("collection-") && all.contains("document-"), "{all}");
    // The same names again: two reports can be compared.
    let examples = |value: &Value| part(value, "orphaned")["examples"].clone();
    let twice = [report(&work, &["--privacy"], 3), report(&work, &["--privacy"], 3)];
    assert_eq!(examples(&twice[0]), examples(&twice[1]));
}

#[test]
fn help_shows_the_table_of_findings() {
    let work = Work::empty();
    let help = work.run(&["health", "--help"]).expect(0).stdout;
    for code in ["vector-norm", "search-differs", "missing-unfinished", "text-differs", "identity-mismatch"] {
        assert!(help.contains(code), "{help}");
    }
}

#[test]
fn a_deep_scan_goes_on_within_one_large_collection() {
    let work = Work::empty();
    let store = Store::create(work.store()).unwrap();
    let large = store.create_collection("docs_Large", crate::harness::builtin()).unwrap();
    let mut writer = large.writer().unwrap();
    for row in 0..200u32 {
        let mut vector = unit((row % 32) as usize);
        vector[((row / 32 + row) % 32) as usize] += 0.1 + row as f32 / 400.0;
        let length = vector.iter().map(|element| element * element).sum::<f32>().sqrt();
        vector.iter_mut().for_each(|element| *element /= length);
        let file = format!("guide/page{}.md", row / 5);
        let metadata = metadata("Large", &file, row % 5);
        writer.upsert(Record::new(&format!("{file}#{}", row % 5), &vector).metadata(metadata)).unwrap();
    }
    writer.commit().unwrap();
    drop(writer);
    // Each sitting is over at once, and comes one step further all the same: bytes, comparisons, 64 rows at a time.
    let progress = || {
        let logs = std::fs::read_dir(work.path().join("logs")).unwrap().map(|entry| entry.unwrap().path());
        let state = logs.into_iter().find(|path| path.to_str().unwrap().contains("deep-scan")).unwrap();
        let state: Value = serde_json::from_slice(&std::fs::read(state).unwrap()).unwrap();
        let one = &state["collections"]["docs_Large"];
        (one["is_read"] == true, one["is_compared"] == true, one["rows"].as_u64())
    };
    let mut seen = Vec::new();
    loop {
        let found = report(&work, &["--deep-scan", "--max-time", "0s"], 0);
        if found["scan"]["is_complete"] == true {
            break;
        }
        assert!(codes(&part(&found, "integrity")).contains(&("scan-unfinished".to_owned(), 1)), "{found}");
        seen.push(progress());
    }
    let rows = |rows| (true, true, Some(rows));
    assert_eq!(seen, [(true, false, Some(0)), rows(0), rows(64), rows(128), rows(192)]);
    // A commit later everything is new.
    let mut writer = large.writer().unwrap();
    writer.delete("guide/page0.md#0").unwrap();
    writer.commit().unwrap();
    drop(writer);
    report(&work, &["--deep-scan", "--max-time", "0s"], 0);
    assert_eq!(progress().2, Some(0));
}
