//! Rows are used where they lie in the file: reading all of them makes no copy. Alone in its process, so that no other
//! test's memory is counted.
#![cfg(target_os = "linux")]
// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used)]

use siltstone::{EmbeddingIdentity, Order, Record, Search, Store};

const DIMS: usize = 1536;
const ROWS: usize = 8000;

fn anonymous_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn rows_are_mapped_and_never_copied() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = Store::create(&path).unwrap();
    let identity = EmbeddingIdentity { dims: DIMS as u32, ..EmbeddingIdentity::default() };
    let collection = store.create_collection("pages", identity).unwrap();
    let mut writer = collection.writer().unwrap();
    for n in 0..ROWS {
        let vector: Vec<f32> = (0..DIMS).map(|d| ((n * 31 + d * 17) % 1000) as f32 + 1.0).collect();
        writer.upsert(Record::new(&format!("k{n}"), &vector)).unwrap();
        if n % 500 == 499 {
            writer.commit().unwrap();
        }
    }
    writer.seal().unwrap();
    drop((writer, collection, store));

    let view = Store::open(&path).unwrap().collection("pages").unwrap().view().unwrap();
    let query = vec![1.0; DIMS];
    view.search(&query, &Search::new(10)).unwrap();
    let before = anonymous_kib();
    let mut sum = 0.0;
    let rows: Vec<_> = view.iter(Order::Storage).unwrap().map(|row| row.unwrap().vector).collect();
    rows.iter().for_each(|vector| sum += f64::from(vector[DIMS - 1]));
    let after = anonymous_kib();
    assert!(sum > 0.0);

    // 49 MB of vectors are held by reference at once; what grew is the list of references.
    let grown = after.saturating_sub(before);
    println!("{ROWS} rows of {} MB held; anonymous memory grew by {grown} KiB", ROWS * DIMS * 4 / 1_000_000);
    assert!(grown < 4096, "{grown} KiB of copies");

    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let mapped: Vec<(usize, usize)> = maps
        .lines()
        .filter(|line| line.ends_with(".seg"))
        .filter_map(|line| line.split_whitespace().next()?.split_once('-'))
        .map(|(from, to)| (usize::from_str_radix(from, 16).unwrap(), usize::from_str_radix(to, 16).unwrap()))
        .collect();
    for vector in &rows {
        let at = vector.as_ptr() as usize;
        assert!(
            mapped.iter().any(|(from, to)| (*from..*to).contains(&at)),
            "a row outside the mapped segment"
        );
        assert_eq!(at % 64, 0, "a row that is not aligned");
    }
}
