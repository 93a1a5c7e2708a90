//! Names: each is durable by a sync of its directory and nothing else.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use harness::sim_disk::{SimDisk, Survivors};
use siltstone::disk::{Disk, Mode};

use super::{IMAGES, create, disk_with, may_become};

fn files_after_crashes(disk: &SimDisk) -> BTreeSet<Vec<PathBuf>> {
    (0..IMAGES).map(|seed| disk.crash(seed).files()).collect()
}

fn paths(names: &[&str]) -> Vec<PathBuf> {
    names.iter().map(PathBuf::from).collect()
}

#[test]
fn a_synced_file_may_vanish_with_its_name() {
    let disk = SimDisk::new();
    let file = create(&disk, "/new");
    file.write_at(b"bytes", 0).unwrap();
    file.sync().unwrap();
    assert!(may_become(&disk, "/new", |bytes| bytes.is_none()));
    assert!(may_become(&disk, "/new", |bytes| bytes == Some(b"bytes")));
    disk.sync_dir(Path::new("/")).unwrap();
    assert!(!may_become(&disk, "/new", |bytes| bytes != Some(b"bytes")));
}

#[test]
fn a_name_may_survive_without_the_bytes() {
    let disk = SimDisk::new();
    create(&disk, "/new").write_at(b"bytes", 0).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    assert!(may_become(&disk, "/new", |bytes| bytes == Some(b"")));
    assert!(!may_become(&disk, "/new", |bytes| bytes.is_none()));
}

#[test]
fn a_rename_may_be_undone_and_is_never_half_done() {
    let (disk, _) = disk_with("/target", b"old");
    disk.write_file("/temporary", b"new").unwrap();
    disk.rename(Path::new("/temporary"), Path::new("/target")).unwrap();
    let mut seen = BTreeSet::new();
    for seed in 0..IMAGES {
        let image = disk.crash(seed);
        let target = image.read_file("/target").unwrap();
        assert_eq!(target == b"old", image.read_file("/temporary").is_ok());
        seen.insert(target);
    }
    assert_eq!(seen, [b"old".to_vec(), b"new".to_vec()].into());
    disk.sync_dir(Path::new("/")).unwrap();
    assert!(!may_become(&disk, "/target", |bytes| bytes != Some(b"new")));
}

#[test]
fn a_renamed_file_that_was_not_synced_may_be_empty() {
    let (disk, _) = disk_with("/target", b"old");
    create(&disk, "/temporary").write_at(b"new", 0).unwrap();
    disk.rename(Path::new("/temporary"), Path::new("/target")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    assert!(may_become(&disk, "/target", |bytes| bytes == Some(b"")));
    assert!(!may_become(&disk, "/target", |bytes| bytes == Some(b"old")));
}

#[test]
fn a_removed_file_may_come_back() {
    let (disk, file) = disk_with("/f", b"here");
    disk.remove(Path::new("/f")).unwrap();
    assert!(may_become(&disk, "/f", |bytes| bytes == Some(b"here")));
    disk.sync_dir(Path::new("/")).unwrap();
    assert!(!may_become(&disk, "/f", |bytes| bytes.is_some()));
    assert_eq!(&*file.map(4).unwrap(), b"here", "an open file outlives its name");
}

#[test]
fn changes_of_different_names_survive_independently() {
    let disk = SimDisk::new();
    create(&disk, "/a");
    create(&disk, "/b");
    let all = [paths(&[]), paths(&["/a"]), paths(&["/b"]), paths(&["/a", "/b"])];
    assert_eq!(files_after_crashes(&disk), all.into());
}

#[test]
fn changes_of_one_name_survive_in_their_order() {
    let (disk, _) = disk_with("/f", b"first");
    disk.remove(Path::new("/f")).unwrap();
    let second = create(&disk, "/f");
    second.write_at(b"second", 0).unwrap();
    second.sync().unwrap();
    disk.rename(Path::new("/f"), Path::new("/g")).unwrap();
    for seed in 0..IMAGES {
        let image = disk.crash(seed);
        let (f, g) = (image.read_file("/f").ok(), image.read_file("/g").ok());
        let contents = (f.as_deref(), g.as_deref());
        let is_renamed = contents == (None, Some(b"second"));
        let is_before = matches!(contents, (None | Some(b"first" | b"second"), None));
        assert!(is_renamed || is_before, "{f:?} {g:?}");
    }
}

#[test]
fn a_file_renamed_twice_has_one_name() {
    let (disk, _) = disk_with("/a", b"");
    disk.rename(Path::new("/a"), Path::new("/b")).unwrap();
    disk.rename(Path::new("/b"), Path::new("/c")).unwrap();
    let each = [paths(&["/a"]), paths(&["/b"]), paths(&["/c"])];
    assert_eq!(files_after_crashes(&disk), each.into());
}

#[test]
fn a_prefix_of_the_names_is_exactly_that() {
    let disk = SimDisk::new();
    ["/a", "/b", "/c"].into_iter().for_each(|path| drop(create(&disk, path)));
    for count in 0..=3 {
        let image = disk.crash_as(Survivors::Prefix(count));
        assert_eq!(image.files(), paths(&["/a", "/b", "/c"][..count]));
    }
}

#[test]
fn a_sync_settles_where_a_file_came_from() {
    let disk = SimDisk::new();
    disk.write_file("/a/keep", b"").unwrap();
    disk.write_file("/b/keep", b"").unwrap();
    create(&disk, "/a/f");
    disk.rename(Path::new("/a/f"), Path::new("/b/f")).unwrap();
    disk.sync_dir(Path::new("/b")).unwrap();
    assert_eq!(files_after_crashes(&disk), [paths(&["/a/keep", "/b/f", "/b/keep"])].into());
}

#[test]
fn a_directory_needs_a_sync_of_its_parent() {
    let disk = SimDisk::new();
    disk.create_dir(Path::new("/d")).unwrap();
    create(&disk, "/d/f").sync().unwrap();
    disk.sync_dir(Path::new("/d")).unwrap();
    assert_eq!(files_after_crashes(&disk), [paths(&[]), paths(&["/d/f"])].into());
    disk.sync_dir(Path::new("/")).unwrap();
    assert_eq!(files_after_crashes(&disk), [paths(&["/d/f"])].into());
}

#[test]
fn a_sync_of_one_directory_leaves_others_alone() {
    let disk = SimDisk::new();
    disk.write_file("/a/keep", b"").unwrap();
    disk.write_file("/b/keep", b"").unwrap();
    create(&disk, "/a/new");
    create(&disk, "/b/new");
    disk.sync_dir(Path::new("/a")).unwrap();
    let image = disk.crash_as(Survivors::Nothing);
    assert_eq!(image.files(), paths(&["/a/keep", "/a/new", "/b/keep"]));
}

#[test]
fn a_rename_between_directories_is_durable_by_either() {
    for synced in ["/a", "/b"] {
        let disk = SimDisk::new();
        disk.write_file("/a/f", b"1").unwrap();
        disk.write_file("/b/f", b"2").unwrap();
        disk.rename(Path::new("/a/f"), Path::new("/b/f")).unwrap();
        disk.sync_dir(Path::new(synced)).unwrap();
        let image = disk.crash_as(Survivors::Nothing);
        assert_eq!(image.files(), paths(&["/b/f"]));
        assert_eq!(image.read_file("/b/f").unwrap(), b"1");
    }
}

#[test]
fn file_numbers_follow_the_file_and_not_the_name() {
    let (disk, old) = disk_with("/f", b"");
    disk.rename(Path::new("/f"), Path::new("/g")).unwrap();
    let new = create(&disk, "/f");
    assert_ne!(old.file_number(), new.file_number());
    let moved = disk.crash_as(Survivors::Everything).open(Path::new("/g"), Mode::Read).unwrap();
    assert_eq!(old.file_number(), moved.file_number());
}
