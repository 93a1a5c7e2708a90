//! Latency of exact search while another thread appends, commits and seals: percentiles beside those of the same store at
//! rest, before and after. A view is opened for each search, as an application that wants the newest rows does.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use siltstone::{Search, Store};
use siltstone_benches::data::{Source, identity, record, text};
use siltstone_benches::stats::{ms, percentile};

use crate::open::fill;

const QUERIES: usize = 1_000;
/// Rows of a commit: what an update appends at a time.
const COMMIT: usize = 500;
/// The appending thread rests so long after each commit: an embedder that gives ten thousand vectors a second.
const REST: Duration = Duration::from_millis(50);

pub(crate) fn table(source: &Source, dir: &Path, rows: usize) {
    println!("## Searches while rows are appended\n");
    let path = dir.join("appends");
    let store = Store::create(&path).expect("a store");
    let collection = store.create_collection("measured", identity()).expect("a collection");
    fill(source, &collection, 0..rows, 1000);
    collection.writer().and_then(|mut writer| writer.seal()).expect("a sealed segment");
    store.encode().expect("codes");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    let searches = |count: usize| -> Vec<Duration> {
        let search = |number: usize| {
            let query = &source.queries()[number % source.queries().len()];
            let start = Instant::now();
            let view = collection.view().expect("a view");
            let answer =
                pool.install(|| view.search(query, &Search::new(10).keys_only())).expect("an answer");
            assert_eq!(answer.hits.len(), 10);
            start.elapsed()
        };
        (0..count).map(search).collect()
    };
    // Every page is mapped and every block checked.
    searches(QUERIES / 4);
    let before = searches(QUERIES);
    let (is_over, appended) = (AtomicBool::new(false), AtomicU64::new(0));
    let meanwhile = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut writer = collection.writer().expect("a writer");
            for first in (rows..).step_by(COMMIT) {
                for row in first..first + COMMIT {
                    let (key, text) = (format!("later-{row:07}"), text(row));
                    writer.upsert(record(&key, &source.row(row), &text)).expect("a row");
                }
                writer.commit().expect("a commit");
                appended.fetch_add(COMMIT as u64, Ordering::Relaxed);
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
                std::thread::sleep(REST);
            }
        });
        let meanwhile = searches(QUERIES);
        is_over.store(true, Ordering::Relaxed);
        meanwhile
    });
    let after = searches(QUERIES);
    let appended = appended.into_inner();
    let start = Instant::now();
    store.encode().expect("codes");
    let encoding = start.elapsed();
    searches(QUERIES / 4);
    let encoded = searches(QUERIES);
    println!(
        "{rows} rows, top 10, one thread and a view for each search, {QUERIES} searches each; {appended} rows appended meanwhile, {COMMIT} a commit.\n"
    );
    println!("| | p50 ms | p95 ms | p99 ms | greatest ms |");
    println!("|---|---|---|---|---|");
    let encoded_name = format!("after sealing and encoding them ({:.1} s)", encoding.as_secs_f64());
    for (name, mut times) in [
        ("at rest, before", before),
        ("while rows are appended", meanwhile),
        ("at rest, with them in the open segment", after),
        (encoded_name.as_str(), encoded),
    ] {
        let [p50, p95, p99, most] = [0.5, 0.95, 0.99, 1.0].map(|share| ms(percentile(&mut times, share)));
        println!("| {name} | {p50:.2} | {p95:.2} | {p99:.2} | {most:.1} |");
    }
    println!();
    let _ = std::fs::remove_dir_all(path);
}
