//! Exact search with filters beside the same search without one, on one store and one thread, in turns: with the attribute
//! index, and with every row's metadata read because there is none.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;
use siltstone::{Answer, Filter, Record, Search, Store, View};
use siltstone_benches::data::{Random, Source, identity, text};
use siltstone_benches::stats::{ms, percentile};

const QUERIES: usize = 40;
/// Queries that are compared with brute force, and that are asked without an index: both take long.
const FEW: usize = 4;

pub(crate) fn table(source: &Source, dir: &Path, rows: usize) {
    let path = dir.join("filters");
    let store = Store::create(&path).expect("a store");
    fill(source, &store, rows);
    let done = store.encode().expect("codes and indexes");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    println!("## Exact search with filters\n");
    println!(
        "{rows} rows, top 10, one thread, {QUERIES} queries each, in turns with the search without a filter.\n"
    );
    println!(
        "| filter | rows that match | p50 / p95 ms | times as fast as without a filter | filter by index, ms | filter by metadata, ms | other than brute force |"
    );
    println!("|---|---|---|---|---|---|---|");
    let bytes = index_bytes(&path);
    pool.install(|| rows_of_table(source, &store, &path, rows));
    println!("\n{done:?}; attribute indexes take {:.1} bytes a row.\n", bytes as f64 / rows as f64);
    let _ = std::fs::remove_dir_all(path);
}

fn rows_of_table(source: &Source, store: &Store, path: &Path, rows: usize) {
    let collection = store.collection("measured").expect("a collection");
    let view = collection.view().expect("a view");
    let filters = [
        "bucket < 1",
        "bucket < 10",
        "bucket < 100",
        "bucket < 500",
        "framework = 'SwiftUI'",
        "file_path prefix 'documentation/7'",
        "bucket < 500 and not file_path prefix 'documentation/7'",
    ];
    let mut lines = Vec::new();
    for text in filters {
        let filter = Filter::parse(text).expect("a filter");
        let (filtered, whole) = (Search::new(10).filter(filter.clone()), Search::new(10));
        let (mut with, mut without) = (Vec::new(), Vec::new());
        let mut mismatches = 0;
        // Passes no row, so that all it takes is the filter.
        let none = Search::new(10).filter(filter.and(Filter::exists("absent")));
        let by_index = timed(&view, &source.queries()[0], &none).0;
        for (number, query) in source.queries().iter().cycle().take(QUERIES).enumerate() {
            without.push(timed(&view, query, &whole).0);
            let (took, answer) = timed(&view, query, &filtered);
            with.push(took);
            if number < FEW {
                let expected = view.search(query, &filtered.clone().brute_force()).expect("an answer");
                mismatches += usize::from(hits(&answer) != hits(&expected));
            }
        }
        let matching = timed(&view, &source.queries()[0], &filtered.clone().brute_force()).1.rows_scanned;
        let ratio = percentile(&mut without, 0.5).as_secs_f64() / percentile(&mut with, 0.5).as_secs_f64();
        lines.push((text, none, matching, with, ratio, by_index, mismatches));
    }
    for index in files(path) {
        std::fs::remove_file(index).expect("a file that can be deleted");
    }
    let collection = Store::open(path).and_then(|store| store.collection("measured")).expect("a collection");
    let view = collection.view().expect("a view");
    for (text, none, matching, mut with, ratio, by_index, mismatches) in lines {
        let by_metadata = timed(&view, &source.queries()[0], &none).0;
        println!(
            "| `{text}` | {matching} ({:.1} %) | {:.2} / {:.2} | {ratio:.1} | {:.2} | {:.0} | {mismatches} of {FEW} |",
            100.0 * matching as f64 / rows as f64,
            ms(percentile(&mut with, 0.5)),
            ms(percentile(&mut with, 0.95)),
            ms(by_index),
            ms(by_metadata),
        );
    }
}

fn timed(view: &View, query: &[f32], search: &Search) -> (Duration, Answer) {
    let start = Instant::now();
    let answer = view.search(query, search).expect("an answer");
    (start.elapsed(), answer)
}

/// One collection, its rows scattered over a thousand buckets.
fn fill(source: &Source, store: &Store, rows: usize) {
    let collection = store.create_collection("measured", identity()).expect("a collection");
    let mut writer = collection.writer().expect("a writer");
    let mut random = Random(3);
    for row in 0..rows {
        let (key, text) = (format!("chunk-{row:07}"), text(row));
        let metadata = json!({
            "framework": if row % 20 < 9 { "SwiftUI" } else { "UIKit" },
            "file_path": format!("documentation/{}/{:05}.md", row / 4 % 100, row / 4),
            "chunk_index": row % 4, "total_chunks": 4, "chunk_hash": format!("{:032x}", random.next_u64()),
            "bucket": random.below(1000),
        });
        let vector = source.row(row);
        let record = Record::new(&key, &vector).metadata(metadata.as_object().cloned().unwrap_or_default());
        writer.upsert(record.text(&text)).expect("a row");
        if row % 1000 == 999 {
            writer.commit().expect("a commit");
        }
    }
    writer.commit().expect("a commit");
    writer.seal().expect("a sealed segment");
}

fn hits(answer: &Answer) -> Vec<(&str, u64)> {
    answer.hits.iter().map(|hit| (hit.key.as_str(), hit.score.to_bits())).collect()
}

/// The attribute indexes of a store.
fn files(store: &Path) -> Vec<PathBuf> {
    let collections = std::fs::read_dir(store.join("collections")).expect("a store");
    let inside = collections
        .flat_map(|entry| std::fs::read_dir(entry.expect("an entry").path()).expect("a directory"));
    let paths = inside.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "attributes")).collect()
}

fn index_bytes(store: &Path) -> u64 {
    files(store).iter().map(|path| path.metadata().expect("a length").len()).sum()
}
