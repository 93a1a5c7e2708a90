//! What an application sees: rows go in, views show moments, snapshots keep them.
// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used)]

use serde_json::json;
use siltstone::{EmbeddingIdentity, Filter, Order, Record, Search, Store, WriterOptions};

fn store() -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::create(directory.path().join("store")).unwrap();
    (directory, store)
}

fn dims(dims: u32) -> EmbeddingIdentity {
    EmbeddingIdentity { dims, ..EmbeddingIdentity::default() }
}

#[test]
fn rows_are_found_after_each_commit_seal_and_reopening() {
    let (directory, store) = store();
    let collection = store.create_collection("pages", dims(3)).unwrap();
    let options = WriterOptions { seal_bytes: 6000, frame_bytes: 1500, ..WriterOptions::default() };
    let mut writer = collection.writer_with(options).unwrap();
    for round in 0..20u32 {
        for i in 0..10u32 {
            let key = format!("k{}", (round * 7 + i * 3) % 50);
            let metadata = json!({"round": round, "parity": i % 2}).as_object().unwrap().clone();
            let vector = [1.0, round as f32, i as f32];
            writer.upsert(Record::new(&key, &vector).text("some text").metadata(metadata)).unwrap();
        }
        assert_eq!(writer.commit().unwrap().rows, 10);
        writer.delete(&format!("k{round}")).unwrap();
        writer.commit().unwrap();
        let view = collection.view().unwrap();
        assert!(!view.contains(&format!("k{round}")).unwrap());
    }
    writer.create_snapshot("twenty").unwrap();
    let deleted = writer.delete_where(&Filter::eq("parity", 1)).unwrap();
    assert!(deleted > 0);
    writer.commit().unwrap();
    writer.seal().unwrap();
    drop(writer);

    let before: Vec<_> = collection
        .snapshot("twenty")
        .unwrap()
        .iter(Order::Key)
        .unwrap()
        .map(|row| {
            let row = row.unwrap();
            (row.key.to_owned(), row.vector.to_vec(), row.metadata["round"].clone())
        })
        .collect();
    let again = Store::open(directory.path().join("store")).unwrap().collection("pages").unwrap();
    let now = again.view().unwrap();
    let old = again.snapshot("twenty").unwrap();
    assert_eq!(old.len(), before.len() as u64);
    assert_eq!(now.len() + deleted, old.len());
    for (key, vector, round) in &before {
        let row = old.get(key).unwrap().unwrap();
        assert_eq!((row.vector, &row.metadata["round"]), (vector.as_slice(), round));
    }
    let answer = now.search(&[1.0, 5.0, 5.0], &Search::new(1000)).unwrap();
    assert_eq!(answer.hits.len() as u64, now.len());
    let brute = now.search(&[1.0, 5.0, 5.0], &Search::new(1000).brute_force()).unwrap();
    assert_eq!(answer.hits, brute.hits);
    assert!(answer.hits.is_sorted_by(|a, b| a.score >= b.score));
}

#[test]
fn metadata_that_could_not_be_read_back_is_refused() {
    let (_directory, store) = store();
    let collection = store.create_collection("pages", dims(1)).unwrap();
    let mut writer = collection.writer().unwrap();
    let nested = |levels: usize| {
        let value = (1..levels).fold(json!(1), |inner, _| json!([inner]));
        json!({ "deep": value }).as_object().unwrap().clone()
    };
    writer.upsert(Record::new("fits", &[1.0]).metadata(nested(100))).unwrap();
    assert!(writer.upsert(Record::new("too deep", &[1.0]).metadata(nested(101))).is_err());
    writer.commit().unwrap();
    assert_eq!(collection.view().unwrap().get("fits").unwrap().unwrap().metadata, nested(100));
}
