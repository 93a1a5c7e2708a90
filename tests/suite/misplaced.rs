//! Good bytes in the wrong place or of the wrong time: rows, blocks, frames and files that changed places, writes that
//! landed elsewhere, old versions that came back, sectors that read as zeros. Every checksum of such bytes may be right
//! by itself; the seeds, the chain and the digests tell that they do not belong there.
//!
//! Not noticed, because an ordinary loss of power leaves the same: an older slot of the witness, which promises less and
//! costs nothing. Nor can anything notice a whole store that is consistently of an older time.

use std::path::{Path, PathBuf};

use harness::anatomy::segments;
use harness::attack::{Broken, Subject, ask_all, caught, verified};
use harness::damage::{Damage, Piece, misplaced_blocks, replayed_blocks, swapped_blocks, zeroed_blocks};
use harness::fixture::{self, STORE, later_environment};
use harness::proof::{each, is_full, report};
use harness::sim_disk::SimDisk;
use siltstone::{Depth, OnDamage, Severity, verify};

/// Two collections of the same shape, each with two sealed segments and an open one, and a third.
fn store(edition: u64) -> SimDisk {
    let disk = fixture::twins();
    fixture::go_on(&disk, "guide", edition);
    fixture::go_on(&disk, "twin", edition);
    disk
}

#[derive(Debug, Default)]
struct Tally {
    tried: u64,
    quick: u64,
    strict: u64,
}

/// Tries each damage, or a sample of at most `most`: deep verification must name one of the changed files, and no reader
/// may return a row that was never there.
fn try_all(what: &str, subject: &Subject, mut damages: Vec<Damage>, most: usize) {
    assert!(!damages.is_empty(), "{what}: nothing to try");
    let step = if is_full() { 1 } else { damages.len().div_ceil(most) };
    damages = damages.into_iter().step_by(step).collect();
    let results = each(&damages, |damage| {
        caught(|| one(subject, damage)).map_err(|broken| format!("{what}: {damage}: {broken}"))
    });
    let mut tally = Tally::default();
    for (quick, strict) in results.unwrap() {
        tally.tried += 1;
        tally.quick += u64::from(quick);
        tally.strict += u64::from(strict);
    }
    report(format_args!(
        "{what}: {} tried, all found by deep verification, {} by a quick one, {} by whoever reads everything",
        tally.tried, tally.quick, tally.strict
    ));
}

/// Whether a quick verification notices, and whether strict readers do.
fn one(subject: &Subject, damage: &Damage) -> Result<(bool, bool), Broken> {
    let disk = damage.on(&subject.disk).unwrap();
    let findings = verified(&disk)?.findings;
    let damaged = |finding: &&siltstone::Finding| finding.severity == Severity::Damage;
    let named = findings.iter().filter(damaged).any(|finding| {
        damage.paths().iter().any(|path| path.starts_with(&finding.path) || finding.path == *path)
    });
    if !named {
        return Err(format!("not detected: {findings:?}"));
    }
    let quick = verify(&later_environment(&disk), Path::new(STORE), Depth::Quick, None);
    let quick = quick.map_err(|error| error.to_string())?.is_damaged();
    let strict = ask_all(&disk, subject, OnDamage::Fail, &|_, _| true)?;
    ask_all(&disk, subject, OnDamage::Skip, &|_, _| true)?;
    Ok((quick, strict.unharmed < subject.moments.len() as u64))
}

fn subject() -> Subject {
    Subject::new(store(100))
}

fn pairs<T: Clone>(items: &[T]) -> impl Iterator<Item = (T, T)> + '_ {
    let after = |place: usize| items.iter().skip(place + 1);
    items.iter().enumerate().flat_map(move |(place, a)| after(place).map(|b| (a.clone(), b.clone())))
}

/// Swaps of pieces of equal length and different content.
fn swaps(disk: &SimDisk, pieces: &[Piece]) -> Vec<Damage> {
    let bytes = |piece: &Piece| {
        let bytes = disk.read_file(&piece.path).unwrap();
        bytes[piece.offset as usize..(piece.offset + piece.length) as usize].to_vec()
    };
    let fit = pairs(pieces).filter(|(a, b)| a.length == b.length && bytes(a) != bytes(b));
    fit.map(|(a, b)| Damage::Swap(a, b)).collect()
}

fn whole(disk: &SimDisk, path: &Path) -> Piece {
    Piece { path: path.to_owned(), offset: 0, length: disk.read_file(path).unwrap().len() as u64 }
}

#[test]
fn swapped_rows_are_detected() {
    let subject = subject();
    let rows: Vec<Piece> = subject
        .segments
        .iter()
        .flat_map(|(path, anatomy)| {
            anatomy.parts.iter().filter_map(|(bytes, part)| {
                let piece =
                    Piece { path: path.clone(), offset: bytes.start, length: bytes.end - bytes.start };
                matches!(part, harness::anatomy::Part::Row(_)).then_some(piece)
            })
        })
        .collect();
    try_all("swapped rows", &subject, swaps(&subject.disk, &rows), 400);
}

#[test]
fn swapped_frames_are_detected() {
    let subject = subject();
    let frames: Vec<Piece> = subject
        .segments
        .iter()
        .flat_map(|(path, anatomy)| {
            anatomy.frames.iter().map(|frame| Piece {
                path: path.clone(),
                offset: frame.bytes.start,
                length: frame.bytes.end - frame.bytes.start,
            })
        })
        .collect();
    try_all("swapped frames", &subject, swaps(&subject.disk, &frames), 300);
}

#[test]
fn swapped_blocks_are_detected() {
    let subject = subject();
    let files = fixture::truth_files(&subject.disk);
    for block_bytes in [512, 4096] {
        let mut damages = Vec::new();
        for file in &files {
            damages.extend(swapped_blocks(&subject.disk, file, file, block_bytes).unwrap());
        }
        for (a, b) in pairs(&files) {
            damages.extend(swapped_blocks(&subject.disk, &a, &b, block_bytes).unwrap());
        }
        try_all(&format!("swapped blocks of {block_bytes}"), &subject, damages, 600);
    }
}

#[test]
fn writes_that_landed_elsewhere_are_detected() {
    let subject = subject();
    let files = segments(&subject.disk.files());
    let mut damages = Vec::new();
    for from in &files {
        for to in fixture::truth_files(&subject.disk) {
            damages.extend(misplaced_blocks(&subject.disk, from, &to, 512).unwrap());
        }
    }
    try_all("blocks over others", &subject, damages, 600);
}

#[test]
fn zeroed_sectors_are_detected() {
    let subject = subject();
    for block_bytes in [512, 4096] {
        let files = fixture::truth_files(&subject.disk).into_iter();
        let damages = files.flat_map(|path| zeroed_blocks(&subject.disk, &path, block_bytes).unwrap());
        try_all(&format!("zeroed blocks of {block_bytes}"), &subject, damages.collect(), 300);
    }
}

#[test]
fn swapped_files_are_detected() {
    let subject = subject();
    let files: Vec<PathBuf> = fixture::truth_files(&subject.disk);
    let mut damages = Vec::new();
    for (a, b) in pairs(&files) {
        // A whole file takes the other's place, whatever its length.
        for (from, to) in [(&a, &b), (&b, &a)] {
            damages.push((from.clone(), to.clone(), subject.disk.read_file(from).unwrap()));
        }
    }
    let tried = damages.len();
    let strict: Vec<bool> = each(&damages, |(from, to, bytes)| {
        caught(|| {
            let disk = subject.disk.clone_image();
            disk.write_file(to, bytes.clone()).unwrap();
            let findings = verified(&disk)?.findings;
            let is_named = |finding: &siltstone::Finding| {
                finding.severity == Severity::Damage && to.starts_with(&finding.path)
            };
            if !findings.iter().any(is_named) {
                return Err(format!("not detected: {findings:?}"));
            }
            let stood = ask_all(&disk, &subject, OnDamage::Fail, &|_, _| true)?;
            ask_all(&disk, &subject, OnDamage::Skip, &|_, _| true)?;
            Ok(stood.unharmed < subject.moments.len() as u64)
        })
        .map_err(|broken| format!("{} in place of {}: {broken}", from.display(), to.display()))
    })
    .unwrap();
    let strict = strict.into_iter().filter(|noticed| *noticed).count();
    report(format_args!("files in place of others: {tried} tried, all found, {strict} by strict readers"));
}

/// The same store as it went on in another history: what a lost write and a later one leave on the medium. Strict readers
/// never return a row of it. Whoever skips damage may, where a whole tail with its footer came back: nothing in the
/// segment tells which of two histories is the true one.
#[test]
fn old_versions_are_detected() {
    let (mut subject, other) = (subject(), store(500));
    let histories = Subject::new(other.clone_image()).segments.into_values();
    subject.other_history = histories.flat_map(|anatomy| anatomy.rows).collect();
    let files = segments(&subject.disk.files());
    for block_bytes in [512, 4096] {
        let blocks =
            files.iter().flat_map(|path| replayed_blocks(&other, &subject.disk, path, block_bytes).unwrap());
        try_all(&format!("old blocks of {block_bytes}"), &subject, blocks.collect(), 300);
    }
    let frames = subject.segments.iter().flat_map(|(path, anatomy)| {
        let old = other.read_file(path).unwrap();
        let now = subject.disk.read_file(path).unwrap();
        anatomy
            .frames
            .iter()
            .filter_map(move |frame| {
                let range = frame.bytes.start as usize..frame.bytes.end as usize;
                let (path, offset) = (path.clone(), frame.bytes.start);
                (old[range.clone()] != now[range.clone()]).then(|| Damage::Overwrite {
                    path,
                    offset,
                    bytes: old[range].to_vec(),
                })
            })
            .collect::<Vec<_>>()
    });
    try_all("old frames", &subject, frames.collect(), 100);
    let changed = |path: &PathBuf| other.read_file(path).unwrap() != subject.disk.read_file(path).unwrap();
    let whole_files = files.iter().filter(|path| changed(path)).map(|path| Damage::Overwrite {
        path: path.clone(),
        offset: 0,
        bytes: other.read_file(path).unwrap(),
    });
    try_all("old segments", &subject, whole_files.collect(), 100);
}

/// A segment as it was at an earlier commit, while everything else is of now.
#[test]
fn old_prefixes_of_segments_are_detected() {
    let subject = subject();
    let prefixes = subject.segments.iter().flat_map(|(path, anatomy)| {
        let ends = anatomy.frames.iter().filter(|frame| frame.is_last).map(|frame| frame.bytes.end);
        let length = whole(&subject.disk, path).length;
        let shorter = [4096].into_iter().chain(ends).filter(move |end| *end < length);
        shorter.map(|length| Damage::Truncate { path: path.clone(), length })
    });
    try_all("old prefixes of segments", &subject, prefixes.collect(), 100);
}

/// An older witness promises less. Everything that it does not name is read and found whole: no harm, and no finding.
#[test]
fn an_older_witness_does_no_harm() {
    let disk = fixture::twins();
    let files = disk.files();
    let witnesses: Vec<_> = files.iter().filter(|path| path.ends_with("witness")).collect();
    let old: Vec<_> = witnesses.iter().map(|path| disk.read_file(path).unwrap()).collect();
    fixture::go_on(&disk, "guide", 100);
    let subject = Subject::new(disk);
    let mut tried = 0;
    for (path, bytes) in witnesses.into_iter().zip(old) {
        for offset in [0, 512] {
            let slot = bytes[offset..offset + 512].to_vec();
            let damage = Damage::Overwrite { path: path.clone(), offset: offset as u64, bytes: slot };
            let disk = damage.on(&subject.disk).unwrap();
            assert!(!verified(&disk).unwrap().is_damaged(), "{damage}");
            let stood = ask_all(&disk, &subject, OnDamage::Fail, &|_, _| false).unwrap();
            assert_eq!(stood.unharmed, subject.moments.len() as u64, "{damage}");
            tried += 1;
        }
    }
    report(format_args!("older slots of the witness: {tried} tried, no harm done"));
}

#[test]
fn the_check_can_fail() {
    let subject = subject();
    // A swap that changes nothing that is checked: lock files.
    let locks: Vec<_> = subject.disk.files().into_iter().filter(|path| path.ends_with("lock")).collect();
    let bytes = b"somebody else".to_vec();
    let damage = Damage::Overwrite { path: locks[0].clone(), offset: 0, bytes };
    assert!(one(&subject, &damage).unwrap_err().contains("not detected"));
}
