//! Jobs that meet: who holds a lock is said, waiting for it is possible, and its holder can be asked to stop.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::harness::{Ended, Work};

#[test]
fn a_command_waits_for_a_lock_as_long_as_it_was_told_to() {
    let work = Work::with_store();
    let writer = work.collection("docs_Alpha").writer().unwrap();
    let started = Instant::now();
    let ended = work.run(&["snapshot", "create", "x", "--lock-wait", "1s"]).expect(11);
    assert!(started.elapsed() >= Duration::from_secs(1) && started.elapsed() < Duration::from_secs(20));
    assert!(ended.stderr.contains("waiting for") && ended.stderr.contains("--lock-wait"), "{ended:?}");

    let mut waiting = work.command(&["snapshot", "create", "x", "--lock-wait", "60s"]);
    let mut waiting = waiting.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(waiting.stderr.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("waiting for"), "{line}");
    drop(writer);
    Ended::of(waiting.wait_with_output().unwrap()).expect(0);
    assert_eq!(work.collection("docs_Beta").snapshots().unwrap().len(), 1);
}

#[test]
#[cfg(unix)]
fn a_command_that_waits_can_be_interrupted() {
    let work = Work::with_store();
    let _writer = work.collection("docs_Alpha").writer().unwrap();
    let mut waiting = work.command(&["snapshot", "create", "x", "--lock-wait", "60s"]);
    let mut waiting = waiting.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(waiting.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    let id = waiting.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert_eq!(waiting.wait().unwrap().code(), Some(130));
}

#[test]
fn status_and_errors_say_who_writes() {
    let work = Work::with_store();
    let _writer = work.collection("docs_Alpha").writer().unwrap();
    let status = work.run(&["status", "--json"]).expect(0).json();
    let holder = &status["collections"][0]["holder"];
    assert_eq!(holder["process"], std::process::id());
    assert!(holder["age_ms"].as_i64().unwrap() < 60_000 && holder["command"].is_string(), "{status}");
    assert!(status["collections"][1]["holder"].is_null());
}

#[test]
#[cfg(unix)]
fn stop_ends_an_update_and_waits_for_its_locks() {
    let work = Work::with_store();
    // An update whose embedding server never answers holds its lock until it is told to end.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    std::fs::create_dir(work.path().join("pages")).unwrap();
    std::fs::write(work.path().join("pages/one.md"), "# One\n\nIt says something.\n").unwrap();
    let arguments = ["update", "pages", "--base-url", &url, "--model", "m", "--dims", "8"];
    let mut update = work.command(&arguments);
    let update = update.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _asked = listener.accept().unwrap();

    let status = work.run(&["status", "--all"]).expect(0).stdout;
    assert!(status.contains(&format!("process {} (siltstone update)", update.id())), "{status}");
    let ended = work.run(&["stop", "--timeout", "30s", "--json"]).expect(0).json();
    let holder = &ended["holders"][0];
    assert_eq!((&holder["process"], &holder["outcome"]), (&update.id().into(), &"stopped".into()), "{ended}");
    assert_eq!(Ended::of(update.wait_with_output().unwrap()).code, 130);
    assert!(work.run(&["stop"]).expect(0).stdout.contains("nobody writes"));
}

#[test]
#[cfg(unix)]
fn stop_signals_nobody_but_the_siltstone_command() {
    let work = Work::with_store();
    // This test holds the lock, and is another program.
    let _writer = work.collection("docs_Alpha").writer().unwrap();
    let ended = work.run(&["stop"]).expect(1);
    assert!(ended.stdout.contains("not the siltstone command"), "{ended:?}");
    // Nor a process of another machine, whatever its number.
    let lock = work.collection("docs_Alpha").directory().join("lock");
    let text = std::fs::read_to_string(&lock).unwrap();
    let elsewhere = text.replace("\"host\":null", "\"host\":\"elsewhere\"");
    assert_ne!(text, elsewhere);
    std::fs::write(&lock, elsewhere).unwrap();
    assert!(work.run(&["stop"]).expect(1).stdout.contains("run `siltstone stop` there"));
}
