//! Exact search beside a plain read of the same memory, in turns.

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use siltstone::{Search, Store, View};
use siltstone_benches::data::{Source, identity};
use siltstone_benches::machine::{map_segments, read_all};
use siltstone_benches::stats::{median, ms, percentile};

use crate::open::fill;

const QUERIES: usize = 30;

pub(crate) fn table(source: &Source, dir: &Path, rows: usize) {
    let path = dir.join("search");
    let store = Store::create(&path).expect("a store");
    let collection = store.create_collection("measured", identity()).expect("a collection");
    fill(source, &collection, 0..rows, 1000);
    let view = collection.view().expect("a view");
    let maps = map_segments(&path);
    let bytes: usize = maps.iter().map(|map| map.len()).sum();
    println!("## Exact search\n");
    println!(
        "{rows} rows, top 10, {:.0} MB in the page cache; plain read of the same mapped files in turns.\n",
        bytes as f64 / 1e6
    );
    println!(
        "| threads | search p50 / p95 ms | GB/s of rows | plain read p50 ms, one thread | share of read bandwidth | rows scored in float64 |"
    );
    println!("|---|---|---|---|---|---|");
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        pool.install(|| row(source, &view, &maps, rows, threads));
    }
    println!();
    let _ = std::fs::remove_dir_all(path);
}

fn row(source: &Source, view: &View, maps: &[siltstone::disk::Map], rows: usize, threads: usize) {
    let vectors = (rows * 1536 * 4) as f64;
    let all: f64 = maps.iter().map(|map| map.len() as f64).sum();
    let (mut searches, mut reads, mut ratios, mut scored) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for query in source.queries().iter().cycle().take(QUERIES) {
        let start = Instant::now();
        black_box(read_all(maps));
        // The read passes over keys and payload too: scaled to the bytes of the rows alone.
        let read = start.elapsed().mul_f64(vectors / all);
        let start = Instant::now();
        let answer = view.search(query, &Search::new(10)).expect("an answer");
        let took = start.elapsed();
        scored += answer.rows_scored;
        ratios.push(read.as_secs_f64() / took.as_secs_f64());
        searches.push(took);
        reads.push(read);
    }
    let p50 = percentile(&mut searches, 0.5);
    println!(
        "| {threads} | {:.1} / {:.1} | {:.1} | {:.1} | {:.0} % | {} |",
        ms(p50),
        ms(percentile(&mut searches, 0.95)),
        vectors / 1e9 / p50.max(Duration::from_nanos(1)).as_secs_f64(),
        ms(percentile(&mut reads, 0.5)),
        median(&mut ratios) * 100.0,
        scored / QUERIES as u64,
    );
}
