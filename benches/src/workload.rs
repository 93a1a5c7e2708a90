//! The whole job at full size, with the command as people run it: 341,207 generated pages of 341 frameworks through the
//! built-in embedder, then updates in which nothing has changed beside plain reading of the same files, then searches of
//! all 341 collections as one. Takes a quarter of an hour and 10 GB of disk, in two parts. The command must have been built
//! too: `cargo build --release`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use siltstone::{OnDamage, Scope, Search, Store};
use siltstone_benches::data::Random;
use siltstone_benches::stats::{median, ms, percentile};

use crate::documentation::{self, FILES, FRAMEWORKS};
use crate::rescan::read_all;

/// Updates and readings of the unchanged tree, in turns.
const RUNS: usize = 3;
const SEARCHES: usize = 20;

/// The folder of a run, which stays for [`unchanged`].
const FOLDER: &str = "workload";

/// The command, in the folder of a run.
struct Program {
    path: PathBuf,
    work: PathBuf,
}

impl Program {
    fn find(dir: &Path) -> Option<Self> {
        let path = std::env::current_exe().ok()?.with_file_name("siltstone");
        if !path.exists() {
            println!("skipped: no {}; `cargo build --release` makes it\n", path.display());
            return None;
        }
        Some(Self { path, work: dir.join(FOLDER) })
    }

    /// Runs it to a good end; seconds, and what it printed.
    fn run(&self, arguments: &[&str]) -> (f64, Vec<u8>) {
        let started = Instant::now();
        let output = Command::new(&self.path).args(arguments).current_dir(&self.work).output();
        let output = output.expect("the command runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        (started.elapsed().as_secs_f64(), output.stdout)
    }

    fn update(&self, more: &[&str]) -> (f64, Vec<u8>) {
        self.run(&[&["update", "documentation", "--split", "--json", "--quiet"], more].concat())
    }
}

/// Writes the tree below `dir`, where it stays, and brings a new store up to date with it.
pub(crate) fn first(dir: &Path) {
    println!("## {FILES} files of {FRAMEWORKS} frameworks\n");
    let Some(program) = Program::find(dir) else { return };
    let _ = std::fs::remove_dir_all(&program.work);
    let tree = documentation::write(&program.work.join("documentation")).expect("room for the tree");
    println!(
        "{:.2} GB of Markdown, {} to {} files a framework.\n",
        tree.bytes as f64 / 1e9,
        tree.smallest,
        tree.largest
    );
    // Times that are younger than a tick of the coarsest clock are not relied upon.
    std::thread::sleep(Duration::from_millis(2_500));
    let (seconds, report) = program.update(&[]);
    let report: Value = serde_json::from_slice(&report).expect("a report");
    let sum = |part: &str, field: &str| -> u64 {
        let collections = report["collections"].as_array().expect("collections");
        collections.iter().filter_map(|one| one[part][field].as_u64()).sum()
    };
    println!("| first update | |");
    println!("|---|---|");
    println!("| documents published | {} |", sum("documents", "published"));
    println!("| chunks embedded, and reused | {}, {} |", sum("chunks", "embedded"), sum("chunks", "reused"));
    println!("| seconds | {seconds:.0} |");
    println!("| files a minute | {:.0} |", FILES as f64 / seconds * 60.0);
    println!("| peak memory MB, mapped files included | {:.0} |", peak_bytes(&program.work) as f64 / 1e6);
    println!("| store GB | {:.2} |\n", bytes_below(&program.work.join("vectorstore")) as f64 / 1e9);
}

/// Updates of the same tree in which nothing has changed, and searches. Removes what [`first`] left below `dir`.
pub(crate) fn unchanged(dir: &Path) {
    let Some(program) = Program::find(dir) else { return };
    let mut paths = Vec::new();
    files_below(&program.work.join("documentation"), &mut paths);
    println!("## The same {} files, unchanged\n", paths.len());
    let (mut plain, mut hashed, mut shortcut, mut read) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut peak, mut peak_of_reading) = (0, 0);
    for _ in 0..RUNS {
        plain.push(read_all(&paths, false) / 1e3);
        hashed.push(read_all(&paths, true) / 1e3);
        shortcut.push(program.update(&[]).0);
        peak = peak_bytes(&program.work).max(peak);
        read.push(program.update(&["--verify-content"]).0);
        peak_of_reading = peak_bytes(&program.work).max(peak_of_reading);
    }
    let base = median(&mut plain);
    println!("| nothing changed, median of {RUNS} | s | times plain reading | peak memory MB |");
    println!("|---|---|---|---|");
    for (what, mut times, peak) in [
        ("plain reading", plain, None),
        ("reading and hashing, as b3sum does", hashed, None),
        ("update", shortcut, Some(peak)),
        ("update --verify-content", read, Some(peak_of_reading)),
    ] {
        let seconds = median(&mut times);
        let peak = peak.map_or(String::new(), |bytes| format!("{:.0}", bytes as f64 / 1e6));
        println!("| {what} | {seconds:.2} | {:.2} | {peak} |", seconds / base);
    }
    println!();
    searches(&program.work.join("vectorstore"));
    let (seconds, _) =
        program.run(&["search", "how is the alignment of a view in a list changed", "--quiet"]);
    println!("`siltstone search` as a process of its own: {:.0} ms.\n", seconds * 1e3);
    let _ = std::fs::remove_dir_all(&program.work);
}

/// Latency of searches of all collections as one, for rows of the store as queries.
fn searches(path: &Path) {
    let store = Store::open(path).expect("the store");
    let view = store.view(&Scope::All, OnDamage::Fail).expect("a view");
    let mut random = Random(20);
    let mut queries: Vec<Vec<f32>> = Vec::new();
    while queries.len() < SEARCHES {
        let one = &view.views()[random.below(view.views().len())];
        let skipped = random.below(one.len().clamp(1, 500) as usize);
        let mut rows = one.iter(siltstone::Order::Storage).expect("rows");
        queries.extend(rows.nth(skipped).map(|row| row.expect("a row").vector.to_vec()));
    }
    println!(
        "| {SEARCHES} searches of all {} rows of {} collections, all threads | p50 ms | p95 ms |",
        view.views().iter().map(siltstone::View::len).sum::<u64>(),
        view.views().len()
    );
    println!("|---|---|---|");
    for (what, search) in
        [("10 rows", Search::new(10)), ("10 documents", Search::new(10).per_document("file_path"))]
    {
        let mut times: Vec<Duration> = queries
            .iter()
            .map(|query| {
                let started = Instant::now();
                let answer = view.search(query, &search).expect("an answer");
                assert!(!answer.hits.is_empty());
                started.elapsed()
            })
            .collect();
        let (half, most) = (percentile(&mut times, 0.5), percentile(&mut times, 0.95));
        println!("| {what} | {:.1} | {:.1} |", ms(half), ms(most));
    }
    println!();
}

/// The most memory that the last run had, as it wrote down itself.
fn peak_bytes(work: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(work.join("logs")) else { return 0 };
    let histories =
        entries.flatten().filter(|entry| entry.path().extension().is_some_and(|end| end == "jsonl"));
    let last = |path: std::path::PathBuf| -> Option<u64> {
        let text = std::fs::read_to_string(path).ok()?;
        serde_json::from_str::<Value>(text.lines().last()?).ok()?["peak_memory_bytes"].as_u64()
    };
    histories.filter_map(|entry| last(entry.path())).max().unwrap_or(0)
}

fn bytes_below(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let bytes = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => bytes_below(&entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    };
    entries.flatten().map(bytes).sum()
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            true => files_below(&entry.path(), found),
            false => found.push(entry.path()),
        }
    }
}
