//! `--json` is a promise too: it parses, and has no member that `--help` does not describe.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::harness::Work;

/// The names of all members, except below objects whose members are somebody else's.
fn members(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                into.insert(name.clone());
                if name != "metadata" && name != "facts" {
                    members(value, into);
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|value| members(value, into)),
        _ => {}
    }
}

#[test]
fn every_command_prints_json_whose_members_are_described() {
    let work = Work::with_store();
    std::fs::create_dir(work.path().join("pages")).unwrap();
    std::fs::write(work.path().join("pages/one.md"), "# One\n\nIt says something.\n").unwrap();
    std::fs::write(work.path().join("pages/two.md"), [0, 1, 2]).unwrap();
    // How full the memory of this machine is says nothing.
    let roomy = "[monitor]\nmax_memory_percent = 100.0\n";
    std::fs::write(work.path().join("siltstone.toml"), roomy).unwrap();
    for (arguments, help) in [
        (&["init"][..], "init"),
        (&["search", "install a part", "--per-document"], "search"),
        (&["search", "install", "--filter", "chunk_index = 99"], "search"),
        (&["search", "install", "--explain"], "search"),
        (&["status", "--documents", "--all"], "status"),
        (&["health"], "health"),
        (&["health", "--fix"], "health"),
        (&["doctor"], "doctor"),
        (&["health", "--deep-scan", "--collection", "all"], "health"),
        (&["backup", "create"], "backup"),
        (&["backup", "create", "--repository", "repository"], "backup"),
        (&["backup", "verify", "latest"], "backup"),
        (&["backup", "restore", "latest", "--force"], "backup"),
        (&["backup", "list"], "backup"),
        (&["backup", "prune", "--keep-last", "1", "--dry-run"], "backup"),
        (&["snapshot", "create", "one"], "snapshot"),
        (&["snapshot", "list"], "snapshot"),
        (&["snapshot", "diff", "one"], "snapshot"),
        (&["snapshot", "restore", "one"], "snapshot"),
        (&["status", "--check"], "status"),
        (&["usage"], "usage"),
        (&["log"], "log"),
        (&["stop"], "stop"),
        (&["search", "install", "--snapshot", "one"], "search"),
        (&["snapshot", "drop", "one", "--collection", "docs_Alpha", "--force"], "snapshot"),
        (&["compact", "--dry-run"], "compact"),
        (&["compact", "--min-dead", "0"], "compact"),
        (&["inspect", "docs_Alpha", "--keys"], "inspect"),
        (&["inspect", "vectorstore"], "inspect"),
        (&["report"], "report"),
        (&["recover", "--to", "new"], "recover"),
        (&["update", "pages", "--store", "other"], "update"),
        (&["update", "pages", "--store", "other", "--dry-run"], "update"),
        (&["status", "--store", "other"], "status"),
        (&["status", "--history", "--store", "other"], "status"),
        (&["bench", "--seconds", "0.01"], "bench"),
    ] {
        let ended = work.run(&[arguments, &["--json"]].concat()).expect(0);
        let described = work.run(&[help, "--help"]).stdout;
        let mut found = BTreeSet::new();
        members(&ended.json(), &mut found);
        for name in found {
            assert!(described.contains(&format!("\"{name}\"")), "{name} is not described: {arguments:?}");
        }
    }
}

#[test]
fn errors_are_json_as_well_and_stay_on_stderr() {
    let work = Work::empty();
    let ended = work.run(&["status", "--json"]).expect(10);
    assert!(ended.stdout.is_empty());
    let error: Value = serde_json::from_str(ended.stderr.trim()).unwrap();
    assert_eq!(error["error"]["exit_code"], 10);
    assert!(error["error"]["next_step"].as_str().unwrap().contains("siltstone init"));
}

#[test]
fn searches_return_what_was_asked_for() {
    let work = Work::with_store();
    let hits = |arguments: &[&str]| {
        let ended = work.run(&[&["search", "--json", "how to install part 3"], arguments].concat()).expect(0);
        ended.json()["hits"].as_array().unwrap().clone()
    };
    assert_eq!(hits(&[]).len(), 10);
    assert_eq!(hits(&["--top-k", "100"]).len(), 40);
    assert_eq!(hits(&["-k", "100", "--collection", "docs_Beta"]).len(), 20);
    assert_eq!(hits(&["-k", "100", "--framework", "Beta"]).len(), 20);
    assert_eq!(hits(&["-k", "100", "--per-document"]).len(), 8);
    assert_eq!(hits(&["-k", "100", "--filter", "chunk_index = 2"]).len(), 8);
    assert_eq!(hits(&["--min-score", "1.1"]).len(), 0);
    let first = &hits(&["-k", "1"])[0];
    assert_eq!(first["rank"], 1);
    assert!(first["file"].as_str().unwrap().starts_with("guide/page"), "{first}");
    assert!(first["snippet"].as_str().unwrap().contains("install part"), "{first}");
    assert_eq!(first["heading"], "Guide > Install");
}

#[test]
fn a_snapshot_is_searched_as_it_was_and_merged_like_the_present() {
    let work = Work::with_store();
    work.run(&["snapshot", "create", "then"]).expect(0);
    let now = work.run(&["search", "install part", "--json", "-k", "40"]).json();
    let then = work.run(&["search", "install part", "--json", "-k", "40", "--snapshot", "then"]).json();
    assert_eq!(now["hits"], then["hits"]);
    let skipping = work.run(&["search", "install part", "--json", "-k", "40", "--skip-damaged"]).json();
    assert_eq!(now["hits"], skipping["hits"]);
    let alpha = work.collection("docs_Alpha");
    let mut writer = alpha.writer().unwrap();
    writer.delete("guide/page0.md#0").unwrap();
    writer.commit().unwrap();
    drop(writer);
    assert_eq!(work.run(&["search", "x", "--json", "-k", "99"]).json()["hits"].as_array().unwrap().len(), 39);
    let then = work.run(&["search", "x", "--json", "-k", "99", "--snapshot", "then"]).json();
    assert_eq!(then["hits"].as_array().unwrap().len(), 40);
    work.run(&["snapshot", "drop", "then", "--collection", "docs_Beta", "--force"]).expect(0);
    let half = work.run(&["search", "x", "--json", "-k", "99", "--snapshot", "then"]).expect(0).json();
    assert_eq!(half["without_snapshot"], serde_json::json!(["docs_Beta"]));
    assert_eq!(half["hits"].as_array().unwrap().len(), 20);
}

#[test]
fn init_creates_what_is_not_there_and_overwrites_nothing() {
    let work = Work::empty();
    let first = work.run(&["init", "--json"]).expect(0).json();
    assert_eq!((&first["store_created"], &first["config_created"]), (&true.into(), &true.into()));
    let config = work.path().join("siltstone.toml");
    std::fs::write(&config, "store = \"vectorstore\"\n").unwrap();
    let again = work.run(&["init", "--json"]).expect(0).json();
    assert_eq!((&again["store_created"], &again["config_created"]), (&false.into(), &false.into()));
    assert_eq!(std::fs::read_to_string(&config).unwrap(), "store = \"vectorstore\"\n");
    work.run(&["init", "--store", "a/b/c", "--config", "other.toml"]).expect(0);
    assert!(work.path().join("a/b/c/catalogue.json").is_file() && work.path().join("other.toml").is_file());
    std::fs::create_dir(work.path().join("full")).unwrap();
    std::fs::write(work.path().join("full/photo.jpg"), "x").unwrap();
    assert!(work.run(&["init", "--store", "full"]).expect(1).stderr.contains("photo.jpg"));
}

#[test]
fn status_counts_what_is_there() {
    let work = Work::with_store();
    let status = work.run(&["status", "--documents", "--json"]).expect(0).json();
    assert_eq!(status["totals"]["chunks"], 40);
    assert_eq!(status["totals"]["documents"], 8);
    assert_eq!(status["totals"]["segments"], 4);
    let one = &status["collections"][0];
    assert_eq!((one["collection"].as_str(), one["commit"].as_u64()), (Some("docs_Alpha"), Some(2)));
    let age_ms = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis()
        as i64
        - one["last_commit_ms"].as_i64().unwrap();
    assert!((0..600_000).contains(&age_ms), "{age_ms}");
}
