//! Any bytes at all are printed without a panic, and what is wrong with them is said.

use std::io::Cursor;
use std::path::Path;

use serde_json::json;
use siltstone::{EmbeddingIdentity, Record, Store, WriterOptions};

use super::document::Document;
use super::part::Part;
use super::place::Place;
use super::source::Source;
use super::{attributes, codes, document, key_index, segment, witness};

const DIMS: u32 = 7;

/// A collection with a sealed segment, an open one, a deletion, a replacement and a snapshot.
fn collection(store: &Path) -> std::path::PathBuf {
    let store = Store::create(store).unwrap();
    let identity = EmbeddingIdentity { dims: DIMS, ..EmbeddingIdentity::default() };
    let collection = store.create_collection("pages", identity).unwrap();
    let options = WriterOptions { seal_bytes: 4 << 10, frame_bytes: 2 << 10, ..WriterOptions::default() };
    let mut writer = collection.writer_with(options).unwrap();
    for commit in 0..6u32 {
        for row in 0..20u32 {
            let key = format!("k{}", (commit * 13 + row) % 50);
            let mut vector = [row as f32; DIMS as usize];
            vector[0] = 1.0 + commit as f32;
            let metadata = json!({ "file_path": key, "n": row }).as_object().unwrap().clone();
            writer.upsert(Record::new(&key, &vector).metadata(metadata).text(&"words ".repeat(30))).unwrap();
        }
        writer.delete("k3").unwrap();
        writer.commit().unwrap();
    }
    writer.create_snapshot("kept").unwrap();
    collection.directory().to_owned()
}

fn place(directory: &Path, file: &Path) -> Option<Place> {
    super::place::from_path(&directory.join(file.file_name().unwrap()))
}

/// What is printed of `bytes`, taken as what the file's name says.
fn parts(path: &Path, bytes: &[u8], place: Option<Place>) -> Vec<Part> {
    let mut source = Source::new(Cursor::new(bytes.to_vec()), bytes.len() as u64);
    let mut parts = Vec::new();
    let name = path.file_name().unwrap().to_str().unwrap();
    let mut emit = |part: Part| {
        parts.push(part);
        Ok(())
    };
    match name.split(['-', '.']).next().unwrap() {
        _ if name.ends_with(".basis") => codes::basis(&mut source, name, &mut emit).unwrap(),
        "segment" if name.ends_with(".codes") => codes::parts(&mut source, &mut emit).unwrap(),
        "segment" if name.ends_with(".attributes") => {
            attributes::parts(&mut source, true, &mut emit).unwrap();
        }
        "segment" if name.ends_with(".keys") => key_index::parts(&mut source, true, &mut emit).unwrap(),
        "segment" => segment::walk(&mut source, place, true, &mut emit).unwrap(),
        "manifest" => parts = document::parts(&mut source, Document::Manifest),
        "snapshot" => parts = document::parts(&mut source, Document::Snapshot),
        "catalogue" => parts = document::parts(&mut source, Document::Catalogue),
        "witness" => parts = witness::parts(&mut source, super::place::collection_of(path)),
        other => panic!("{other}"),
    }
    parts
}

fn files(scratch: &Path) -> (std::path::PathBuf, Vec<std::path::PathBuf>) {
    let directory = collection(&scratch.join("store"));
    let mut files: Vec<_> = std::fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file() && !path.ends_with("lock"))
        .collect();
    files.push(scratch.join("store/catalogue.json"));
    files.sort();
    (directory, files)
}

/// The files that searches are made fast with, of a store with enough rows for them.
fn derived_files(scratch: &Path) -> Vec<std::path::PathBuf> {
    let store = Store::create(scratch.join("store")).unwrap();
    let identity = EmbeddingIdentity { dims: DIMS, ..EmbeddingIdentity::default() };
    let collection = store.create_collection("pages", identity).unwrap();
    let mut writer = collection.writer().unwrap();
    for row in 0..1100u32 {
        let vector: Vec<f32> = (0..DIMS).map(|at| ((row * 31 + at * 17) % 97) as f32 - 40.0).collect();
        let metadata = json!({ "file_path": format!("{}.md", row / 3), "n": row % 7 });
        let key = row.to_string();
        let record = Record::new(&key, &vector).metadata(metadata.as_object().unwrap().clone());
        writer.upsert(record).unwrap();
    }
    writer.commit().unwrap();
    drop(writer);
    store.encode().unwrap();
    let entries = |directory: &Path| -> Vec<std::path::PathBuf> {
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    let mut files = entries(&scratch.join("store/bases"));
    files.extend(
        entries(collection.directory()).into_iter().filter(|path| {
            path.extension().is_some_and(|ending| ending == "codes" || ending == "attributes")
        }),
    );
    assert_eq!(files.len(), 3, "{files:?}");
    files
}

fn flaws(parts: &[Part]) -> usize {
    parts.iter().map(|part| part.flaws.len()).sum()
}

#[test]
fn whole_files_have_no_flaws_and_all_keys() {
    let scratch = tempfile::tempdir().unwrap();
    let (directory, files) = files(scratch.path());
    let mut lines = 0;
    for path in &files {
        let parts = parts(path, &std::fs::read(path).unwrap(), place(&directory, path));
        assert_eq!(flaws(&parts), 0, "{}: {parts:?}", path.display());
        let frames = parts.iter().filter(|part| part.what == "frame");
        lines += frames.flat_map(|part| &part.lines).filter(|line| line.starts_with("row ")).count();
    }
    assert_eq!(lines, 120);
    let kinds: Vec<_> = files.iter().map(|path| path.extension()).collect();
    assert!(kinds.contains(&Some("keys".as_ref())), "{files:?}");
}

#[test]
fn every_flipped_bit_of_a_truth_file_shows_as_a_flaw() {
    let scratch = tempfile::tempdir().unwrap();
    let (directory, files) = files(scratch.path());
    for path in files.iter().filter(|path| path.extension().is_none_or(|ending| ending != "keys")) {
        let good = std::fs::read(path).unwrap();
        // Every byte of short files, a byte in each 37 of long ones: flips of one bit each.
        let step = if good.len() > 8192 { 37 } else { 1 };
        for at in (0..good.len()).step_by(step) {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            let parts = parts(path, &bad, place(&directory, path));
            // The blank slot of a witness, once it is not blank, is a flaw too.
            assert!(flaws(&parts) > 0, "{} byte {at}", path.display());
        }
    }
}

#[test]
fn derived_files_are_printed_and_damage_to_them_shows() {
    let scratch = tempfile::tempdir().unwrap();
    for path in derived_files(scratch.path()) {
        let good = std::fs::read(&path).unwrap();
        let whole = parts(&path, &good, None);
        assert_eq!(flaws(&whole), 0, "{}: {whole:?}", path.display());
        let facts = |what: &str| {
            let found = whole.iter().filter(|part| part.what == what);
            found
                .flat_map(|part| &part.facts)
                .map(|(name, value)| format!("{name}={value}"))
                .collect::<Vec<_>>()
        };
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("codes") => assert!(facts("head blocks").contains(&"blocks=35".to_owned()), "{whole:?}"),
            Some("basis") => assert!(facts("basis header").contains(&"rows=1100".to_owned()), "{whole:?}"),
            _ => assert!(facts("attribute field").contains(&"values=367".to_owned()), "{whole:?}"),
        }
        for at in (0..good.len()).step_by(if good.len() > 8192 { 53 } else { 1 }) {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            assert!(flaws(&parts(&path, &bad, None)) > 0, "{} byte {at}", path.display());
        }
        for length in (0..good.len()).step_by(97) {
            assert!(flaws(&parts(&path, &good[..length], None)) > 0, "{} cut to {length}", path.display());
        }
    }
}

#[test]
fn random_damage_never_panics_and_frames_after_it_are_found() {
    let scratch = tempfile::tempdir().unwrap();
    let (directory, files) = files(scratch.path());
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below.max(1) as u64) as usize
    };
    for round in 0..600 {
        let path = &files[round % files.len()];
        let mut bytes = std::fs::read(path).unwrap();
        for _ in 0..=random(6) {
            let (from, to) = (random(bytes.len()), random(bytes.len()));
            match random(6) {
                0 => bytes[from] = random(256) as u8,
                1 => bytes.truncate(from.max(1)),
                2 => bytes[from.min(to)..from.max(to)].fill(random(256) as u8),
                3 => {
                    let piece = bytes[from..(from + 600).min(bytes.len())].to_vec();
                    bytes.splice(to..to, piece);
                }
                4 => drop(bytes.drain(from.min(to)..from.max(to))),
                _ => {
                    for _ in 0..8 {
                        let at = from + random(64);
                        if let Some(byte) = bytes.get_mut(at) {
                            *byte = 255;
                        }
                    }
                }
            }
            if bytes.is_empty() {
                bytes.push(0);
            }
        }
        parts(path, &bytes, place(&directory, path));
        parts(path, &bytes, None);
    }
}

#[test]
fn after_damage_the_next_good_frame_is_found_and_a_lost_header_page_hides_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let (directory, files) = files(scratch.path());
    let path = files.iter().rfind(|path| path.extension().is_some_and(|ending| ending == "seg")).unwrap();
    let good = std::fs::read(path).unwrap();
    let frames =
        |bytes: &[u8], place| parts(path, bytes, place).iter().filter(|part| part.what == "frame").count();
    let all = frames(&good, None);
    assert!(all > 1, "{all}");
    let mut bad = good.clone();
    bad[..4096].fill(0xee);
    assert_eq!(frames(&bad, place(&directory, path)), all);
    assert_eq!(frames(&bad, None), 0);
    let mut bad = good.clone();
    bad[4096..4096 + 100].fill(0);
    assert_eq!(frames(&bad, None), all - 1);
}
