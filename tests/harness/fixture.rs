//! Small stores that are the same to the last byte whenever they are made: the subjects of the damage tests, and the
//! stores that are frozen as golden files.
//!
//! Together they have everything that the format has: appends, replaced and deleted rows, commits of several frames,
//! sealed and open segments, snapshots, metadata, text, several collections, widths and metrics.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value, json};
use siltstone::identity::EmbeddingIdentity;
use siltstone::{
    CompactOptions, Compression, Environment, Filter, Metric, Record, Result, Store, Writer, WriterOptions,
};

use crate::clock::{SeqEntropy, StepClock};
use crate::rng::Rng;
use crate::sim_disk::SimDisk;

/// Where a fixture's store lies on its disk.
pub const STORE: &str = "/store";

/// The environment on a disk, with a clock and entropy that repeat.
pub fn environment(disk: &SimDisk) -> Environment {
    Environment {
        disk: Arc::new(disk.clone()),
        clock: Arc::new(StepClock::default()),
        entropy: Arc::new(SeqEntropy::new(1)),
        ..Environment::default()
    }
}

/// As [`environment`], later and with other identities: for what is done to a fixture after it was made.
pub fn later_environment(disk: &SimDisk) -> Environment {
    Environment {
        clock: Arc::new(StepClock::new(1_800_000_000_000)),
        entropy: Arc::new(SeqEntropy::new(2)),
        ..environment(disk)
    }
}

/// Opens the store of a fixture.
///
/// # Errors
/// As [`Store::open`].
pub fn open(disk: &SimDisk) -> Result<Store> {
    Store::open_in(later_environment(disk), STORE)
}

/// A vector that its seed decides.
pub fn vector(dims: u32, seed: u64) -> Vec<f32> {
    let mut rng = Rng::new(seed);
    (0..dims).map(|_| rng.signed_unit_f32()).collect()
}

fn identity(dims: u32, metric: Metric) -> EmbeddingIdentity {
    EmbeddingIdentity {
        provider: "fixture".to_owned(),
        model: format!("random-{dims}"),
        dims,
        metric,
        normalised: false,
        chunker: "markdown-1".to_owned(),
    }
}

/// Options that write several frames a commit, so that a small store has some.
pub fn options(compression: Compression) -> WriterOptions {
    WriterOptions { frame_bytes: 400, compression, ..WriterOptions::default() }
}

fn put(writer: &mut Writer, dims: u32, key: &str, seed: u64, metadata: Value, text: &str) {
    let metadata: Map<String, Value> = metadata.as_object().cloned().unwrap_or_default();
    let vector = vector(dims, seed);
    writer.upsert(Record::new(key, &vector).metadata(metadata).text(text)).unwrap();
}

/// Metadata of a chunk; its members are in the order of their names, which is that of every build.
fn chunk(index: u64, kind: &str) -> Value {
    json!({"chunk": index, "kind": kind, "path": format!("docs/{kind}.md")})
}

/// Two collections: `guide` with a sealed and an open segment and two snapshots, `notes` with an open one.
pub fn basic(compression: Compression) -> SimDisk {
    let disk = SimDisk::new();
    let store = Store::create_in(environment(&disk), STORE).unwrap();
    guide(&store, "guide", compression);

    let notes = store.create_collection("notes", identity(3, Metric::Dot)).unwrap();
    let mut writer = notes.writer_with(options(compression)).unwrap();
    for (seed, key) in (50..).zip(["plain", "Grüße", "日本語", "with space"]) {
        put(&mut writer, 3, key, seed, Value::Null, key);
    }
    writer.commit().unwrap();
    disk
}

/// [`basic`] with a third collection, `twin`, whose files have the lengths of those of `guide`, piece by piece, and the
/// same rows: whatever is exchanged between them fits.
pub fn twins() -> SimDisk {
    let disk = basic(Compression::None);
    guide(&open(&disk).unwrap(), "twin", Compression::None);
    disk
}

/// Commits to a collection like `guide`, seals, and commits again. What is written depends on `edition`, how long it is
/// does not: two editions of one store are two histories that fit each other's places.
pub fn go_on(disk: &SimDisk, collection: &str, edition: u64) {
    let collection = open(disk).unwrap().collection(collection).unwrap();
    let mut writer = collection.writer_with(options(Compression::None)).unwrap();
    for commit in 0..3 {
        for i in 0..2 {
            let text = format!("Edition {edition} of chapter {i}, commit {commit}.");
            put(&mut writer, 4, &format!("intro#{i}"), edition + i, chunk(i, "intro"), &text);
        }
        writer.commit().unwrap();
    }
    writer.seal().unwrap();
    put(&mut writer, 4, "last", edition, chunk(9, "last"), "The end.");
    writer.commit().unwrap();
}

fn guide(store: &Store, name: &str, compression: Compression) {
    let collection = store.create_collection(name, identity(4, Metric::Cosine)).unwrap();
    let mut writer = collection.writer_with(options(compression)).unwrap();
    for i in 0..6 {
        let text = format!("Chapter {i}: what is written here is read again.");
        put(&mut writer, 4, &format!("intro#{i}"), i, chunk(i, "intro"), &text);
    }
    writer.commit().unwrap();
    for i in 0..2 {
        put(&mut writer, 4, &format!("usage#{i}"), 10 + i, chunk(i, "usage"), "Open a store.");
    }
    put(&mut writer, 4, "intro#1", 21, chunk(1, "intro"), "Chapter 1, second edition.");
    writer.commit().unwrap();
    writer.create_snapshot("first").unwrap();
    writer.delete("intro#0").unwrap();
    put(&mut writer, 4, "bare", 30, Value::Null, "");
    writer.commit().unwrap();
    writer.seal().unwrap();

    put(&mut writer, 4, "intro#2", 22, chunk(2, "intro"), "Chapter 2, second edition.");
    put(&mut writer, 4, "usage#2", 12, chunk(2, "usage"), "Search it.");
    writer.commit().unwrap();
    writer.create_snapshot("second").unwrap();
    // A commit of several frames, then one of deletions only.
    for i in 0..5 {
        let text = "A longer text, so that this commit is several frames. ".repeat(2);
        put(&mut writer, 4, &format!("appendix#{i}"), 40 + i, chunk(i, "appendix"), &text);
    }
    writer.commit().unwrap();
    writer.delete("usage#0").unwrap();
    writer.delete_where(&Filter::eq("path", "docs/appendix.md").and(Filter::lt("chunk", 1))).unwrap();
    writer.commit().unwrap();
}

/// The file that holds the last commit of `guide`.
pub fn open_segment(disk: &SimDisk) -> PathBuf {
    let collection = open(disk).unwrap().collection("guide").unwrap();
    collection.directory().join("segment-00000002.seg")
}

/// [`basic`], with the beginning of one more commit at the end of the open segment: power was lost in the middle.
pub fn torn_tail() -> SimDisk {
    let disk = basic(Compression::None);
    let path = open_segment(&disk);
    let whole = disk.read_file(&path).unwrap();
    let ahead = disk.clone_image();
    let mut writer =
        open(&ahead).unwrap().collection("guide").unwrap().writer_with(options(Compression::None)).unwrap();
    put(&mut writer, 4, "lost", 60, chunk(9, "lost"), &"Never acknowledged. ".repeat(30));
    writer.commit().unwrap();
    let mut torn = ahead.read_file(&path).unwrap();
    assert!(torn.len() > whole.len() + 700);
    torn.truncate(whole.len() + 700);
    disk.write_file(&path, torn).unwrap();
    disk
}

/// [`basic`], with `guide` restored to its first snapshot, which is in the middle of a segment, and written to.
pub fn restored() -> SimDisk {
    let disk = basic(Compression::None);
    let guide = open(&disk).unwrap().collection("guide").unwrap();
    let mut writer = guide.writer_with(options(Compression::None)).unwrap();
    writer.restore_snapshot("first", "before-restore").unwrap();
    put(&mut writer, 4, "intro#0", 80, chunk(0, "intro"), "Chapter 0, of another history.");
    put(&mut writer, 4, "usage#9", 81, chunk(9, "usage"), "Restore it.");
    writer.delete("usage#1").unwrap();
    writer.commit().unwrap();
    disk
}

/// [`basic`] and a collection of long texts, compressed, that take several blocks a frame.
pub fn zstd() -> SimDisk {
    let disk = basic(Compression::Zstd);
    let store = open(&disk).unwrap();
    let collection = store.create_collection("long", identity(2, Metric::Cosine)).unwrap();
    let mut writer = collection.writer_with(WriterOptions::default()).unwrap();
    for i in 0..3 {
        let text = format!("Line {i} of a text that compresses well; ").repeat(600 + i as usize);
        let metadata = json!({"i": i, "tags": vec!["alpha", "beta"], "title": "Long ".repeat(40)});
        put(&mut writer, 2, &format!("long#{i}"), 70 + i, metadata, &text);
    }
    writer.commit().unwrap();
    writer.seal().unwrap();
    disk
}

/// [`basic`], whose `guide` was compacted beneath its snapshots, went on, and was compacted again in part: a segment of
/// copies and one of kills and copies, retired segments that snapshots hold, and an open one.
pub fn compacted() -> SimDisk {
    let disk = basic(Compression::None);
    let collection = open(&disk).unwrap().collection("guide").unwrap();
    let mut writer = collection.writer_with(options(Compression::None)).unwrap();
    let all = CompactOptions { min_dead: 0.0, rewrite_held: true, ..CompactOptions::default() };
    writer.compact(&all).unwrap();
    writer.create_snapshot("third").unwrap();
    for edition in 0..3 {
        for i in 0..2 {
            let text = format!("Chapter {i}, edition {edition} after the compaction.");
            put(&mut writer, 4, &format!("intro#{}", i + 1), 80 + edition, chunk(i + 1, "intro"), &text);
        }
        writer.commit().unwrap();
        writer.seal().unwrap();
    }
    // What the last snapshot holds is left alone, so kills of its rows are carried along.
    writer.compact(&CompactOptions { min_dead: 0.0, ..CompactOptions::default() }).unwrap();
    put(&mut writer, 4, "intro#1", 90, chunk(1, "intro"), "Chapter 1, the last edition.");
    writer.commit().unwrap();
    disk
}

/// One collection a metric and width, with elements from the ends of the range.
pub fn metrics() -> SimDisk {
    let disk = SimDisk::new();
    let store = Store::create_in(environment(&disk), STORE).unwrap();
    for (name, metric) in [("dot", Metric::Dot), ("euclidean", Metric::Euclidean)] {
        for dims in [1, 7, 33] {
            let collection =
                store.create_collection(&format!("{name}-{dims}"), identity(dims, metric)).unwrap();
            let mut writer = collection.writer_with(WriterOptions::default()).unwrap();
            for seed in 0..6 {
                put(&mut writer, dims, &format!("random#{seed}"), seed, json!({"seed": seed}), "");
            }
            // Equal scores: the key decides.
            put(&mut writer, dims, "twin-b", 0, json!({"seed": 0}), "");
            put(&mut writer, dims, "twin-a", 0, json!({"seed": 0}), "");
            for (key, element) in [("great", 3e38f32), ("small", f32::MIN_POSITIVE / 4.0), ("zero", -0.0)] {
                writer.upsert(Record::new(key, &vec![element; dims as usize])).unwrap();
            }
            writer.commit().unwrap();
            if dims == 7 {
                writer.seal().unwrap();
            }
        }
    }
    disk
}

/// The files that are truth, or evidence about it: all but locks and derived files.
pub fn truth_files(disk: &SimDisk) -> Vec<PathBuf> {
    let is_truth = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name != "lock" && !name.ends_with(".keys")
    };
    disk.files().into_iter().filter(|path| is_truth(path)).collect()
}

/// The derived files: key indexes.
pub fn derived_files(disk: &SimDisk) -> Vec<PathBuf> {
    disk.files().into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "keys")).collect()
}
