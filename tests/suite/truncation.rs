//! Every length that a file can be cut to: noticed by deep verification, never the reason for a panic or a wrong
//! answer. A tail that was acknowledged is never taken for an interrupted commit, not even when the cut is where a
//! commit ends: the witness remembers it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use harness::answers::{Moment, RowValue};
use harness::attack::{Broken, Stood, Subject, Wrote, ask_all, caught, verified, write_to};
use harness::damage::Damage;
use harness::fixture;
use harness::proof::{each, is_full, report};
use siltstone::{Compression, OnDamage, Severity};

fn subject() -> Subject {
    Subject::new(fixture::basic(Compression::None))
}

/// Every length of these files, or every `stride`-th and those around the ends of frames.
fn cuts(subject: &Subject, files: &[PathBuf], stride: u64) -> Vec<Damage> {
    let mut cuts = Vec::new();
    for path in files {
        let length = subject.disk.read_file(path).unwrap().len() as u64;
        let ends = subject.segments.get(path).into_iter().flat_map(|anatomy| &anatomy.frames);
        let ends: Vec<u64> = ends.map(|frame| frame.bytes.end).chain([4096, length]).collect();
        let is_near = |at: u64| ends.iter().any(|end| end.abs_diff(at) <= 1);
        let wanted = (0..length).filter(|&at| is_full() || at % stride == 0 || is_near(at));
        cuts.extend(wanted.map(|length| Damage::Truncate { path: path.clone(), length }));
    }
    cuts
}

fn place(damage: &Damage) -> (&Path, u64) {
    match damage {
        Damage::Truncate { path, length } => (path, *length),
        _ => unreachable!("only cuts are made here"),
    }
}

/// Rows that may be lost: those whose frame is no longer whole, or all of those that hang on a document.
fn may_lose(subject: &Subject, path: &Path, length: u64, moment: &Moment, row: &RowValue) -> bool {
    if let Some(anatomy) = subject.segments.get(path) {
        let cut = anatomy.frames.iter().filter(|frame| frame.bytes.end > length);
        return cut.flat_map(|frame| frame.rows.clone()).any(|at| anatomy.rows.get(at as usize) == Some(row));
    }
    let name = path.file_name().unwrap().to_string_lossy();
    name.starts_with("catalogue") || name.starts_with("manifest") || moment.snapshot.is_some()
}

#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    tried: u64,
    /// Cuts where a whole commit ends.
    at_commits: u64,
    located: u64,
    strict: Stood,
    skipping: Stood,
    committed: u64,
    refused: u64,
}

fn one(subject: &Subject, damage: &Damage) -> Result<Tally, Broken> {
    let (path, length) = place(damage);
    let disk = damage.on(&subject.disk).unwrap();
    let findings = verified(&disk)?.findings;
    let here: Vec<_> = findings.iter().filter(|finding| finding.path == path).collect();
    if !here.iter().any(|finding| finding.severity == Severity::Damage) {
        return Err(format!("not detected: {findings:?}"));
    }
    if here.iter().any(|finding| finding.severity == Severity::Note) {
        return Err(format!("an acknowledged tail is called a tear: {findings:?}"));
    }
    let ends = |finding: &siltstone::Finding| finding.flaw.offset.saturating_add(finding.flaw.length);
    let located = here.iter().any(|finding| finding.flaw.offset <= length && ends(finding) >= length);
    let strict = ask_all(&disk, subject, OnDamage::Fail, &|_, _| true)?;
    if strict.unharmed == subject.moments.len() as u64 && !path.ends_with("witness") {
        return Err("every strict view opens and answers as if nothing were missing".to_owned());
    }
    let skipping =
        ask_all(&disk, subject, OnDamage::Skip, &|moment, row| may_lose(subject, path, length, moment, row))?;
    let is_commit = |anatomy: &harness::anatomy::Anatomy| {
        anatomy.frames.iter().any(|frame| frame.is_last && frame.bytes.end == length) || length == 4096
    };
    let mut tally = Tally {
        tried: 1,
        at_commits: u64::from(subject.segments.get(path).is_some_and(is_commit)),
        located: u64::from(located),
        strict,
        skipping,
        ..Tally::default()
    };
    for collection in ["guide", "notes"] {
        match write_to(&disk, collection)? {
            Wrote::Committed => tally.committed += 1,
            Wrote::Refused => tally.refused += 1,
        }
    }
    // What was lost stays known after somebody has written.
    if !path.ends_with("witness") && !verified(&disk)?.is_damaged() {
        return Err("after writing, the loss is forgotten".to_owned());
    }
    Ok(tally)
}

#[test]
fn every_truncation_is_detected_and_never_called_a_tear() {
    let subject = subject();
    let cuts = cuts(&subject, &fixture::truth_files(&subject.disk), 29);
    let results = each(&cuts, |damage| {
        let tally = caught(|| one(&subject, damage)).map_err(|broken| format!("{damage}: {broken}"))?;
        let name = place(damage).0.file_name().unwrap().to_string_lossy().into_owned();
        Ok::<_, String>((name.split(['-', '.']).next().unwrap_or_default().to_owned(), tally))
    })
    .unwrap();
    let mut kinds: BTreeMap<String, Tally> = BTreeMap::new();
    for (kind, tally) in results {
        let sum = kinds.entry(kind).or_default();
        sum.tried += tally.tried;
        sum.at_commits += tally.at_commits;
        sum.located += tally.located;
        sum.strict += tally.strict;
        sum.skipping += tally.skipping;
        sum.committed += tally.committed;
        sum.refused += tally.refused;
    }
    report(format_args!("truncations: {} tried, all detected, none called a tear", cuts.len()));
    for (kind, tally) in kinds {
        report(format_args!("  {kind}: {tally:?}"));
    }
}

#[test]
fn a_truncated_key_index_changes_no_answer() {
    let subject = subject();
    let cuts = cuts(&subject, &fixture::derived_files(&subject.disk), 29);
    each(&cuts, |damage| {
        caught(|| {
            let disk = damage.on(&subject.disk).unwrap();
            let findings = verified(&disk)?.findings;
            let derived = |finding: &siltstone::Finding| finding.severity == Severity::Derived;
            if findings.is_empty() || !findings.iter().all(derived) {
                return Err(format!("{findings:?}"));
            }
            let stood = ask_all(&disk, &subject, OnDamage::Fail, &|_, _| false)?;
            match stood.unharmed == subject.moments.len() as u64 {
                true => Ok(()),
                false => Err(format!("{stood:?}")),
            }
        })
        .map_err(|broken| format!("{damage}: {broken}"))
    })
    .unwrap();
    report(format_args!(
        "truncations of derived files: {} tried, all detected, no answer changed",
        cuts.len()
    ));
}

/// Without the witness, a cut where a commit ends leaves a shorter file that nothing can tell from a good one. That is
/// why losing the witness is a finding by itself.
#[test]
fn without_the_witness_a_cut_at_a_commit_would_not_be_noticed() {
    let subject = subject();
    let path = fixture::open_segment(&subject.disk);
    let frames = &subject.segments[&path].frames;
    let last =
        frames.iter().rev().find(|frame| frame.is_last && frame.bytes.end < frames.last().unwrap().bytes.end);
    // The second snapshot names an earlier commit, so that the cut is after everything that it promises.
    let cut = Damage::Truncate { path: path.clone(), length: last.unwrap().bytes.end };
    let disk = cut.on(&subject.disk).unwrap();
    assert!(verified(&disk).unwrap().is_damaged());
    let witness = path.with_file_name("witness");
    disk.remove_file(&witness).unwrap();
    let findings = verified(&disk).unwrap().findings;
    let paths: Vec<_> = findings.iter().map(|finding| finding.path.clone()).collect();
    assert_eq!(paths, [witness], "{findings:?}");
}

/// The other side of the promise: an interrupted commit is a tear at every length, and is cut and kept.
#[test]
fn every_length_of_an_interrupted_commit_is_a_tear() {
    let subject = Subject::new(fixture::basic(Compression::None));
    let path = fixture::open_segment(&subject.disk);
    let whole = subject.disk.read_file(&path).unwrap().len();
    let torn = fixture::torn_tail().read_file(&path).unwrap();
    let lengths: Vec<usize> = (whole + 1..=torn.len()).collect();
    each(&lengths, |&length| {
        caught(|| {
            let disk = subject.disk.clone_image();
            disk.write_file(&path, &torn[..length]).unwrap();
            let findings = verified(&disk)?.findings;
            if !matches!(&findings[..], [finding] if finding.severity == Severity::Note && finding.flaw.field == "tail")
            {
                return Err(format!("{findings:?}"));
            }
            let stood = ask_all(&disk, &subject, OnDamage::Fail, &|_, _| false)?;
            assert_eq!(stood.unharmed, subject.moments.len() as u64);
            drop(fixture::open(&disk).unwrap().collection("guide").unwrap().writer().unwrap());
            assert_eq!(disk.read_file(&path).unwrap().len(), whole);
            let kept = disk.files().into_iter().find(|file| file.parent().unwrap().ends_with("aside")).unwrap();
            assert_eq!(disk.read_file(kept).unwrap(), &torn[whole..length]);
            Ok(())
        })
        .map_err(|broken| format!("length {length}: {broken}"))
    })
    .unwrap();
    report(format_args!(
        "interrupted commits: {} lengths tried, all called tears, cut and kept",
        lengths.len()
    ));
}
