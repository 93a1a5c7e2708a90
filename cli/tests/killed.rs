//! `kill -9` of `update` at any moment changes nothing about how it ends, and embeds nothing again that was answered.
// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, unreachable_pub)]

mod server;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use server::Server;
use siltstone::{Depth, Order, Store};

/// Kills in all: a few in an ordinary run, hundreds in the long one.
fn kills_wanted(short: usize, full: usize) -> usize {
    if std::env::var("SILTSTONE_PROOF").is_ok_and(|mode| mode == "full") { full } else { short }
}

/// Kills of one store before it may come to its end.
const MOST_KILLS: usize = 10;

/// A small deterministic generator (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

/// Pages of two frameworks, some long enough for several chunks.
fn corpus(root: &Path) {
    for framework in ["Alpha", "Beta"] {
        for page in 0..40u32 {
            let path = root.join(framework).join(format!("topic-{}", page % 7));
            std::fs::create_dir_all(&path).unwrap();
            let mut text = format!("# {framework} page {page}\n\n");
            for section in 0..=(page % 5) {
                text += &format!("## Section {section}\n\n");
                for line in 0..40 {
                    text += &format!(
                        "Line {line} of {framework} {page}.{section} says number {}.\n",
                        line * page
                    );
                }
            }
            std::fs::write(path.join(format!("page-{page}.md")), text).unwrap();
        }
    }
}

fn update(directory: &Path, flags: &[String]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_siltstone"));
    command.args(["update", "documentation", "--split", "--quiet"]).args(flags).current_dir(directory);
    command.env_remove("OPENAI_API_KEY").stdout(Stdio::null()).stderr(Stdio::null());
    command
}

type Content = BTreeMap<String, (Vec<u32>, String, String)>;

/// Asserts that a store has this content and is whole, and removes it.
fn ends_as(expected: &Content, directory: &Path, killed: usize) {
    assert!(content(directory) == *expected, "another content after {killed} kills");
    let store = directory.join("vectorstore");
    let report = siltstone::verify(&siltstone::Environment::default(), &store, Depth::Deep, None).unwrap();
    assert!(!report.is_damaged(), "{:?}", report.findings);
    std::fs::remove_dir_all(directory).unwrap();
}

/// Everything in the store: key, vector bits, metadata, text of every row of every collection, hidden ones too.
fn content(directory: &Path) -> Content {
    let store = Store::open(directory.join("vectorstore")).unwrap();
    let mut content = Content::new();
    for name in store.all_names().unwrap() {
        let view = store.collection(&name).unwrap().view().unwrap();
        for row in view.iter(Order::Storage).unwrap() {
            let row = row.unwrap();
            let bits = row.vector.iter().map(|element| element.to_bits()).collect();
            let metadata = serde_json::to_string(&row.metadata).unwrap();
            assert!(content.insert(format!("{name}/{}", row.key), (bits, metadata, row.text)).is_none());
        }
    }
    content
}

/// Runs updates that are killed after a random time until one comes to its end. Returns how many were killed.
fn until_done(directory: &Path, flags: &[String], usual: Duration, random: &mut Random) -> usize {
    let mut killed = 0;
    loop {
        let mut child = update(directory, flags).spawn().unwrap();
        let patience = Duration::from_micros(random.below(usual.as_micros() as u64 + 1));
        let started = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break Some(status);
            }
            // A store that makes little headway between kills still has to end.
            if started.elapsed() >= patience && killed < MOST_KILLS {
                child.kill().unwrap();
                child.wait().unwrap();
                break None;
            }
            std::thread::sleep(Duration::from_micros(200));
        };
        match status {
            Some(status) => {
                assert!(status.success(), "{status}");
                return killed;
            }
            None => killed += 1,
        }
        // Whatever the kill left behind, readers see whole documents and no damage.
        if directory.join("vectorstore/catalogue.json").exists() {
            let report = siltstone::verify(
                &siltstone::Environment::default(),
                &directory.join("vectorstore"),
                Depth::Quick,
                None,
            );
            assert!(!report.unwrap().is_damaged());
        }
    }
}

fn ends_the_same(flags: &[String], wanted: usize) -> (usize, usize) {
    let scratch = tempfile::tempdir().unwrap();
    let undisturbed = scratch.path().join("undisturbed");
    corpus(&undisturbed.join("documentation"));
    let started = Instant::now();
    assert!(update(&undisturbed, flags).status().unwrap().success());
    let usual = started.elapsed();
    let expected = content(&undisturbed);
    assert!(expected.len() > 150, "{} rows", expected.len());

    let mut random = Random(4);
    let (mut killed, mut stores) = (0, 0);
    while killed < wanted {
        let directory = scratch.path().join(format!("killed-{stores}"));
        std::fs::create_dir(&directory).unwrap();
        std::os::unix::fs::symlink(undisturbed.join("documentation"), directory.join("documentation"))
            .unwrap();
        killed += until_done(&directory, flags, usual, &mut random);
        stores += 1;
        ends_as(&expected, &directory, killed);
    }
    (killed, stores)
}

#[test]
fn an_update_that_is_killed_again_and_again_ends_the_same() {
    let (killed, stores) = ends_the_same(&[], kills_wanted(8, 220));
    println!(
        "built-in embedder: {killed} kills over {stores} stores, each ended with the content of an undisturbed run"
    );
}

/// Texts of a request to the scripted server.
const BATCH: usize = 16;

fn flags_for(server: &Server, model: &str) -> Vec<String> {
    let batch = BATCH.to_string();
    let server = ["--embedder", "openai", "--base-url", &server.url];
    let model = ["--model", model, "--dims", "64", "--batch-size", &batch];
    server.into_iter().chain(model).map(str::to_owned).collect()
}

#[test]
fn what_a_server_answered_is_not_embedded_again_but_for_requests_in_flight() {
    let server = Server::start();
    let flags = flags_for(&server, "scripted");
    // Four requests are in flight at once, as by default.
    let (killed, stores) = ends_the_same(&flags, kills_wanted(6, 500));
    let (embedded, different) = server.counts();
    // One store undisturbed and each killed one embed every text once; a kill loses at most the requests in flight.
    let most = different * (stores + 1) + killed * BATCH * 4;
    println!(
        "server: {killed} kills over {stores} stores, {embedded} texts embedded of {different} different ones, at most \
         {most} allowed"
    );
    assert!(embedded <= most, "{embedded} texts embedded, at most {most} allowed");
}

/// The visible collections: which model made each, and its rows.
fn served(directory: &Path) -> BTreeMap<String, (String, Content)> {
    let store = Store::open(directory.join("vectorstore")).unwrap();
    let mut served = BTreeMap::new();
    for name in store.names().unwrap() {
        let collection = store.collection(&name).unwrap();
        let view = collection.view().unwrap();
        let rows = view.iter(Order::Storage).unwrap().map(|row| {
            let row = row.unwrap();
            let bits = row.vector.iter().map(|element| element.to_bits()).collect();
            (row.key.to_owned(), (bits, serde_json::to_string(&row.metadata).unwrap(), row.text))
        });
        served.insert(name, (collection.identity().model.clone(), rows.collect()));
    }
    served
}

#[test]
fn a_new_embedding_that_is_killed_again_and_again_takes_the_place_of_the_old_one_when_it_is_whole() {
    let server = Server::start();
    let scratch = tempfile::tempdir().unwrap();
    let undisturbed = scratch.path().join("undisturbed");
    corpus(&undisturbed.join("documentation"));
    assert!(update(&undisturbed, &flags_for(&server, "first")).status().unwrap().success());
    // A copy of the store, which nobody writes to, beside the documents.
    let copy = |from: &Path, name: &str| {
        let directory = scratch.path().join(name);
        std::fs::create_dir(&directory).unwrap();
        let copied = Command::new("cp").arg("-r").arg(from.join("vectorstore")).arg(&directory).status();
        assert!(copied.unwrap().success());
        let documents = undisturbed.join("documentation");
        std::os::unix::fs::symlink(documents, directory.join("documentation")).unwrap();
        directory
    };
    let kept = copy(&undisturbed, "kept");
    let old = served(&kept);
    let (_, different) = server.counts();
    let reembed = [flags_for(&server, "second"), vec!["--reembed".to_owned()]].concat();
    let started = Instant::now();
    assert!(update(&undisturbed, &reembed).status().unwrap().success());
    let usual = started.elapsed();
    assert_eq!(server.counts(), (2 * different, different));
    let (expected, new) = (content(&undisturbed), served(&undisturbed));
    assert!(new.values().all(|(model, _)| model == "second") && new.len() == 2 && old.len() == 2);

    let wanted = kills_wanted(6, 100);
    let (mut random, mut killed, mut stores, mut looks) = (Random(9), 0, 0, 0u64);
    while killed < wanted {
        let directory = copy(&kept, &format!("killed-{stores}"));
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            // A reader that never rests sees each collection whole, as the old one or as the new one.
            let watcher = scope.spawn(|| {
                let mut looks = 0;
                while !is_over.load(Ordering::SeqCst) {
                    for (name, found) in served(&directory) {
                        assert!(found == old[&name] || found == new[&name], "{name} by {}", found.0);
                    }
                    looks += 1;
                }
                looks
            });
            killed += until_done(&directory, &reembed, usual, &mut random);
            is_over.store(true, Ordering::SeqCst);
            looks += watcher.join().unwrap();
        });
        stores += 1;
        ends_as(&expected, &directory, killed);
    }
    let (embedded, _) = server.counts();
    let most = different * (stores + 2) + killed * BATCH * 4;
    println!(
        "embedded anew: {killed} kills over {stores} stores, looked at {looks} times meanwhile; {embedded} texts embedded of \
         {different} different ones, at most {most} allowed"
    );
    assert!(embedded <= most, "{embedded} texts embedded, at most {most} allowed");
}
