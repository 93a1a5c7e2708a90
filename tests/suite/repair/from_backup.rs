//! What the store itself does not tell any more, a backup does: files come back byte for byte, and rows bit for bit,
//! but none that was written or deleted since.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use harness::anatomy::Part;
use harness::damage::{Damage, Piece};
use harness::fixture::{self, STORE, later_environment, truth_files, vector};
use harness::proof::report;
use harness::sim_disk::SimDisk;
use siltstone::backup::{self, BackupOptions, Place};
use siltstone::{CompactOptions, Compression, Record, Remedy, RepairOptions, plan_repair, repair};

use super::interrupted::{OPEN, SEALED, guide, rows, zero};
use super::{BACKUPS, REPOSITORY, is_sound, options, repaired, truth};

fn archives() -> Place {
    Place::Directory(BACKUPS.into())
}

fn back_up(disk: &SimDisk, place: &Place) -> String {
    let made = backup::create(&later_environment(disk), Path::new(STORE), place, &BackupOptions::default());
    made.unwrap().backup.name
}

/// The files of a collection with rows in them, and its snapshots.
fn is_replaceable(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    name.starts_with("segment-") || name.starts_with("snapshot-")
}

/// A store with a backup, after which rows were added to the open segment; that segment, a sealed one and a snapshot are
/// damaged beyond repair.
pub(super) fn lost_files() -> SimDisk {
    let disk = fixture::basic(Compression::None);
    back_up(&disk, &archives());
    fixture::go_on(&disk, "guide", 7);
    let disk = disk.clone_image();
    let damages = [
        Damage::Remove(guide(&disk, SEALED)),
        zero(&disk, OPEN, |part| *part == Part::Row(1)),
        Damage::Remove(guide(&disk, "snapshot")),
    ];
    damages.iter().for_each(|damage| damage.apply(&disk).unwrap());
    disk
}

/// The store of [`later`], with a row of its one compacted segment damaged.
pub(super) fn lost_rows() -> SimDisk {
    let disk = later();
    let (path, _) = largest_segment(&disk);
    let anatomy = harness::anatomy::dissect(&path, &disk.read_file(&path).unwrap());
    let rows = anatomy.parts.iter().filter(|(_, part)| matches!(part, Part::Row(_)));
    let bytes = rows.map(|(bytes, _)| bytes).next().unwrap();
    let piece = Piece { path, offset: bytes.start, length: bytes.end - bytes.start };
    Damage::Zero(piece).apply(&disk).unwrap();
    disk
}

/// A store with a backup of each kind that was changed and compacted since, so that no file is as in the backup: of 40 rows
/// five were replaced, five deleted, five added.
fn later() -> SimDisk {
    let disk = fixture::basic(Compression::None);
    let guide = fixture::open(&disk).unwrap().collection("guide").unwrap();
    for name in guide.snapshots().unwrap() {
        guide.drop_snapshot(&name.name).unwrap();
    }
    let mut writer = guide.writer().unwrap();
    for row in 0..40 {
        let text = format!("row {row}");
        writer.upsert(Record::new(&key(row), &vector(4, row)).text(&text)).unwrap();
    }
    writer.commit().unwrap();
    drop(writer);
    back_up(&disk, &archives());
    back_up(&disk, &Place::Repository(REPOSITORY.into()));
    let mut writer = guide.writer().unwrap();
    for row in 0..5 {
        writer.upsert(Record::new(&key(row), &vector(4, 100 + row)).text("newer")).unwrap();
    }
    assert!((5..10).all(|row| writer.delete(&key(row)).unwrap()));
    for row in 40..45 {
        writer.upsert(Record::new(&key(row), &vector(4, row)).text("added")).unwrap();
    }
    writer.commit().unwrap();
    writer.seal().unwrap();
    drop(writer);
    guide.compact(&CompactOptions { min_dead: 0.0, ..CompactOptions::default() }).unwrap();
    disk.clone_image()
}

fn key(row: u64) -> String {
    format!("row/{row:02}")
}

fn largest_segment(disk: &SimDisk) -> (std::path::PathBuf, usize) {
    let directory = fixture::open(disk).unwrap().collection("guide").unwrap().directory().to_owned();
    let files = disk.files().into_iter().filter(|path| path.starts_with(&directory));
    let segments = files.filter(|path| path.extension().is_some_and(|ending| ending == "seg"));
    let sized = segments.map(|path| (disk.read_file(&path).unwrap().len(), path));
    sized.max().map(|(bytes, path)| (path, bytes)).unwrap()
}

/// Every segment and every snapshot, lost, emptied, cut or with a hole, comes back byte for byte: from an archive, from a
/// repository, and from a backup that was made before the segment had all its rows.
#[test]
fn files_that_a_backup_has_come_back_byte_for_byte() {
    let mut tried = 0;
    for place in [archives(), Place::Repository(REPOSITORY.into())] {
        for goes_on in [false, true] {
            let disk = fixture::basic(Compression::Zstd);
            let name = back_up(&disk, &place);
            if goes_on {
                fixture::go_on(&disk, "guide", 7);
            }
            let pristine = disk.clone_image();
            let right = truth(&pristine);
            let store_files = truth_files(&pristine).into_iter().filter(|path| path.starts_with(STORE));
            for path in store_files.filter(|path| is_replaceable(path) && !super::is_aside(path)) {
                let bytes = pristine.read_file(&path).unwrap().len() as u64;
                let hole = |offset: u64, length| Damage::Zero(Piece { path: path.clone(), offset, length });
                let mut damages = vec![Damage::Remove(path.clone()), hole(0, 300.min(bytes))];
                if bytes > 4700 {
                    damages.extend([hole(4608, 64), Damage::Truncate { path: path.clone(), length: 4700 }]);
                }
                for damage in damages {
                    let disk = damage.on(&pristine).unwrap();
                    let options = options(&disk, true).unwrap();
                    let plan = plan_repair(&later_environment(&disk), Path::new(STORE), &options).unwrap();
                    let told = repaired(&disk, true).unwrap();
                    let what = format!("{damage:?}, goes on: {goes_on}: {plan:?}\n{told:?}");
                    let is_fetched =
                        |remedy: &Remedy| matches!(remedy, Remedy::Fetch { backup, .. } if *backup == name);
                    let fetched = |items: &[siltstone::RepairItem]| {
                        items.iter().filter(|one| is_fetched(&one.remedy)).count()
                    };
                    assert_eq!(fetched(&told.done), fetched(&plan.items), "{what}");
                    // A segment that was begun since is in no backup; a bit that was flipped needs none.
                    if fetched(&told.done) == 0 {
                        let needs_none = told.done.iter().all(|one| one.is_certain());
                        assert!(goes_on || needs_none && truth(&disk) == right, "{what}");
                        continue;
                    }
                    assert!(told.left.is_empty() && told.dropped_snapshots.is_empty(), "{what}");
                    assert!(plan.lost.is_empty() && plan.hurt_snapshots.is_empty(), "{what}");
                    assert!(truth(&disk) == right, "{what}");
                    is_sound(&disk).unwrap();
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 20, "{tried}");
    report(format_args!("repair from backups: {tried} files came back byte for byte"));
}

/// Rows of files that no backup has come back by their keys: those that were lost, as they were, and no others.
#[test]
fn rows_come_back_bit_for_bit_and_none_that_was_replaced_or_deleted_since() {
    let pristine = later();
    let right = rows(&pristine).unwrap();
    let (path, bytes) = largest_segment(&pristine);
    let anatomy = harness::anatomy::dissect(&path, &pristine.read_file(&path).unwrap());
    let zeroed =
        |from: u64, to: u64| Damage::Zero(Piece { path: path.clone(), offset: from, length: to - from });
    let row_parts: Vec<_> = anatomy.parts.iter().filter(|(_, part)| matches!(part, Part::Row(_))).collect();
    let mut damages: Vec<(Damage, bool)> = vec![(Damage::Remove(path.clone()), true)];
    damages.extend(row_parts.iter().map(|(at, _)| (zeroed(at.start, at.end), false)));
    damages.extend(anatomy.frames.iter().map(|frame| (zeroed(frame.bytes.start, frame.bytes.end), false)));
    damages.push((Damage::Truncate { path: path.clone(), length: bytes as u64 / 2 }, false));
    let mut returned = 0;
    for (damage, without_index) in damages.into_iter().chain([(Damage::Remove(path.clone()), false)]) {
        let disk = damage.on(&pristine).unwrap();
        if without_index {
            Damage::Remove(path.with_extension("keys")).apply(&disk).unwrap();
        }
        let options = options(&disk, true).unwrap();
        let plan = plan_repair(&later_environment(&disk), Path::new(STORE), &options).unwrap();
        let told = repaired(&disk, true).unwrap();
        assert_eq!((&told.returned, &told.lost), (&plan.returned, &plan.lost), "{damage:?}");
        is_sound(&disk).unwrap();
        let now = rows(&disk).unwrap();
        let came_back: BTreeSet<&String> = told.returned.iter().flat_map(|one| &one.keys).collect();
        let lost: u64 = told.lost.iter().map(|lost| lost.rows).sum();
        let missing: Vec<_> = right.keys().filter(|place| !now.contains_key(*place)).collect();
        assert_eq!(lost, (came_back.len() + missing.len()) as u64, "{damage:?}: {told:?}");
        // Without a hash nobody can tell what was lost from what was deleted: nothing comes back.
        if without_index {
            assert!(came_back.is_empty() && lost == missing.len() as u64, "{told:?}");
            continue;
        }
        // What is missing was added since the backup; what was replaced since comes back as it was in it.
        for (name, key) in &missing {
            assert!(name == "guide" && key.as_str() >= "row/40", "{damage:?}: {key}");
        }
        for ((name, key), row) in &now {
            let place = (name.clone(), key.clone());
            let was_replaced = key.starts_with("row/0") && key.as_str() < "row/05" && came_back.contains(key);
            match right.get(&place) {
                None => panic!("{damage:?}: {key} was deleted"),
                Some(before) if was_replaced => assert!(row.2.starts_with("row "), "{before:?} {row:?}"),
                Some(before) => assert_eq!(row, before, "{damage:?}: {key}"),
            }
        }
        returned += came_back.len();
    }
    assert!(returned > 100, "{returned}");
    report(format_args!("repair from backups: {returned} rows came back by their keys"));
}

/// A backup that is as new as a segment has all its rows, and the key index is not needed.
#[test]
fn rows_of_a_segment_that_is_no_newer_than_the_backup_come_back_without_a_key_index() {
    let pristine = fixture::basic(Compression::None);
    let guide = fixture::open(&pristine).unwrap().collection("guide").unwrap();
    for name in guide.snapshots().unwrap() {
        guide.drop_snapshot(&name.name).unwrap();
    }
    back_up(&pristine, &archives());
    guide.writer().unwrap().seal().unwrap();
    guide.compact(&CompactOptions { min_dead: 0.0, ..CompactOptions::default() }).unwrap();
    let pristine = pristine.clone_image();
    let (right, (path, _)) = (rows(&pristine).unwrap(), largest_segment(&pristine));
    let disk = Damage::Remove(path.clone()).on(&pristine).unwrap();
    Damage::Remove(path.with_extension("keys")).apply(&disk).unwrap();
    let told = repaired(&disk, true).unwrap();
    assert!(told.returned[0].keys.len() as u64 == told.lost[0].rows && told.lost.len() == 1, "{told:?}");
    assert!(rows(&disk).unwrap() == right);
    is_sound(&disk).unwrap();
}

/// Nothing is taken from a backup that is damaged itself; it is named, and an older one has the rows.
#[test]
fn a_damaged_backup_is_passed_over_and_an_older_one_is_asked() {
    let disk = lost_rows();
    let archive = options(&disk, true).unwrap().backups.remove(0);
    let length = disk.read_file(&archive.path).unwrap().len() as u64;
    Damage::Flip { path: archive.path, bit: length * 5 }.apply(&disk).unwrap();
    let told = repaired(&disk, true).unwrap();
    assert!(told.passed_over.len() == 1 && told.passed_over[0].backup == archive.name, "{told:?}");
    assert_eq!(told.returned[0].keys.len() as u64, told.lost.iter().map(|lost| lost.rows).sum::<u64>());
    is_sound(&disk).unwrap();
}

/// Snapshots that nothing can put right stay, damaged as they are, until somebody asks to drop them.
#[test]
fn snapshots_go_only_when_that_is_asked_for() {
    let disk = fixture::basic(Compression::None);
    let pristine = disk.clone_image();
    zero(&pristine, SEALED, |part| *part == Part::Row(3)).apply(&pristine).unwrap();
    let names = |disk: &SimDisk| -> BTreeMap<String, usize> {
        let guide = fixture::open(disk).unwrap().collection("guide").unwrap();
        guide.snapshots().unwrap().into_iter().map(|one| (one.name, one.segments)).collect()
    };
    let before = names(&pristine);
    let careful = RepairOptions { quarantine: true, ..RepairOptions::default() };
    let plan = plan_repair(&later_environment(&pristine), Path::new(STORE), &careful).unwrap();
    let listed: BTreeSet<String> = plan.hurt_snapshots.into_iter().map(|(_, name)| name).collect();
    assert!(!listed.is_empty() && listed.iter().all(|name| before.contains_key(name)));
    // The last commit is whole again; the snapshots are what they were.
    let told = repair(&later_environment(&pristine), Path::new(STORE), &careful).unwrap();
    assert!(told.dropped_snapshots.is_empty() && !told.left.is_empty(), "{told:?}");
    assert_eq!(told.hurt_snapshots.iter().map(|(_, name)| name.clone()).collect::<BTreeSet<_>>(), listed);
    assert_eq!(names(&pristine), before);
    let guide = fixture::open(&pristine).unwrap().collection("guide").unwrap();
    assert!(guide.view().unwrap().keys().is_ok());
    // Again nothing happens, and then they go, put aside.
    let again = repair(&later_environment(&pristine), Path::new(STORE), &careful).unwrap();
    assert!(again.done.is_empty() && again.left == told.left && again.kept.is_empty(), "{again:?}");
    let told = repaired(&pristine, true).unwrap();
    assert_eq!(told.dropped_snapshots.len(), listed.len(), "{told:?}");
    assert!(told.kept.len() > listed.len(), "{told:?}");
    is_sound(&pristine).unwrap();
}
