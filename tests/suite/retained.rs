//! A snapshot keeps its segments when the manifest no longer lists them: it answers as before, every byte of them is
//! watched over, nobody removes them while a snapshot names them, and dropping the last one that does removes the files,
//! at whatever call it dies.

use std::path::{Path, PathBuf};

use harness::answers::{Moment, answers};
use harness::attack::{Subject, ask_all, caught, verified};
use harness::damage::Damage;
use harness::fixture::{self, STORE, later_environment};
use harness::proof::{each, effort, is_full, report};
use harness::sim_disk::{Failure, Fault, SimDisk, Survivors};
use siltstone::format::manifest::Manifest;
use siltstone::format::names::FileKind;
use siltstone::{Compression, OnDamage, Record, Severity, Store, recover};

const COLLECTION: &str = "guide";
/// One sealed segment, or all: the second one never was sealed.
const RETIRED: [&[u64]; 2] = [&[1], &[1, 2]];

fn directory(disk: &SimDisk) -> PathBuf {
    fixture::open_segment(disk).parent().unwrap().to_owned()
}

/// The basic store, whose manifest no longer lists some segments of `guide`.
pub(crate) fn retire(segments: &[u64]) -> SimDisk {
    let disk = fixture::basic(Compression::None);
    let directory = directory(&disk);
    let name = |path: &PathBuf| FileKind::of(&path.file_name().unwrap().to_string_lossy());
    let is_manifest = |path: &PathBuf| matches!(name(path), Some(FileKind::Manifest(_)));
    let path =
        disk.files().into_iter().find(|path| path.starts_with(&directory) && is_manifest(path)).unwrap();
    let (mut manifest, _) = Manifest::decode(&disk.read_file(&path).unwrap()).unwrap();
    manifest.segments.retain(|entry| !segments.contains(&entry.segment));
    manifest.retired = segments.to_vec();
    manifest.generation += 1;
    let next = directory.join(FileKind::Manifest(manifest.generation).file_name());
    disk.write_file(next, manifest.encode().unwrap()).unwrap();
    disk.remove_file(path).unwrap();
    disk
}

fn snapshots(moments: &[Moment]) -> Vec<Moment> {
    let of_guide = moments.iter().filter(|moment| moment.collection == COLLECTION);
    of_guide.filter(|moment| moment.snapshot.is_some()).cloned().collect()
}

fn before() -> Vec<Moment> {
    snapshots(&answers(&fixture::open(&fixture::basic(Compression::None)).unwrap()).unwrap())
}

fn segment_files(disk: &SimDisk) -> Vec<u64> {
    let directory = directory_of_guide(disk);
    let files = disk.files().into_iter().filter(|path| path.starts_with(&directory));
    let numbers = files.filter_map(|path| match FileKind::of(&path.file_name()?.to_string_lossy()) {
        Some(FileKind::Segment(number)) => Some(number),
        _ => None,
    });
    numbers.collect()
}

fn directory_of_guide(disk: &SimDisk) -> PathBuf {
    fixture::open(disk).unwrap().collection(COLLECTION).unwrap().directory().to_owned()
}

/// Opens for writing, which sweeps, and commits a row.
fn write(disk: &SimDisk) -> siltstone::Result<()> {
    let collection = fixture::open(disk)?.collection(COLLECTION)?;
    let mut writer = collection.writer()?;
    writer.upsert(Record::new("new", &fixture::vector(4, 99)))?;
    writer.commit().map(drop)
}

#[test]
fn snapshots_answer_as_before_without_their_segments_in_the_manifest() {
    for segments in RETIRED {
        let disk = retire(segments);
        assert_eq!(snapshots(&answers(&fixture::open(&disk).unwrap()).unwrap()), before(), "{segments:?}");
        assert_eq!(verified(&disk).unwrap().findings, [], "{segments:?}");
        write(&disk).unwrap();
        assert_eq!(snapshots(&answers(&fixture::open(&disk).unwrap()).unwrap()), before(), "{segments:?}");
        assert!(segments.iter().all(|segment| segment_files(&disk).contains(segment)));
        assert_eq!(verified(&disk).unwrap().findings, [], "{segments:?}");
    }
}

#[test]
fn every_flipped_bit_of_a_held_segment_is_located_and_never_answered() {
    let mut tried = 0;
    for segments in RETIRED {
        let disk = retire(segments);
        let directory = directory(&disk);
        let subject = Subject::new(disk);
        let mut flips = Vec::new();
        for segment in segments {
            let path = directory.join(FileKind::Segment(*segment).file_name());
            let bits = subject.disk.read_file(&path).unwrap().len() as u64 * 8;
            let step = if is_full() { 1 } else { 37 };
            flips.extend((0..bits).step_by(step).map(|bit| (path.clone(), bit)));
        }
        let one = |(path, bit): &(PathBuf, u64)| {
            let damage = Damage::Flip { path: path.clone(), bit: *bit };
            let disk = damage.on(&subject.disk).unwrap();
            let findings = verified(&disk)?.findings;
            let holds =
                |flaw: &siltstone::Flaw| (flaw.offset..flaw.offset + flaw.length).contains(&(bit / 8));
            let damaged = findings.iter().filter(|found| found.severity == Severity::Damage);
            if !damaged.into_iter().any(|found| found.path == *path && holds(&found.flaw)) {
                return Err(format!("not located: {findings:?}"));
            }
            ask_all(&disk, &subject, OnDamage::Fail, &|_, _| true)?;
            ask_all(&disk, &subject, OnDamage::Skip, &|_, _| true)
        };
        let all = each(&flips, |flip| caught(|| one(flip)).map_err(|error| format!("{flip:?}: {error}")));
        tried += all.unwrap_or_else(|error| panic!("{error}")).len();
    }
    report(format_args!("held segments: {tried} flipped bits, all located, none answered"));
}

/// What a disk may hold after a drop of `second`, then of `first`, that somebody interrupted: each is whole or gone.
fn check(disk: &SimDisk, told: &[Moment]) -> Result<(), String> {
    let store = fixture::open(disk).map_err(|error| error.to_string())?;
    let found = snapshots(&answers(&store).map_err(|error| error.to_string())?);
    if let Some(wrong) = found.iter().find(|moment| !told.contains(moment)) {
        return Err(format!("{:?} answers otherwise", wrong.snapshot));
    }
    write(disk).map_err(|error| format!("writing: {error}"))?;
    let findings = verified(disk)?.findings;
    if let Some(finding) = findings.first() {
        return Err(format!("{} {}", finding.path.display(), finding.flaw));
    }
    let names: Vec<&str> = found.iter().filter_map(|moment| moment.snapshot.as_deref()).collect();
    let files = segment_files(disk);
    let wanted = [(1, names.contains(&"first") || names.contains(&"second")), (2, names.contains(&"second"))];
    match wanted.iter().find(|(segment, is_wanted)| files.contains(segment) != *is_wanted) {
        Some((segment, _)) => Err(format!("with {names:?} there are the segments {files:?}: {segment}")),
        None => Ok(()),
    }
}

fn drop_both(disk: &SimDisk) -> siltstone::Result<()> {
    let collection = fixture::open(disk)?.collection(COLLECTION)?;
    collection.drop_snapshot("second")?;
    collection.drop_snapshot("first")
}

#[test]
fn dropping_the_last_snapshot_that_names_a_segment_removes_it_at_whatever_call_it_dies() {
    let told = before();
    let pristine = retire(&[1, 2]);
    let undisturbed = pristine.clone_image();
    drop_both(&undisturbed).unwrap();
    assert_eq!(segment_files(&undisturbed), Vec::<u64>::new(), "nothing names them any more");
    let calls: Vec<u64> = (0..undisturbed.calls()).collect();
    let results = each(&calls, |&call| {
        let mut images = 0;
        let disk = pristine.clone_image();
        disk.arm(call, Fault::PowerCut);
        let _ = drop_both(&disk);
        let random = (0..effort(4, 40)).map(|seed| Survivors::Random(seed << 32 | call));
        for survivors in disk.corners().into_iter().chain(random) {
            check(&disk.crash_as(survivors), &told)
                .map_err(|e| format!("cut at {call}, {survivors:?}: {e}"))?;
            images += 1;
        }
        check(&disk.kill(), &told).map_err(|error| format!("killed at {call}: {error}"))?;
        for failure in [Failure::Io, Failure::Full] {
            let disk = pristine.clone_image();
            disk.arm(call, Fault::Once(failure));
            let _ = drop_both(&disk);
            disk.disarm();
            check(&disk, &told).map_err(|error| format!("{failure:?} at {call}: {error}"))?;
        }
        Ok::<_, String>(images + 3)
    });
    let images: u64 = results.unwrap_or_else(|error| panic!("{error}")).into_iter().sum();
    report(format_args!(
        "dropping held segments: {} calls cut, killed and failed, {images} disks, all passed",
        calls.len()
    ));
}

#[test]
fn recovery_copies_what_only_snapshots_name() {
    for segments in RETIRED {
        let disk = retire(segments);
        let told = recover(&later_environment(&disk), Path::new(STORE), Path::new("/new")).unwrap();
        assert!(
            told.collections.iter().all(|saved| saved.with_history && saved.damage.is_empty()),
            "{told:?}"
        );
        let new = Store::open_in(later_environment(&disk), "/new").unwrap();
        assert_eq!(snapshots(&answers(&new).unwrap()), before());
        let environment = later_environment(&disk);
        let report =
            siltstone::verify(&environment, Path::new("/new"), siltstone::Depth::Deep, None).unwrap();
        assert_eq!(report.findings, []);
    }
}
