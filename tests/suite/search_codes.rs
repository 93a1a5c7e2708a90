//! Search codes never change an answer: with them every search returns the keys and the score bits of brute force, on data
//! made to break bounds; and codes and bases can be deleted, damaged or half made at will.

mod comparison;
mod drift;
mod shape;

use std::path::PathBuf;

use harness::attack::verified;
use harness::fixture::{STORE, environment, later_environment};
use harness::proof::{effort, report};
use harness::rng::Rng;
use harness::sim_disk::{Failure, Fault, SimDisk};
use serde_json::json;
use shape::{SHAPES, Shape};
use siltstone::identity::EmbeddingIdentity;
use siltstone::{Answer, Filter, Metric, Record, Scope, Search, Severity, Store, WriterOptions};

/// Two collections with several segments each, deleted and replaced rows, and rows that are not sealed.
fn store(shape: Shape, metric: Metric, dims: usize, rows: usize) -> (SimDisk, Store) {
    let disk = SimDisk::new();
    let store = Store::create_in(environment(&disk), STORE).unwrap();
    let identity =
        EmbeddingIdentity { dims: dims as u32, metric, model: "hard".into(), ..EmbeddingIdentity::default() };
    let mut rng = Rng::new(dims as u64);
    for (name, share) in [("many", 3), ("few", 1)] {
        let collection = store.create_collection(name, identity.clone()).unwrap();
        let mut writer = collection.writer_with(WriterOptions::default()).unwrap();
        let rows = rows * share / 4;
        for row in 0..rows {
            let metadata = json!({"n": row % 10, "file_path": format!("page-{}", row % 97)});
            let vector = shape.vector(dims, &mut rng);
            let metadata = metadata.as_object().cloned().unwrap();
            writer.upsert(Record::new(&format!("{name}-{row:05}"), &vector).metadata(metadata)).unwrap();
            if row == rows / 2 || row == rows * 3 / 4 {
                writer.commit().unwrap();
                writer.seal().unwrap();
            }
        }
        writer.commit().unwrap();
        writer.seal().unwrap();
        for row in (0..rows).step_by(7) {
            writer.delete(&format!("{name}-{row:05}")).unwrap();
        }
        for row in (1..rows).step_by(50) {
            let vector = shape.vector(dims, &mut rng);
            writer.upsert(Record::new(&format!("{name}-{row:05}"), &vector)).unwrap();
        }
        writer.commit().unwrap();
    }
    (disk, store)
}

fn of(answer: &Answer) -> Vec<(String, u64)> {
    let hits = answer.hits.iter();
    hits.map(|hit| (format!("{}/{}", hit.collection, hit.key), hit.score.to_bits())).collect()
}

#[derive(Debug, Default)]
struct Compared {
    comparisons: u64,
    with_codes: u64,
    rows: u64,
    passed: u64,
}

fn compare(store: &Store, shape: Shape, dims: usize, queries: usize, compared: &mut Compared) {
    let view = store.view(&Scope::All, Default::default()).unwrap();
    let rows = view.len() as usize;
    let mut rng = Rng::new(5);
    for number in 0..queries {
        let vector = match number % 3 {
            0 => Shape::Uniform.vector(dims, &mut rng),
            _ => shape.vector(dims, &mut rng),
        };
        for k in [1, 2, 10, 100, rows / 9, rows / 2, rows, rows + 5] {
            let threshold = (k == 10).then(|| view.search(&vector, &Search::new(5).brute_force()).unwrap());
            let threshold = threshold.and_then(|answer| answer.hits.last().map(|hit| hit.score));
            let mut searches = vec![Search::new(k)];
            searches.push(Search::new(k).filter(Filter::lt("n", 3)));
            if k <= 10 {
                searches.push(Search::new(k).per_document("file_path"));
                searches.extend(threshold.map(|score| Search::new(k).threshold(score)));
            }
            for search in searches {
                let expected = view.search(&vector, &search.clone().brute_force()).unwrap();
                let found = view.search(&vector, &search).unwrap();
                assert_eq!(of(&found), of(&expected), "{shape:?}, {dims} dims, query {number}, {search:?}");
                compared.comparisons += 1;
                compared.with_codes += u64::from(found.work.rows_with_codes > 0);
                compared.rows += found.work.rows_with_codes;
                compared.passed += found.work.passed_heads;
            }
        }
    }
    // Without bounds a row may be missed, but no score is wrong and none is missing.
    let everything = view
        .search(&Shape::Uniform.vector(dims, &mut Rng::new(6)), &Search::new(rows).brute_force())
        .unwrap();
    let everything: std::collections::HashMap<_, _> = of(&everything).into_iter().collect();
    let vector = Shape::Uniform.vector(dims, &mut Rng::new(6));
    let approximate = of(&view.search(&vector, &Search::new(10).approximate(50)).unwrap());
    assert_eq!(approximate.len(), 10, "{shape:?}, {dims} dims, approximately");
    assert!(
        approximate.iter().all(|(key, score)| everything.get(key) == Some(score)),
        "{shape:?}, {dims} dims"
    );
    let vectors: Vec<Vec<f32>> = (0..5).map(|_| shape.vector(dims, &mut rng)).collect();
    let vectors: Vec<&[f32]> = vectors.iter().map(Vec::as_slice).collect();
    let expected = view.search_batch(&vectors, &Search::new(7).brute_force()).unwrap();
    let found = view.search_batch(&vectors, &Search::new(7)).unwrap();
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(of(found), of(expected), "{shape:?}, {dims} dims, in a batch");
        compared.comparisons += 1;
    }
}

#[test]
fn every_answer_with_codes_is_that_of_brute_force() {
    let mut compared = Compared::default();
    let mut stores = 0;
    for dims in effort(&[64usize][..], &[2, 7, 64, 100]).iter().copied() {
        for metric in Metric::ALL {
            for shape in SHAPES {
                let (_disk, store) = store(shape, metric, dims, 1300);
                let done = store.encode().unwrap();
                assert!(done.trained <= 1 && (done.trained == 0 || done.segments >= 6), "{done:?}");
                compare(&store, shape, dims, 3, &mut compared);
                stores += 1;
            }
        }
    }
    for dims in [1, 1000, 1536] {
        let (_disk, store) = store(Shape::Spectrum, Metric::Cosine, dims, 1300);
        store.encode().unwrap();
        compare(&store, Shape::Spectrum, dims, 2, &mut compared);
        stores += 1;
    }
    report(format_args!(
        "{} searches of {stores} stores compared with brute force, {} of them with codes: 0 mismatches; {} of {} rows passed level 1",
        compared.comparisons, compared.with_codes, compared.passed, compared.rows
    ));
    assert!(compared.with_codes * 3 > compared.comparisons, "{compared:?}");
}

/// A store with codes, small enough to be damaged over and over.
fn encoded() -> SimDisk {
    let (disk, store) = store(Shape::Clusters, Metric::Cosine, 24, 1200);
    let done = store.encode().unwrap();
    assert_eq!((done.trained, done.busy), (1, 0));
    disk
}

fn open(disk: &SimDisk) -> Store {
    Store::open_in(later_environment(disk), STORE).unwrap()
}

fn ask(store: &Store) -> Vec<Vec<(String, u64)>> {
    let view = store.view(&Scope::All, Default::default()).unwrap();
    let mut rng = Rng::new(8);
    let filters = ["n = 3", "n > 7 or file_path prefix 'page-4'", "not file_path exists", "n in (1, 4)"];
    let filters = filters.into_iter().map(|text| Search::new(5).filter(Filter::parse(text).unwrap()));
    let searches = std::iter::repeat_n(Search::new(5), 4).chain(filters);
    searches.map(|search| of(&view.search(&Shape::Clusters.vector(24, &mut rng), &search).unwrap())).collect()
}

fn derived(disk: &SimDisk) -> Vec<PathBuf> {
    let is_derived = |path: &PathBuf| {
        path.extension().is_some_and(|extension| {
            extension == "codes" || extension == "basis" || extension == "attributes"
        })
    };
    disk.files().into_iter().filter(is_derived).collect()
}

#[test]
fn codes_attribute_indexes_and_bases_can_be_damaged_or_deleted_at_will() {
    let disk = encoded();
    let expected = ask(&open(&disk));
    assert_eq!(verified(&disk).unwrap().findings, []);
    let (mut tried, mut rebuilt) = (0u64, 0u64);
    let mut rng = Rng::new(4);
    for path in derived(&disk) {
        let bytes = disk.read_file(&path).unwrap();
        let flips = effort(60, 4000).min(bytes.len());
        let mut versions: Vec<Option<Vec<u8>>> = (0..flips)
            .map(|_| {
                let mut damaged = bytes.clone();
                // Half of them in what every search reads.
                let within = if rng.chance(1, 2) { bytes.len().min(12_000) } else { bytes.len() };
                damaged[rng.index(within)] ^= 1 << rng.below(8);
                Some(damaged)
            })
            .collect();
        versions.extend(
            [0, 1, 100, bytes.len() / 2, bytes.len() - 1].map(|length| Some(bytes[..length].to_vec())),
        );
        versions.push(Some([bytes.as_slice(), &[0; 64]].concat()));
        versions.push(None);
        for (number, version) in versions.into_iter().enumerate() {
            let damaged = disk.clone_image();
            match version {
                Some(version) => damaged.write_file(&path, version).unwrap(),
                None => damaged.remove_file(&path).unwrap(),
            }
            let place = format!("{}, version {number}", path.display());
            assert_eq!(ask(&open(&damaged)), expected, "{place}");
            let findings = verified(&damaged).unwrap().findings;
            assert!(!findings.is_empty(), "{place}: nobody noticed");
            assert!(
                findings.iter().all(|found| found.severity == Severity::Derived),
                "{place}: {findings:?}"
            );
            tried += 1;
            if number % effort(30, 50) == 0 || number >= flips {
                open(&damaged).encode().unwrap();
                let left = verified(&damaged).unwrap().findings;
                assert_eq!(left, [], "{place}");
                assert_eq!(ask(&open(&damaged)), expected, "{place}, encoded again");
                rebuilt += 1;
            }
        }
    }
    report(format_args!(
        "{tried} damaged code files, attribute indexes and bases: same answers, always a finding; {rebuilt} made again"
    ));
}

#[test]
fn what_is_missing_is_made_without_reading_what_is_there() {
    let disk = encoded();
    let expected = ask(&open(&disk));
    assert_eq!(open(&disk).encode_missing().unwrap(), siltstone::Encoded::default());
    for path in derived(&disk) {
        let lacking = disk.clone_image();
        lacking.remove_file(&path).unwrap();
        let done = open(&lacking).encode_missing().unwrap();
        assert!(done.trained + done.segments > 0, "{}: {done:?}", path.display());
        assert_eq!(verified(&lacking).unwrap().findings, [], "{}", path.display());
        assert_eq!(ask(&open(&lacking)), expected, "{}", path.display());

        // A header is read and a block is not: that is left to searches, `encode` and health.
        for (at, makes) in [(40, true), (disk.read_file(&path).unwrap().len() - 9, false)] {
            let damaged = disk.clone_image();
            let mut bytes = damaged.read_file(&path).unwrap();
            bytes[at] ^= 1;
            damaged.write_file(&path, bytes).unwrap();
            let is_basis = path.extension().is_some_and(|extension| extension == "basis");
            let done = open(&damaged).encode_missing().unwrap();
            assert_eq!(
                done.trained + done.segments > 0,
                makes || is_basis,
                "{} at {at}: {done:?}",
                path.display()
            );
            assert_eq!(ask(&open(&damaged)), expected, "{} at {at}", path.display());
        }
    }
}

type Encode = fn(&Store) -> siltstone::Result<()>;

/// A store without codes, one whose basis and a code file are damaged, and one whose codes are doubted and removed.
fn encodings() -> [(&'static str, SimDisk, Encode); 3] {
    let (fresh, _store) = store(Shape::Clusters, Metric::Cosine, 24, 1200);
    let damaged = encoded();
    for path in derived(&damaged).iter().rev().take(2).chain(derived(&damaged).first()) {
        let mut bytes = damaged.read_file(path).unwrap();
        let at = bytes.len().saturating_sub(1).min(5000);
        bytes[at] ^= 4;
        damaged.write_file(path, bytes).unwrap();
    }
    let encode: Encode = |store| store.encode().map(drop);
    [
        ("encoding", fresh.clone_image(), encode),
        ("encoding what is damaged", damaged.clone_image(), encode),
        ("removing codes", encoded().clone_image(), |store| store.remove_codes().map(drop)),
    ]
}

#[test]
fn encoding_may_die_or_fail_at_any_call() {
    for (name, before, act) in encodings() {
        let expected = ask(&open(&before));
        let disk = before.clone_image();
        disk.keep_moments();
        act(&open(&disk)).unwrap();
        let moments = disk.take_moments();
        let step = effort(9, 1);
        let (mut cuts, mut failures) = (0u64, 0u64);
        for (number, (_, moment)) in moments.iter().enumerate().step_by(step) {
            for seed in 0..effort(2u64, 5) {
                let crashed = moment.crash(number as u64 * 31 + seed);
                assert_eq!(ask(&open(&crashed)), expected, "{name}: after a power cut at call {number}");
                let findings = verified(&crashed).unwrap().findings;
                let is_damage = |found: &siltstone::Finding| found.severity == Severity::Damage;
                assert!(!findings.iter().any(is_damage), "{name}, {number}: {findings:?}");
                open(&crashed).encode().unwrap();
                assert_eq!(ask(&open(&crashed)), expected, "{name}: encoded again after call {number}");
                let left = verified(&crashed).unwrap().findings;
                let litter = left.iter().filter(|found| found.severity == Severity::Derived).count();
                assert_eq!(litter, 0, "{name}: after call {number}: {left:?}");
                cuts += 1;
            }
        }
        let calls = moments.last().map_or(0, |(calls, _)| *calls);
        for call in (1..=calls).step_by(step) {
            let failing = before.clone_image();
            failing.arm(call, Fault::Once(Failure::Io));
            let _ = Store::open_in(later_environment(&failing), STORE).and_then(|store| act(&store));
            failing.disarm();
            let after = failing.kill();
            assert_eq!(ask(&open(&after)), expected, "{name}: after an I/O error at call {call}");
            open(&after).encode().unwrap();
            assert_eq!(ask(&open(&after)), expected, "{name}: encoded again after call {call}");
            failures += 1;
        }
        report(format_args!("{name}: {cuts} power cuts and {failures} I/O errors: same answers"));
    }
}
