//! Search of one collection, by criterion.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use siltstone::{Search, Store};
use siltstone_benches::data::{Source, identity, record};

const ROWS: usize = 20_000;

fn search(criterion: &mut Criterion) {
    let source = Source::load();
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::create(dir.path().join("store")).expect("a store");
    let collection = store.create_collection("measured", identity()).expect("a collection");
    let mut writer = collection.writer().expect("a writer");
    for n in 0..ROWS {
        let (key, vector) = (format!("page-{n}"), source.row(n));
        writer.upsert(record(&key, &vector, "some text")).expect("a row");
    }
    writer.commit().expect("a commit");
    let view = collection.view().expect("a view");
    let query = &source.queries()[0];
    let mut group = criterion.benchmark_group("search");
    group.throughput(Throughput::Bytes((ROWS * 1536 * 4) as u64)).sample_size(20);
    group.bench_function("exact, k = 10", |b| {
        b.iter(|| view.search(query, &Search::new(10)).expect("an answer"))
    });
    group.bench_function("brute force, k = 10", |b| {
        b.iter(|| view.search(query, &Search::new(10).brute_force()).expect("an answer"))
    });
    let batch: Vec<&[f32]> = source.queries().iter().take(16).map(Vec::as_slice).collect();
    group.bench_function("batch of 16, k = 10", |b| {
        b.iter(|| view.search_batch(&batch, &Search::new(10)).expect("answers"))
    });
    group.finish();
}

criterion_group!(benches, search);
criterion_main!(benches);
