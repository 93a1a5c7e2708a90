//! The same rows in different shapes: each beside one sealed collection searched on one thread, in one run.

use std::path::Path;
use std::time::{Duration, Instant};

use siltstone::{Answer, OnDamage, Scope, Search, Store};
use siltstone_benches::data::{Source, identity, record, text};
use siltstone_benches::stats::{ms, percentile};

const QUERIES: usize = 100;
const ROUNDS: usize = 4;
/// Documentation of 341 frameworks, a few of which have most of the pages.
const FRAMEWORKS: usize = 341;
const SEGMENTS: usize = 10;

/// A search of a store.
type Searcher<'a> = Box<dyn Fn(&[f32]) -> Answer + 'a>;

pub(crate) fn table(source: &Source, dir: &Path, rows: usize) {
    println!("## Shapes\n");
    println!(
        "{rows} rows, top 10, {QUERIES} queries one after the other, {ROUNDS} times in turns after a round that is not counted; everything in the page cache.\n"
    );
    let one = filled(source, &dir.join("one"), vec![("all".to_owned(), vec![rows])]);
    let share = rows / SEGMENTS;
    let mut parts = vec![share; SEGMENTS];
    parts[0] += rows - share * SEGMENTS;
    let segments = filled(source, &dir.join("segments"), vec![("all".to_owned(), parts)]);
    let many = filled(source, &dir.join("many"), frameworks(rows));

    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
    let (single, double) = (pool(1), pool(2));
    let view = |store: &Store| store.view(&Scope::All, OnDamage::Fail).expect("views");
    let (one, segments, many) = (view(&one), view(&segments), view(&many));
    let plain = Search::new(10);
    let cases: Vec<(&str, Searcher<'_>)> = vec![
        (
            "one collection, one thread",
            Box::new(|q| single.install(|| one.search(q, &plain)).expect("an answer")),
        ),
        ("two threads", Box::new(|q| double.install(|| one.search(q, &plain)).expect("an answer"))),
        ("ten segments", Box::new(|q| single.install(|| segments.search(q, &plain)).expect("an answer"))),
        ("341 collections", Box::new(|q| single.install(|| many.search(q, &plain)).expect("an answer"))),
    ];
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); cases.len()];
    for round in 0..=ROUNDS {
        for ((_, search), times) in cases.iter().zip(&mut times) {
            for number in 0..QUERIES {
                let query = &source.queries()[number % source.queries().len()];
                let start = Instant::now();
                let answer = search(query);
                assert_eq!(answer.hits.len(), 10);
                // The first round maps every page and checks every block that it touches.
                if round > 0 {
                    times.push(start.elapsed());
                }
            }
        }
    }
    println!("| | p50 ms | p95 ms | p50 over the first |");
    println!("|---|---|---|---|");
    let mut first = None;
    for ((name, _), times) in cases.iter().zip(&mut times) {
        let p50 = ms(percentile(times, 0.5));
        let first = *first.get_or_insert(p50);
        println!("| {name} | {p50:.2} | {:.2} | {:.2} |", ms(percentile(times, 0.95)), p50 / first);
    }
    println!();
}

/// Names and numbers of rows: from tens of thousands to a handful.
fn frameworks(rows: usize) -> Vec<(String, Vec<usize>)> {
    let mut left = rows;
    let sizes = (0..FRAMEWORKS).map(|number| {
        let after = FRAMEWORKS - 1 - number;
        let size = match after {
            0 => left,
            _ => (rows / 8 / (number + 1)).max(5).min(left - after),
        };
        left -= size;
        (format!("apple_docs_{number:03}"), vec![size])
    });
    sizes.collect()
}

/// A store with these collections, each with segments of these sizes, all with codes.
fn filled(source: &Source, path: &Path, collections: Vec<(String, Vec<usize>)>) -> Store {
    let store = Store::create(path).expect("a store");
    let texts: Vec<String> = (0..64).map(text).collect();
    let mut row = 0;
    for (name, segments) in collections {
        let collection = store.create_collection(&name, identity()).expect("a collection");
        let mut writer = collection.writer().expect("a writer");
        for size in segments {
            for _ in 0..size {
                let key = format!("page-{row:07}");
                let vector = source.row(row);
                writer.upsert(record(&key, &vector, &texts[row % texts.len()])).expect("a row");
                row += 1;
                if row % 1000 == 0 {
                    writer.commit().expect("a commit");
                }
            }
            writer.commit().expect("a commit");
            writer.seal().expect("a sealed segment");
        }
    }
    store.encode().expect("codes");
    store
}
