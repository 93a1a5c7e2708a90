//! Repair: every single flipped bit of truth is put right, byte for byte, with the original kept; a power cut or a failing
//! disk at any call of a repair leaves the old bytes or the new ones, and the next repair goes on.

mod drills;
mod from_backup;
mod interrupted;
mod moments;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use harness::attack::{Broken, caught, verified};
use harness::damage::Damage;
use harness::fixture::{self, STORE, later_environment, truth_files};
use harness::proof::{each, is_full, report};
use harness::sim_disk::SimDisk;
use siltstone::backup::{self, Place};
use siltstone::{Compression, Remedy, RepairOptions, RepairReport, Severity, plan_repair, repair};

const BACKUPS: &str = "/backups";
const REPOSITORY: &str = "/repository";

/// The files of the store that are truth, with their bytes; what is put aside is not.
fn truth(disk: &SimDisk) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = truth_files(disk).into_iter().filter(|path| !is_aside(path));
    files.map(|path| (path.clone(), disk.read_file(&path).unwrap())).collect()
}

fn is_aside(path: &Path) -> bool {
    path.parent().is_some_and(|directory| directory.ends_with("aside"))
}

/// Everything is allowed, or nothing is lost by it; with the backups that there are.
fn options(disk: &SimDisk, quarantine: bool) -> siltstone::Result<RepairOptions> {
    let environment = later_environment(disk);
    let mut backups = backup::list(&environment, &Place::Directory(BACKUPS.into()))?;
    backups.extend(backup::list(&environment, &Place::Repository(REPOSITORY.into()))?);
    Ok(RepairOptions { quarantine, drop_snapshots: quarantine, backups, only: None })
}

fn run(disk: &SimDisk, quarantine: bool) -> siltstone::Result<RepairReport> {
    repair(&later_environment(disk), Path::new(STORE), &options(disk, quarantine)?)
}

fn repaired(disk: &SimDisk, quarantine: bool) -> Result<RepairReport, Broken> {
    run(disk, quarantine).map_err(|error| format!("repair fails: {error}"))
}

/// Nothing is called damage, and derived files are whole.
fn is_sound(disk: &SimDisk) -> Result<(), Broken> {
    let findings = verified(disk)?.findings;
    match findings.iter().find(|finding| finding.severity != Severity::Note) {
        Some(finding) => Err(format!("after the repair: {} {}", finding.path.display(), finding.flaw)),
        None => Ok(()),
    }
}

/// Flips a bit, plans, repairs, and compares with the pristine store.
fn put_right(pristine: &SimDisk, right: &BTreeMap<PathBuf, Vec<u8>>, flip: &Damage) -> Result<(), Broken> {
    let disk = flip.on(pristine).unwrap();
    let path = flip.paths()[0];
    let damaged = disk.read_file(path).unwrap();
    let plan = plan_repair(&later_environment(&disk), Path::new(STORE), &RepairOptions::default())
        .map_err(|error| format!("the plan fails: {error}"))?;
    if disk.read_file(path).unwrap() != damaged {
        return Err("the plan changed something".to_owned());
    }
    let one_bit = |remedy: &Remedy| matches!(remedy, Remedy::Mend { bits: 1 });
    let [item] = &plan.items[..] else { return Err(format!("not one step: {:?}", plan.items)) };
    if item.path != path || !one_bit(&item.remedy) || !item.is_certain() {
        return Err(format!("another step: {item:?}"));
    }
    let told = repaired(&disk, true)?;
    if told.done != plan.items || !told.left.is_empty() || !told.lost.is_empty() {
        return Err(format!("not what was planned: {told:?}"));
    }
    if truth(&disk) != *right {
        return Err("the bytes are not those of before".to_owned());
    }
    if told.kept.len() != 1 || disk.read_file(&told.kept[0]).unwrap() != damaged {
        return Err(format!("the original is not kept: {:?}", told.kept));
    }
    is_sound(&disk)
}

/// The flips of a store: all of them, or one bit of every `stride`-th byte.
fn flips(disk: &SimDisk, stride: usize) -> Vec<Damage> {
    let mut flips = Vec::new();
    for path in truth_files(disk) {
        let bits = disk.read_file(&path).unwrap().len() as u64 * 8;
        let every = if stride == 1 { 1 } else { stride * 8 + 1 };
        flips.extend((0..bits).step_by(every).map(|bit| Damage::Flip { path: path.clone(), bit }));
    }
    flips
}

fn put_all_right(name: &str, pristine: &SimDisk, stride: usize) {
    let right = truth(pristine);
    let flips = flips(pristine, stride);
    each(&flips, |flip| {
        caught(|| put_right(pristine, &right, flip)).map_err(|broken| format!("{flip}: {broken}"))
    })
    .unwrap_or_else(|broken| panic!("{broken}"));
    let bytes: usize = right.values().map(Vec::len).sum();
    report(format_args!(
        "repair, {name}: {} flipped bits of {} bytes in {} files of truth tried, {} repaired byte-identical",
        flips.len(),
        bytes,
        right.len(),
        flips.len()
    ));
}

#[test]
fn every_flipped_bit_of_truth_is_repaired_byte_identical() {
    let stride = if is_full() { 1 } else { 41 };
    put_all_right("basic store", &fixture::basic(Compression::None), stride);
}

#[test]
fn flipped_bits_of_compressed_stores_and_of_all_metrics_are_repaired_byte_identical() {
    let stride = if is_full() { 7 } else { 211 };
    put_all_right("compressed store", &fixture::zstd(), stride);
    put_all_right("store of all metrics", &fixture::metrics(), stride);
}

/// Of segments that only snapshots hold no manifest promises anything: they are held against their own seal, and against the
/// snapshots.
#[test]
fn flipped_bits_of_segments_that_only_snapshots_hold_are_repaired_byte_identical() {
    let stride = if is_full() { 7 } else { 211 };
    put_all_right("sealed segment of a snapshot", &crate::retained::retire(&[1]), stride);
    put_all_right("segments of snapshots only", &crate::retained::retire(&[1, 2]), stride);
}

/// One bit in each of several structures of one file, and of several files, at once.
#[test]
fn one_flipped_bit_a_structure_is_repaired_in_many_structures_at_once() {
    let pristine = fixture::basic(Compression::None);
    let right = truth(&pristine);
    let mut tried = 0;
    for seed in 0..if is_full() { 200 } else { 10 } {
        let disk = pristine.clone_image();
        let mut rng = harness::rng::Rng::new(seed);
        for path in truth_files(&pristine) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let bytes = pristine.read_file(&path).unwrap().len() as u64;
            let bits: Vec<u64> = match name.ends_with(".seg") {
                // A bit in the page, and one in each frame header and trailer: they confirm each other.
                true => {
                    let anatomy = harness::anatomy::dissect(&path, &pristine.read_file(&path).unwrap());
                    let frames = anatomy.frames.iter();
                    let in_frame = frames.flat_map(|frame| [frame.bytes.start, frame.bytes.end - 64]);
                    [0].into_iter().chain(in_frame).map(|at| at * 8 + rng.below(64 * 8)).collect()
                }
                false => vec![rng.below(bytes * 8)],
            };
            for bit in bits {
                Damage::Flip { path: path.clone(), bit }.apply(&disk).unwrap();
                tried += 1;
            }
        }
        let told = repaired(&disk, false).unwrap();
        assert!(told.left.is_empty(), "seed {seed}: {:?}", told.left);
        assert_eq!(truth(&disk), right, "seed {seed}");
        is_sound(&disk).unwrap();
    }
    report(format_args!("repair: {tried} bits flipped together, all repaired byte-identical"));
}

#[test]
fn a_good_store_is_left_alone() {
    for pristine in [fixture::basic(Compression::None), fixture::zstd(), fixture::torn_tail()] {
        let before: Vec<_> =
            pristine.files().into_iter().map(|path| (pristine.read_file(&path).unwrap(), path)).collect();
        assert_eq!(
            plan_repair(&later_environment(&pristine), Path::new(STORE), &RepairOptions::default())
                .unwrap()
                .items,
            []
        );
        assert_eq!(repaired(&pristine, true).unwrap(), RepairReport::default());
        let is_lock = |path: &Path| path.ends_with("lock");
        for (bytes, path) in before.iter().filter(|(_, path)| !is_lock(path)) {
            assert_eq!(pristine.read_file(path).unwrap(), *bytes, "{}", path.display());
        }
    }
}

/// The check can fail: two flipped bits in one row are no single flipped bit, and must not pass for repaired.
#[test]
fn two_flipped_bits_of_a_row_do_not_pass_for_repaired() {
    let pristine = fixture::basic(Compression::None);
    let path = fixture::open_segment(&pristine);
    let once = Damage::Flip { path: path.clone(), bit: (4096 + 256) * 8 + 3 }.on(&pristine).unwrap();
    let flip = Damage::Flip { path, bit: (4096 + 257) * 8 + 5 };
    let broken = put_right(&once, &truth(&pristine), &flip).unwrap_err();
    assert!(broken.contains("another step"), "{broken}");
}
