//! `doctor`: what an unattended run needs is tried beforehand, and the key is never shown.

use serde_json::Value;

use crate::harness::Work;
use crate::server::Server;

fn checks(work: &Work, flags: &[&str], code: i32) -> Vec<Value> {
    let found = work.run(&[&["doctor", "--json"], flags].concat()).expect(code).json();
    found["checks"].as_array().unwrap().clone()
}

fn of(checks: &[Value], name: &str) -> (String, String) {
    let one = checks.iter().find(|one| one["check"] == name).unwrap();
    (one["status"].as_str().unwrap().to_owned(), one["says"].as_str().unwrap().to_owned())
}

#[test]
fn a_fresh_machine_and_a_store_in_use_are_fine() {
    let work = Work::empty();
    let found = checks(&work, &[], 0);
    assert_eq!(of(&found, "store").0, "info");
    let work = Work::with_store();
    let found = checks(&work, &[], 0);
    for name in ["store", "rights", "space", "clock", "key", "embedder"] {
        assert_eq!(of(&found, name).0, "pass", "{found:?}");
    }
    assert!(of(&found, "store").1.contains("2 collections"), "{found:?}");
    // Nothing stays of what was tried.
    work.run(&["health", "--json"]).expect(0);
    let names: Vec<_> =
        std::fs::read_dir(work.store()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name.to_str().unwrap().contains("doctor")), "{names:?}");
}

#[test]
fn the_key_is_found_and_named_and_not_shown_and_the_server_is_called() {
    let server = Server::start();
    let work = Work::empty();
    let config = |dims: u32| {
        format!("[embedder]\nbase_url = \"{}\"\nmodel = \"scripted\"\ndims = {dims}\n", server.url)
    };
    std::fs::write(work.path().join("siltstone.toml"), config(64)).unwrap();
    std::fs::write(work.path().join(".env"), "OPENAI_API_KEY=sk-verysecret123\n").unwrap();
    let ended = work.run(&["doctor"]).expect(0);
    assert!(
        !ended.stdout.contains("verysecret") && ended.stdout.contains("OPENAI_API_KEY in .env"),
        "{ended:?}"
    );
    assert!(ended.stdout.contains("fingerprint") && ended.stdout.contains("answered in"), "{ended:?}");
    assert_eq!(server.counts().0, 1);
    assert_eq!(of(&checks(&work, &["--offline"], 0), "embedder").0, "info");
    assert_eq!(server.counts().0, 1);
    // The server's vectors have another width than the settings say.
    std::fs::write(work.path().join("siltstone.toml"), config(32)).unwrap();
    let found = checks(&work, &[], 3);
    assert!(of(&found, "embedder").1.contains("64 dimensions, not 32"), "{found:?}");
}

#[test]
fn a_damaged_store_and_a_clock_that_runs_behind_are_failures() {
    let work = Work::with_store();
    crate::harness::flip(&work.store().join("catalogue.json"), 20);
    assert!(of(&checks(&work, &[], 3), "store").1.contains("catalogue.json"));
    let work = Work::with_store();
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(86_400);
    std::fs::File::options()
        .write(true)
        .open(work.store().join("catalogue.json"))
        .unwrap()
        .set_modified(later)
        .unwrap();
    assert_eq!(of(&checks(&work, &[], 3), "clock").0, "fail");
}
