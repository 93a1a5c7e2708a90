//! With an index, whole or damaged, a filter has the rows that it has without one.

use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::write;
use crate::disk::RealDisk;
use crate::filter::Filter;
use crate::filter::tests::properties::{rows, trees};
use crate::{Collection, EmbeddingIdentity, Record, Store, View};

/// A collection with one sealed segment of several frames, which has an index.
fn indexed(scratch: &Path, rows: &[Map<String, Value>]) -> Collection {
    let store = Store::create(scratch.join("store")).unwrap();
    let identity = EmbeddingIdentity { dims: 1, ..EmbeddingIdentity::default() };
    let collection = store.create_collection("c", identity).unwrap();
    let mut writer = collection.writer().unwrap();
    for (number, some) in rows.chunks(16).enumerate() {
        for (row, metadata) in some.iter().enumerate() {
            let key = format!("{:04}", number * 16 + row);
            writer.upsert(Record::new(&key, &[1.0]).metadata(metadata.clone())).unwrap();
        }
        writer.commit().unwrap();
    }
    writer.seal().unwrap();
    let segment = &collection.view().unwrap().parts[0].segment;
    write(segment, &RealDisk).unwrap();
    collection
}

fn view(collection: &Collection) -> View {
    collection.shared.look_again(None);
    collection.view().unwrap()
}

/// Rows that pass with the index, and how many it settled.
fn found(view: &View, filter: &Filter) -> (Vec<u32>, u64) {
    let matching = view.matching(filter, true).unwrap();
    (matching.masks[0].iter(0, u32::MAX).collect(), matching.by_index)
}

fn expected(rows: &[Map<String, Value>], filter: &Filter) -> Vec<u32> {
    (0u32..).zip(rows).filter(|(_, row)| filter.matches(row)).map(|(at, _)| at).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn an_index_says_what_the_rows_say(
        mut rows in vec(rows(), 1..70),
        trees in vec(trees(), 60),
        odd in any::<prop::sample::Index>(),
        kind in 0..4,
        flip in any::<prop::sample::Index>(),
    ) {
        // What an index does not list.
        let odd = odd.index(rows.len());
        match kind {
            1 => drop(rows[odd].insert("a".to_owned(), json!("long ".repeat(250)))),
            2 => drop(rows[odd].insert("b".repeat(2000), json!(1))),
            3 => drop(rows[odd].insert("c".to_owned(), json!([["deep"], {"a": 1}, "b", "b", 0.5]))),
            _ => {}
        }
        let scratch = tempfile::tempdir().unwrap();
        let collection = indexed(scratch.path(), &rows);
        let whole = view(&collection);
        for tree in &trees {
            let filter = tree.build();
            let (found, by_index) = found(&whole, &filter);
            prop_assert_eq!(found, expected(&rows, &filter), "{} over {:?}", filter, rows);
            prop_assert!(kind == 1 || kind == 2 || by_index == rows.len() as u64, "{}", filter);
        }
        let path = whole.parts[0].segment.place.attributes_path();
        let mut bytes = std::fs::read(&path).unwrap();
        let blocks = bytes.len() / 4096;
        let bit = 4096 * 8 + flip.index((blocks - 1).max(1) * 4096 * 8);
        if let Some(byte) = bytes.get_mut(bit / 8) {
            *byte ^= 1 << (bit % 8);
            std::fs::write(&path, &bytes).unwrap();
        }
        let damaged = view(&collection);
        for tree in &trees {
            let filter = tree.build();
            let (found, _) = found(&damaged, &filter);
            prop_assert_eq!(found, expected(&rows, &filter), "{} over {:?}, damaged", filter, rows);
        }
    }
}

#[test]
fn a_field_with_too_many_values_is_answered_from_metadata() {
    let long = |n: usize| format!("{n:05} {}", "x".repeat(900));
    let rows: Vec<Map<String, Value>> = (0..400)
        .map(|n| json!({"page": {"body": long(n)}, "n": n % 7}).as_object().cloned().unwrap())
        .collect();
    let scratch = tempfile::tempdir().unwrap();
    let collection = indexed(scratch.path(), &rows);
    let view = view(&collection);
    for (text, by_index) in [
        ("n < 3", 400),
        ("page exists and n = 2", 400),
        ("page.body prefix '0001'", 0),
        // Of the rows that the one test leaves, the metadata is read for the other.
        ("n = 3 and page.body prefix '0001'", 343),
        ("n = 3 or page.body prefix '0001'", 57),
        ("absent exists and page.body prefix '0001'", 400),
    ] {
        let filter = Filter::parse(text).unwrap();
        let found = found(&view, &filter);
        assert_eq!(found, (expected(&rows, &filter), by_index), "{text}");
    }
}
