//! Ingest beside plain sequential writes: the same bytes, the same number of syncs, in turns.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use siltstone::Store;
use siltstone_benches::data::{Source, identity, record, text};
use siltstone_benches::machine::{append_and_sync, touch_memory};
use siltstone_benches::stats::{median, ms, percentile};

const ROUNDS: usize = 15;
/// More than the caches of both files together.
const TOUCHED_BYTES: usize = 2 << 30;

pub(crate) fn table(source: &Source, dir: &Path) {
    println!("## Ingest\n");
    println!(
        "One commit a batch, each with one `fdatasync`; rows of 1536 dims with metadata and 800 characters of text."
    );
    println!("Raw is `write` + `fdatasync` of as many bytes as the commit appended, in turns with it.\n");
    println!(
        "| rows a commit | rows/s | MB/s | raw MB/s | share of raw speed | commit p50 / p99 ms | raw p50 / p99 ms |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (batch, commits) in [(1, 40), (10, 20), (100, 8), (1000, 3)] {
        row(source, dir, batch, commits);
    }
    println!();
}

fn row(source: &Source, dir: &Path, batch: usize, commits: usize) {
    let path = dir.join(format!("ingest-{batch}"));
    let store = Store::create(&path).expect("a store");
    let collection = store.create_collection("measured", identity()).expect("a collection");
    let mut writer = collection.writer().expect("a writer");
    let raw_path = dir.join(format!("raw-{batch}"));
    let raw = File::create(&raw_path).expect("a raw file");
    let texts: Vec<String> = (0..64).map(text).collect();
    let (mut ratios, mut ours, mut raws) = (Vec::new(), Vec::new(), Vec::new());
    let (mut total, mut total_raw, mut bytes) = (Duration::ZERO, Duration::ZERO, 0u64);
    let mut next = 0;
    touch_memory(TOUCHED_BYTES);
    for _ in 0..ROUNDS {
        let (mut round, mut round_raw) = (Duration::ZERO, Duration::ZERO);
        for _ in 0..commits {
            let rows: Vec<(String, Vec<f32>)> =
                (next..next + batch).map(|n| (format!("page-{n:07}.md#0"), source.row(n))).collect();
            next += batch;
            let numbered = rows.iter().enumerate();
            let records: Vec<_> =
                numbered.map(|(n, (key, vector))| record(key, vector, &texts[n % texts.len()])).collect();
            let start = Instant::now();
            writer.upsert_all(records).expect("rows");
            let receipt = writer.commit().expect("a commit");
            let took = start.elapsed();
            let same = vec![0x5a; receipt.bytes as usize];
            let took_raw = append_and_sync(&raw, &same);
            bytes += receipt.bytes;
            ours.push(took);
            raws.push(took_raw);
            round += took;
            round_raw += took_raw;
        }
        ratios.push(round_raw.as_secs_f64() / round.as_secs_f64());
        total += round;
        total_raw += round_raw;
    }
    let mb = bytes as f64 / 1e6;
    println!(
        "| {batch} | {:.0} | {:.0} | {:.0} | {:.0} % | {:.2} / {:.2} | {:.2} / {:.2} |",
        next as f64 / total.as_secs_f64(),
        mb / total.as_secs_f64(),
        mb / total_raw.as_secs_f64(),
        median(&mut ratios) * 100.0,
        ms(percentile(&mut ours, 0.5)),
        ms(percentile(&mut ours, 0.99)),
        ms(percentile(&mut raws, 0.5)),
        ms(percentile(&mut raws, 0.99)),
    );
    drop(writer);
    let _ = std::fs::remove_dir_all(path);
    let _ = std::fs::remove_file(raw_path);
}
