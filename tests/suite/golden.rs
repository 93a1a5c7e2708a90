//! Frozen stores in `format-spec/golden/v1`: they open with the same answers for ever, on every processor, and the
//! operations that made them make the same bytes again. A changed byte here is a changed format.
//!
//! `UPDATE_GOLDEN=1` writes them anew, which is right only until the format is released; say why in the commit.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Once;

use harness::answers::to_json;
use harness::fixture::{self, STORE, later_environment};
use harness::sim_disk::SimDisk;
use serde_json::Value;
use siltstone::{Compression, Depth, Severity, Store, verify};

/// Each with the disk that its operations leave, and whether its bytes are the same on every build: those that zstd
/// compressed may change with its version.
type GoldenStore = (&'static str, fn() -> SimDisk, bool);

fn stores() -> Vec<GoldenStore> {
    vec![
        ("basic", || fixture::basic(Compression::None), true),
        ("torn-tail", fixture::torn_tail, true),
        ("compacted", fixture::compacted, true),
        ("metrics", fixture::metrics, true),
        ("restored", fixture::restored, true),
        ("zstd", fixture::zstd, false),
    ]
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../format-spec/golden/v1")
}

/// The files of a golden store, in memory: nothing that opens it can change it.
fn load(name: &str) -> SimDisk {
    static UPDATED: Once = Once::new();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        UPDATED.call_once(|| stores().into_iter().for_each(|(name, make, _)| update(name, &make())));
    }
    let disk = SimDisk::import(&golden().join(name).join("store")).unwrap();
    let store = SimDisk::new();
    for path in disk.files() {
        let to = Path::new(STORE).join(path.strip_prefix("/").unwrap());
        store.write_file(to, disk.read_file(&path).unwrap()).unwrap();
    }
    store
}

fn expected(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(golden().join(name).join("expected.json")).unwrap()).unwrap()
}

/// The files without locks, whose content is about the process that held them.
fn files(disk: &SimDisk) -> BTreeMap<PathBuf, Vec<u8>> {
    let kept = disk.files().into_iter().filter(|path| !path.ends_with("lock"));
    kept.map(|path| (path.clone(), disk.read_file(&path).unwrap())).collect()
}

fn update(name: &str, disk: &SimDisk) {
    let directory = golden().join(name);
    let _ = std::fs::remove_dir_all(&directory);
    let bare = SimDisk::new();
    for (path, bytes) in files(disk) {
        bare.write_file(path, bytes).unwrap();
    }
    bare.export(&directory).unwrap();
    let answers = to_json(&open(&bare)).unwrap();
    let text = serde_json::to_string_pretty(&answers).unwrap();
    std::fs::write(directory.join("expected.json"), text + "\n").unwrap();
}

fn open(disk: &SimDisk) -> Store {
    Store::open_in(later_environment(disk), STORE).unwrap()
}

#[test]
fn golden_stores_open_with_the_same_answers_for_ever() {
    for (name, _, _) in stores() {
        let disk = load(name);
        assert_eq!(to_json(&open(&disk)).unwrap(), expected(name), "{name}");
    }
}

#[test]
fn golden_stores_verify_without_damage() {
    for (name, _, _) in stores() {
        let disk = load(name);
        let report = verify(&later_environment(&disk), Path::new(STORE), Depth::Deep, None).unwrap();
        let found: Vec<_> = report.findings.iter().map(|found| (found.severity, found.flaw.field)).collect();
        let torn = [(Severity::Note, "tail")];
        assert_eq!(found, if name == "torn-tail" { &torn[..] } else { &[] }, "{name}");
    }
}

#[test]
fn the_same_operations_make_the_same_bytes() {
    for (name, make, _) in stores().into_iter().filter(|(_, _, reproducible)| *reproducible) {
        let (made, kept) = (files(&make()), files(&load(name)));
        assert_eq!(made.keys().collect::<Vec<_>>(), kept.keys().collect::<Vec<_>>(), "{name}");
        for (path, bytes) in &made {
            let first = bytes.iter().zip(&kept[path]).position(|(made, kept)| made != kept);
            assert!(bytes == &kept[path], "{name}: {} differs from byte {first:?} on", path.display());
        }
    }
}

#[test]
fn opening_for_writing_changes_nothing_that_counts() {
    for (name, _, _) in stores() {
        let disk = load(name);
        for collection in open(&disk).all_names().unwrap() {
            open(&disk).collection(&collection).unwrap().writer().unwrap();
        }
        assert_eq!(to_json(&open(&disk)).unwrap(), expected(name), "{name}");
    }
}

#[test]
fn golden_stores_stay_small() {
    for (name, _, _) in stores() {
        let bytes: usize = files(&load(name)).values().map(Vec::len).sum();
        assert!(bytes < 200_000, "{name} has {bytes} bytes");
    }
}

#[test]
fn a_changed_byte_would_be_noticed() {
    let disk = load("basic");
    let path = fixture::open_segment(&disk);
    let mut bytes = disk.read_file(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    disk.write_file(&path, bytes).unwrap();
    assert!(files(&disk) != files(&load("basic")));
    assert!(Store::open_in(later_environment(&disk), STORE).and_then(|store| to_json(&store)).is_err());
}
