//! Time and memory of opening, in a process of its own each time.

use std::ops::Range;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use siltstone::{Collection, OnDamage, Scope, Search, Store};
use siltstone_benches::data::{Source, identity, record, text};
use siltstone_benches::machine::status_kib;
use siltstone_benches::stats::median;

const RUNS: usize = 9;
/// Size of the workload that siltstone is made for: documentation of 341 frameworks.
const FRAMEWORKS: usize = 341;
const FRAMEWORK_ROWS: usize = 323_118;

pub(crate) fn table(source: &Source, dir: &Path, rows: usize) {
    println!("## Opening\n");
    println!(
        "A new process opens the store, takes a view of every collection and looks one key up; files in the page cache.\n"
    );
    println!(
        "| collections | rows | open ms | first lookup ms | first search ms | anonymous memory MB | resident file pages MB |"
    );
    println!("|---|---|---|---|---|---|---|");
    let one = dir.join("open-one");
    let store = Store::create(&one).expect("a store");
    fill(source, &store.create_collection("measured", identity()).expect("a collection"), 0..rows, 1000);
    line(&one, 1, rows);
    let _ = std::fs::remove_dir_all(&one);

    let many = dir.join("open-many");
    let store = Store::create(&many).expect("a store");
    let mut from = 0;
    for number in 0..FRAMEWORKS {
        // Sizes from a handful of rows to tens of thousands, as a few frameworks have most of the pages.
        let left = FRAMEWORK_ROWS - from;
        let rows = match number + 1 == FRAMEWORKS {
            true => left,
            false => (40_000 / (number + 1)).max(5).min(left.saturating_sub(FRAMEWORKS - number)),
        };
        let collection =
            store.create_collection(&format!("apple_docs_{number:03}"), identity()).expect("a collection");
        fill(source, &collection, from..from + rows, 1000);
        from += rows;
    }
    line(&many, FRAMEWORKS, FRAMEWORK_ROWS);
    let _ = std::fs::remove_dir_all(&many);
    println!();
}

/// Adds rows in commits of `batch`.
pub(crate) fn fill(source: &Source, collection: &Collection, rows: Range<usize>, batch: usize) {
    let mut writer = collection.writer().expect("a writer");
    let texts: Vec<String> = (0..64).map(text).collect();
    for n in rows.clone() {
        let (key, vector) = (format!("page-{n:07}.md#0"), source.row(n));
        writer.upsert(record(&key, &vector, &texts[n % texts.len()])).expect("a row");
        if (n - rows.start + 1).is_multiple_of(batch) {
            writer.commit().expect("a commit");
        }
    }
    writer.commit().expect("a commit");
}

fn line(store: &Path, collections: usize, rows: usize) {
    let exe = std::env::current_exe().expect("this program");
    let mut columns: Vec<Vec<f64>> = vec![Vec::new(); 5];
    for _ in 0..RUNS {
        let output = Command::new(&exe).arg("open-once").arg(store).output().expect("a process");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        for (column, value) in columns.iter_mut().zip(text.split_whitespace()) {
            column.push(value.parse().expect("a number"));
        }
    }
    let cells: Vec<String> = columns.iter_mut().map(|column| format!("{:.1}", median(column))).collect();
    println!("| {collections} | {rows} | {} |", cells.join(" | "));
}

/// Opens a store once and prints what it cost.
pub(crate) fn once(args: &[String]) {
    let path = args.first().expect("a store");
    let start = Instant::now();
    let store = Store::open(path).expect("a store");
    let view = store.view(&Scope::All, OnDamage::Fail).expect("views");
    let opened = start.elapsed().as_secs_f64() * 1e3;
    let (anonymous, files) = (status_kib("RssAnon").unwrap_or(0), status_kib("RssFile").unwrap_or(0));
    let start = Instant::now();
    let last = view.views().last().expect("a view");
    black(last.contains("page-0000004.md#0").expect("a lookup"));
    let looked_up = start.elapsed().as_secs_f64() * 1e3;
    let start = Instant::now();
    let mut query = vec![0.0f32; 1536];
    query[3] = 1.0;
    black(view.search(&query, &Search::new(10)).expect("an answer").hits.len());
    let searched = start.elapsed().as_secs_f64() * 1e3;
    println!("{opened} {looked_up} {searched} {} {}", anonymous as f64 / 1024.0, files as f64 / 1024.0);
}

fn black<T>(value: T) {
    std::hint::black_box(value);
}
