//! Whatever takes long is seen by others while it runs, with what it does and how far it is, and missed when it is killed.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use siltstone::{Record, Store};

use crate::dashboard::Dashboard;
use crate::harness::{Work, builtin, unit};

fn spawn(work: &Work, line: &[&str]) -> Child {
    work.command(line).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// What `status` says of the one run that it sees, once it is as wanted.
fn seen(work: &Work, is_wanted: impl Fn(&Value) -> bool) -> Value {
    let started = Instant::now();
    loop {
        let shown = work.run(&["status", "--json"]).expect(0).json();
        if let Some(one) = shown["updates"]["seen"].as_array().unwrap().first().filter(|one| is_wanted(one)) {
            return one.clone();
        }
        assert!(started.elapsed() < Duration::from_secs(60), "nobody sees it: {shown}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_compaction_is_seen_and_is_no_update() {
    let work = Work::with_store();
    let mut writer = work.collection("docs_Beta").writer().unwrap();
    writer.delete("guide/page0.md#0").unwrap();
    writer.commit().unwrap();
    // It waits for this writer.
    let line = ["compact", "--min-dead", "0", "--lock-wait", "60s"];
    let mut child = spawn(&work, &line);
    let one = seen(&work, |one| one["stage"] == "compacting" && one["frameworks_begun"] == 2);
    assert_eq!(
        (&one["command"], &one["unit"], &one["files"]),
        (&"compact".into(), &"groups".into(), &1.into()),
        "{one}"
    );
    assert_eq!((&one["is_running"], &one["frameworks"]), (&true.into(), &2.into()), "{one}");
    let text = work.run(&["status", "--prometheus", "siltstone.prom"]).expect(0).stdout;
    let said = format!("compact of process {} is compacting since ", child.id());
    assert!(
        text.contains(&said) && text.contains(": 0 of 1 groups of docs_Beta, collection 2 of 2; moved "),
        "{text}"
    );
    let metrics = std::fs::read_to_string(work.path().join("siltstone.prom")).unwrap();
    assert!(metrics.contains("siltstone_job_running{command=\"compact\"} 1\n"), "{metrics}");
    assert!(metrics.contains("siltstone_updates_running 0\n"), "{metrics}");
    let dashboard = Dashboard::start(&work, &[]);
    let page = dashboard.get("/").body;
    assert!(page.contains("compact of process") && page.contains("0 of 1 groups"), "{page}");
    // Neither does it hang nor does it run too long: only updates have to be done by a time.
    std::fs::write(
        work.path().join("siltstone.toml"),
        "[monitor]\nmax_stall_minutes = 0.0\nmax_run_hours = 0.0\n",
    )
    .unwrap();
    let line_of_check = work.run(&["status", "--check"]).stdout;
    assert!(!line_of_check.contains("stalled") && !line_of_check.contains("running_time"), "{line_of_check}");
    child.kill().unwrap();
    child.wait().unwrap();
    let text = work.run(&["status"]).expect(0).stdout;
    assert!(
        text.contains("DIED the compact of process") && text.contains("`siltstone compact` goes on"),
        "{text}"
    );
    // An update does not do what it left undone; the next compaction does.
    std::fs::create_dir(work.path().join("empty")).unwrap();
    std::fs::write(work.path().join("empty/page.md"), "# Page\n\nText.\n").unwrap();
    drop(writer);
    work.run(&["update", "empty"]).expect(0);
    assert!(work.run(&["status"]).expect(0).stdout.contains("DIED the compact"));
    work.run(&line).expect(0);
    assert!(!work.run(&["status"]).expect(0).stdout.contains("DIED"));
}

#[test]
fn an_update_tells_programs_how_far_it_is() {
    let server = crate::server::Server::start();
    let work = Work::empty();
    // More documents than are looked at together.
    for page in 0..300 {
        crate::health::write(&work, &format!("Alpha/p{page}.md"), &format!("# P{page}\n\nIt says {page}.\n"));
    }
    let settings =
        format!("[embedder]\nbase_url = \"{}\"\nmodel = \"m\"\ndims = 64\nconcurrency = 1\n", server.url);
    std::fs::write(work.path().join("siltstone.toml"), settings).unwrap();
    server.then([crate::server::Act::Slow(1_100)]);
    let ended = work.run(&["update", "docs/Alpha", "--json", "--force"]).expect(0);
    assert_eq!(ended.json()["collections"][0]["documents"]["published"], 300);
    let events = ended.stderr.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let progress: Vec<Value> = events.filter(|event| event["event"] == "progress").collect();
    let first = progress.first().unwrap_or_else(|| panic!("{ended:?}"));
    assert_eq!((&first["files"], &first["files_done"]), (&300.into(), &256.into()), "{first}");
    assert!(first["spent_usd"].is_number() && first["collection"] == "docs_Alpha", "{first}");
}

#[test]
fn a_fix_is_seen_with_what_it_does_and_leaves_nothing() {
    let work = crate::health::with_documents();
    crate::health::write(&work, "Beta/new.md", "# New\n\nNew.\n");
    let writer = work.collection("docs_Beta").writer().unwrap();
    let child = spawn(&work, &["health", "--fix", "--lock-wait", "60s"]);
    let one = seen(&work, |one| one["stage"] == "fixing");
    assert_eq!((&one["command"], &one["frameworks"]), (&"health --fix".into(), &1.into()), "{one}");
    drop(writer);
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
    let shown = work.run(&["status", "--json"]).expect(0).json();
    assert_eq!(shown["updates"]["seen"].as_array().unwrap().len(), 0, "{shown}");
    // What only looks, and not at every byte, leaves no trace, and neither does a plan.
    let logs = || std::fs::read_dir(work.path().join("logs")).unwrap().count();
    let before = logs();
    work.run(&["health", "--fix", "--dry-run"]).expect(0);
    work.run(&["compact", "--dry-run"]).expect(0);
    assert_eq!(logs(), before);
}

#[test]
fn a_deep_scan_says_which_rows_it_has_searched_for() {
    let work = Work::empty();
    let store = Store::create(work.store()).unwrap();
    let collection = store.create_collection("docs_Large", builtin()).unwrap();
    let mut writer = collection.writer().unwrap();
    for row in 0..20_000_usize {
        let (mut vector, key) = (unit(row % 32), format!("page{row}.md#0"));
        vector[row / 32 % 32] += (row / 1_024) as f32 / 100.0;
        let length = vector.iter().map(|element| element * element).sum::<f32>().sqrt();
        vector.iter_mut().for_each(|element| *element /= length);
        writer.upsert(Record::new(&key, &vector).text("Text.")).unwrap();
    }
    writer.commit().unwrap();
    drop(writer);
    let mut child = spawn(&work, &["health", "--deep-scan"]);
    let one = seen(&work, |one| one["unit"] == "rows" && one["files"] == 20_000);
    assert_eq!(
        (&one["command"], &one["stage"]),
        (&"health --deep-scan".into(), &"searching for every row".into()),
        "{one}"
    );
    assert!(one["collection"] == "docs_Large" && one["files_done"].as_u64().unwrap() < 20_000, "{one}");
    child.kill().unwrap();
    child.wait().unwrap();
    let died = work.run(&["status", "--check", "--json"]).json();
    assert!(died["line"].as_str().unwrap().contains("the health --deep-scan of process"), "{died}");
}
