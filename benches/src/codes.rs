//! Exact search with codes beside the scan of all rows, on the same store, one thread: how much sooner, what passes each
//! level, what codes cost to make and to keep.

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use siltstone::{Answer, Search, Store, View};
use siltstone_benches::data::{DIMS, Source, identity};
use siltstone_benches::stats::{ms, percentile};

use crate::open::fill;

const QUERIES: usize = 100;
/// Queries that are compared with brute force, which takes long.
const COMPARED: usize = 20;

pub(crate) fn table(source: &Source, dir: &Path, rows: usize) {
    let path = dir.join("codes");
    let store = Store::create(&path).expect("a store");
    let collection = store.create_collection("measured", identity()).expect("a collection");
    fill(source, &collection, 0..rows, 1000);
    collection.writer().and_then(|mut writer| writer.seal()).expect("a sealed segment");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    println!("## Exact search with codes\n");
    println!("{rows} rows, top 10, one thread, {QUERIES} queries; everything in the page cache.\n");

    let view = collection.view().expect("a view");
    let (mut scans, _) = pool.install(|| run(source, &view, &Search::new(10)));
    let start = Instant::now();
    let done = store.encode().expect("codes");
    let encoding = start.elapsed();
    let view = view.refreshed().expect("a view");
    // The first search in a process checks every block.
    let start = Instant::now();
    pool.install(|| black_box(view.search(&source.queries()[0], &Search::new(10)).expect("an answer")));
    let first = start.elapsed();
    let (mut coded, answers) = pool.install(|| run(source, &view, &Search::new(10)));
    let mut mismatches = 0;
    for (query, answer) in source.queries().iter().zip(&answers).take(COMPARED) {
        let expected = view.search(query, &Search::new(10).brute_force()).expect("an answer");
        mismatches += usize::from(hits(answer) != hits(&expected));
    }
    let batch: Vec<&[f32]> = source.queries().iter().take(128).map(Vec::as_slice).collect();
    let start = Instant::now();
    pool.install(|| black_box(view.search_batch(&batch, &Search::new(10)).expect("answers")));
    let batched = start.elapsed() / batch.len() as u32;

    let of_rows = |count: fn(&Answer) -> u64| {
        answers.iter().map(count).sum::<u64>() as f64 / answers.len() as f64 / rows as f64
    };
    let (scan, codes) = (percentile(&mut scans, 0.5), percentile(&mut coded, 0.5));
    println!(
        "| scan p50 / p95 ms | with codes p50 / p95 ms | times faster | batch of {}, ms a query | pass heads | pass signs | bytes read a row, of {} | file bytes a row | other than brute force |",
        batch.len(),
        DIMS * 4
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    println!(
        "| {:.1} / {:.1} | {:.2} / {:.2} | {:.1} | {:.2} | {:.2} % | {:.3} % | {:.0} | {:.0} | {mismatches} of {COMPARED} |",
        ms(scan),
        ms(percentile(&mut scans, 0.95)),
        ms(codes),
        ms(percentile(&mut coded, 0.95)),
        scan.as_secs_f64() / codes.as_secs_f64(),
        ms(batched),
        100.0 * of_rows(|answer| answer.work.passed_heads),
        100.0 * of_rows(|answer| answer.work.passed_signs),
        of_rows(|answer| answer.work.bytes_read),
        file_bytes(&path) as f64 / rows as f64,
    );
    println!(
        "\n{:?}: {:.1} s in all, {:.0} microseconds a row on all processors, training included. First search of a process: {:.1} ms.\n",
        done,
        encoding.as_secs_f64(),
        encoding.as_secs_f64() * 1e6 / rows as f64,
        ms(first)
    );
    let _ = std::fs::remove_dir_all(path);
}

fn run(source: &Source, view: &View, search: &Search) -> (Vec<Duration>, Vec<Answer>) {
    let queries = source.queries().iter().cycle().take(QUERIES);
    let timed = queries.map(|query| {
        let start = Instant::now();
        let answer = view.search(query, search).expect("an answer");
        (start.elapsed(), answer)
    });
    timed.unzip()
}

fn hits(answer: &Answer) -> Vec<(&str, u64)> {
    answer.hits.iter().map(|hit| (hit.key.as_str(), hit.score.to_bits())).collect()
}

/// Length of all code files.
fn file_bytes(store: &Path) -> u64 {
    let mut bytes = 0;
    for collection in std::fs::read_dir(store.join("collections")).expect("a store") {
        for entry in std::fs::read_dir(collection.expect("an entry").path()).expect("a collection") {
            let entry = entry.expect("an entry");
            if entry.path().extension().is_some_and(|extension| extension == "codes") {
                bytes += entry.metadata().expect("a length").len();
            }
        }
    }
    bytes
}
