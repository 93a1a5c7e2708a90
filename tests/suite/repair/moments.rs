//! What counts is more than what lies there: after a snapshot was restored, commits at the end of a segment do not count,
//! and after a compaction, segments that still lie there do not. A repair keeps to that.

use std::path::PathBuf;

use harness::anatomy::Part;
use harness::fixture;
use harness::proof::report;
use harness::sim_disk::SimDisk;
use siltstone::format::manifest::{Manifest, SegmentState};
use siltstone::format::names::FileKind;
use siltstone::{CompactOptions, Compression, Record, Remedy, Writer};

use super::interrupted::{OPEN, flip, rows};
use super::{is_sound, repaired};

fn put(writer: &mut Writer, key: &str, seed: u64) {
    writer.upsert(Record::new(key, &fixture::vector(4, seed)).text(&format!("{key}, {seed}"))).unwrap();
}

fn write(disk: &SimDisk, act: impl FnOnce(&mut Writer)) {
    let guide = fixture::open(disk).unwrap().collection("guide").unwrap();
    act(&mut guide.writer_with(fixture::options(Compression::None)).unwrap());
}

/// The basic store with a snapshot in the middle of the open segment of `guide`.
fn with_a_moment() -> SimDisk {
    let disk = fixture::basic(Compression::None);
    write(&disk, |writer| {
        put(writer, "before the moment", 200);
        writer.commit().unwrap();
        writer.create_snapshot("moment").unwrap();
        put(writer, "after the moment", 201);
        put(writer, "before the moment", 202);
        writer.commit().unwrap();
    });
    disk
}

fn go_back(disk: &SimDisk) {
    write(disk, |writer| drop(writer.restore_snapshot("moment", "since").unwrap()));
}

fn compact(disk: &SimDisk) {
    let options = CompactOptions { min_dead: 0.0, rewrite_held: true, ..CompactOptions::default() };
    write(disk, |writer| assert!(!writer.compact(&options).unwrap().groups.is_empty()));
}

/// The newest manifest of `guide`.
fn manifest(disk: &SimDisk) -> PathBuf {
    let directory = fixture::open(disk).unwrap().collection("guide").unwrap().directory().to_owned();
    let is_manifest = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        path.parent() == Some(&directory) && matches!(FileKind::of(&name), Some(FileKind::Manifest(_)))
    };
    disk.files().into_iter().filter(is_manifest).max().unwrap()
}

/// A segment that was left alone for its damage, and of which a restored snapshot sees less, becomes a sealed one of which
/// the later commits do not count.
#[test]
fn a_segment_that_was_left_alone_is_sealed_as_far_as_a_restored_snapshot_sees_it() {
    let right = with_a_moment();
    go_back(&right);
    let right = rows(&right).unwrap();

    let disk = with_a_moment();
    flip(&disk, OPEN, |part| *part == Part::FrameHeader(1)).apply(&disk).unwrap();
    write(&disk, |writer| {
        put(writer, "since the damage", 203);
        writer.commit().unwrap();
    });
    go_back(&disk);
    let told = repaired(&disk, false).unwrap();
    assert!(told.done.iter().any(|item| item.remedy == Remedy::Seal) && told.left.is_empty(), "{told:?}");
    let (manifest, _) = Manifest::decode(&disk.read_file(manifest(&disk)).unwrap()).unwrap();
    let entry = manifest.segments.iter().find(|entry| entry.segment == 2).unwrap();
    let SegmentState::Capped { last_commit, cap, .. } = entry.state else { panic!("{entry:?}") };
    assert!(cap < last_commit, "{entry:?}");
    is_sound(&disk).unwrap();
    assert_eq!(rows(&disk).unwrap(), right);
    // And a lost manifest does not bring the others back.
    disk.remove_file(self::manifest(&disk)).unwrap();
    repaired(&disk, false).unwrap();
    is_sound(&disk).unwrap();
    assert_eq!(rows(&disk).unwrap(), right);
}

/// A lost manifest is made again from what segments say of each other: what they replace, and what they go on from.
#[test]
fn a_lost_manifest_counts_what_counted_after_restores_and_compactions() {
    type Step = fn(&SimDisk);
    let more: Step = |disk| {
        write(disk, |writer| {
            put(writer, "more", 300);
            writer.commit().unwrap();
        });
    };
    let cases: [(&str, &[Step]); 7] = [
        ("nothing", &[]),
        ("a restore", &[go_back]),
        ("a restore, and rows since", &[go_back, more]),
        ("a compaction", &[compact]),
        ("a compaction, and rows since", &[compact, more]),
        ("a restore, then a compaction", &[go_back, more, compact]),
        ("a compaction, then a restore", &[compact, more, go_back, more]),
    ];
    for (name, steps) in cases {
        let disk = with_a_moment();
        steps.iter().for_each(|step| step(&disk));
        let right = rows(&disk).unwrap();
        let moments = |disk: &SimDisk| {
            let guide = fixture::open(disk).unwrap().collection("guide").unwrap();
            let names = guide.snapshots().unwrap().into_iter().map(|snapshot| snapshot.name);
            let read = names.map(|name| {
                let view = guide.snapshot(&name).unwrap();
                let keys: Vec<String> = view.keys().unwrap().into_iter().map(str::to_owned).collect();
                (name, keys)
            });
            read.collect::<Vec<_>>()
        };
        let kept = moments(&disk);
        disk.remove_file(manifest(&disk)).unwrap();
        let told = repaired(&disk, false).unwrap();
        let is_rebuilt = |remedy: &Remedy| matches!(remedy, Remedy::Rebuild { .. });
        assert!(told.done.iter().any(|item| is_rebuilt(&item.remedy)), "{name}: {told:?}");
        is_sound(&disk).unwrap_or_else(|broken| panic!("{name}: {broken}"));
        assert_eq!(rows(&disk).unwrap(), right, "{name}");
        assert_eq!(moments(&disk), kept, "{name}");
        more(&disk);
        is_sound(&disk).unwrap_or_else(|broken| panic!("{name}, going on: {broken}"));
    }
    report(format_args!(
        "repair: lost manifests after {} histories of restores and compactions",
        cases.len()
    ));
}
