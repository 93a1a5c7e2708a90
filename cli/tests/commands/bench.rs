//! `bench`: measures what is there, recommends what is near the best, pays within limits, and leaves nothing behind.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::Work;
use crate::server::{Server, Shape};

/// Every file below a folder, with its content. What vanishes meanwhile is not there.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(bytes) = std::fs::read(&path) {
                found.insert(path, bytes);
            }
        }
    }
    found
}

#[test]
fn commits_and_searches_are_measured_and_nothing_is_left() {
    let work = Work::with_store();
    std::fs::write(work.path().join("siltstone.toml"), "[embedder]\ndims = 32\n").unwrap();
    let before = files(work.path());
    let report = work.run(&["bench", "--seconds", "0.02", "--json"]).expect(0).json();
    assert_eq!(files(work.path()), before);
    let commits = report["commit"]["samples"].as_array().unwrap();
    assert_eq!(commits.len(), 7);
    let searches = report["search"]["samples"].as_array().unwrap();
    assert!(searches.len() >= 3 && report["search"]["rows"] == 40, "{report}");
    for one in commits.iter().chain(searches) {
        let (median, slow) = (one["median_ms"].as_f64().unwrap(), one["p95_ms"].as_f64().unwrap());
        assert!(median > 0.0 && slow >= median, "{one}");
    }
    let best = report["commit"]["recommended"].as_u64().unwrap();
    let rate = |one: &Value| one["rows_per_second"].as_f64().unwrap();
    let most = commits.iter().map(rate).fold(0.0, f64::max);
    let chosen = commits.iter().find(|one| one["rows"] == best).unwrap();
    assert!(rate(chosen) >= 0.9 * most, "{report}");
    assert!(report["embed"].is_null());
    let text = work.run(&["bench", "--only", "search", "--seconds", "0.02", "--output", "b.json"]).expect(0);
    for said in ["searches of 40 rows in 2 collections", "recommended: "] {
        assert!(text.stdout.contains(said), "{text:?}");
    }
    let written = std::fs::read(work.path().join("b.json")).unwrap();
    let written: Value = serde_json::from_slice(&written).unwrap();
    assert!(written["commit"].is_null() && written["search"]["samples"].is_array());
    work.run(&["bench", "--only", "embed"]).expect(2);
    // Without a store there is still a disk.
    let empty = Work::empty();
    let report = empty.run(&["bench", "--seconds", "0.02", "--json"]).expect(0).json();
    assert!(report["search"].is_null() && report["commit"]["samples"].is_array());
    assert!(files(empty.path()).is_empty());
}

#[test]
fn what_is_recommended_is_written_and_then_holds() {
    let work = Work::with_store();
    let old = "# ours\n[embedder]\ndims = 32\n\n[update]\ncommit_rows = 7 # old\n";
    std::fs::write(work.path().join("siltstone.toml"), old).unwrap();
    let report = work.run(&["bench", "--seconds", "0.02", "--json", "--apply"]).expect(0).json();
    let (rows, threads) = (
        report["commit"]["recommended"].as_u64().unwrap(),
        report["search"]["recommended_threads"].as_u64().unwrap(),
    );
    let written = std::fs::read_to_string(work.path().join("siltstone.toml")).unwrap();
    let expected = old.replace("commit_rows = 7", &format!("commit_rows = {rows}"));
    assert_eq!(written, format!("{expected}\n[search]\nthreads = {threads}\n"));
    let shown = work.run(&["search", "install", "--explain", "--json"]).expect(0).json();
    assert_eq!(shown["explain"]["threads"], threads, "{shown}");
    // Only what was measured is written, and nothing where there was nothing to measure.
    std::fs::write(work.path().join("siltstone.toml"), old).unwrap();
    let again = ["bench", "--only", "search", "--seconds", "0.02", "--json", "--apply"];
    let report = work.run(&again).expect(0).json();
    // Another measurement, which may come to another end.
    let threads = report["search"]["recommended_threads"].as_u64().unwrap();
    let written = std::fs::read_to_string(work.path().join("siltstone.toml")).unwrap();
    assert_eq!(written, format!("{old}\n[search]\nthreads = {threads}\n"));
    let empty = Work::empty();
    let nothing = empty.run(&["bench", "--only", "search", "--apply"]).expect(1);
    assert!(nothing.stderr.contains("nothing was measured"), "{nothing:?}");
    assert!(!empty.path().join("siltstone.toml").exists());
}

#[test]
fn commits_have_as_many_rows_as_the_settings_say_and_searches_as_many_threads() {
    let work = Work::empty();
    for page in 0..600 {
        crate::health::write(&work, &format!("Alpha/p{page}.md"), &format!("# P{page}\n\nIt says {page}.\n"));
    }
    // Documents are looked at in groups of 256; commits are not bound to them, and the last one has the rest.
    for (settings, commits) in [("commit_rows = 599\n", 2), ("commit_rows = 100\n", 6), ("", 3)] {
        let _ = std::fs::remove_dir_all(work.store());
        let text = format!("[embedder]\ndims = 32\n[update]\n{settings}[search]\nthreads = 3\n");
        std::fs::write(work.path().join("siltstone.toml"), text).unwrap();
        let run = work.run(&["update", "docs/Alpha", "--json"]).expect(0).json();
        assert_eq!(run["collections"][0]["documents"]["published"], 600, "{run}");
        let shown = work.run(&["status", "--json"]).expect(0).json();
        assert_eq!(shown["collections"][0]["commit"], commits, "{settings}: {shown}");
        assert_eq!(shown["collections"][0]["chunks"], 600);
    }
    let shown = work.run(&["search", "says", "--explain", "--json"]).expect(0).json();
    assert_eq!(shown["explain"]["threads"], 3, "{shown}");
    assert!(work.run(&["search", "says", "--explain"]).expect(0).stdout.contains("3 threads"));
    let rows = work.run(&["export"]).expect(0).stdout;
    std::fs::write(work.path().join("all.jsonl"), rows).unwrap();
    std::fs::write(work.path().join("siltstone.toml"), "[update]\ncommit_rows = 200\n").unwrap();
    work.run(&["init", "--store", "other", "--no-config"]).expect(0);
    let imported = work.run(&["import", "all.jsonl", "--store", "other", "--json"]).expect(0).json();
    assert_eq!(imported["collections"][0]["commits"], 3, "{imported}");
}

#[test]
#[cfg(unix)]
fn nothing_is_left_after_an_interruption_either() {
    let work = Work::with_store();
    let before = files(work.path());
    let line = ["bench", "--only", "commit", "--seconds", "60"];
    let begin = || {
        let child = work.command(&line).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let started = Instant::now();
        while files(work.path()).len() <= before.len() + 2 {
            assert!(started.elapsed() < Duration::from_secs(60), "it does not begin");
            std::thread::sleep(Duration::from_millis(10));
        }
        child
    };
    let mut child = begin();
    let process = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-s", "INT", &process]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(files(work.path()), before);
    // What a kill leaves behind goes with the next.
    let mut child = begin();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_ne!(files(work.path()), before);
    work.run(&["bench", "--only", "commit", "--seconds", "0.01"]).expect(0);
    assert_eq!(files(work.path()), before);
}

fn settings(server: &Server, price: f64) -> String {
    format!(
        "# ours\n[embedder]\nbase_url = \"{}\"\nmodel = \"scripted\" # the model\ndims = 64\nbatch_size = 7 # old\n\
         usd_per_million_tokens = {price:?}\n",
        server.url
    )
}

/// Texts a second of a server that takes so long for a request and for each text of it, and works on so many at once.
fn rate(shape: &Shape, batch: u64, concurrency: u64) -> f64 {
    let ms = shape.fixed_ms as f64 + shape.per_input_us as f64 * batch as f64 / 1e3;
    concurrency.min(shape.lanes as u64) as f64 * batch as f64 / ms * 1e3
}

#[test]
fn for_a_server_of_known_latency_the_recommendation_is_within_a_tenth_of_the_best() {
    let shapes = [
        // Each request costs much: large ones win.
        Shape { fixed_ms: 60, per_input_us: 500, lanes: 4 },
        // Each text costs much: small ones are as good, and many at once win.
        Shape { fixed_ms: 10, per_input_us: 4_000, lanes: 6 },
        // One at a time.
        Shape { fixed_ms: 30, per_input_us: 2_000, lanes: 1 },
    ];
    for shape in &shapes {
        let server = Server::start();
        server.shaped(shape.clone());
        let work = Work::empty();
        std::fs::write(work.path().join("siltstone.toml"), settings(&server, 0.0)).unwrap();
        let flags = ["--max-batch", "128", "--max-concurrency", "8"];
        let line = [&["bench", "--only", "embed", "--json", "--apply"][..], &flags].concat();
        let report = work.run(&line).expect(0).json();
        let best = &report["embed"]["recommended"];
        let (batch, crowd) = (best["batch_size"].as_u64().unwrap(), best["concurrency"].as_u64().unwrap());
        let possible = (1..=128).flat_map(|batch| (1..=8).map(move |crowd| rate(shape, batch, crowd)));
        let share = rate(shape, batch, crowd) / possible.fold(0.0, f64::max);
        println!("bench: {shape:?}: {batch} texts, {crowd} in flight, {:.1} % of the best", share * 100.0);
        assert!(share >= 0.9, "{shape:?}: {report}");
        // It is written, and the rest of the file is as it was.
        let written = std::fs::read_to_string(work.path().join("siltstone.toml")).unwrap();
        let old = settings(&server, 0.0);
        let expected = old.replace("batch_size = 7 # old", &format!("batch_size = {batch} # old"));
        assert_eq!(written, expected + &format!("concurrency = {crowd}\n"));
    }
}

#[test]
fn embeddings_are_paid_within_the_limit_and_never_unasked() {
    let server = Server::start();
    let work = Work::empty();
    // A cent a token, and a token a text.
    let configured = settings(&server, 10_000.0);
    std::fs::write(work.path().join("siltstone.toml"), &configured).unwrap();
    let paid = ["bench", "--only", "embed"];
    let refused = work.run(&paid).expect(12);
    assert!(refused.stderr.contains("--force") && server.counts().0 == 0, "{refused:?}");
    let limited = work.run(&[&paid[..], &["--force", "--max-cost", "0"]].concat()).expect(12);
    assert!(server.counts().0 == 0, "{limited:?}");
    // A limit that allows some requests stops before all are sent, and what is half known is not written.
    let some = ["--force", "--max-cost", "100", "--json", "--apply"];
    let limited = work.run(&[&paid[..], &some].concat()).expect(12);
    let usage = work.run(&["usage", "--by", "framework", "--json"]).expect(0).json();
    let spent = usage["totals"]["cost_usd"].as_f64().unwrap();
    assert!(spent > 0.0 && spent <= 100.0 && server.counts().0 > 0, "{spent}: {limited:?}");
    assert_eq!(usage["groups"][0]["group"], "bench");
    assert!(limited.json()["embed"]["recommended"].is_null(), "{limited:?}");
    assert_eq!(std::fs::read_to_string(work.path().join("siltstone.toml")).unwrap(), configured);
    // A server that does not answer well is told, and what came before it too.
    server.then([crate::server::Act::Status(401, "{}")]);
    let free = settings(&server, 0.0);
    std::fs::write(work.path().join("siltstone.toml"), free).unwrap();
    let refused = work.run(&[&paid[..], &["--json"]].concat()).expect(1);
    assert!(refused.stderr.contains("OPENAI_API_KEY"), "{refused:?}");
}
