//! `selftest` tries what a store relies on, on this disk, says what does not hold, and leaves nothing.

use crate::harness::Work;

#[test]
fn every_promise_is_tried_on_the_disk_of_the_store_and_nothing_is_left() {
    let work = Work::empty();
    let report = work.run(&["selftest", "--json"]).expect(0).json();
    assert_eq!(report["passed"], true, "{report}");
    let checks: Vec<&str> =
        report["checks"].as_array().unwrap().iter().map(|one| one["check"].as_str().unwrap()).collect();
    assert_eq!(checks, ["rows", "commits", "locks", "torn", "search", "damage", "snapshots", "backup"]);
    assert_eq!(std::fs::read_dir(work.path()).unwrap().count(), 0);
    let work = Work::with_store();
    let shown = work.run(&["selftest"]).expect(0).stdout;
    assert_eq!(shown.lines().filter(|line| line.starts_with("PASS  ")).count(), 8, "{shown}");
    assert!(shown.contains("1,000 answers are those of brute force in float64"), "{shown}");
    assert_eq!(std::fs::read_dir(work.path()).unwrap().count(), 1);
}

#[test]
#[cfg(target_os = "linux")]
fn a_promise_that_does_not_hold_is_named() {
    let work = Work::with_store();
    // No file may grow beyond half a megabyte: segments fit, an archive of all of them does not.
    let mut shell = std::process::Command::new("sh");
    let script = "trap '' XFSZ; ulimit -f 1024; exec \"$0\" selftest";
    let command = shell.args(["-c", script, env!("CARGO_BIN_EXE_siltstone")]).current_dir(work.path());
    let ended = crate::harness::Ended::of(command.output().unwrap()).expect(3);
    assert!(ended.stdout.contains("FAIL  backup") && ended.stdout.contains("PASS  rows"), "{ended:?}");
    assert!(ended.stderr.contains("do not keep a store here"), "{ended:?}");
    assert_eq!(std::fs::read_dir(work.path()).unwrap().count(), 1);
}
