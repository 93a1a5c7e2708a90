//! Siltstone beside other stores: the same rows and queries, one thread each, in one run. Siltstone is measured before and
//! after the others, so that a machine that changes its speed meanwhile is noticed.

use std::hint::black_box;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::Value;
use siltstone::{Answer, Search, Store, View};
use siltstone_benches::data::{DIMS, Source, identity};
use siltstone_benches::stats::{ms, percentile};

use crate::open::fill;

const QUERIES: usize = 200;
const TOP_K: usize = 10;
const BATCH: usize = 128;
/// Scores that are this close to the k-th best count as found.
const TIE: f64 = 1e-6;

/// Where the others are measured.
#[derive(Debug)]
pub(crate) struct Others {
    pub(crate) python: PathBuf,
    pub(crate) script: PathBuf,
    pub(crate) names: String,
}

impl Others {
    /// The script that measures them, if it is at hand.
    pub(crate) fn find(python: Option<String>, names: Option<String>) -> Option<Self> {
        let script =
            std::env::var("SILTSTONE_PEERS").unwrap_or_else(|_| "../shared/bench/peers.py".to_owned());
        let script = PathBuf::from(script);
        let names =
            names.unwrap_or_else(|| "faiss-flat,faiss-panorama,hnswlib,usearch-f32,turbovec".to_owned());
        script.exists().then(|| Self {
            python: python.unwrap_or_else(|| "python3".to_owned()).into(),
            script,
            names,
        })
    }
}

/// A line of the table.
struct Line {
    name: String,
    build_s: f64,
    disk_bytes: f64,
    p50: f64,
    p95: f64,
    batch: Option<f64>,
    recall: f64,
}

pub(crate) fn table(source: &Source, dir: &Path, rows: usize, others: Option<&Others>) {
    println!("## Beside others\n");
    println!(
        "{rows} rows, top {TOP_K}, one thread, {QUERIES} queries; everything in memory. The others return row numbers; siltstone returns keys.\n"
    );
    let path = dir.join("peers");
    let start = Instant::now();
    let store = Store::create(&path).expect("a store");
    let collection = store.create_collection("measured", identity()).expect("a collection");
    fill(source, &collection, 0..rows, 1000);
    collection.writer().and_then(|mut writer| writer.seal()).expect("a sealed segment");
    store.encode().expect("codes");
    let build_s = start.elapsed().as_secs_f64();
    let disk_bytes = bytes_below(&path);
    let view = collection.view().expect("a view");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    let truth = truth(source, &view);
    let searches = [
        ("siltstone, exact", Search::new(TOP_K).keys_only()),
        ("siltstone with metadata and text, exact", Search::new(TOP_K)),
        ("siltstone, approximate, 40 rescored", Search::new(TOP_K).keys_only().approximate(40)),
        ("siltstone, approximate, 200 rescored", Search::new(TOP_K).keys_only().approximate(200)),
    ];
    let own = |after: &str| -> Vec<Line> {
        let line = |(name, search): &(&str, Search)| {
            let name = format!("{name}{after}");
            pool.install(|| Line { name, build_s, disk_bytes, ..measured(source, &view, search, &truth) })
        };
        searches.iter().map(line).collect()
    };
    let mut lines = own("");
    if let Some(others) = others {
        lines.extend(measured_by(others, source, dir, rows));
        lines.extend(own(", again").into_iter().take(1));
    } else {
        println!("The others are left out: no script that measures them was found (SILTSTONE_PEERS).\n");
    }
    let exact = lines.iter().filter(|line| line.name.starts_with("siltstone, exact"));
    let (own_p50, own_batch) = exact.fold((0.0f64, 0.0f64), |(p50, batch), line| {
        (p50.max(line.p50), batch.max(line.batch.unwrap_or(0.0)))
    });
    println!(
        "| store | build s | disk bytes a row | p50 ms | p95 ms | p50 over siltstone's | batch of {BATCH}, ms a query | the same over siltstone's | recall |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for line in &lines {
        let batch = line.batch.map_or("-".to_owned(), |batch| format!("{batch:.3}"));
        let ratio = line.batch.map_or("-".to_owned(), |batch| format!("{:.2}", batch / own_batch));
        println!(
            "| {} | {:.0} | {:.0} | {:.2} | {:.2} | {:.2} | {batch} | {ratio} | {:.4} |",
            line.name,
            line.build_s,
            line.disk_bytes / rows as f64,
            line.p50,
            line.p95,
            line.p50 / own_p50,
            line.recall
        );
    }
    println!();
    let _ = std::fs::remove_dir_all(path);
}

/// The k-th best score of each query, by brute force.
fn truth(source: &Source, view: &View) -> Vec<f64> {
    let queries: Vec<&[f32]> = source.queries().iter().take(QUERIES).map(Vec::as_slice).collect();
    let answers = view.search_batch(&queries, &Search::new(TOP_K).brute_force()).expect("answers");
    answers.iter().map(|answer| answer.hits.last().map_or(f64::NEG_INFINITY, |hit| hit.score)).collect()
}

fn measured(source: &Source, view: &View, search: &Search, truth: &[f64]) -> Line {
    let queries: Vec<&[f32]> = source.queries().iter().take(QUERIES).map(Vec::as_slice).collect();
    for query in queries.iter().take(20) {
        black_box(view.search(query, search).expect("an answer"));
    }
    let (mut times, mut found) = (Vec::new(), 0);
    for (query, least) in queries.iter().zip(truth) {
        let start = Instant::now();
        let answer: Answer = view.search(query, search).expect("an answer");
        times.push(start.elapsed());
        found += answer.hits.iter().filter(|hit| hit.score >= least - TIE).count();
    }
    let batch: Vec<&[f32]> = queries.iter().cycle().take(BATCH).copied().collect();
    black_box(view.search_batch(&batch, search).expect("answers"));
    let start = Instant::now();
    for _ in 0..3 {
        black_box(view.search_batch(&batch, search).expect("answers"));
    }
    Line {
        name: String::new(),
        build_s: 0.0,
        disk_bytes: 0.0,
        p50: ms(percentile(&mut times, 0.5)),
        p95: ms(percentile(&mut times, 0.95)),
        batch: Some(ms(start.elapsed()) / 3.0 / BATCH as f64),
        recall: found as f64 / (queries.len() * TOP_K) as f64,
    }
}

/// What the script says of the others.
fn measured_by(others: &Others, source: &Source, dir: &Path, rows: usize) -> Vec<Line> {
    let (base, query) = (dir.join("base.npy"), dir.join("query.npy"));
    write_npy(&base, rows, (0..rows).map(|row| source.row(row)));
    write_npy(&query, source.queries().len(), source.queries().iter().cloned());
    let mut command = Command::new(&others.python);
    command.arg(&others.script).args([&base, &query]).args(["--peers", &others.names, "--tmp"]).arg(dir);
    command.args(["--queries", &QUERIES.to_string(), "--k", &TOP_K.to_string()]).stderr(Stdio::inherit());
    let output = command.output().expect("the script runs");
    let mut lines = Vec::new();
    let (mut build_s, mut disk_bytes) = (0.0, 0.0);
    for text in String::from_utf8_lossy(&output.stdout).lines() {
        let Ok(line) = serde_json::from_str::<Value>(text) else { continue };
        let number = |field: &str| line[field].as_f64();
        match line["stage"].as_str() {
            Some("build") => {
                build_s = number("cpu_s").unwrap_or(0.0);
                disk_bytes = number("disk_bytes").unwrap_or(0.0);
            }
            Some("search") => lines.push(Line {
                name: format!(
                    "{} {}",
                    line["peer"].as_str().unwrap_or(""),
                    line["setting"].as_str().unwrap_or("")
                ),
                build_s,
                disk_bytes,
                p50: number("p50_ms").unwrap_or(f64::NAN),
                p95: number("p95_ms").unwrap_or(f64::NAN),
                batch: number("batch128_ms_per_query"),
                recall: number("recall").unwrap_or(f64::NAN),
            }),
            _ => println!("not measured: {text}\n"),
        }
    }
    lines
}

/// Rows as a float32 array in NumPy's format.
fn write_npy(path: &Path, count: usize, rows: impl Iterator<Item = Vec<f32>>) {
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({count}, {DIMS}), }}");
    while !(10 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let mut file = BufWriter::new(std::fs::File::create(path).expect("a file"));
    file.write_all(b"\x93NUMPY\x01\x00").expect("space");
    file.write_all(&(header.len() as u16).to_le_bytes()).expect("space");
    file.write_all(header.as_bytes()).expect("space");
    for element in rows.flatten() {
        file.write_all(&element.to_le_bytes()).expect("space");
    }
    file.flush().expect("space");
}

/// Lengths of all files of a directory.
fn bytes_below(path: &Path) -> f64 {
    let entries = std::fs::read_dir(path).expect("a directory").map(|entry| entry.expect("an entry"));
    entries
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => bytes_below(&entry.path()),
            _ => entry.metadata().map_or(0.0, |metadata| metadata.len() as f64),
        })
        .sum()
}
