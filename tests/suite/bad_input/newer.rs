//! Files of a later version: not damaged, and refused by name; features that only writers must know keep only writers
//! out. Every checksum of these files is right.

use std::path::{Path, PathBuf};

use harness::anatomy::segment_of;
use harness::fixture::{self, STORE, later_environment};
use siltstone::{Depth, Error, Record, recover, verify};
use siltstone_format::catalogue::Catalogue;
use siltstone_format::header;
use siltstone_format::layout::SegmentHeader;
use siltstone_format::manifest::Manifest;
use siltstone_format::snapshot::Snapshot;

use super::{Given, given, refused};

impl Given {
    /// A file of `guide` whose name has this in it.
    fn file(&self, name: &str) -> PathBuf {
        let directory = self.store.collection("guide").unwrap().directory().to_owned();
        let mut files = self.disk.files().into_iter();
        files.find(|path| path.starts_with(&directory) && path.to_string_lossy().contains(name)).unwrap()
    }

    fn change(&self, path: &Path, change: impl FnOnce(Vec<u8>) -> Vec<u8>) {
        self.disk.write_file(path, change(self.disk.read_file(path).unwrap())).unwrap();
    }

    fn change_header(&self, path: &Path, change: impl FnOnce(&mut SegmentHeader)) {
        self.change(path, |mut bytes| {
            let mut page = header::decode(&bytes).unwrap();
            change(&mut page.header);
            let encoded = header::encode(page.header, &page.identity).unwrap();
            bytes[..4096].copy_from_slice(&encoded);
            bytes
        });
    }

    fn change_manifest(&self, change: impl FnOnce(&mut Manifest)) -> PathBuf {
        let path = self.file("manifest");
        self.change(&path, |bytes| {
            let (mut manifest, _) = Manifest::decode(&bytes).unwrap();
            change(&mut manifest);
            manifest.encode().unwrap()
        });
        path
    }

    /// Readers, writers and the verification refuse `guide` as newer, by the name of the file and by what is new in it.
    fn is_newer(&self, path: &Path, word: &str) {
        let before: Vec<_> = self.disk.files();
        let opened = || fixture::open(&self.disk)?.collection("guide");
        let is_newer = |result: siltstone::Result<()>| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let error =
                refused(result, &[&name, "newer version", word], "the version of siltstone that wrote it");
            assert!(matches!(error, Error::NewerFormat { .. }) && !error.is_damage());
        };
        is_newer(opened().and_then(|guide| guide.view().map(drop)));
        is_newer(opened().and_then(|guide| guide.view_with(siltstone::OnDamage::Skip).map(drop)));
        is_newer(opened().and_then(|guide| guide.writer().map(drop)));
        for depth in [Depth::Quick, Depth::Deep] {
            is_newer(verify(&later_environment(&self.disk), Path::new(STORE), depth, None).map(drop));
        }
        is_newer(recover(&later_environment(&self.disk), Path::new(STORE), Path::new("/new")).map(drop));
        let left = self.disk.files().into_iter().filter(|file| file.starts_with(STORE));
        assert!(before.iter().all(|file| left.clone().any(|left| left == *file)), "nothing is removed");
    }
}

#[test]
fn a_newer_catalogue() {
    let given = given();
    let path = Path::new(STORE).join("catalogue.json");
    given.change(&path, |bytes| {
        let (mut catalogue, _) = Catalogue::decode(&bytes).unwrap();
        catalogue.version = 2;
        catalogue.encode().unwrap()
    });
    given.is_newer(&path, "version should be 1 to 1, is 2");
}

#[test]
fn a_newer_manifest() {
    let given = given();
    let path = given.change_manifest(|manifest| manifest.version = 2);
    given.is_newer(&path, "version should be 1 to 1, is 2");
}

#[test]
fn a_manifest_with_features_that_every_reader_must_know() {
    let given = given();
    let path = given.change_manifest(|manifest| manifest.features.incompatible = 0x10);
    given.is_newer(&path, "0x10");
}

#[test]
fn a_newer_segment() {
    for segment in ["segment-00000001.seg", "segment-00000002.seg"] {
        for (version, bits, word) in [(2, 0, "version should be 1 to 1, is 2"), (1, 4, "0x4")] {
            let given = given();
            let path = given.file(segment);
            given.change_header(&path, |header| {
                (header.version, header.features_incompatible) = (version, bits);
            });
            given.is_newer(&path, word);
        }
    }
}

#[test]
fn a_newer_snapshot_keeps_only_its_own_readers_out() {
    let given = given();
    let path = given.file("snapshot-00000003");
    let mut digest = [0; 32];
    given.change(&path, |bytes| {
        let (mut snapshot, _) = Snapshot::decode(&bytes).unwrap();
        snapshot.version = 2;
        let bytes = snapshot.encode().unwrap();
        let stored = std::str::from_utf8(&bytes[bytes.len() - 68..bytes.len() - 4]).unwrap();
        digest = siltstone_format::checksum::from_hex(stored).unwrap();
        bytes
    });
    given.change_manifest(|manifest| manifest.snapshots[0].digest = digest);
    let guide = fixture::open(&given.disk).unwrap().collection("guide").unwrap();
    refused(guide.snapshot("first"), &["snapshot-00000003.json", "newer version", "is 2"], "newer one");
    guide.snapshot("second").unwrap();
    guide.view().unwrap();
    guide.writer().unwrap();
}

#[test]
fn features_that_only_writers_must_know() {
    let given = given();
    let path = given.change_manifest(|manifest| {
        manifest.features.read_only = 0x20;
        manifest.features.compatible = 0x3;
    });
    reads_but_does_not_write(&given, &path);
}

/// The header page of a segment that has frames cannot be changed without breaking their chain, so this one has none.
#[test]
fn a_segment_with_features_that_only_writers_must_know() {
    let given = given();
    let guide = given.store.collection("guide").unwrap();
    let mut writer = guide.writer().unwrap();
    writer.seal().unwrap();
    writer.upsert(Record::new("not committed", &[1.0; 4])).unwrap();
    drop(writer);
    let path = given.file("segment-00000003.seg");
    assert_eq!(segment_of(&path).unwrap().1, 3);
    given.change_header(&path, |header| header.features_read_only = 0x20);
    reads_but_does_not_write(&given, &path);
}

fn reads_but_does_not_write(given: &Given, path: &Path) {
    let before = given.disk.read_file(path).unwrap();
    let guide = fixture::open(&given.disk).unwrap().collection("guide").unwrap();
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let words = [&*name, "newer version", "features_read_only", "0x20", "can be read but not written"];
    refused(guide.writer(), &words, "the version of siltstone that wrote it");
    refused(guide.create_snapshot("third"), &words, "newer one");
    assert_eq!(given.disk.read_file(path).unwrap(), before);
    given.is_unchanged();
}

/// A writer keeps compatible features that it does not know.
#[test]
fn features_that_nobody_must_know_are_kept() {
    let given = given();
    given.change_manifest(|manifest| manifest.features.compatible = 0x3);
    let guide = fixture::open(&given.disk).unwrap().collection("guide").unwrap();
    guide.create_snapshot("third").unwrap();
    let (manifest, _) = Manifest::decode(&given.disk.read_file(given.file("manifest")).unwrap()).unwrap();
    assert_eq!(manifest.features.compatible, 0x3);
}
