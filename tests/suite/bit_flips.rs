//! Every bit of every file that is truth, flipped alone: deep verification names the file and a piece of it that holds
//! the flipped byte; whoever reads gets the truth or an error; whoever skips damage loses what lies behind the flipped
//! byte and no more; and whoever writes loses nothing.
//!
//! Searches have one limit, which the checks below state: a row whose vector is damaged so that it no longer looks
//! close is left out of a short list of hits without an error. No row that can be read is ever left out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use harness::anatomy::Part;
use harness::answers::{Moment, RowValue};
use harness::attack::{Broken, Stood, Subject, Wrote, ask_all, caught, verified, write_to};
use harness::damage::Damage;
use harness::fixture;
use harness::proof::{each, effort, is_full, report};
use siltstone::{Compression, Finding, OnDamage, Severity};

/// What the flips of one kind of file or part came to.
#[derive(Debug, Default, Clone)]
struct Tally {
    tried: u64,
    located: u64,
    /// How many findings were of this length, in bytes.
    lengths: BTreeMap<u64, u64>,
    /// Findings of damage elsewhere.
    elsewhere: u64,
    strict: Stood,
    skipping: Stood,
    committed: u64,
    refused: u64,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.tried += other.tried;
        self.located += other.located;
        self.elsewhere += other.elsewhere;
        self.committed += other.committed;
        self.refused += other.refused;
        self.strict += other.strict;
        self.skipping += other.skipping;
        other.lengths.iter().for_each(|(length, count)| *self.lengths.entry(*length).or_default() += count);
    }
}

fn subject() -> Subject {
    Subject::new(fixture::basic(Compression::None))
}

/// Every bit of these files, or a sample of them that has one bit of every `stride`-th byte.
fn flips(subject: &Subject, files: &[PathBuf], stride: u64) -> Vec<Damage> {
    let mut flips = Vec::new();
    for path in files {
        let bits = subject.disk.read_file(path).unwrap().len() as u64 * 8;
        let step = if is_full() { 1 } else { stride * 8 + 1 };
        flips.extend((0..bits).step_by(step as usize).map(|bit| Damage::Flip { path: path.clone(), bit }));
    }
    flips
}

fn place(damage: &Damage) -> (&Path, u64) {
    match damage {
        Damage::Flip { path, bit } => (path, bit / 8),
        _ => unreachable!("only flips are made here"),
    }
}

fn holds(finding: &Finding, path: &Path, byte: u64) -> bool {
    let flaw = &finding.flaw;
    finding.path == path && flaw.offset <= byte && byte < flaw.offset.saturating_add(flaw.length)
}

/// The kind of a file, or of the part of a segment, that a byte belongs to.
fn kind(subject: &Subject, path: &Path, byte: u64) -> String {
    let name = path.file_name().unwrap().to_string_lossy();
    match subject.segments.get(path) {
        Some(anatomy) => {
            let part = format!("{:?}", anatomy.part_at(byte));
            format!("segment {}", part.split('(').next().unwrap_or_default())
        }
        None => name.split(['-', '.']).next().unwrap_or_default().to_owned(),
    }
}

/// Whether a row of a moment may be lost to a flip of this byte.
fn may_lose(subject: &Subject, path: &Path, byte: u64, moment: &Moment, row: &RowValue) -> bool {
    if let Some(anatomy) = subject.segments.get(path) {
        // Numbers of segments and rows are those of a collection: the row's own place tells whether it is this file.
        return anatomy
            .rows_behind(anatomy.part_at(byte))
            .any(|number| anatomy.rows.get(number as usize) == Some(row));
    }
    let name = path.file_name().unwrap().to_string_lossy();
    let is_own = path.parent().and_then(Path::file_name).is_none_or(|directory| {
        let anatomy = subject.segments.iter().find(|(_, anatomy)| anatomy.rows.contains(row));
        anatomy.is_some_and(|(path, _)| path.parent().and_then(Path::file_name) == Some(directory))
    });
    match name.split(['-', '.']).next().unwrap_or_default() {
        "catalogue" => true,
        "manifest" => is_own,
        "snapshot" => is_own && moment.snapshot.is_some(),
        _ => false,
    }
}

/// One flip, with every promise about it.
fn one(subject: &Subject, damage: &Damage) -> Result<(String, Tally), Broken> {
    let (path, byte) = place(damage);
    let disk = damage.on(&subject.disk).unwrap();
    let findings = verified(&disk)?.findings;
    let damaged: Vec<_> = findings.iter().filter(|finding| finding.severity == Severity::Damage).collect();
    let lengths = damaged.iter().filter(|finding| holds(finding, path, byte)).map(|found| found.flaw.length);
    let Some(length) = lengths.min() else {
        return Err(format!("not located: {findings:?}"));
    };
    let elsewhere = damaged.iter().filter(|finding| !holds(finding, path, byte)).count() as u64;
    let strict = ask_all(&disk, subject, OnDamage::Fail, &|_, _| true)?;
    let skipping =
        ask_all(&disk, subject, OnDamage::Skip, &|moment, row| may_lose(subject, path, byte, moment, row))?;
    let mut tally = Tally {
        tried: 1,
        located: 1,
        lengths: BTreeMap::from([(length, 1)]),
        elsewhere,
        strict,
        skipping,
        ..Tally::default()
    };
    let written = disk.clone_image();
    for collection in ["guide", "notes"] {
        match write_to(&written, collection)? {
            Wrote::Committed => tally.committed += 1,
            Wrote::Refused => tally.refused += 1,
        }
    }
    Ok((kind(subject, path, byte), tally))
}

fn attempt(subject: &Subject, damage: &Damage) -> Result<(String, Tally), Broken> {
    caught(|| one(subject, damage)).map_err(|broken| format!("{damage}: {broken}"))
}

#[test]
fn every_flipped_bit_of_truth_is_detected_located_and_confined() {
    let subject = subject();
    let flips = flips(&subject, &fixture::truth_files(&subject.disk), 7);
    let results = each(&flips, |damage| attempt(&subject, damage)).unwrap();
    let mut kinds: BTreeMap<String, Tally> = BTreeMap::new();
    let mut all = Tally::default();
    for (kind, tally) in &results {
        kinds.entry(kind.clone()).or_default().add(tally);
        all.add(tally);
    }
    report(format_args!(
        "bit flips: {} tried, {} detected and located; strict views {:?}; skipping views {:?}; writers: {} committed, \
         {} refused; findings elsewhere {}",
        all.tried, all.located, all.strict, all.skipping, all.committed, all.refused, all.elsewhere
    ));
    for (kind, tally) in &kinds {
        report(format_args!(
            "  {kind}: {} flips; finding lengths {:?}; rows lost when skipping {}, shown again {}; elsewhere {}",
            tally.tried, tally.lengths, tally.skipping.lost_rows, tally.skipping.shown_again, tally.elsewhere
        ));
    }
    assert_eq!(all.located, flips.len() as u64);
    assert_eq!(all.elsewhere, 0, "damage is named where it is, and nowhere else");
}

#[test]
fn every_flipped_bit_of_a_derived_file_changes_no_answer() {
    let subject = subject();
    let flips = flips(&subject, &fixture::derived_files(&subject.disk), 3);
    let lengths = each(&flips, |damage| {
        caught(|| {
            let (path, byte) = place(damage);
            let disk = damage.on(&subject.disk).unwrap();
            let found = verified(&disk)?.findings;
            let here = found.iter().filter(|finding| holds(finding, path, byte));
            let Some(length) = here.map(|finding| finding.flaw.length).min() else {
                return Err(format!("not located: {found:?}"));
            };
            if found.iter().any(|finding| finding.severity != Severity::Derived) {
                return Err(format!("called more than derived: {found:?}"));
            }
            unharmed(&disk, &subject)?;
            Ok(length)
        })
        .map_err(|broken| format!("{damage}: {broken}"))
    })
    .unwrap();
    let mut histogram: BTreeMap<u64, u64> = BTreeMap::new();
    lengths.into_iter().for_each(|length| *histogram.entry(length).or_default() += 1);
    let tried = flips.len();
    report(format_args!(
        "bit flips of derived files: {tried} tried, {tried} detected and located; finding lengths {histogram:?}"
    ));
}

/// All answers are right, and rows can be written.
fn unharmed(disk: &harness::sim_disk::SimDisk, subject: &Subject) -> Result<(), Broken> {
    for on_damage in [OnDamage::Fail, OnDamage::Skip] {
        let stood = ask_all(disk, subject, on_damage, &|_, _| false)?;
        if stood.unharmed != subject.moments.len() as u64 {
            return Err(format!("not unharmed: {stood:?}"));
        }
    }
    for collection in ["guide", "notes"] {
        if write_to(disk, collection)? != Wrote::Committed {
            return Err(format!("{collection} cannot be written"));
        }
    }
    Ok(())
}

#[test]
fn a_derived_file_can_be_deleted_without_changing_an_answer() {
    let subject = subject();
    for path in fixture::derived_files(&subject.disk) {
        let disk = Damage::Remove(path.clone()).on(&subject.disk).unwrap();
        let findings = verified(&disk).unwrap().findings;
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!((findings[0].severity, &findings[0].path), (Severity::Derived, &path));
        unharmed(&disk, &subject).unwrap();
    }
}

#[test]
fn what_is_not_damaged_is_not_reported() {
    let subject = subject();
    assert_eq!(verified(&subject.disk).unwrap().findings, []);
    unharmed(&subject.disk.clone_image(), &subject).unwrap();
    // Locks are for people: not truth, and not reported.
    let locks: Vec<_> = subject.disk.files().into_iter().filter(|path| path.ends_with("lock")).collect();
    assert!(!locks.is_empty());
    let all = locks.iter().flat_map(|path| {
        let bits = subject.disk.read_file(path).unwrap().len() as u64 * 8;
        (0..bits).map(|bit| Damage::Flip { path: path.clone(), bit })
    });
    let tried = AtomicU64::new(0);
    for flip in all.step_by(effort(17, 1)) {
        let disk = flip.on(&subject.disk).unwrap();
        assert_eq!(verified(&disk).unwrap().findings, [], "{flip}");
        tried.fetch_add(1, Ordering::Relaxed);
    }
    report(format_args!("bit flips of locks: {} tried, none reported", tried.into_inner()));
}

#[test]
fn the_checks_can_fail() {
    let subject = subject();
    // Another store's answers are wrong answers.
    let other = fixture::basic(Compression::None);
    let store = fixture::open(&other).unwrap();
    let mut writer = store.collection("guide").unwrap().writer().unwrap();
    writer.delete("intro#3").unwrap();
    writer.commit().unwrap();
    drop(writer);
    assert!(ask_all(&other, &subject, OnDamage::Fail, &|_, _| true).unwrap_err().contains("intro#3"));
    assert!(ask_all(&other, &subject, OnDamage::Skip, &|_, _| false).unwrap_err().contains("intro#3"));
    // A flip in a row is seen by the row that it hits, and cannot hide behind another.
    let (path, anatomy) = subject.segments.iter().next().unwrap();
    let (bytes, _) = anatomy.parts.iter().find(|(_, part)| matches!(part, Part::Row(_))).unwrap();
    let disk = Damage::Flip { path: path.clone(), bit: bytes.start * 8 }.on(&subject.disk).unwrap();
    assert!(ask_all(&disk, &subject, OnDamage::Skip, &|_, _| false).is_err());
    assert!(ask_all(&disk, &subject, OnDamage::Fail, &|_, _| true).unwrap().lost_rows > 0);
}
