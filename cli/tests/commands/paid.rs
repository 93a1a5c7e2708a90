//! `update` with real money: asks, keeps to its limits, writes down every request, pays for nothing twice, and ends well
//! whatever the server does.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Ended, Work};
use crate::server::{Act, Server};

const KEY: &str = "sk-test-Secret0123456789";

/// Eight short documents, and a server that costs a cent a token.
fn work(server: &Server, more: &str) -> Work {
    let work = Work::empty();
    let config = format!(
        "[embedder]\nbase_url = \"{}\"\nmodel = \"scripted\"\ndims = 64\nbatch_size = 4\nconcurrency = 1\n\
         usd_per_million_tokens = 10000.0\n{more}\n",
        server.url
    );
    std::fs::write(work.path().join("siltstone.toml"), config).unwrap();
    pages(&work, "Alpha", 8);
    work
}

fn pages(work: &Work, framework: &str, count: usize) {
    let folder = work.path().join("docs").join(framework);
    std::fs::create_dir_all(&folder).unwrap();
    for page in 0..count {
        let text = format!("# Page {page}\n\nOf {framework} it says {page}.\n");
        std::fs::write(folder.join(format!("page{page}.md")), text).unwrap();
    }
}

const UPDATE: [&str; 6] = ["update", "docs/Alpha", "--json", "--force", "--max-cost", "100000"];

fn chunks(work: &Work) -> u64 {
    work.run(&["status", "--json"]).expect(0).json()["totals"]["chunks"].as_u64().unwrap()
}

fn usage(work: &Work) -> Value {
    work.run(&["usage", "--json"]).expect(0).json()["totals"].clone()
}

#[test]
fn whatever_the_server_does_is_stored_reported_and_paid_as_it_was() {
    // What it does first; how the run ends; chunks stored; requests refused and unanswered; what is said.
    let cases: [(Act, i32, u64, u64, u64, &str); 21] = [
        (Act::Status(401, "{}"), 1, 0, 1, 0, "401"),
        (Act::Status(403, "{}"), 1, 0, 1, 0, "403"),
        (Act::Status(404, "{}"), 1, 0, 1, 0, "404"),
        (Act::Status(418, "{}"), 1, 0, 1, 0, "418"),
        (Act::Status(429, r#"{"error":{"code":"insufficient_quota"}}"#), 1, 0, 1, 0, "quota"),
        (Act::Status(429, "{}"), 0, 8, 1, 0, ""),
        (Act::Later("0"), 0, 8, 1, 0, ""),
        (Act::Status(500, "{}"), 0, 8, 1, 0, ""),
        (Act::Status(502, "<html>Bad Gateway</html>"), 0, 8, 0, 1, ""),
        (Act::Cut, 0, 8, 0, 1, ""),
        (Act::TruncatedJson, 0, 8, 0, 1, ""),
        (Act::WrongCount, 0, 8, 0, 1, ""),
        (Act::SameIndex, 0, 8, 0, 1, ""),
        (Act::Shuffled, 0, 8, 0, 0, ""),
        (Act::WrongDims, 1, 0, 0, 1, "dimensions"),
        (Act::Nan, 3, 7, 0, 0, "no finite number"),
        (Act::Zero, 3, 7, 0, 0, "zero"),
        (Act::Twice, 0, 8, 0, 0, ""),
        (Act::Drip(500), 0, 8, 0, 0, ""),
        // After the time-out: nobody knows whether it was paid, and smaller requests are sent.
        (Act::Drip(8_000), 0, 8, 0, 1, ""),
        (Act::Slow(8_000), 0, 8, 0, 1, ""),
    ];
    let undisturbed = {
        let server = Server::start();
        let work = work(&server, "");
        work.run(&UPDATE).expect(0);
        vectors(&work)
    };
    for (act, exit, stored, refused, unanswered, said) in cases {
        let server = Server::start();
        server.then([act]);
        let work = work(&server, "timeout_s = 4");
        let ended = work.run(&UPDATE).expect(exit);
        assert!(ended.stdout.contains(said), "{act:?}: {ended:?}");
        assert_eq!(chunks(&work), stored, "{act:?}");
        let usage = usage(&work);
        assert_eq!(
            (&usage["refused"], &usage["unanswered"]),
            (&refused.into(), &unanswered.into()),
            "{act:?}"
        );
        // The server counts a token an input; what it did not answer is taken as paid by the estimate.
        let answered = server.counts().0 as f64 / 100.0;
        let cost = usage["cost_usd"].as_f64().unwrap();
        match unanswered {
            0 => assert!(is_about(cost, answered), "{act:?}: {usage}"),
            _ => assert!(cost > answered, "{act:?}: {usage}"),
        }
        assert!(is_about(ended.json()["cost_usd"].as_f64().unwrap(), cost), "{act:?}: {ended:?}");

        // The next run brings what is missing, and asks for nothing that was answered.
        let before = server.counts().0;
        work.run(&UPDATE).expect(0);
        assert_eq!(vectors(&work), undisturbed, "{act:?}");
        assert_eq!(server.counts().0 - before, 8 - stored as usize, "{act:?}");
    }
    println!("{} kinds of answers, each stored, reported and paid as it was", cases.len());
}

/// Sums of cents miss by rounding.
fn is_about(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-9
}

fn vectors(work: &Work) -> Vec<(String, Vec<u32>)> {
    let view = work.collection("docs_Alpha").view().unwrap();
    let rows = view.iter(siltstone::Order::Key).unwrap().map(Result::unwrap);
    rows.map(|row| (row.key.to_owned(), row.vector.iter().map(|x| x.to_bits()).collect())).collect()
}

#[test]
fn a_server_that_refuses_is_told_of_within_seconds() {
    for acts in [[Act::Later("30"); 8], [Act::Status(503, "busy"); 8]] {
        let server = Server::start();
        server.then(acts);
        let work = work(&server, "");
        let mut child = spawn(&work, &UPDATE);
        let stderr = child.stderr.take().unwrap();
        let started = Instant::now();
        let said = std::io::BufRead::lines(std::io::BufReader::new(stderr))
            .map(Result::unwrap)
            .find(|line| line.contains("trying again"));
        let took = started.elapsed();
        child.kill().unwrap();
        child.wait().unwrap();
        let said = said.unwrap();
        assert!(took < Duration::from_secs(10), "{took:?}: {said}");
        assert!(said.contains("rate-limited (429)") || said.contains("failed 3 times (503): busy"), "{said}");
    }
    // One that asks for more than anybody waits for is left at once, and the count of attempts is right.
    let server = Server::start();
    server.then([Act::Later("3600"); 4]);
    let work = work(&server, "");
    let ended = work.run(&UPDATE).expect(1);
    assert!(ended.stdout.contains("rate-limited (429)") && ended.stdout.contains("3600 s"), "{ended:?}");
    assert_eq!(usage(&work)["refused"], 1);
}

#[test]
fn a_server_that_hangs_is_left_after_the_time_out_and_asked_for_less() {
    let server = Server::start();
    server.then([Act::Hang]);
    let work = work(&server, "timeout_s = 1");
    work.run(&UPDATE).expect(0);
    assert_eq!((chunks(&work), usage(&work)["unanswered"].as_u64()), (8, Some(1)));
}

#[test]
fn nothing_is_paid_unless_somebody_agrees_and_a_dry_run_says_how_much_it_would_be() {
    let server = Server::start();
    let work = work(&server, "");
    let dry = work.run(&["update", "docs/Alpha", "--dry-run"]).expect(0);
    assert!(dry.stdout.contains("8 chunks to embed") && dry.stdout.contains('$'), "{dry:?}");
    assert!(!work.path().join("logs").exists());
    let refused = work.run(&["update", "docs/Alpha"]).expect(12);
    assert!(refused.stderr.contains("--force") && refused.stderr.contains("nothing was sent"), "{refused:?}");
    assert_eq!(server.counts().0, 0);
    // --force is an answer and no permission: the limit holds.
    let limited = work.run(&["update", "docs/Alpha", "--force", "--max-cost", "0"]).expect(12);
    assert!(limited.stderr.contains("cost limit"), "{limited:?}");
    assert_eq!(server.counts().0, 0);
    work.run(&UPDATE).expect(0);
    // What was paid for is reused: nothing is left to ask about.
    let copy = work.path().join("docs/Alpha/copy.md");
    std::fs::copy(work.path().join("docs/Alpha/page0.md"), copy).unwrap();
    work.run(&["update", "docs/Alpha"]).expect(0);
    assert_eq!((server.counts().0, chunks(&work)), (8, 9));
}

#[test]
fn a_limit_stops_the_run_before_it_is_exceeded_and_what_was_paid_is_kept() {
    for source in ["flag", "environment", "dotenv", "config", "four at once"] {
        let server = Server::start();
        let config = if source == "config" { "[budget]\nper_run_usd = 0.6" } else { "" };
        let work = work(&server, config);
        let mut update = work.command(&["update", "docs/Alpha", "--force", "--json", "--batch-size", "1"]);
        match source {
            "flag" => {
                update.args(["--max-cost", "0.6"]).env("MAX_EMBEDDING_COST", "0.01");
            }
            "environment" => {
                update.env("MAX_EMBEDDING_COST", "0.6");
            }
            "four at once" => {
                update.args(["--max-cost", "0.6", "--concurrency", "4"]);
            }
            "dotenv" => std::fs::write(work.path().join(".env"), "MAX_EMBEDDING_COST=0.6\n").unwrap(),
            _ => {}
        }
        // Each page is estimated at less than twenty tokens and counted as ten.
        server.counts_as(10);
        let ended = Ended::of(update.output().unwrap()).expect(12);
        let paid = server.counts().0;
        let cost = ended.json()["cost_usd"].as_f64().unwrap();
        assert!(cost <= 0.6 && is_about(cost, paid as f64 * 0.1) && paid > 1, "{source}: {ended:?}");
        // What was paid is there, and nothing is paid twice.
        assert!(ended.json()["collections"][0]["stopped"].as_str().unwrap().contains("cost limit"));
        work.run(&UPDATE).expect(0);
        assert_eq!((server.counts().0, chunks(&work)), (8, 8), "{source}");
    }
}

#[test]
fn the_day_is_shared_by_runs_killed_ones_and_processes_at_once() {
    let server = Server::start();
    let work = work(&server, "[budget]\nper_day_usd = 2.0");
    pages(&work, "Beta", 8);
    let batch = ["--force", "--batch-size", "1"];
    // A request that hangs is killed in flight: it stays reserved.
    server.then([Act::Hang]);
    let mut child = spawn(&work, &[&["update", "docs/Alpha"][..], &batch].concat());
    wait_for(|| work.path().join("logs/requests.jsonl").exists());
    std::thread::sleep(Duration::from_millis(200));
    child.kill().unwrap();
    child.wait().unwrap();
    let reserved = usage(&work);
    assert_eq!(reserved["unsettled"], 1, "{reserved}");
    assert!(reserved["cost_usd"].as_f64().unwrap() > 0.01);

    // Two processes at once, on a server that counts twenty tokens a page: sixteen pages would cost 3.20.
    server.counts_as(20);
    let children: Vec<Child> = ["docs/Alpha", "docs/Beta"]
        .iter()
        .map(|path| spawn(&work, &[&["update", *path][..], &batch, &["--max-cost", "1000"]].concat()))
        .collect();
    let codes: Vec<i32> =
        children.into_iter().map(|child| Ended::of(child.wait_with_output().unwrap()).code).collect();
    assert!(codes.contains(&12), "{codes:?}");
    let spent = usage(&work)["cost_usd"].as_f64().unwrap();
    assert!(spent <= 2.0 + 1e-9 && spent > 1.0, "{spent}");
    let today = work.run(&["update", "docs", "--split", "--force", "--max-cost", "1000"]).expect(12);
    assert!(today.stderr.contains("today"), "{today:?}");
    println!("two processes and a killed one spent ${spent:.2} of $2.00");
}

fn spawn(work: &Work, arguments: &[&str]) -> Child {
    work.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn wait_for(mut there: impl FnMut() -> bool) {
    let started = Instant::now();
    while !there() {
        assert!(started.elapsed() < Duration::from_secs(20), "waited in vain");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
#[cfg(unix)]
fn a_hanging_server_is_left_ten_seconds_after_a_signal_and_at_once_after_two() {
    let signal = |child: &Child| {
        let sent = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    };
    for signals in [1, 2] {
        let server = Server::start();
        server.then([Act::Hang; 8]);
        let work = work(&server, "");
        let child = spawn(&work, &UPDATE);
        wait_for(|| work.path().join("logs/requests.jsonl").exists());
        std::thread::sleep(Duration::from_millis(200));
        let started = Instant::now();
        signal(&child);
        if signals == 2 {
            std::thread::sleep(Duration::from_millis(200));
            signal(&child);
        }
        let ended = Ended::of(child.wait_with_output().unwrap()).expect(130);
        let took = started.elapsed().as_secs_f64();
        let expected = if signals == 1 { 9.5..14.0 } else { 0.0..3.0 };
        assert!(expected.contains(&took), "{signals} signals: {took} s: {ended:?}");
        // Nobody knows whether it was paid: after one signal the run itself says so, after two the reservation does.
        let usage = usage(&work);
        let member = if signals == 1 { "unanswered" } else { "unsettled" };
        assert_eq!(usage[member], 1, "{usage}");
    }
}

#[test]
fn requests_in_flight_are_as_many_as_wanted_and_keep_the_pace() {
    let server = Server::start();
    server.then([Act::Slow(400); 8]);
    let work = work(&server, "");
    let started = Instant::now();
    work.run(&[&UPDATE[..], &["--batch-size", "1", "--concurrency", "8"]].concat()).expect(0);
    let took = started.elapsed();
    assert!(took < Duration::from_millis(2_400), "eight requests of 0.4 s took {took:?}");
    assert_eq!((chunks(&work), server.counts().0), (8, 8));

    pages(&work, "Beta", 8);
    let mut update =
        work.command(&["update", "docs/Beta", "--force", "--max-cost", "100000", "--batch-size", "1"]);
    let started = Instant::now();
    let ended =
        Ended::of(update.args(["--concurrency", "8"]).env("OPENAI_RPM", "600").output().unwrap()).expect(0);
    // Seven pauses of a tenth of a second.
    assert!(started.elapsed() >= Duration::from_millis(700), "{ended:?}");
}

#[test]
fn the_key_is_nowhere_and_its_fingerprint_is_in_the_ledger() {
    let server = Server::start();
    server.then([Act::Status(
        401,
        "{\"error\":{\"message\":\"Incorrect API key provided: sk-test-Secret0123456789\"}}",
    )]);
    let work = work(&server, "");
    let run =
        |arguments: &[&str]| Ended::of(work.command(arguments).env("OPENAI_API_KEY", KEY).output().unwrap());
    let refused = run(&UPDATE).expect(1);
    run(&UPDATE).expect(0);
    let usage = run(&["usage", "--by", "key", "--json"]).expect(0);
    let group = usage.json()["groups"][0]["group"].as_str().unwrap().to_owned();
    assert_eq!(group.len(), 12, "{usage:?}");
    let shown = [refused.stdout, refused.stderr, usage.stdout].concat();
    assert!(!shown.contains("Secret"), "{shown}");
    let mut files = 0;
    let mut folders = vec![work.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            assert!(!bytes.windows(6).any(|part| part == b"Secret"), "{}", path.display());
            files += 1;
        }
    }
    assert!(files > 10);
    let ledger = std::fs::read_to_string(work.path().join("logs/requests.jsonl")).unwrap();
    assert!(ledger.contains(&group) && ledger.contains("req-1") && ledger.contains("Alpha"), "{ledger}");
}

#[test]
fn usage_adds_up_by_day_framework_and_key() {
    let server = Server::start();
    let work = work(&server, "");
    pages(&work, "Beta", 3);
    assert!(work.run(&["usage"]).expect(0).stdout.contains("no requests"));
    work.run(&["update", "docs", "--split", "--force", "--max-cost", "100000"]).expect(0);
    let by = |what: &str| work.run(&["usage", "--by", what, "--json"]).expect(0).json();
    let frameworks = by("framework");
    let inputs: Vec<(&str, u64)> = frameworks["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| (group["group"].as_str().unwrap(), group["inputs"].as_u64().unwrap()))
        .collect();
    assert_eq!(inputs, [("Alpha", 8), ("Beta", 3)]);
    assert_eq!(
        (by("day")["totals"]["inputs"].as_u64(), by("key")["groups"][0]["group"].as_str()),
        (Some(11), Some(""))
    );
    let none = work.run(&["usage", "--since", "2999-01-01", "--json"]).expect(0).json();
    assert_eq!(none["totals"]["requests"], 0);
    assert_eq!(work.run(&["usage", "--since", "1h", "--json"]).expect(0).json()["totals"]["inputs"], 11);
    assert!(work.run(&["usage", "--since", "soon"]).expect(2).stderr.contains("7d"));
    assert!(work.run(&["usage"]).expect(0).stdout.contains("$0.1100"));
}
