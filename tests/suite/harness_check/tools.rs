//! Damage, moments, copies, clocks: small tools, each doing what it says.

use std::collections::BTreeSet;
use std::path::Path;

use harness::clock::{SeqEntropy, StepClock};
use harness::damage::{self, Damage, Piece};
use harness::rng::Rng;
use harness::sim_disk::{SimDisk, Survivors};
use siltstone::disk::{Disk, Mode};
use siltstone::environment::{Clock, Entropy};

use super::disk_with;

#[test]
fn each_flip_changes_one_bit_of_a_copy() {
    let (disk, _) = disk_with("/f", b"pristine");
    let path = Path::new("/f");
    let mut seen = BTreeSet::new();
    for flip in damage::flips(path, 0..8) {
        let bytes = flip.on(&disk).unwrap().crash_as(Survivors::Nothing).read_file(path).unwrap();
        let differing: u32 = bytes.iter().zip(b"pristine").map(|(a, b)| (a ^ b).count_ones()).sum();
        assert_eq!(differing, 1, "{flip}");
        seen.insert(bytes);
    }
    assert_eq!(seen.len(), 64);
    assert_eq!(disk.read_file(path).unwrap(), b"pristine");
}

#[test]
fn all_listed_damage_changes_the_file() {
    let mut rng = Rng::new(1);
    let (disk, _) = disk_with("/f", &rng.bytes(1300));
    disk.write_file("/g", rng.bytes(1100)).unwrap();
    let older = disk.clone_image();
    let (f, g) = (Path::new("/f"), Path::new("/g"));
    Damage::Flip { path: f.into(), bit: 5000 }.apply(&disk).unwrap();
    Damage::Zero(Piece { path: g.into(), offset: 512, length: 512 }).apply(&disk).unwrap();
    let lists = [
        (damage::truncations(&disk, f).unwrap().collect(), 1300),
        (damage::zeroed_blocks(&disk, f, 512).unwrap(), 3),
        (damage::zeroed_blocks(&disk, g, 512).unwrap(), 2),
        (damage::swapped_blocks(&disk, f, f, 512).unwrap(), 1),
        (damage::swapped_blocks(&disk, f, g, 512).unwrap(), 4),
        (damage::misplaced_blocks(&disk, f, g, 512).unwrap(), 9),
        (damage::replayed_blocks(&older, &disk, f, 512).unwrap(), 1),
        (vec![Damage::Remove(f.into())], 1),
    ];
    let content = |disk: &SimDisk| (disk.read_file(f).ok(), disk.read_file(g).ok());
    for (list, count) in lists {
        assert_eq!(list.len(), count, "{:?}", list.first());
        for damage in list {
            assert_ne!(content(&damage.on(&disk).unwrap()), content(&disk), "{damage}");
        }
    }
}

#[test]
fn a_swap_within_a_file_changes_both_places() {
    let (disk, _) = disk_with("/f", b"aabbcc");
    let piece = |offset| Piece { path: "/f".into(), offset, length: 2 };
    let swapped = Damage::Swap(piece(0), piece(4)).on(&disk).unwrap();
    assert_eq!(swapped.read_file("/f").unwrap(), b"ccbbaa");
}

#[test]
fn moments_are_the_disk_before_each_change() {
    let (disk, file) = disk_with("/f", b"");
    disk.keep_moments();
    file.write_at(b"a", 0).unwrap();
    file.len().unwrap();
    file.sync().unwrap();
    file.write_at(b"b", 1).unwrap();
    let moments = disk.take_moments();
    let durable = |disk: &SimDisk| disk.crash_as(Survivors::Nothing).read_file("/f").unwrap();
    let seen: Vec<_> =
        moments.iter().map(|(calls, disk)| (*calls, disk.read_file("/f").unwrap(), durable(disk))).collect();
    let start = disk.calls() - 4;
    let expected = [(0, "", ""), (2, "a", ""), (3, "a", "a"), (4, "ab", "a")];
    let expected = expected.map(|(calls, live, durable)| (start + calls, live.into(), durable.into()));
    assert_eq!(seen, expected);
}

#[test]
fn a_disk_goes_to_a_real_directory_and_back() {
    let disk = SimDisk::new();
    disk.write_file("/store/deep/f", b"1").unwrap();
    disk.write_file("/store/g", b"2").unwrap();
    let real = tempfile::tempdir().unwrap();
    disk.export(real.path()).unwrap();
    let back = SimDisk::import(real.path()).unwrap();
    assert_eq!(back.files(), disk.files());
    assert_eq!(back.read_file("/store/deep/f").unwrap(), b"1");
    assert_eq!(back.crash_as(Survivors::Nothing).files(), disk.files());
    let listed = back.list(Path::new("/store")).unwrap();
    let listed: Vec<_> = listed.iter().map(|entry| (entry.name.as_str(), entry.is_dir)).collect();
    assert_eq!(listed, [("deep", true), ("g", false)]);
}

#[test]
fn errors_are_those_of_a_file_system() {
    use std::io::ErrorKind::*;
    let (disk, file) = disk_with("/d/f", b"1234");
    let kind = |path: &str, mode| disk.open(Path::new(path), mode).unwrap_err().kind();
    assert_eq!(kind("/d/g", Mode::Read), NotFound);
    assert_eq!(kind("/e/f", Mode::Create), NotFound);
    assert_eq!(kind("/d/f", Mode::Create), AlreadyExists);
    assert_eq!(kind("/d", Mode::Read), IsADirectory);
    assert_eq!(kind("/d/f/x", Mode::Create), NotADirectory);
    assert_eq!(disk.remove(Path::new("/d")).unwrap_err().kind(), DirectoryNotEmpty);
    assert_eq!(disk.create_dir(Path::new("/d")).unwrap_err().kind(), AlreadyExists);
    assert_eq!(file.read_at(&mut [0; 2], 3).unwrap_err().kind(), UnexpectedEof);
    assert_eq!(file.map(5).unwrap_err().kind(), UnexpectedEof);
    let reader = disk.open(Path::new("d/./f"), Mode::Read).unwrap();
    assert_eq!(reader.write_at(b"x", 0).unwrap_err().kind(), PermissionDenied);
}

#[test]
fn clocks_and_identities_repeat() {
    let clock = StepClock::new(5);
    assert_eq!([clock.now_ms(), clock.now_ms(), clock.now_ms()], [5, 6, 7]);
    let ids = |seed| {
        let entropy = SeqEntropy::new(seed);
        (0..100).map(|_| entropy.id().unwrap()).collect::<BTreeSet<_>>()
    };
    assert_eq!(ids(1), ids(1));
    assert_eq!(ids(1).union(&ids(2)).count(), 200);
}
