//! What those who look after a store are told: the log, the line for Nagios, the file for Prometheus.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::Work;
use crate::server::{Act, Server};

fn with_run() -> Work {
    let work = Work::empty();
    let folder = work.path().join("docs/Alpha");
    std::fs::create_dir_all(&folder).unwrap();
    for page in 0..5 {
        std::fs::write(folder.join(format!("p{page}.md")), format!("# P{page}\n\nIt says {page}.\n"))
            .unwrap();
    }
    let ended = work.run(&["update", "docs/Alpha"]).expect(0);
    assert!(ended.stderr.contains("Processing rate: "), "{ended:?}");
    work
}

#[test]
fn the_log_has_the_line_that_the_guide_looks_for_and_errors_by_themselves() {
    let work = with_run();
    let log = work.run(&["log"]).expect(0).stdout;
    assert!(
        log.lines().any(|line| line.contains(" INFO Processing rate: ")
            && line.ends_with(" files/min (5 processed, 0 unchanged)")),
        "{log}"
    );
    // What is as it was says nothing about the pace.
    let again = work.run(&["update", "docs/Alpha"]).expect(0).stderr;
    assert!(again.contains("Processing rate: 0 files/min (0 processed, 5 unchanged)"), "{again}");
    assert!(log.contains("update of 1 frameworks began") && log.contains("ended with exit code 0"), "{log}");
    assert!(work.run(&["log", "--errors"]).expect(0).stdout.is_empty());
    std::fs::remove_dir_all(work.path().join("docs/Alpha")).unwrap();
    std::fs::create_dir(work.path().join("docs/Alpha")).unwrap();
    work.run(&["update", "docs/Alpha"]).expect(3);
    let errors = work.run(&["log", "--errors"]).expect(0).stdout;
    assert!(errors.contains("WARN docs_Alpha: ") && errors.contains("ended with exit code 3"), "{errors}");
    assert!(!errors.contains("INFO"));
    assert!(work.run(&["log", "--since", "2999-01-01"]).expect(0).stdout.is_empty());
    let json = work.run(&["log", "--json", "--since", "1h"]).expect(0).json();
    assert!(json["lines"].as_array().unwrap().len() >= 8, "{json}");
}

#[test]
fn the_check_is_one_line_with_the_codes_of_nagios() {
    let work = Work::empty();
    let unknown = work.run(&["status", "--check"]).expect(3).stdout;
    assert!(unknown.starts_with("SILTSTONE UNKNOWN - ") && unknown.lines().count() == 1, "{unknown}");
    let work = with_run();
    let roomy = "[monitor]\nmax_memory_percent = 100.0\n";
    std::fs::write(work.path().join("siltstone.toml"), roomy).unwrap();
    let fine = work.run(&["status", "--check"]).expect(0).stdout;
    assert!(fine.starts_with("SILTSTONE OK - 5 chunks in 1 collections | storage="), "{fine}");
    for figure in ["cost_today=0;5", "errors=0%;1", "run_time=", "update_age=", "memory="] {
        assert!(
            fine.contains(figure) || cfg!(not(target_os = "linux")) && figure == "memory=",
            "{figure}: {fine}"
        );
    }
    std::fs::write(work.path().join("siltstone.toml"), format!("{roomy}max_storage_gb = 0.0\n")).unwrap();
    let full = work.run(&["status", "--check"]).expect(1).stdout;
    assert!(full.starts_with("SILTSTONE WARNING - storage is 0.0 GB"), "{full}");
    let directory = work.collection("docs_Alpha").directory().to_owned();
    std::fs::remove_dir_all(directory).unwrap();
    let damaged = work.run(&["status", "--check"]).expect(2).stdout;
    assert!(damaged.starts_with("SILTSTONE CRITICAL - 1 collections are damaged"), "{damaged}");
}

/// With these settings, the last of which may be thresholds. How full the memory of this machine is says nothing.
fn check(work: &Work, settings: &str, code: i32) -> Value {
    let mut settings = settings.to_owned();
    if !settings.contains("[monitor]\n") {
        settings += "[monitor]\n";
    }
    if !settings.contains("max_memory_percent") {
        settings += "max_memory_percent = 100.0\n";
    }
    std::fs::write(work.path().join("siltstone.toml"), settings).unwrap();
    work.run(&["status", "--check", "--json"]).expect(code).json()
}

/// Which figures are out of bounds.
fn problems(verdict: &Value) -> Vec<&str> {
    verdict["problems"].as_array().unwrap().iter().map(|one| one["what"].as_str().unwrap()).collect()
}

#[test]
fn every_threshold_can_be_set_and_fires_on_a_real_store() {
    let work = with_run();
    assert_eq!(problems(&check(&work, "", 0)), [""; 0]);
    let linux = cfg!(target_os = "linux");
    let cases: [(&str, &[&str], bool); 10] = [
        ("max_storage_gb = 0.0", &["storage"], true),
        ("max_run_hours = 0.0", &["run_time"], true),
        ("max_memory_percent = 0.0", &["memory", "machine_peak", "machine_memory"], linux),
        ("max_update_age_hours = 0.0", &["update_age"], true),
        ("max_backup_age_hours = 0.0", &["backup_age"], true),
        ("max_verification_age_days = 0.0", &["verification_age"], true),
        ("max_deep_scan_age_days = 0.0", &["deep_scan_age"], true),
        ("min_free_gb = 999999999.0", &["free_store", "free_backups"], cfg!(unix)),
        ("min_free_ratio = 999999999.0", &["free_backups"], cfg!(unix)),
        ("max_stall_minutes = 0.0", &[], true),
    ];
    for (setting, expected, is_known) in cases {
        let code = match setting {
            _ if expected.is_empty() => 0,
            "min_free_gb = 999999999.0" => 2,
            _ => 1,
        };
        if is_known {
            let verdict = check(&work, &format!("[monitor]\n{setting}\n"), code);
            assert_eq!(problems(&verdict), expected, "{setting}: {verdict}");
        } else {
            println!("skipped: {setting} is not known on this system");
        }
    }
    let refused = work.path().join("siltstone.toml");
    std::fs::write(refused, "[monitor]\nmax_stale_minutes = 1.0\n").unwrap();
    assert!(work.run(&["status"]).expect(2).stderr.contains("max_stall_minutes"));
    // What was due is done: its age begins anew.
    std::fs::remove_file(work.path().join("siltstone.toml")).unwrap();
    work.run(&["backup", "create"]).expect(0);
    work.run(&["backup", "verify", "latest"]).expect(0);
    work.run(&["health", "--deep-scan"]).expect(0);
    let shown = work.run(&["status", "--json"]).expect(0).json();
    for moment in ["last_good_run_ms", "last_backup_ms", "last_verification_ms", "last_deep_scan_ms"] {
        assert!(shown["updates"][moment].as_i64().is_some(), "{moment}: {}", shown["updates"]);
    }
    let one = &shown["collections"][0];
    assert!(one["last_update_ms"].is_number() && one["is_unfinished"] == false, "{one}");
    let text = work.run(&["status"]).expect(0).stdout;
    for line in ["last update ended ", "last sound backup ", "last whole deep scan "] {
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn storage_is_told_apart_and_what_cleaning_up_gives_back_is_given_back() {
    let work = with_run();
    let store = || check(&work, "[compact]\nafter_update = false\nmin_dead = 0.1\n", 0)["storage"].clone();
    let size = |storage: &Value, part: &str| storage[format!("{part}_bytes")].as_u64().unwrap();
    let sum = |storage: &Value| {
        ["live", "dead", "snapshot", "derived", "other"].iter().map(|part| size(storage, part)).sum::<u64>()
    };
    let fresh = store();
    assert_eq!(sum(&fresh), size(&fresh, "total"));
    assert_eq!((size(&fresh, "dead"), size(&fresh, "snapshot")), (0, 0));
    let page = work.path().join("docs/Alpha/p1.md");
    std::fs::write(page, format!("# P1\n\nIt says something else.\n{}", "word ".repeat(900))).unwrap();
    work.run(&["update", "docs/Alpha"]).expect(0);
    let changed = store();
    assert!(size(&changed, "dead") > 0 && size(&changed, "reclaimable") > 0, "{changed}");
    assert_eq!(sum(&changed), size(&changed, "total"));
    work.run(&["snapshot", "create", "before"]).expect(0);
    work.run(&["compact", "--rewrite-held", "--min-dead", "0"]).expect(0);
    let kept = store();
    assert!(size(&kept, "snapshot") > 0, "{kept}");
    work.run(&["snapshot", "drop", "before", "--force"]).expect(0);
    work.run(&["compact", "--min-dead", "0"]).expect(0);
    let clean = store();
    assert_eq!((size(&clean, "dead"), size(&clean, "snapshot")), (0, 0), "{clean}");
    assert!(size(&clean, "total") < size(&kept, "total"));
}

/// Eight documents for a server that costs a cent a token.
fn paid(server: &Server) -> (Work, String) {
    let work = Work::empty();
    let folder = work.path().join("docs/Alpha");
    std::fs::create_dir_all(&folder).unwrap();
    for page in 0..8 {
        std::fs::write(folder.join(format!("p{page}.md")), format!("# P{page}\n\nIt says {page}.\n"))
            .unwrap();
    }
    let settings = format!(
        "[embedder]\nbase_url = \"{}\"\nmodel = \"scripted\"\ndims = 64\nbatch_size = 4\nconcurrency = 1\n\
         usd_per_million_tokens = 10000.0\n",
        server.url
    );
    std::fs::write(work.path().join("siltstone.toml"), &settings).unwrap();
    (work, settings)
}

const PAID: [&str; 5] = ["update", "docs/Alpha", "--force", "--max-cost", "100000"];

#[test]
fn failed_documents_money_and_429s_are_counted() {
    let server = Server::start();
    let (work, settings) = paid(&server);
    server.then([Act::Later("0"), Act::Nan]);
    work.run(&PAID).expect(3);
    let verdict = check(&work, &format!("{settings}[monitor]\nmax_cost_per_day_usd = 0.01\n"), 1);
    let found = problems(&verdict);
    for expected in ["last_run", "errors", "cost_today", "rate_limited"] {
        assert!(found.contains(&expected), "{expected}: {verdict}");
    }
    assert!(verdict["line"].as_str().unwrap().contains("33.3 % of the requests"), "{verdict}");
    let runs = work.run(&["status", "--history", "--json"]).expect(0).json();
    assert_eq!((&runs["runs"][0]["rate_limited"], &runs["runs"][0]["failed"]), (&1.into(), &1.into()));
}

#[test]
fn a_running_update_is_seen_by_others_hangs_when_nothing_moves_and_is_missed_when_it_is_killed() {
    let server = Server::start();
    let (work, settings) = paid(&server);
    server.then([Act::Slow(0), Act::Hang]);
    let mut child = work.command(&PAID).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let started = Instant::now();
    // One request is answered, the second never is.
    let now = loop {
        assert!(started.elapsed() < Duration::from_secs(60), "nobody sees the update");
        let seen = work.run(&["status", "--json"]);
        if seen.code == 0
            && let Some(one) = seen.json()["updates"]["seen"].as_array().unwrap().first()
            && one["requests_answered"] == 1
        {
            break one.clone();
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!((&now["is_running"], &now["process"]), (&true.into(), &child.id().into()), "{now}");
    assert_eq!((&now["collection"], &now["files"]), (&"docs_Alpha".into(), &8.into()), "{now}");
    assert!(now["cost_usd"].as_f64().unwrap() > 0.0);
    let text = work.run(&["status"]).expect(0).stdout;
    assert!(text.contains("update of process") && text.contains("0 of 8 files of docs_Alpha"), "{text}");
    assert!(!problems(&check(&work, &settings, 0)).contains(&"stalled"));
    let verdict = check(&work, &format!("{settings}[monitor]\nmax_stall_minutes = 0.0\n"), 2);
    assert_eq!(problems(&verdict), ["stalled"], "{verdict}");
    assert!(verdict["line"].as_str().unwrap().contains(&format!("process {} hangs", child.id())));
    child.kill().unwrap();
    child.wait().unwrap();
    let verdict = check(&work, &settings, 1);
    assert_eq!(problems(&verdict), ["died"], "{verdict}");
    assert!(work.run(&["status"]).expect(0).stdout.contains("ended without a word"));
    // The next run goes on, and nothing is left of the one that died.
    work.run(&PAID).expect(0);
    assert_eq!(problems(&check(&work, &settings, 0)), [""; 0]);
    let left = std::fs::read_dir(work.path().join("logs")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(!left.iter().any(|name| name.starts_with("running-")), "{left:?}");
}

#[test]
fn a_run_that_could_not_begin_is_not_forgotten() {
    let work = with_run();
    // Nobody knows what that server costs, so nothing is sent to it.
    let line = ["update", "docs/Alpha", "--base-url", "https://embeddings.invalid/v1", "--model", "m"];
    work.run(&line).expect(12);
    let verdict = check(&work, "", 1);
    assert_eq!(problems(&verdict), ["last_run"], "{verdict}");
}

#[test]
fn a_mistyped_command_line_and_a_second_update_leave_the_last_one_as_it_is() {
    let work = with_run();
    let last = || work.run(&["status", "--json"]).expect(0).json()["updates"]["last_run"].clone();
    let before = last();
    work.run(&["update"]).expect(2);
    work.run(&["update", "docs/Alpha", "--base-url", "ftp://nowhere"]).expect(2);
    work.run(&["update", "docs/Alhpa"]).expect(2);
    work.run(&["update", "docs/Alpha", "--dims", "9"]).expect(2);
    work.run(&["update", "docs/Alpha", "--max-cost", "-1"]).expect(2);
    std::fs::create_dir_all(work.path().join("other/Alpha")).unwrap();
    std::fs::write(work.path().join("other/Alpha/page.md"), "# Page\n\nText.\n").unwrap();
    work.run(&["update", "other/Alpha"]).expect(2);
    let writer = work.collection("docs_Alpha").writer().unwrap();
    work.run(&["update", "docs/Alpha"]).expect(11);
    assert_eq!(last(), before);
    assert_eq!(problems(&check(&work, "", 0)), [""; 0]);
    let log = work.run(&["log", "--errors"]).expect(0).stdout;
    assert!(log.contains("no documents named") && log.contains("ended with exit code 11"), "{log}");
    drop(writer);
    // Settings with which no update can begin are another matter: nobody else would say so.
    std::fs::write(work.path().join("siltstone.toml"), "[embedder]\nbase_url = \"ftp://nowhere\"\n").unwrap();
    work.run(&["update", "docs/Alpha", "--force"]).expect(2);
    assert_eq!(problems(&check(&work, "", 2)), ["last_run"]);
    work.run(&["update", "docs/Alpha"]).expect(0);
    assert_eq!(problems(&check(&work, "", 0)), [""; 0]);
    // And so are settings that do not fit the collections any more.
    std::fs::write(work.path().join("siltstone.toml"), "[embedder]\ndims = 9\n").unwrap();
    work.run(&["update", "docs/Alpha", "--force"]).expect(2);
    assert_eq!(problems(&check(&work, "", 2)), ["last_run"]);
}

#[test]
fn damage_that_was_met_is_critical_even_when_it_is_not_there_any_more() {
    let work = with_run();
    let directory = work.collection("docs_Alpha").directory().to_owned();
    let manifests = std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
    let manifest = manifests.filter(|path| path.to_string_lossy().contains("manifest-")).max().unwrap();
    let whole = std::fs::read(&manifest).unwrap();
    crate::harness::flip(&manifest, 40);
    work.run(&["update", "docs/Alpha"]).expect(3);
    std::fs::write(&manifest, &whole).unwrap();
    let verdict = check(&work, "", 2);
    assert_eq!(problems(&verdict), ["last_run"], "{verdict}");
    work.run(&["update", "docs/Alpha"]).expect(0);
    check(&work, "", 0);
    crate::harness::flip(&manifest, 40);
    work.run(&["health"]).expect(3);
    std::fs::write(&manifest, &whole).unwrap();
    let verdict = check(&work, "", 2);
    assert_eq!(problems(&verdict), ["health"], "{verdict}");
    assert!(verdict["line"].as_str().unwrap().contains("the last health check found damage"), "{verdict}");
    // Documents that are not embedded are none.
    std::fs::write(work.path().join("docs/Alpha/new.md"), "# New\n\nNew.\n").unwrap();
    work.run(&["health"]).expect(3);
    assert_eq!(problems(&check(&work, "", 1)), ["health"]);
}

#[test]
fn coverage_is_what_health_computes_without_reading_the_documents_again() {
    let work = Work::empty();
    for page in 0..5 {
        crate::health::write(&work, &format!("Alpha/p{page}.md"), &format!("# P{page}\n\nIt says {page}.\n"));
        crate::health::write(&work, &format!("Beta/p{page}.md"), &format!("# Q{page}\n\nIt says {page}.\n"));
    }
    // Neither of these can be embedded, so neither is missing.
    crate::health::write(&work, "Alpha/empty.md", "");
    std::fs::write(work.path().join("docs/Alpha/binary.md"), b"\0\x01\x02").unwrap();
    let prometheus = work.path().join("siltstone.prom");
    let agree = |alpha: (u64, u64), beta: (u64, u64), percent: f64, code: i32| {
        let health = work.run(&["health", "--json"]).expect(code).json();
        assert_eq!(health["components"][2]["coverage_percent"], percent, "{health}");
        let shown = work.run(&["status", "--json"]).expect(0).json();
        for (at, (documents, embedded)) in [alpha, beta].into_iter().enumerate() {
            let one = &shown["collections"][at]["coverage"];
            assert_eq!(
                (&one["documents"], &one["embedded"]),
                (&documents.into(), &embedded.into()),
                "{shown}"
            );
            assert_eq!(one["ratio"], embedded as f64 / documents as f64, "{shown}");
            assert_eq!(health["surveyed"][at]["documents"], documents, "{health}");
            assert_eq!(health["surveyed"][at]["embedded"], embedded, "{health}");
        }
        assert_eq!(shown["totals"]["coverage"]["documents"], alpha.0 + beta.0);
        let text = work.run(&["status", "--prometheus", prometheus.to_str().unwrap()]).expect(0).stdout;
        let said = format!("{} of 10 documents embedded, as their updates counted up to ", alpha.1 + beta.1);
        assert!(text.contains(&said) && text.contains(&format!(" {percent} %")), "{text}");
        let metrics = std::fs::read_to_string(&prometheus).unwrap();
        let ratio = format!(
            "siltstone_coverage_ratio{{collection=\"docs_Alpha\"}} {}\n",
            alpha.1 as f64 / alpha.0 as f64
        );
        assert!(metrics.contains(&ratio), "{metrics}");
        assert!(
            metrics.contains("siltstone_coverage_timestamp_seconds{collection=\"docs_Beta\"} "),
            "{metrics}"
        );
    };
    work.run(&["update", "docs/Alpha", "--max-files", "2"]).expect(0);
    work.run(&["update", "docs/Beta"]).expect(0);
    agree((5, 2), (5, 5), 70.0, 0);
    let text = work.run(&["status"]).expect(0).stdout;
    assert!(text.contains("interrupted: docs_Alpha; `siltstone update` goes on"), "{text}");
    work.run(&["update", "docs/Alpha"]).expect(0);
    agree((5, 5), (5, 5), 100.0, 0);
    // What came since is known to the next update, and `--fix` is one.
    crate::health::write(&work, "Beta/new.md", "# New\n\nNew.\n");
    std::fs::remove_file(work.path().join("docs/Beta/p0.md")).unwrap();
    work.run(&["health", "--fix", "--only", "missing"]).expect(3);
    agree((5, 5), (5, 5), 100.0, 3);
}

#[test]
fn nagios_is_told_unknown_when_nobody_could_look() {
    let work = with_run();
    std::fs::write(work.path().join("siltstone.toml"), "stor = 1\n").unwrap();
    work.run(&["status"]).expect(2);
    let unknown = work.run(&["status", "--check"]).expect(3);
    assert!(
        unknown.stdout.starts_with("SILTSTONE UNKNOWN - ")
            && unknown.stdout.contains("did you mean `store`?"),
        "{unknown:?}"
    );
    assert_eq!(unknown.stdout.lines().count(), 1);
    let json = work.run(&["status", "--check", "--json"]).expect(3).json();
    assert_eq!(json["exit"], 3, "{json}");
    let mistyped = work.run(&["status", "--check", "--colection", "x"]).expect(3);
    assert!(mistyped.stdout.starts_with("SILTSTONE UNKNOWN - unexpected argument"), "{mistyped:?}");
    work.run(&["status", "--colection", "x"]).expect(2);
}

#[test]
fn the_history_is_plain_text_with_plots_and_json() {
    let work = Work::empty();
    assert_eq!(work.run(&["status", "--history"]).expect(0).stdout, "no update has run yet\n");
    let work = with_run();
    assert!(!work.run(&["status", "--history"]).expect(0).stdout.contains('█'));
    for page in 5..8 {
        std::fs::write(work.path().join(format!("docs/Alpha/q{page}.md")), format!("# Q{page}\n\nMore.\n"))
            .unwrap();
        work.run(&["update", "docs/Alpha"]).expect(0);
    }
    let shown = work.run(&["status", "--history"]).expect(0).stdout;
    assert!(!shown.contains('\u{1b}'), "{shown}");
    let size = shown.lines().find(|line| line.starts_with("size")).unwrap();
    assert!(size.contains('▁') && size.contains('█'), "{shown}");
    for plot in ["rate ", "errors ", "cost ", "time "] {
        assert!(shown.lines().any(|line| line.starts_with(plot)), "{shown}");
    }
    let runs = work.run(&["status", "--history", "--last", "3", "--json"]).expect(0).json();
    let runs = runs["runs"].as_array().unwrap();
    let counted = |what: &str| runs.iter().map(|run| run[what].as_u64().unwrap()).collect::<Vec<_>>();
    assert_eq!((counted("files"), counted("unchanged")), (vec![6, 7, 8], vec![5, 6, 7]));
    for run in runs {
        for figure in ["files_per_minute", "error_percent", "cost_usd", "store_bytes", "seconds"] {
            assert!(run[figure].is_number(), "{figure}: {run}");
        }
    }
    work.run(&["status", "--last", "3"]).expect(2);
}

#[test]
fn the_file_for_prometheus_is_whole_at_any_moment() {
    let work = with_run();
    let shown = work.run(&["status"]).expect(0).stdout;
    let path = work.path().join("siltstone.prom");
    let arguments = ["status", "--prometheus", path.to_str().unwrap()];
    // The rest of what status prints stays as it is.
    assert_eq!(work.run(&arguments).expect(0).stdout, shown);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(
        text.contains("\nsiltstone_chunks 5\n") && text.contains("\nsiltstone_last_run_exit_code 0\n"),
        "{text}"
    );
    let mut child = work.command(&arguments).stdout(std::process::Stdio::null()).spawn().unwrap();
    while child.try_wait().unwrap().is_none() {
        let seen = std::fs::read_to_string(&path).unwrap();
        assert!(seen.ends_with('\n') && seen.contains("siltstone_written_timestamp_seconds "), "{seen}");
    }
    assert_eq!(
        std::fs::read_dir(work.path())
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains("prom"))
            .count(),
        1
    );
    work.run(&["status", "--prometheus", "no/such/folder.prom"]).expect(1);
}
