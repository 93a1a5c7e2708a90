//! What those who look after a store are told: the log, the line for Nagios, the file for Prometheus.

use crate::harness::Work;

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
        log.lines().any(|line| line.contains(" INFO Processing rate: ") && line.ends_with(" files/min")),
        "{log}"
    );
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
    let fine = work.run(&["status", "--check"]).expect(0).stdout;
    assert!(fine.starts_with("SILTSTONE OK - 5 chunks in 1 collections | storage="), "{fine}");
    for figure in ["cost_today=0;5", "errors=0%;1", "run_time=", "update_age=", "memory="] {
        assert!(
            fine.contains(figure) || cfg!(not(target_os = "linux")) && figure == "memory=",
            "{figure}: {fine}"
        );
    }
    std::fs::write(work.path().join("siltstone.toml"), "[monitor]\nmax_storage_gb = 0.0\n").unwrap();
    let full = work.run(&["status", "--check"]).expect(1).stdout;
    assert!(full.starts_with("SILTSTONE WARNING - storage is 0.0 GB"), "{full}");
    let directory = work.collection("docs_Alpha").directory().to_owned();
    std::fs::remove_dir_all(directory).unwrap();
    let damaged = work.run(&["status", "--check"]).expect(2).stdout;
    assert!(damaged.starts_with("SILTSTONE CRITICAL - 1 collections are damaged"), "{damaged}");
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
