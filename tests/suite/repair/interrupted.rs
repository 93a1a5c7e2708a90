//! A repair may die at any call: what could be read before can be read after, and the next repair ends where the first one
//! would have.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use harness::anatomy::Part;
use harness::answers::{RowValue, answers};
use harness::attack::{Broken, caught, readable};
use harness::damage::{Damage, Piece};
use harness::fixture::{self, STORE};
use harness::proof::{each, effort, report};
use harness::rng::mix3;
use harness::sim_disk::{Call, Failure, Fault, Lost, SimDisk, Survivors};
use siltstone::{Compression, Record};

use super::{is_sound, repaired};

/// What rows are, apart from where they lie.
type Content = (Vec<u32>, String, String);
type Rows = BTreeMap<(String, String), Content>;

fn content(row: &RowValue) -> Content {
    (row.vector.clone(), row.metadata.clone(), row.text.clone())
}

/// All rows that count, by collection and key.
pub(super) fn rows(disk: &SimDisk) -> Result<Rows, Broken> {
    let store = fixture::open(disk).map_err(|error| error.to_string())?;
    let moments = answers(&store).map_err(|error| error.to_string())?;
    let now = moments.into_iter().filter(|moment| moment.snapshot.is_none());
    Ok(now
        .flat_map(|moment| {
            let name = moment.collection;
            moment.rows.into_iter().map(move |row| ((name.clone(), row.key.clone()), content(&row)))
        })
        .collect())
}

fn readable_rows(disk: &SimDisk) -> Rows {
    let of = |name: &str| {
        let name = name.to_owned();
        readable(disk, &name).into_iter().map(move |(key, row)| ((name.clone(), key), content(&row)))
    };
    ["guide", "notes"].into_iter().flat_map(of).collect()
}

/// The files of `guide` by the end of their names.
pub(super) fn guide(disk: &SimDisk, ending: &str) -> PathBuf {
    let directory = fixture::open_segment(disk).parent().unwrap().to_owned();
    let files = disk.files().into_iter().filter(|path| path.starts_with(&directory));
    files.into_iter().find(|path| path.to_string_lossy().contains(ending)).unwrap()
}

/// The place of the first part of a segment of `guide` that is wanted.
pub(super) fn part(disk: &SimDisk, segment: &str, wanted: impl Fn(&Part) -> bool) -> (PathBuf, u64, u64) {
    let path = guide(disk, segment);
    let anatomy = harness::anatomy::dissect(&path, &disk.read_file(&path).unwrap());
    let (bytes, _) = anatomy.parts.iter().find(|(_, part)| wanted(part)).unwrap();
    (path, bytes.start, bytes.end - bytes.start)
}

pub(super) const SEALED: &str = "segment-00000001.seg";
pub(super) const OPEN: &str = "segment-00000002.seg";

pub(super) fn flip(disk: &SimDisk, segment: &str, wanted: impl Fn(&Part) -> bool) -> Damage {
    let (path, offset, _) = part(disk, segment, wanted);
    Damage::Flip { path, bit: (offset + 12) * 8 + 3 }
}

pub(super) fn zero(disk: &SimDisk, segment: &str, wanted: impl Fn(&Part) -> bool) -> Damage {
    let (path, offset, length) = part(disk, segment, wanted);
    Damage::Zero(Piece { path, offset, length })
}

/// A store whose open segment of `guide` had a frame header damaged, so that the next writer left it alone; since then
/// rows were written of which it holds others, one of them in the damaged frame.
pub(super) fn frozen() -> SimDisk {
    let disk = fixture::basic(Compression::None);
    flip(&disk, OPEN, |part| *part == Part::FrameHeader(1)).apply(&disk).unwrap();
    let guide = fixture::open(&disk).unwrap().collection("guide").unwrap();
    let mut writer = guide.writer().unwrap();
    for (seed, key) in [(90, "usage#2"), (91, "intro#2"), (92, "new")] {
        writer.upsert(Record::new(key, &fixture::vector(4, seed)).text("written after the damage")).unwrap();
    }
    writer.commit().unwrap();
    disk
}

/// Damaged stores, and whether rows are to be taken out.
fn cases() -> Vec<(&'static str, SimDisk, bool)> {
    let pristine = fixture::basic(Compression::None);
    let on = |damages: &[Damage]| {
        let disk = pristine.clone_image();
        damages.iter().for_each(|damage| damage.apply(&disk).unwrap());
        disk
    };
    let catalogue = Damage::Flip { path: Path::new(STORE).join("catalogue.json"), bit: 99 };
    let bits = [
        catalogue,
        Damage::Flip { path: guide(&pristine, "manifest"), bit: 1001 },
        Damage::Flip { path: guide(&pristine, "snapshot"), bit: 777 },
        Damage::Flip { path: guide(&pristine, "witness"), bit: 333 },
        flip(&pristine, SEALED, |part| *part == Part::Row(2)),
        flip(&pristine, OPEN, |part| *part == Part::Index(0)),
        Damage::Remove(guide(&pristine, ".keys")),
    ];
    vec![
        ("a bit in every kind of file", on(&bits), false),
        (
            "lost documents",
            on(&[Damage::Remove(guide(&pristine, "manifest")), Damage::Remove(guide(&pristine, "witness"))]),
            false,
        ),
        (
            "a damaged manifest beyond repair",
            on(&[Damage::Zero(Piece { path: guide(&pristine, "manifest"), offset: 8, length: 64 })]),
            false,
        ),
        ("a row of a sealed segment", on(&[zero(&pristine, SEALED, |part| *part == Part::Row(3))]), true),
        (
            "a row and a frame of the open segment",
            on(&[
                zero(&pristine, OPEN, |part| *part == Part::Row(1)),
                zero(&pristine, OPEN, |part| *part == Part::Index(2)),
            ]),
            true,
        ),
        ("the open segment is gone", on(&[Damage::Remove(guide(&pristine, OPEN))]), true),
        ("a segment left alone", frozen(), false),
        ("files that a backup has", super::from_backup::lost_files(), true),
        ("rows that a backup has", super::from_backup::lost_rows(), true),
    ]
}

struct Case {
    name: &'static str,
    damaged: SimDisk,
    quarantine: bool,
    /// The rows after an undisturbed repair.
    after: Rows,
    /// The rows that could be read before it.
    before: Rows,
    trace: Vec<Call>,
}

impl Case {
    fn all() -> Vec<Self> {
        cases().into_iter().map(|(name, damaged, quarantine)| Self::new(name, damaged, quarantine)).collect()
    }

    fn new(name: &'static str, damaged: SimDisk, quarantine: bool) -> Self {
        let before = readable_rows(&damaged);
        let disk = damaged.clone_image();
        let calls = disk.calls() as usize;
        let told = repaired(&disk, quarantine).unwrap();
        let trace = disk.trace().split_off(calls);
        assert!(!told.done.is_empty() && told.left.is_empty(), "{name}: {told:?}");
        is_sound(&disk).unwrap_or_else(|broken| panic!("{name}: {broken}"));
        Self { name, damaged, quarantine, after: rows(&disk).unwrap(), before, trace }
    }

    fn disk(&self) -> SimDisk {
        self.damaged.clone_image()
    }

    fn run(&self, disk: &SimDisk) -> siltstone::Result<()> {
        super::run(disk, self.quarantine).map(drop)
    }

    /// Nothing that could be read is gone, and the next repair ends as an undisturbed one.
    fn goes_on(&self, disk: &SimDisk) -> Result<(), Broken> {
        let now = readable_rows(disk);
        let is_gone = |place: &(String, String), row: &Content| match now.get(place) {
            Some(found) => found != row && self.after.get(place) != Some(found),
            None => self.after.contains_key(place),
        };
        if let Some((place, _)) = self.before.iter().find(|(place, row)| is_gone(place, row)) {
            return Err(format!("{place:?} cannot be read any more"));
        }
        let told = repaired(disk, self.quarantine)?;
        if !told.left.is_empty() {
            return Err(format!("the next repair leaves {:?}", told.left));
        }
        is_sound(disk)?;
        match rows(disk)? == self.after {
            true => Ok(()),
            false => Err("the next repair ends elsewhere".to_owned()),
        }
    }
}

#[test]
fn a_power_cut_at_any_call_of_a_repair_leaves_what_the_next_one_finishes() {
    let cases = Case::all();
    let (every, random) = effort((3, 2), (1, 8));
    let mut cuts = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let changing = (0u64..).zip(&case.trace).filter(|(_, call)| call.changes());
        cuts.extend(changing.map(|(call, _)| (number, call)).skip(number % every).step_by(every));
    }
    let images = each(&cuts, |&(number, call)| {
        let case = &cases[number];
        let disk = case.disk();
        disk.arm(disk.calls() + call, Fault::PowerCut);
        let _interrupted = case.run(&disk);
        let extremes =
            [Survivors::Nothing, Survivors::Everything, Survivors::LengthsOnly, Survivors::LastWrite];
        let randoms = (0..random).map(|seed| Survivors::Random(mix3(number as u64, call, seed)));
        let mut images = 0;
        for survivors in extremes.into_iter().chain(randoms) {
            caught(|| case.goes_on(&disk.crash_as(survivors)))
                .map_err(|broken| format!("{}: cut at call {call}, {survivors:?}: {broken}", case.name))?;
            images += 1;
        }
        caught(|| case.goes_on(&disk.kill()))
            .map_err(|broken| format!("{}: killed at call {call}: {broken}", case.name))?;
        Ok::<u64, Broken>(images + 1)
    })
    .unwrap_or_else(|broken| panic!("{broken}"));
    report(format_args!(
        "repair, power cut: {} damaged stores, {} cuts, {} disks after them, all repaired in the end",
        cases.len(),
        cuts.len(),
        images.into_iter().sum::<u64>()
    ));
}

#[test]
fn a_failing_disk_at_any_call_of_a_repair_loses_nothing() {
    let cases = Case::all();
    let every = effort(5, 1);
    let mut failures = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        for (call, kind) in (0u64..).zip(&case.trace) {
            let mut faults = vec![Fault::Once(Failure::Io), Fault::Lasting(Failure::Io)];
            if kind.needs_space() {
                faults.extend([Fault::Once(Failure::Full), Fault::Partly(Failure::Full)]);
            }
            failures.extend(faults.into_iter().map(|fault| (number, call, fault)));
        }
    }
    let tried: Vec<_> = failures.into_iter().step_by(every).collect();
    let refused = each(&tried, |&(number, call, fault)| {
        let case = &cases[number];
        let disk = case.disk();
        disk.lose(Lost::Some);
        disk.arm(disk.calls() + call, fault);
        let result = case.run(&disk);
        disk.disarm();
        let told = |broken| format!("{}: call {call} fails, {fault:?}: {broken}", case.name);
        caught(|| case.goes_on(&disk)).map_err(told)?;
        Ok::<u64, Broken>(u64::from(result.is_err()))
    })
    .unwrap_or_else(|broken| panic!("{broken}"));
    report(format_args!(
        "repair, disk errors: {} damaged stores, {} failures, {} returned as errors, all repaired in the end",
        cases.len(),
        tried.len(),
        refused.into_iter().sum::<u64>()
    ));
}

/// Rows that come back with a segment that was left alone never hide what was written since.
#[test]
fn a_segment_that_was_left_alone_is_whole_again_and_what_was_written_since_counts() {
    let disk = frozen();
    let told = repaired(&disk, false).unwrap();
    assert!(told.left.is_empty() && told.lost.is_empty(), "{told:?}");
    is_sound(&disk).unwrap();
    let (now, pristine) = (rows(&disk).unwrap(), rows(&fixture::basic(Compression::None)).unwrap());
    let text = |key: &str| now.get(&("guide".to_owned(), key.to_owned())).map(|row| row.2.clone());
    for key in ["usage#2", "intro#2", "new"] {
        assert_eq!(text(key).as_deref(), Some("written after the damage"), "{key}");
    }
    // The rest of the damaged frame is there again.
    for (place, row) in &pristine {
        if !["usage#2", "intro#2"].contains(&place.1.as_str()) {
            assert_eq!(now.get(place), Some(row), "{place:?}");
        }
    }
}

/// A snapshot that was made since, of the damaged segment and of what was written after it, would show a key twice: the
/// segment stays as it is, and the report says why.
#[test]
fn a_segment_that_was_left_alone_stays_so_when_a_snapshot_would_show_a_key_twice() {
    let disk = frozen();
    fixture::open(&disk).unwrap().collection("guide").unwrap().create_snapshot("since").unwrap();
    let before = readable_rows(&disk);
    let told = repaired(&disk, true).unwrap();
    assert!(told.left.iter().any(|item| format!("{:?}", item.remedy).contains("since")), "{told:?}");
    assert_eq!(readable_rows(&disk), before);
}
