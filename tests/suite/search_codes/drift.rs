//! A basis that has ceased to fit is replaced, and one that fits is kept.

use harness::fixture::{STORE, environment};
use harness::proof::report;
use harness::rng::Rng;
use harness::sim_disk::SimDisk;
use siltstone::identity::EmbeddingIdentity;
use siltstone::{Collection, Record, Scope, Search, Store};

const DIMS: usize = 64;

/// Rows with most of their variance in a few elements, the first ones or the last.
fn row(rng: &mut Rng, first: bool) -> Vec<f32> {
    let row = (0..DIMS).map(|at| rng.signed_unit_f32() / (1 + if first { at } else { DIMS - 1 - at }) as f32);
    row.collect()
}

fn add(collection: &Collection, rng: &mut Rng, rows: std::ops::Range<usize>, first: bool) {
    let mut writer = collection.writer().unwrap();
    for number in rows {
        writer.upsert(Record::new(&format!("{number:05}"), &row(rng, first))).unwrap();
    }
    writer.commit().unwrap();
    writer.seal().unwrap();
}

/// The share of rows that pass the heads, over some searches; each is compared with brute force.
fn passed(store: &Store, first: bool) -> f64 {
    let view = store.view(&Scope::All, Default::default()).unwrap();
    let (mut rng, mut passed, mut rows) = (Rng::new(99), 0, 0);
    for _ in 0..20 {
        let vector = row(&mut rng, first);
        let found = view.search(&vector, &Search::new(10)).unwrap();
        assert_eq!(found.hits, view.search(&vector, &Search::new(10).brute_force()).unwrap().hits);
        passed += found.work.passed_heads;
        rows += found.work.rows_with_codes;
    }
    assert!(rows > 0);
    passed as f64 / rows as f64
}

fn bases(disk: &SimDisk) -> Vec<std::path::PathBuf> {
    let is_basis = |path: &std::path::PathBuf| path.extension().is_some_and(|ending| ending == "basis");
    disk.files().into_iter().filter(is_basis).collect()
}

#[test]
fn a_basis_is_trained_anew_when_the_rows_have_moved_away_from_it_and_not_before() {
    let disk = SimDisk::new();
    let store = Store::create_in(environment(&disk), STORE).unwrap();
    let identity =
        EmbeddingIdentity { dims: DIMS as u32, model: "moves".into(), ..EmbeddingIdentity::default() };
    let collection = store.create_collection("pages", identity.clone()).unwrap();
    let mut rng = Rng::new(1);
    add(&collection, &mut rng, 0..1500, true);
    assert_eq!(store.encode().unwrap().trained, 1);
    let kept = bases(&disk);

    // More of the same, and nothing new: it fits still.
    add(&collection, &mut rng, 1500..3000, true);
    for _ in 0..2 {
        assert_eq!(store.encode().unwrap().trained, 0);
    }
    assert_eq!(bases(&disk), kept);

    // A collection that listings pass by goes on using it.
    let hidden = store.create_collection(".staging", identity).unwrap();
    add(&hidden, &mut rng, 0..100, true);
    assert_eq!(hidden.encode().unwrap().segments, 0, "it got codes when it was sealed");

    add(&collection, &mut rng, 3000..6000, false);
    let before = passed(&store, false);
    let done = store.encode().unwrap();
    assert_eq!((done.trained, done.rows), (1, 6000), "every segment is encoded anew");
    let after = passed(&store, false);
    assert!(after < before / 2.0, "{after} after {before}");
    assert_eq!(store.encode().unwrap().trained, 0, "once is enough");

    // The old basis goes with the last code file that needs it.
    let both = bases(&disk);
    assert!(both.len() == 2 && both.contains(&kept[0]), "{both:?}");
    store.drop_collection(".staging").unwrap();
    add(&collection, &mut rng, 6000..6100, false);
    store.encode().unwrap();
    let left = bases(&disk);
    assert!(left.len() == 1 && !left.contains(&kept[0]), "{left:?}");
    let findings = harness::attack::verified(&disk).unwrap().findings;
    assert_eq!(findings, []);
    report(format_args!(
        "a basis that had ceased to fit let {:.1} % of the rows pass, its successor {:.1} %",
        100.0 * before,
        100.0 * after
    ));
}
