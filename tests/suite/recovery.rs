//! Recovery: whatever is whole in a damaged store is in the new one, whose every byte is good; the old store is only
//! read. Where no segment is damaged, commits and snapshots come along.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use harness::anatomy::Part;
use harness::answers::{Moment, RowValue, answers};
use harness::attack::{Broken, Subject, caught};
use harness::damage::Damage;
use harness::fixture::{self, STORE, later_environment};
use harness::proof::{each, effort, report};
use harness::sim_disk::SimDisk;
use siltstone::{Compression, Depth, RecoveryReport, Store, recover, verify};

const NEW: &str = "/new";

fn subject() -> Subject {
    Subject::new(fixture::basic(Compression::None))
}

fn files(disk: &SimDisk) -> BTreeMap<PathBuf, Vec<u8>> {
    let old = disk.files().into_iter().filter(|path| path.starts_with(STORE));
    old.map(|path| (path.clone(), disk.read_file(&path).unwrap())).collect()
}

/// Recovers a damaged store, and holds the new one against what the old one was: its bytes are good, and of the rows of
/// the last commits only those in `may_lose` are missing.
fn recovered(
    disk: &SimDisk,
    subject: &Subject,
    may_lose: &dyn Fn(&RowValue) -> bool,
) -> Result<(RecoveryReport, Vec<Moment>), Broken> {
    let before = files(disk);
    let told = recover(&later_environment(disk), Path::new(STORE), Path::new(NEW))
        .map_err(|error| format!("recover fails: {error}"))?;
    if files(disk) != before {
        return Err("the old store was changed".to_owned());
    }
    if !told.lost.is_empty() {
        return Err(format!("collections are lost: {:?}", told.lost));
    }
    let check = verify(&later_environment(disk), Path::new(NEW), Depth::Deep, None);
    let findings = check.map_err(|error| error.to_string())?.findings;
    if !findings.is_empty() {
        return Err(format!("the new store is not good: {findings:?}"));
    }
    let store = Store::open_in(later_environment(disk), NEW).map_err(|error| error.to_string())?;
    let moments = answers(&store).map_err(|error| error.to_string())?;
    for old in subject.moments.iter().filter(|moment| moment.snapshot.is_none()) {
        let Some(new) = moments.iter().find(|new| new.collection == old.collection && new.snapshot.is_none())
        else {
            return Err(format!("collection {:?} is gone", old.collection));
        };
        for row in &old.rows {
            match new.get(&row.key) {
                Some(found) if content(found) == content(row) => {}
                _ if may_lose(row) => {}
                found => return Err(format!("{row:?} became {found:?}")),
            }
        }
        let had = |row: &RowValue| {
            subject
                .segments
                .values()
                .flat_map(|anatomy| &anatomy.rows)
                .any(|old| content(old) == content(row))
        };
        if let Some(made_up) = new.rows.iter().find(|row| !had(row)) {
            return Err(format!("{made_up:?} was never stored"));
        }
    }
    Ok((told, moments))
}

fn content(row: &RowValue) -> (&str, &[u32], &str, &str) {
    (&row.key, &row.vector, &row.metadata, &row.text)
}

/// Does the damage, recovers, and returns whether history came along, by collection.
fn drill(
    subject: &Subject,
    damages: &[Damage],
    may_lose: &dyn Fn(&RowValue) -> bool,
) -> BTreeMap<String, bool> {
    let disk = subject.disk.clone_image();
    damages.iter().for_each(|damage| damage.apply(&disk).unwrap());
    let (told, moments) = recovered(&disk, subject, may_lose).unwrap();
    let mut kept = BTreeMap::new();
    for collection in told.collections {
        // With its history a collection answers as before, snapshots included.
        let of = |moments: &[Moment]| {
            let own = moments.iter().filter(|moment| moment.collection == collection.name);
            own.cloned().collect::<Vec<_>>()
        };
        if collection.with_history && collection.damage.iter().all(|found| !is_snapshot(&found.path)) {
            assert_eq!(of(&moments), of(&subject.moments));
        }
        assert_eq!(collection.rows as usize, of(&moments)[0].rows.len());
        kept.insert(collection.name, collection.with_history);
    }
    kept
}

fn is_snapshot(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("snapshot"))
}

fn nothing(_: &RowValue) -> bool {
    false
}

/// The files of `guide` by the beginning of their names.
fn guide(subject: &Subject, name: &str) -> PathBuf {
    let directory = fixture::open_segment(&subject.disk).parent().unwrap().to_owned();
    let mut files = subject.disk.files().into_iter();
    files.find(|path| path.starts_with(&directory) && path.to_string_lossy().contains(name)).unwrap()
}

/// A flip in the first part of a segment that is wanted.
fn flip(subject: &Subject, segment: &str, wanted: impl Fn(&Part) -> bool) -> Damage {
    let path = guide(subject, segment);
    let (bytes, _) = subject.segments[&path].parts.iter().find(|(_, part)| wanted(part)).unwrap();
    Damage::Flip { bit: bytes.start * 8 + 5, path }
}

const SEALED: &str = "segment-00000001.seg";
const OPEN: &str = "segment-00000002.seg";

#[test]
fn a_good_store_is_copied_with_its_history() {
    assert_eq!(
        drill(&subject(), &[], &nothing),
        BTreeMap::from([("guide".into(), true), ("notes".into(), true)])
    );
}

#[test]
fn lost_documents_and_witnesses_cost_nothing() {
    let subject = subject();
    let all = BTreeMap::from([("guide".to_owned(), true), ("notes".to_owned(), true)]);
    let manifest = Damage::Remove(guide(&subject, "manifest"));
    let witness = Damage::Remove(guide(&subject, "witness"));
    let catalogue = Damage::Remove(Path::new(STORE).join("catalogue.json"));
    for damages in [
        vec![manifest.clone()],
        vec![witness.clone()],
        vec![catalogue.clone()],
        vec![manifest.clone(), witness.clone(), catalogue],
    ] {
        assert_eq!(drill(&subject, &damages, &nothing), all, "{damages:?}");
    }
    let disk = manifest.on(&subject.disk).unwrap();
    let (told, _) = recovered(&disk, &subject, &nothing).unwrap();
    assert!(told.collections[0].manifest_rebuilt && !told.collections[1].manifest_rebuilt);
}

#[test]
fn a_lost_snapshot_costs_only_its_name() {
    let subject = subject();
    let disk = Damage::Remove(guide(&subject, "snapshot-00000003")).on(&subject.disk).unwrap();
    let (told, moments) = recovered(&disk, &subject, &nothing).unwrap();
    assert!(told.collections[0].with_history);
    assert!(told.collections[0].damage.iter().any(|found| is_snapshot(&found.path)));
    let snapshots: Vec<_> = moments.iter().filter_map(|moment| moment.snapshot.clone()).collect();
    assert_eq!(snapshots, ["second"]);
}

#[test]
fn a_damaged_row_costs_that_row() {
    let subject = subject();
    for (segment, number) in [(SEALED, 3), (OPEN, 1)] {
        let lost = subject.segments[&guide(&subject, segment)].rows[number as usize].clone();
        let damage = flip(&subject, segment, |part| *part == Part::Row(number));
        let kept = drill(&subject, &[damage], &|row| *row == lost);
        assert_eq!(kept, BTreeMap::from([("guide".into(), false), ("notes".into(), true)]));
    }
}

#[test]
fn damage_beside_the_rows_costs_no_row() {
    let subject = subject();
    let is_beside =
        |part: &Part| matches!(part, Part::Page | Part::Footer | Part::Zeros(_) | Part::Trailer(_));
    let mut tried = 0;
    for segment in [SEALED, OPEN] {
        let parts = subject.segments[&guide(&subject, segment)].parts.clone();
        for (_, part) in parts.iter().filter(|(_, part)| is_beside(part)) {
            let damage = flip(&subject, segment, |other| other == part);
            assert!(!drill(&subject, &[damage], &nothing)["guide"]);
            tried += 1;
        }
    }
    assert!(tried > 10);
}

#[test]
fn everything_at_once_costs_what_lies_behind_the_damage() {
    let subject = subject();
    let (sealed, open) = (guide(&subject, SEALED), guide(&subject, OPEN));
    let lost = [subject.segments[&sealed].rows[4].clone(), subject.segments[&open].rows[0].clone()];
    let footer = flip(&subject, SEALED, |part| *part == Part::Footer);
    let damages = [
        Damage::Remove(Path::new(STORE).join("catalogue.json")),
        Damage::Remove(guide(&subject, "manifest")),
        Damage::Remove(guide(&subject, "witness")),
        flip(&subject, SEALED, |part| *part == Part::Page),
        flip(&subject, SEALED, |part| *part == Part::Row(4)),
        footer,
        flip(&subject, OPEN, |part| *part == Part::Row(0)),
    ];
    let kept = drill(&subject, &damages, &|row| lost.contains(row));
    assert_eq!(kept, BTreeMap::from([("guide".into(), false), ("notes".into(), true)]));
}

/// One flipped bit anywhere: the new store is good, and lacks only what lies behind the bit.
#[test]
fn after_any_flipped_bit_everything_whole_is_recovered() {
    let subject = subject();
    let mut flips = Vec::new();
    for path in fixture::truth_files(&subject.disk) {
        let bytes = subject.disk.read_file(&path).unwrap().len() as u64;
        let bits = (0..bytes).step_by(effort(31, 1)).map(|byte| byte * 8 + byte % 8);
        flips.extend(bits.map(|bit| (path.clone(), bit)));
    }
    each(&flips, |(path, bit)| {
        let damage = Damage::Flip { path: path.clone(), bit: *bit };
        let may_lose = |row: &RowValue| {
            let Some(anatomy) = subject.segments.get(path) else { return false };
            let mut behind = anatomy.rows_behind(anatomy.part_at(bit / 8));
            behind.any(|number| anatomy.rows[number as usize] == *row)
        };
        caught(|| recovered(&damage.on(&subject.disk).unwrap(), &subject, &may_lose).map(drop))
            .map_err(|broken| format!("{damage}: {broken}"))
    })
    .unwrap();
    report(format_args!(
        "recoveries after a flipped bit: {} tried, all good, nothing whole lost",
        flips.len()
    ));
}

#[test]
fn the_check_can_fail() {
    let subject = subject();
    let damage = flip(&subject, SEALED, |part| *part == Part::Row(3));
    let broken = recovered(&damage.on(&subject.disk).unwrap(), &subject, &nothing).unwrap_err();
    assert!(broken.contains("intro#3"), "{broken}");
}
