//! What backups cost: how far vectors, text and metadata shrink, and ten daily backups in a repository against ten
//! archives, while a hundredth of the documents changes every day.

use std::path::Path;
use std::time::Instant;

use siltstone::backup::{self, BackupOptions, Place};
use siltstone::{Environment, Store};
use siltstone_benches::data::{Source, identity};
use siltstone_benches::passages::Passages;

const DAYS: usize = 10;
const LEVEL: i32 = 3;

/// Prints both tables.
pub(crate) fn table(source: &Source, dir: &Path, rows: usize) {
    let passages = Passages::load();
    println!("Backups: {rows} rows of {}, {}.\n", source.name, passages.name);
    ratios(source, &passages, rows);
    days(source, &passages, dir, rows);
}

fn shrunk(bytes: &[u8]) -> usize {
    zstd::bulk::compress(bytes, LEVEL).expect("zstd").len()
}

fn ratios(source: &Source, passages: &Passages, rows: usize) {
    let vectors: Vec<f32> = (0..rows).flat_map(|row| source.row(row)).collect();
    let bytes: Vec<u8> = vectors.iter().flat_map(|element| element.to_le_bytes()).collect();
    let planes: Vec<u8> =
        (0..4).flat_map(|plane| bytes.iter().skip(plane).step_by(4).copied().collect::<Vec<_>>()).collect();
    let text: Vec<u8> = (0..rows).flat_map(|row| passages.text(row).as_bytes().to_vec()).collect();
    let metadata: Vec<u8> =
        (0..rows).flat_map(|row| serde_json::to_vec(&passages.metadata(row)).expect("JSON")).collect();
    println!("| part | bytes | zstd {LEVEL} | saved |\n|---|---|---|---|");
    for (name, raw) in [
        ("vectors", &bytes),
        ("vectors, byte planes first", &planes),
        ("text", &text),
        ("metadata", &metadata),
    ] {
        let stored = shrunk(raw);
        let saved = 100.0 * (1.0 - stored as f64 / raw.len() as f64);
        println!("| {name} | {} | {stored} | {saved:.1} % |", raw.len());
    }
    println!();
}

fn days(source: &Source, passages: &Passages, dir: &Path, rows: usize) {
    let root = dir.join("backup-store");
    let store = Store::create(&root).expect("a store");
    let collection = store.create_collection("docs", identity()).expect("a collection");
    let mut writer = collection.writer().expect("a writer");
    for row in 0..rows {
        let vector = source.row(row);
        writer.upsert(passages.record(&format!("{row}"), row, &vector)).expect("a row");
        if row % 1000 == 999 {
            writer.commit().expect("a commit");
        }
    }
    writer.commit().expect("a commit");
    let places =
        [Place::Directory(dir.join("backup-archives")), Place::Repository(dir.join("backup-repository"))];
    let mut totals = [0u64; 2];
    println!("| day | rows changed | archive | s | repository adds | s |\n|---|---|---|---|---|---|");
    for day in 0..DAYS {
        let changed = if day == 0 { 0 } else { (rows / 100).max(1) };
        for n in 0..changed {
            // Other documents every day, with other vectors and other texts.
            let (row, other) = ((day * 7919 + n * 101) % rows, rows + day * changed + n);
            let vector = source.row(other);
            writer.upsert(passages.record(&format!("{row}"), other, &vector)).expect("a row");
        }
        writer.commit().expect("a commit");
        let mut cells = Vec::new();
        for (place, total) in places.iter().zip(&mut totals) {
            let started = Instant::now();
            let made = backup::create(&Environment::default(), &root, place, &BackupOptions::default());
            let added = made.expect("a backup").added_bytes;
            *total += added;
            cells.push(format!("{added} | {:.2}", started.elapsed().as_secs_f64()));
        }
        println!("| {} | {changed} | {} |", day + 1, cells.join(" | "));
    }
    let [archives, repository] = totals;
    println!(
        "\n{DAYS} archives {archives} bytes, {DAYS} backups in a repository {repository} bytes: {:.1} %.",
        100.0 * repository as f64 / archives as f64
    );
    for place in &places {
        let started = Instant::now();
        let latest = backup::find(&Environment::default(), place, &root, "latest").expect("the latest");
        let report = backup::verify(&Environment::default(), &latest).expect("a verification");
        assert!(report.damage.is_empty(), "{:?}", report.damage);
        println!(
            "Verifying the latest in {}: {:.2} s.",
            place.path().display(),
            started.elapsed().as_secs_f64()
        );
    }
}
