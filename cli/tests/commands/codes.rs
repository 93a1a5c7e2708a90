//! Search codes and attribute indexes under the eyes of `health`: whatever happens to one of them or to a basis is seen, changes no answer while the
//! checksums say so, and is put right by `--fix`; and when a file lies with good checksums, the deep scan is not deceived.

use std::path::{Path, PathBuf};

use serde_json::Value;
use siltstone::{Collection, Record, Search, Store};
use siltstone_format::Seed;
use siltstone_format::codes::{Geometry, decode_header, finish_block};
use siltstone_format::layout::CodeHeader;

use crate::harness::{DIMS, Work, builtin, flip, metadata};
use crate::health::{codes, part, report};

const HIDDEN: &str = ".paid_Alpha";

/// A unit vector with most of its length in a few directions, other for every number.
fn vector(number: u32) -> Vec<f32> {
    let mut state = u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1;
    let mut vector: Vec<f32> = (0..DIMS)
        .map(|at| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let random = (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5;
            random / (1 + at) as f32
        })
        .collect();
    let length = vector.iter().map(|element| element * element).sum::<f32>().sqrt();
    vector.iter_mut().for_each(|element| *element /= length);
    vector
}

/// Rows of documents of five passages each, in sealed segments of at most 400 rows.
fn fill(collection: &Collection, first: u32, rows: u32) {
    let mut writer = collection.writer().unwrap();
    for row in 0..rows {
        let (file, chunk) = (format!("guide/page{}.md", row / 5), row % 5);
        let metadata = metadata("Alpha", &file, chunk);
        let vector = vector(first + row);
        let text = format!("Passage {row} of {first}.");
        writer
            .upsert(Record::new(&format!("{file}#{chunk}"), &vector).metadata(metadata).text(&text))
            .unwrap();
        if row % 400 == 399 || row + 1 == rows {
            writer.commit().unwrap();
            writer.seal().unwrap();
        }
    }
}

/// Two collections with codes, and a hidden one.
fn coded() -> Work {
    let work = Work::empty();
    let store = Store::create(work.store()).unwrap();
    for (name, first, rows) in [("docs_Alpha", 0, 1_000), ("docs_Beta", 10_000, 400)] {
        fill(&store.create_collection(name, builtin()).unwrap(), first, rows);
    }
    assert_eq!(store.encode().unwrap().trained, 1);
    fill(&store.create_collection(HIDDEN, builtin()).unwrap(), 20_000, 100);
    assert_eq!(files(&work, "codes").len(), 5);
    assert_eq!(files(&work, "basis").len(), 1);
    work
}

/// The files of the store with this ending.
fn files(work: &Work, ending: &str) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![work.store()]);
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()) {
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|found| found == ending) => found.push(path),
                false => {}
            }
        }
    }
    found.sort();
    found
}

fn codes_of(work: &Work, collection: &str, segment: u64) -> PathBuf {
    work.collection(collection).directory().join(format!("segment-{segment:08}.codes"))
}

fn attributes_of(work: &Work, segment: u64) -> PathBuf {
    codes_of(work, "docs_Alpha", segment).with_extension("attributes")
}

/// Keys and score bits of some searches, and how many rows were compared by their codes.
fn answers(work: &Work) -> (Vec<(String, u64)>, u64) {
    let (mut all, mut with_codes) = (Vec::new(), 0);
    for name in ["docs_Alpha", "docs_Beta"] {
        let view = work.collection(name).view().unwrap();
        for query in (0..40).map(|number| vector(30_000 + number)) {
            let answer = view.search(&query, &Search::new(5)).unwrap();
            all.extend(answer.hits.iter().map(|hit| (hit.key.clone(), hit.score.to_bits())));
            with_codes += answer.work.rows_with_codes;
        }
    }
    (all, with_codes)
}

fn derived(work: &Work, flags: &[&str]) -> u64 {
    let integrity = part(&report(work, flags, 0), "integrity");
    codes(&integrity).iter().find(|(code, _)| code == "derived").map_or(0, |(_, count)| *count)
}

fn stale(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    // The header says itself whose it is.
    let collection = bytes[8..24].try_into().unwrap();
    let segment = u64::from_le_bytes(bytes[24..32].try_into().unwrap());
    let seed = Seed::new(&collection, segment);
    let header = CodeHeader::decode(&bytes, &seed, 0).unwrap();
    let header = CodeHeader { segment_digest: [7; 32], ..header };
    let encoded = header.encode(&seed, 0);
    bytes[..encoded.len()].copy_from_slice(&encoded);
    std::fs::write(path, bytes).unwrap();
}

type Damage = fn(&Work);

#[test]
fn whatever_happens_to_codes_or_bases_is_seen_and_put_right() {
    let cases: [(&str, bool, Damage); 11] = [
        ("code file deleted", false, |work| std::fs::remove_file(codes_of(work, "docs_Alpha", 1)).unwrap()),
        ("code header damaged", false, |work| flip(&codes_of(work, "docs_Alpha", 2), 60)),
        ("head block damaged", true, |work| flip(&codes_of(work, "docs_Alpha", 1), 4096 + 33)),
        ("tail block damaged", true, |work| {
            let path = codes_of(work, "docs_Beta", 1);
            let length = std::fs::metadata(&path).unwrap().len() as usize;
            flip(&path, length - 100);
        }),
        ("code file stale", false, |work| stale(&codes_of(work, "docs_Alpha", 3))),
        ("code file cut short", false, |work| {
            let path = codes_of(work, "docs_Beta", 1);
            let bytes = std::fs::read(&path).unwrap();
            std::fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("codes of a hidden collection damaged", true, |work| flip(&codes_of(work, HIDDEN, 1), 4096 + 33)),
        ("attribute index deleted", false, |work| std::fs::remove_file(attributes_of(work, 1)).unwrap()),
        ("attribute block damaged", true, |work| flip(&attributes_of(work, 2), 4096 + 33)),
        ("basis damaged", false, |work| flip(&files(work, "basis")[0], 300)),
        ("bases deleted", false, |work| std::fs::remove_dir_all(work.store().join("bases")).unwrap()),
    ];
    let work = coded();
    let (pristine, with_codes) = answers(&work);
    assert!(with_codes > 0 && derived(&work, &["--deep-scan"]) == 0);
    for (name, needs_deep, damage) in cases {
        damage(&work);
        assert_eq!(answers(&work).0, pristine, "{name}");
        assert_eq!(derived(&work, &[]) == 0, needs_deep, "{name}");
        let found = report(&work, &["--deep-scan"], 0);
        let integrity = part(&found, "integrity");
        let line =
            integrity["findings"].as_array().unwrap().iter().find(|one| one["code"] == "derived").unwrap();
        assert_eq!(line["fix"], "siltstone health --deep-scan --fix", "{name}: {found}");

        let before: Vec<_> = files(&work, "codes").iter().map(|path| std::fs::read(path).unwrap()).collect();
        let planned = report(&work, &["--deep-scan", "--fix", "--dry-run"], 0);
        assert!(!planned["fix"]["repair"]["mended"].as_array().unwrap().is_empty(), "{name}: {planned}");
        let after: Vec<_> = files(&work, "codes").iter().map(|path| std::fs::read(path).unwrap()).collect();
        assert!(before == after, "{name}");

        let fixed = report(&work, &["--deep-scan", "--fix"], 0);
        let mended = fixed["fix"]["repair"]["mended"].as_array().unwrap().clone();
        assert!(!mended.is_empty() && mended.iter().all(|one| one["remedy"] == "derive"), "{name}: {fixed}");
        assert_eq!(derived(&work, &["--deep-scan"]), 0, "{name}");
        assert_eq!(files(&work, "codes").len(), 5, "{name}");
        assert_eq!(answers(&work), (pristine.clone(), with_codes), "{name}");
    }
    println!("search codes: {} kinds of damage seen and put right, no answer changed", cases.len());
}

#[test]
fn codes_that_no_basis_can_come_for_any_more_are_removed() {
    let work = coded();
    for (name, rows) in [("docs_Alpha", 900u32), ("docs_Beta", 100)] {
        let mut writer = work.collection(name).writer().unwrap();
        for row in 0..rows {
            writer.delete(&format!("guide/page{}.md#{}", row / 5, row % 5)).unwrap();
        }
        writer.commit().unwrap();
    }
    flip(&files(&work, "basis")[0], 300);
    let (pristine, _) = answers(&work);
    assert!(derived(&work, &["--deep-scan"]) > 0);
    report(&work, &["--deep-scan", "--fix"], 0);
    assert_eq!(derived(&work, &["--deep-scan"]), 0);
    assert!(files(&work, "codes").is_empty() && files(&work, "basis").is_empty());
    assert_eq!(answers(&work), (pristine, 0));
}

/// Rewrites the blocks of a code file, each with a checksum that is right.
fn forge(path: &Path, change: impl Fn(&Geometry, usize, &mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    let collection = bytes[8..24].try_into().unwrap();
    let segment = u64::from_le_bytes(bytes[24..32].try_into().unwrap());
    let seed = Seed::new(&collection, segment);
    let (_, geometry) = decode_header(&bytes, bytes.len() as u64, &seed).unwrap();
    for number in 0..geometry.blocks {
        let (offset, length) = (geometry.head_offset(number), geometry.head_block);
        let place = offset as usize..offset as usize + length;
        let mut block = bytes[place.clone()][..length - 4].to_vec();
        change(&geometry, number, &mut block);
        finish_block(&mut block, length, &seed, offset);
        bytes[place].copy_from_slice(&block);
    }
    std::fs::write(path, bytes).unwrap();
}

fn failures(found: &Value) -> Vec<(String, u64)> {
    let integrity = part(found, "integrity");
    let lines = integrity["findings"].as_array().unwrap().iter().filter(|one| one["status"] == "fail");
    lines.map(|one| (one["code"].as_str().unwrap().to_owned(), one["count"].as_u64().unwrap())).collect()
}

#[test]
fn codes_that_lie_with_good_checksums_do_not_deceive_the_deep_scan() {
    let work = coded();
    let (pristine, _) = answers(&work);
    // Every row seems to lie at the centre, with certainty.
    for path in files(&work, "codes") {
        forge(&path, |_, _, block| block.fill(0));
    }
    assert_ne!(answers(&work).0, pristine);
    // A quick look cannot see it, and no checksum can.
    report(&work, &[], 0);
    let report_of_bytes =
        siltstone::verify(&siltstone::Environment::default(), &work.store(), siltstone::Depth::Deep, None);
    assert!(report_of_bytes.unwrap().findings.iter().all(|one| one.severity == siltstone::Severity::Note));

    let found = failures(&report(&work, &["--deep-scan"], 3));
    let count = |code: &str| found.iter().find(|(known, _)| known == code).map_or(0, |(_, count)| *count);
    assert!(count("search-differs") > 0 && count("vector-lost") > 100, "{found:?}");
    println!(
        "forged codes: {} of 16 sampled searches differ, {} of 1400 embeddings do not find themselves",
        count("search-differs"),
        count("vector-lost")
    );
    let fixed = report(&work, &["--deep-scan", "--fix"], 0);
    let mended = fixed["fix"]["repair"]["mended"].to_string();
    assert!(mended.contains("search codes"), "{fixed}");
    assert_eq!(failures(&fixed), []);
    assert_eq!(answers(&work).0, pristine);
    assert_eq!(files(&work, "codes").len(), 5);
}

#[test]
fn one_row_that_its_code_rules_out_is_named() {
    let work = coded();
    // The first row of the first segment: nothing in its head, no error, and less than nothing beside it.
    forge(&codes_of(&work, "docs_Alpha", 1), |geometry, number, block| {
        if number > 0 {
            return;
        }
        for group in (0..geometry.head_bytes).step_by(4) {
            block[group * 32..group * 32 + 4].fill(0x80);
        }
        let values = geometry.head_bytes * 32;
        for (value, number) in [(0, 0.0f32), (1, 0.0), (2, -1e6), (3, 0.0)] {
            let at = values + value * 32 * 4;
            block[at..at + 4].copy_from_slice(&number.to_le_bytes());
        }
    });
    let found = report(&work, &["--deep-scan", "--collection", "docs_Alpha"], 3);
    assert_eq!(failures(&found).last().unwrap(), &("vector-lost".to_owned(), 1), "{found}");
    assert!(found.to_string().contains("docs_Alpha: guide/page0.md#0"), "{found}");
    report(&work, &["--deep-scan", "--fix", "--collection", "docs_Alpha"], 0);
    assert_eq!(failures(&report(&work, &["--deep-scan"], 0)), []);
}
