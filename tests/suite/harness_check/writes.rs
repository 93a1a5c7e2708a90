//! Unsynced bytes: lost, kept, torn, in any order.

use std::collections::BTreeSet;

use harness::sim_disk::{SECTOR_BYTES, Survivors};

use super::{IMAGES, after_crashes, disk_with, may_become};

const SECTOR: usize = SECTOR_BYTES as usize;

#[test]
fn an_unsynced_write_may_vanish_or_stay() {
    let (disk, file) = disk_with("/f", &[1; 700]);
    file.write_at(&[2; 700], 0).unwrap();
    assert!(may_become(&disk, "/f", |bytes| bytes == Some(&[1; 700])));
    assert!(may_become(&disk, "/f", |bytes| bytes == Some(&[2; 700])));
}

#[test]
fn an_unsynced_write_may_be_torn_between_sectors_and_never_inside_one() {
    let (disk, file) = disk_with("/f", &[1; 8 * SECTOR]);
    file.write_at(&[2; 8 * SECTOR], 0).unwrap();
    let mut patterns = BTreeSet::new();
    for bytes in after_crashes(&disk, "/f").flatten() {
        assert_eq!(bytes.len(), 8 * SECTOR);
        let pattern: Vec<u8> = bytes.chunks(SECTOR).map(|sector| sector[0]).collect();
        for (sector, first) in bytes.chunks(SECTOR).zip(&pattern) {
            assert!(sector.iter().all(|byte| byte == first), "torn inside a sector");
        }
        patterns.insert(pattern);
    }
    assert!(patterns.len() > 200, "{} of 256 patterns", patterns.len());
}

#[test]
fn a_later_write_may_survive_without_an_earlier_one() {
    let (disk, file) = disk_with("/f", &[0; 2000]);
    file.write_at(&[1; 600], 0).unwrap();
    file.write_at(&[2; 600], 1300).unwrap();
    let only_later = |bytes: Option<&[u8]>| {
        bytes.is_some_and(|bytes| bytes[..1300] == [0; 1300] && bytes[1300..1900] == [2; 600])
    };
    assert!(may_become(&disk, "/f", only_later));
    assert!(only_later(disk.crash_as(Survivors::LastWrite).read_file("/f").ok().as_deref()));
}

#[test]
fn an_earlier_write_may_win_over_a_later_one_at_the_same_place() {
    let (disk, file) = disk_with("/f", &[0; 100]);
    file.write_at(&[1; 100], 0).unwrap();
    file.write_at(&[2; 100], 0).unwrap();
    assert!(may_become(&disk, "/f", |bytes| bytes == Some(&[1; 100])));
}

#[test]
fn writes_may_arrive_in_another_order() {
    let (disk, file) = disk_with("/f", &[0; 100]);
    file.write_at(&[1; 60], 0).unwrap();
    file.write_at(&[2; 60], 40).unwrap();
    let reversed = [vec![1; 60], vec![2; 40]].concat();
    assert!(may_become(&disk, "/f", |bytes| bytes == Some(&reversed)));
}

#[test]
fn the_length_may_survive_without_the_bytes() {
    let (disk, file) = disk_with("/f", &[7; 100]);
    file.write_at(&[8; 5000], 100).unwrap();
    let mut zeros = vec![7; 100];
    zeros.resize(5100, 0);
    assert!(may_become(&disk, "/f", |bytes| bytes == Some(&zeros)));
    assert_eq!(disk.crash_as(Survivors::LengthsOnly).read_file("/f").unwrap(), zeros);
}

#[test]
fn the_length_may_be_anything_between_and_nothing_else() {
    let (disk, file) = disk_with("/f", &[7; 100]);
    file.write_at(&[8; 3000], 100).unwrap();
    let lengths: BTreeSet<_> = after_crashes(&disk, "/f").flatten().map(|bytes| bytes.len()).collect();
    assert!(lengths.iter().all(|length| (100..=3100).contains(length)), "{lengths:?}");
    assert!([100, 3100, 2 * SECTOR, 3 * SECTOR].iter().all(|length| lengths.contains(length)), "{lengths:?}");
    assert!(lengths.iter().any(|length| length % SECTOR != 0 && !matches!(length, 100 | 3100)));
}

#[test]
fn bytes_are_of_the_file_or_of_a_write_or_zero() {
    let (disk, file) = disk_with("/f", &[1; 3000]);
    file.truncate(1500).unwrap();
    file.write_at(&[2; 4000], 1000).unwrap();
    file.write_at(&[3; 100], 1200).unwrap();
    for bytes in after_crashes(&disk, "/f").flatten() {
        assert!(bytes.len() >= 1500 && bytes.len() <= 5000);
        assert_eq!(bytes[..1000], [1; 1000], "bytes that nobody wrote to");
        assert!(bytes[1000..].iter().all(|byte| [0, 1, 2, 3].contains(byte)));
    }
}

#[test]
fn a_cut_may_be_undone() {
    let (disk, file) = disk_with("/f", &[1; 3000]);
    file.truncate(10).unwrap();
    assert_eq!(disk.read_file("/f").unwrap(), [1; 10]);
    assert!(may_become(&disk, "/f", |bytes| bytes == Some(&[1; 3000])));
    assert!(may_become(&disk, "/f", |bytes| bytes == Some(&[1; 10])));
}

#[test]
fn a_prefix_of_the_writes_is_exactly_that() {
    let (disk, file) = disk_with("/f", b"");
    for letter in *b"abcdef" {
        file.write_at(&[letter], u64::from(letter - b'a')).unwrap();
    }
    for count in 0..=6 {
        let image = disk.crash_as(Survivors::Prefix(count));
        assert_eq!(image.read_file("/f").unwrap(), &b"abcdef"[..count]);
    }
}

#[test]
fn corners_are_among_the_random_images_and_differ() {
    let (disk, file) = disk_with("/f", &[0; 1024]);
    for place in 0..4 {
        file.write_at(&[place as u8 + 1; 512], place * 700).unwrap();
    }
    let random: BTreeSet<_> = (0..IMAGES).map(|seed| disk.crash(seed).read_file("/f").unwrap()).collect();
    let corners: BTreeSet<_> =
        disk.corners().into_iter().map(|corner| disk.crash_as(corner).read_file("/f").unwrap()).collect();
    assert_eq!(corners.len(), 7, "nothing, all, the last, lengths, and three prefixes");
    assert!(corners.is_subset(&random));
    assert!(random.len() > 100, "{} images", random.len());
}
