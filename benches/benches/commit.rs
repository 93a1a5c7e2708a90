//! Commits of one and of many rows, by criterion.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use siltstone::Store;
use siltstone_benches::data::{Source, identity, record, text};

fn commit(criterion: &mut Criterion) {
    let source = Source::load();
    let rows: Vec<Vec<f32>> = (0..1000).map(|n| source.row(n)).collect();
    let text = text(1);
    let mut group = criterion.benchmark_group("commit");
    for batch in [1, 100, 1000] {
        let dir = tempfile::tempdir_in(std::env::temp_dir()).expect("a directory");
        let store = Store::create(dir.path().join("store")).expect("a store");
        let collection = store.create_collection("measured", identity()).expect("a collection");
        let mut writer = collection.writer().expect("a writer");
        let mut next = 0u64;
        group.throughput(Throughput::Elements(batch as u64)).sample_size(10);
        group.bench_function(format!("{batch} rows"), |b| {
            b.iter_batched(
                || {
                    next += 1;
                    (0..batch).map(|n| format!("{next}-{n}")).collect::<Vec<_>>()
                },
                |keys| {
                    for (key, vector) in keys.iter().zip(&rows) {
                        writer.upsert(record(key, vector, &text)).expect("a row");
                    }
                    writer.commit().expect("a commit")
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, commit);
criterion_main!(benches);
