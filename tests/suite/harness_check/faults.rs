//! Calls that fail, and what they leave.

use std::io;
use std::path::Path;

use harness::sim_disk::{Call, Failure, Fault, Lost, Survivors};
use siltstone::disk::{Disk, Mode};

use super::{IMAGES, create, disk_with, may_become};

#[test]
fn a_failed_sync_loses_pages_that_reads_still_see() {
    let (disk, file) = disk_with("/f", &[1; 600]);
    file.write_at(&[2; 600], 0).unwrap();
    disk.arm(disk.calls(), Fault::Once(Failure::Io));
    assert!(file.sync().is_err());
    assert_eq!(disk.read_file("/f").unwrap(), [2; 600]);
    file.sync().unwrap();
    assert_eq!(disk.kill().read_file("/f").unwrap(), [2; 600], "the next process sees them too");
    assert!(
        !may_become(&disk, "/f", |bytes| bytes != Some(&[1; 600])),
        "a sync that works brings nothing back"
    );

    file.write_at(&[2; 300], 0).unwrap();
    file.sync().unwrap();
    let half = [[2; 300], [1; 300]].concat();
    assert!(!may_become(&disk, "/f", |bytes| bytes != Some(&half)), "what is rewritten counts");
}

#[test]
fn what_a_failed_sync_lost_reads_as_zeros_before_later_bytes() {
    let (disk, file) = disk_with("/f", b"");
    file.write_at(b"lost", 0).unwrap();
    disk.arm(disk.calls(), Fault::Once(Failure::Io));
    assert!(file.sync().is_err());
    file.write_at(b"kept", 4).unwrap();
    file.sync().unwrap();
    assert_eq!(disk.crash(0).read_file("/f").unwrap(), b"\0\0\0\0kept");
}

#[test]
fn a_sync_that_works_makes_the_length_durable_whatever_failed_before() {
    let (disk, file) = disk_with("/f", &[1; 100]);
    file.truncate(10).unwrap();
    disk.arm(disk.calls(), Fault::Once(Failure::Io));
    assert!(file.sync().is_err());
    assert_eq!(disk.crash(0).read_file("/f").unwrap(), [1; 100]);
    file.sync().unwrap();
    assert_eq!(disk.crash(0).read_file("/f").unwrap(), [1; 10]);
}

#[test]
fn a_failed_sync_may_lose_some_or_nothing() {
    for (lost, legal) in [(Lost::Nothing, vec![8]), (Lost::Some, (0..=8).collect())] {
        let (disk, file) = disk_with("/f", &[1; 8 * 512]);
        disk.lose(lost);
        file.write_at(&[2; 8 * 512], 0).unwrap();
        disk.arm(disk.calls(), Fault::Once(Failure::Io));
        assert!(file.sync().is_err());
        let bytes = disk.crash_as(Survivors::Everything).read_file("/f").unwrap();
        let written = bytes.chunks(512).filter(|sector| sector == &[2; 512]).count();
        assert!(legal.contains(&written), "{written} sectors");
        assert!(!may_become(&disk, "/f", |image| image != Some(&bytes)), "decided once and for all");
    }
}

#[test]
fn a_full_disk_takes_part_of_a_write() {
    let (disk, file) = disk_with("/f", &[1; 100]);
    disk.set_capacity(Some(150));
    let error = file.write_at(&[2; 100], 100).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!(disk.read_file("/f").unwrap(), [vec![1; 100], vec![2; 50]].concat());
    file.write_at(&[3; 150], 0).unwrap();

    disk.remove(Path::new("/f")).unwrap();
    let other = create(&disk, "/g");
    assert!(other.write_at(&[4], 0).is_err(), "an open file takes space without a name");
    drop(file);
    other.write_at(&[4; 150], 0).unwrap();
}

#[test]
fn an_armed_write_fails_after_a_part() {
    let mut parts = Vec::new();
    for earlier in 0..20 {
        let (disk, file) = disk_with("/f", b"");
        (0..earlier).for_each(|_| drop(file.len()));
        disk.arm(disk.calls(), Fault::Partly(Failure::Full));
        assert_eq!(file.write_at(&[1; 1000], 0).unwrap_err().kind(), io::ErrorKind::StorageFull);
        parts.push(disk.read_file("/f").unwrap().len());
        file.write_at(&[1; 1000], 0).unwrap();
    }
    assert!(parts.iter().all(|part| *part < 1000) && parts.iter().any(|part| *part > 0), "{parts:?}");
}

#[test]
fn every_call_can_fail_once_without_effect() {
    let run = |disk: &harness::sim_disk::SimDisk| -> io::Result<()> {
        disk.create_dir(Path::new("/d"))?;
        let lock = disk.lock(Path::new("/d/lock"))?;
        let file = disk.open(Path::new("/d/f"), Mode::Create)?;
        file.write_at(b"bytes", 0)?;
        file.sync()?;
        disk.rename(Path::new("/d/f"), Path::new("/d/g"))?;
        disk.sync_dir(Path::new("/d"))?;
        file.truncate(file.len()? - 1)?;
        file.read_at(&mut [0; 4], 0)?;
        file.map(4)?;
        disk.list(Path::new("/d"))?;
        disk.remove(Path::new("/d/g"))?;
        drop(lock);
        Ok(())
    };
    let whole = harness::sim_disk::SimDisk::new();
    run(&whole).unwrap();
    let trace = whole.trace();
    assert_eq!(trace.len() as u64, whole.calls());
    for (number, call) in trace.iter().enumerate() {
        let disk = harness::sim_disk::SimDisk::new();
        disk.arm(number as u64, Fault::Once(Failure::Io));
        assert_eq!(
            run(&disk).unwrap_err().raw_os_error(),
            Some(if cfg!(windows) { 1117 } else { 5 }),
            "{call:?}"
        );
        assert!(disk.fired());
        assert_eq!(disk.trace().last(), Some(call), "the failed call was the last");
    }
    assert_eq!(trace[0], Call::CreateDir);
}

#[test]
fn a_lasting_full_disk_still_reads() {
    let (disk, file) = disk_with("/f", b"old");
    disk.arm(0, Fault::Lasting(Failure::Full));
    for _ in 0..3 {
        assert!(file.write_at(b"new", 0).is_err());
        assert!(disk.open(Path::new("/g"), Mode::Create).is_err());
        assert_eq!(&*file.map(3).unwrap(), b"old");
    }
    disk.disarm();
    file.write_at(b"new", 0).unwrap();
}

#[test]
fn after_a_power_cut_nothing_works_and_the_image_decides_about_the_last_call() {
    let (disk, file) = disk_with("/f", &[1; 1024]);
    disk.arm(disk.calls(), Fault::PowerCut);
    assert!(file.write_at(&[2; 1024], 0).is_err());
    let calls = disk.calls();
    assert!(file.sync().is_err() && file.len().is_err() && disk.list(Path::new("/")).is_err());
    assert_eq!(disk.calls(), calls);
    for expected in [[[1; 512], [1; 512]], [[2; 512], [1; 512]], [[1; 512], [2; 512]], [[2; 512], [2; 512]]] {
        assert!(may_become(&disk, "/f", |bytes| bytes == Some(&expected.concat())));
    }
    let after = disk.crash(0).open(Path::new("/f"), Mode::Write).unwrap();
    after.write_at(b"alive", 0).unwrap();
    after.sync().unwrap();
}

#[test]
fn a_sync_that_the_power_interrupts_promises_nothing() {
    let (disk, file) = disk_with("/f", b"old");
    file.write_at(b"new", 0).unwrap();
    disk.arm(disk.calls(), Fault::PowerCut);
    assert!(file.sync().is_err());
    assert!(may_become(&disk, "/f", |bytes| bytes == Some(b"old")));
    assert!(may_become(&disk, "/f", |bytes| bytes == Some(b"new")));

    let (disk, _) = disk_with("/f", b"");
    create(&disk, "/g");
    disk.arm(disk.calls(), Fault::PowerCut);
    assert!(disk.sync_dir(Path::new("/")).is_err());
    assert!(may_become(&disk, "/g", |bytes| bytes.is_none()));
    assert!(may_become(&disk, "/g", |bytes| bytes.is_some()));
}

#[test]
fn an_unreadable_sector_fails_reads_until_it_is_rewritten() {
    let (disk, file) = disk_with("/f", &[1; 2000]);
    disk.spoil_sector("/f", 1).unwrap();
    file.read_at(&mut [0; 512], 0).unwrap();
    file.read_at(&mut [0; 976], 1024).unwrap();
    assert!(file.read_at(&mut [0; 2], 511).is_err() && file.map(2000).is_err());
    assert!(disk.crash(1).open(Path::new("/f"), Mode::Read).unwrap().map(2000).is_err());
    file.write_at(&[2; 511], 512).unwrap();
    assert!(file.map(2000).is_err());
    file.write_at(&[2; 512], 512).unwrap();
    assert_eq!(file.map(2000).unwrap().iter().filter(|byte| **byte == 2).count(), 512);
}

#[test]
fn locks_are_held_by_handles_and_die_with_them_and_with_the_power() {
    let (disk, _) = disk_with("/f", b"");
    let path = Path::new("/lock");
    let held = disk.lock(path).unwrap().unwrap();
    assert!(disk.lock(path).unwrap().is_none());
    assert!(disk.clone().lock(path).unwrap().is_none());
    for seed in 0..IMAGES / 100 {
        assert!(disk.crash(seed).lock(path).unwrap().is_some());
    }
    assert!(disk.kill().lock(path).unwrap().is_some());
    drop(held);
    assert!(disk.lock(path).unwrap().is_some());
}
