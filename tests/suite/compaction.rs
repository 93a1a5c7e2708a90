//! Compaction may die at any step: what a collection and its snapshots hold and answer is the same before, meanwhile and
//! afterwards, and the next writer leaves no file behind that nobody owns. It needs no more room than it says, readers
//! never notice, and a lost manifest can be rebuilt from what it leaves at any moment.

mod stopped;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use harness::answers::{Hits, answers};
use harness::attack::verified;
use harness::events::Tally;
use harness::fixture::{self, STORE, later_environment, vector};
use harness::model::{Stored, rows_of};
use harness::proof::{each, effort, report};
use harness::rng::Rng;
use harness::sim_disk::{Call, Failure, Fault, SimDisk, Survivors};
use serde_json::json;
use siltstone::format::names::FileKind;
use siltstone::{
    CompactOptions, CompactReport, Compression, EmbeddingIdentity, Environment, Error, Filter, Order, Record,
    Search, SegmentId, Severity, Store, Writer, recover,
};

const DIMS: u32 = 4;

/// Everything is worth rewriting, in several groups.
fn options() -> CompactOptions {
    CompactOptions { min_dead: 0.05, target_bytes: 16_000, rewrite_held: true, ..CompactOptions::default() }
}

fn put(writer: &mut Writer, key: &str, edition: u64) {
    let elements = vector(DIMS, edition * 1000 + key.len() as u64 * 7 + u64::from(key.as_bytes()[0]));
    let metadata = json!({"chunk": edition, "key": key}).as_object().cloned().unwrap();
    let text = format!("Edition {edition} of {key}. ").repeat(8);
    writer.upsert(Record::new(key, &elements).metadata(metadata).text(&text)).unwrap();
}

/// A collection of several segments: full ones and sparse ones, kills that reach from one group into another, deletions
/// alone in a segment, a snapshot in the middle of one and one of nearly everything, and an open segment.
fn sediment() -> SimDisk {
    let disk = SimDisk::new();
    let store = Store::create_in(fixture::environment(&disk), STORE).unwrap();
    let identity = EmbeddingIdentity { dims: DIMS, ..EmbeddingIdentity::default() };
    let collection = store.create_collection("layers", identity).unwrap();
    let mut writer = collection.writer_with(fixture::options(Compression::None)).unwrap();
    (0..20).for_each(|i| put(&mut writer, &format!("a{i}"), 1));
    writer.commit().unwrap();
    (0..3).for_each(|i| put(&mut writer, &format!("a{i}"), 2));
    writer.commit().unwrap();
    writer.create_snapshot("middle").unwrap();
    (20..26).for_each(|i| put(&mut writer, &format!("a{i}"), 1));
    writer.commit().unwrap();
    writer.seal().unwrap();
    (0..14).for_each(|i| put(&mut writer, &format!("a{i}"), 3));
    writer.delete("a15").unwrap();
    writer.commit().unwrap();
    writer.seal().unwrap();
    (0..60).for_each(|i| put(&mut writer, &format!("full{i}"), 1));
    writer.commit().unwrap();
    writer.seal().unwrap();
    ["a3", "a16", "full7"].iter().for_each(|key| assert!(writer.delete(key).unwrap()));
    writer.commit().unwrap();
    writer.seal().unwrap();
    (0..10).for_each(|i| put(&mut writer, &format!("b{i}"), 1));
    writer.commit().unwrap();
    writer.create_snapshot("nearly").unwrap();
    writer.seal().unwrap();
    (4..9).for_each(|i| put(&mut writer, &format!("b{i}"), 2));
    put(&mut writer, "a17", 2);
    writer.commit().unwrap();
    drop(writer);
    disk
}

fn open(disk: &SimDisk, tally: &Arc<Tally>) -> Store {
    let observer = Arc::clone(tally) as _;
    Store::open_in(Environment { observer, ..later_environment(disk) }, STORE).unwrap()
}

fn compact(disk: &SimDisk, options: &CompactOptions, tally: &Arc<Tally>) -> siltstone::Result<CompactReport> {
    let observer = Arc::clone(tally) as _;
    let store = Store::open_in(Environment { observer, ..later_environment(disk) }, STORE)?;
    let collection = store.collection("layers")?;
    collection.writer_with(fixture::options(Compression::None))?.compact(options)
}

/// What a store holds and answers, whatever lies where.
#[derive(Debug, PartialEq)]
struct Told {
    stored: Stored,
    searches: Vec<Vec<Hits>>,
}

fn told(store: &Store) -> Result<Told, String> {
    let stored = Stored::read(store).map_err(|error| error.to_string())?;
    let moments = answers(store).map_err(|error| error.to_string())?;
    Ok(Told { stored, searches: moments.into_iter().map(|moment| moment.searches).collect() })
}

/// The store tells what it should; the next writer compacts what is left, commits a row, and leaves nothing that is not
/// owned.
fn goes_on(disk: &SimDisk, right: &Told, tally: &Arc<Tally>) -> Result<(), String> {
    let store = open(disk, tally);
    let now = told(&store)?;
    if now != *right {
        return Err(format!("tells otherwise: {}", right.stored.difference(&now.stored)));
    }
    let damaged = verified(disk)?.findings.into_iter().find(|found| found.severity == Severity::Damage);
    if let Some(found) = damaged {
        return Err(format!("called damage: {} {}", found.path.display(), found.flaw));
    }
    compact(disk, &options(), tally).map_err(|error| format!("compacting again: {error}"))?;
    let now = told(&open(disk, tally))?;
    if now != *right {
        return Err(format!("tells otherwise when done: {}", right.stored.difference(&now.stored)));
    }
    let collection = open(disk, tally).collection("layers").unwrap();
    let mut writer = collection.writer().map_err(|error| error.to_string())?;
    put(&mut writer, "a0", 9);
    writer.commit().map_err(|error| error.to_string())?;
    // A seal that was interrupted may lack its key index: nothing is lost by that, and `repair` makes it.
    let is_litter =
        |found: &siltstone::Finding| found.severity == Severity::Note && found.flaw.field != "aside";
    let litter = verified(disk)?.findings.into_iter().find(is_litter);
    litter.map_or(Ok(()), |found| Err(format!("left behind: {} {}", found.path.display(), found.flaw)))
}

fn segments(disk: &SimDisk) -> Vec<(u64, u64)> {
    let of = |path: PathBuf| match FileKind::of(&path.file_name()?.to_string_lossy()) {
        Some(FileKind::Segment(number)) => Some((number, disk.read_file(&path).unwrap().len() as u64)),
        _ => None,
    };
    disk.files().into_iter().filter_map(of).collect()
}

#[test]
fn compaction_gives_space_back_and_changes_no_answer() {
    for (compression, hold) in [(Compression::None, true), (Compression::Zstd, false)] {
        let (disk, tally) = (sediment(), Arc::default());
        let store = open(&disk, &tally);
        let collection = store.collection("layers").unwrap();
        if !hold {
            collection.drop_snapshot("middle").unwrap();
            collection.drop_snapshot("nearly").unwrap();
        }
        let (right, old_view) = (told(&store).unwrap(), collection.view().unwrap());
        let before = segments(&disk);
        let plan = collection.compact_plan(&options()).unwrap();
        let options = CompactOptions { rewrite_held: true, ..options() };
        let settings = siltstone::WriterOptions { compression, ..fixture::options(compression) };
        let done = collection.writer_with(settings).unwrap().compact(&options).unwrap();
        assert_eq!(told(&store).unwrap(), right);
        assert_eq!(
            rows_of(&old_view).unwrap(),
            right.stored.0["layers"].rows,
            "an open view keeps what it has"
        );
        assert_eq!(verified(&disk).unwrap().findings, []);

        let inputs = |group: &siltstone::CompactedGroup| group.inputs.clone();
        let planned = plan.groups.iter().map(|group| group.segments.iter().map(|shape| shape.segment));
        assert_eq!(
            planned.map(Iterator::collect).collect::<Vec<Vec<SegmentId>>>(),
            done.groups.iter().map(inputs).collect::<Vec<_>>()
        );
        assert!(plan.groups.iter().all(|group| group.dead_rows() > 0 || group.segments.len() > 1));
        let kept: u64 = done.groups.iter().map(|group| group.rows_kept).sum();
        let dropped: u64 = done.groups.iter().map(|group| group.rows_dropped).sum();
        let space = collection.space().unwrap();
        // One row of a full segment is not worth rewriting it.
        assert_eq!((space.dead_rows, space.held_bytes), (1, done.held_bytes));
        assert!(kept > 20 && dropped > 20, "{done:?}");
        let length = |segments: &[(u64, u64)]| segments.iter().map(|(_, bytes)| bytes).sum::<u64>();
        let after = segments(&disk);
        match hold {
            // Segments that snapshots name are all there still.
            true => assert!(before.iter().filter(|(number, _)| *number < 6).all(|one| {
                after.contains(one) || after.iter().any(|(number, bytes)| *number == one.0 && *bytes >= one.1)
            })),
            false => {
                assert!(length(&after) < length(&before), "{before:?} {after:?}");
                assert_eq!(space.held_segments, 0);
            }
        }
        // Rows come in the order of their keys, and a second run finds nothing to do.
        let view = collection.view().unwrap();
        let output = done.groups.last().unwrap().output;
        let rows = view.iter(Order::Storage).unwrap().map(Result::unwrap);
        let keys: Vec<_> = rows.filter(|row| row.place.segment == output).map(|row| row.key).collect();
        assert!(keys.len() > 1 && keys.is_sorted(), "{keys:?}");
        let again = CompactOptions { min_dead: 0.3, merge_at_least: usize::MAX, ..CompactOptions::default() };
        assert_eq!(collection.compact(&again).unwrap().groups, []);
        report(format_args!(
            "compaction: {} groups, {kept} rows kept, {dropped} dropped, {} bytes before, {} after, {} of them held",
            done.groups.len(),
            length(&before),
            length(&after),
            done.held_bytes
        ));
    }
}

#[test]
fn it_may_die_at_any_call_and_changes_nothing_that_is_told() {
    let pristine = sediment();
    let right = told(&fixture::open(&pristine).unwrap()).unwrap();
    let tally: Arc<Tally> = Arc::default();
    let undisturbed = pristine.clone_image();
    let groups = compact(&undisturbed, &options(), &tally).unwrap().groups.len();
    assert!(groups > 1, "several groups");
    let trace = undisturbed.trace();
    let every = effort(3, 1);
    let calls: Vec<(u64, Call)> = (0..)
        .zip(trace.iter().copied())
        .filter(|(call, kind)| kind.changes() && call % every == 0 || every == 1)
        .collect();
    let (images, errors) = (AtomicU64::new(0), AtomicU64::new(0));
    let results = each(&calls, |&(call, kind)| {
        let disk = pristine.clone_image();
        disk.arm(call, Fault::PowerCut);
        let _ = compact(&disk, &options(), &tally);
        let random = (0..effort(2, 12)).map(|seed| Survivors::Random(seed << 32 | call));
        let corners = disk.corners();
        let step = effort(corners.len().div_ceil(6).max(1), 1);
        let chosen = corners.iter().take(4).chain(corners.iter().skip(4).step_by(step)).copied();
        for survivors in chosen.chain(random) {
            goes_on(&disk.crash_as(survivors), &right, &tally)
                .map_err(|error| format!("cut at call {call}, {survivors:?}: {error}"))?;
            images.fetch_add(1, Ordering::Relaxed);
        }
        goes_on(&disk.kill(), &right, &tally).map_err(|error| format!("killed at call {call}: {error}"))?;
        let mut faults = vec![Fault::Once(Failure::Io)];
        if kind.needs_space() {
            faults.extend([Fault::Once(Failure::Full), Fault::Partly(Failure::Full)]);
        }
        for fault in faults {
            let disk = pristine.clone_image();
            disk.arm(call, fault);
            let result = compact(&disk, &options(), &tally);
            disk.disarm();
            if let Err(error) = result
                && !matches!(error, Error::Io { .. })
            {
                return Err(format!("{fault:?} at call {call} is not called what it is: {error}"));
            }
            goes_on(&disk.crash_as(Survivors::Nothing), &right, &tally)
                .and_then(|()| goes_on(&disk, &right, &tally))
                .map_err(|error| format!("{fault:?} at call {call}: {error}"))?;
            errors.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    });
    results.unwrap_or_else(|error: String| panic!("{error}"));
    assert_eq!(tally.damage.load(Ordering::Relaxed), 0);
    assert!(tally.swept.load(Ordering::Relaxed) > 0, "something was left to sweep");
    report(format_args!(
        "compaction interrupted: {} of {} calls of {groups} groups: {} crash images, {} errors, all passed\n  {tally}",
        calls.len(),
        trace.len(),
        images.into_inner(),
        errors.into_inner()
    ));
}

#[test]
fn a_lost_manifest_is_rebuilt_from_whatever_a_compaction_leaves() {
    let disk = sediment();
    let right = told(&fixture::open(&disk).unwrap()).unwrap();
    disk.keep_moments();
    compact(&disk, &options(), &Arc::default()).unwrap();
    let moments = disk.take_moments();
    let every = effort(2, 1);
    let chosen: Vec<&SimDisk> = moments.iter().map(|(_, disk)| disk).step_by(every).collect();
    let rebuilt = |moment: &&SimDisk| {
        let disk = moment.kill().clone_image();
        for path in disk.files() {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if matches!(FileKind::of(&name), Some(FileKind::Manifest(_))) {
                disk.remove_file(&path).unwrap();
            }
        }
        let environment = later_environment(&disk);
        let told_of =
            recover(&environment, Path::new(STORE), Path::new("/new")).map_err(|e| e.to_string())?;
        if told_of.collections.iter().any(|saved| !saved.with_history || !saved.manifest_rebuilt) {
            return Err(format!("{told_of:?}"));
        }
        let now = told(&Store::open_in(environment, "/new").unwrap())?;
        match now == right {
            true => Ok(()),
            false => Err(right.stored.difference(&now.stored)),
        }
    };
    let all = each(&chosen, rebuilt).unwrap_or_else(|error| panic!("{error}"));
    report(format_args!("compaction, manifest lost: rebuilt at {} moments, all the same", all.len()));
}

#[test]
fn it_needs_room_for_one_new_segment_at_a_time() {
    let mut tried = 0;
    for held in [false, true] {
        let disk = sediment();
        let collection = fixture::open(&disk).unwrap().collection("layers").unwrap();
        if !held {
            collection.drop_snapshot("middle").unwrap();
            collection.drop_snapshot("nearly").unwrap();
        }
        let plan = collection.compact_plan(&options()).unwrap();
        let used = |disk: &SimDisk| -> u64 {
            let files = disk.files();
            files.iter().map(|path| disk.read_file(path).unwrap().len() as u64).sum()
        };
        let before = used(&disk);
        disk.keep_moments();
        let done = compact(&disk, &options(), &Arc::default()).unwrap();
        assert!(done.groups.len() > 1);
        let moments = disk.take_moments();
        let peak = moments.iter().map(|(_, moment)| used(&moment.kill())).max().unwrap();
        // The longest new segment, its key index, the footers of what is sealed first, and two manifests.
        let longest = done.groups.iter().map(|group| group.bytes_after).max().unwrap();
        assert!(longest <= options().target_bytes + 4096 + 4096, "{longest}");
        let planned = plan.groups.iter().map(|group| group.bytes_after).max().unwrap();
        assert!(longest <= planned + planned / 4 + 8192, "planned {planned}, became {longest}");
        let kept: u64 = match held {
            true => done.groups.iter().map(|group| group.bytes_after + 8192).sum(),
            false => 0,
        };
        let allowed = before + longest + kept + 3 * 8192;
        assert!(peak <= allowed, "held {held}: {before} before, {peak} at most, {allowed} allowed");
        tried += moments.len();
        report(format_args!(
            "room for compaction, segments held: {held}: {before} bytes before, {peak} at most, longest new segment {longest}"
        ));
    }
    assert!(tried > 100);
}

#[test]
fn rows_that_the_caller_drops_can_be_had_back() {
    let disk = sediment();
    let collection = fixture::open(&disk).unwrap().collection("layers").unwrap();
    let before = rows_of(&collection.view().unwrap()).unwrap();
    let dropped = ["b0", "full3", "a15", "never there"].map(str::to_owned).to_vec();
    let undo_snapshot = Some("before-compact".to_owned());
    let options = CompactOptions { drop_keys: dropped.clone(), undo_snapshot, ..options() };
    let done = collection.compact(&options).unwrap();
    assert_eq!(done.dropped_rows, 2, "one of them is deleted already, one never was");
    let mut left = before.clone();
    dropped.iter().for_each(|key| drop(left.remove(key)));
    assert_eq!(rows_of(&collection.view().unwrap()).unwrap(), left);
    assert_eq!(rows_of(&collection.snapshot("before-compact").unwrap()).unwrap(), before);
    assert_eq!(verified(&disk).unwrap().findings, []);
    // The name is taken now, and nothing is done when there is something to undo.
    let again = CompactOptions { drop_keys: vec!["b1".to_owned()], ..options };
    assert!(matches!(collection.compact(&again), Err(Error::SnapshotExists { .. })));
    assert!(collection.view().unwrap().contains("b1").unwrap());
}

#[test]
fn everything_deleted_leaves_a_collection_that_goes_on_counting_its_commits() {
    let disk = sediment();
    let collection = fixture::open(&disk).unwrap().collection("layers").unwrap();
    let mut writer = collection.writer_with(fixture::options(Compression::None)).unwrap();
    writer.drop_snapshot("middle").unwrap();
    writer.drop_snapshot("nearly").unwrap();
    writer.delete_where(&Filter::ge("chunk", 0)).unwrap();
    let last = writer.commit().unwrap().commit;
    let all = CompactOptions { min_dead: 0.0, ..CompactOptions::default() };
    writer.compact(&all).unwrap();
    drop(writer);
    assert!(collection.view().unwrap().is_empty());
    assert!(segments(&disk).iter().map(|(_, bytes)| bytes).sum::<u64>() <= 5120, "{:?}", segments(&disk));
    // Even without the witness no commit number is given twice.
    disk.remove_file(collection.directory().join("witness")).unwrap();
    let mut writer = fixture::open(&disk).unwrap().collection("layers").unwrap().writer().unwrap();
    put(&mut writer, "new", 1);
    assert_eq!(writer.commit().unwrap().commit.0, last.0 + 1);
}

#[test]
fn a_damaged_collection_is_not_compacted() {
    let disk = sediment();
    let collection = fixture::open(&disk).unwrap().collection("layers").unwrap();
    let path = collection.directory().join("segment-00000001.seg");
    let mut bytes = disk.read_file(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    disk.write_file(&path, bytes).unwrap();
    let before = disk.files();
    let fresh = fixture::open(&disk).unwrap().collection("layers").unwrap();
    let error = fresh.compact(&options()).unwrap_err();
    assert!(error.is_damage() && error.to_string().contains("segment-00000001.seg"), "{error}");
    let segments = |files: &[PathBuf]| -> BTreeSet<PathBuf> {
        files.iter().filter(|path| path.extension().is_some_and(|kind| kind == "seg")).cloned().collect()
    };
    assert_eq!(segments(&before), segments(&disk.files()));
}

/// Every commit replaces all rows: a view that is not one commit shows it at once.
#[test]
fn readers_never_notice() {
    const ROWS: usize = 40;
    let scratch = tempfile::tempdir().unwrap();
    let store = Store::create(scratch.path().join("store")).unwrap();
    let identity = EmbeddingIdentity { dims: DIMS, ..EmbeddingIdentity::default() };
    let collection = store.create_collection("layers", identity).unwrap();
    let commit = |writer: &mut Writer, round: u64| {
        for row in 0..ROWS {
            let text = round.to_string();
            let (key, elements) = (format!("k{row:02}"), vector(DIMS, round * 100 + row as u64));
            writer.upsert(Record::new(&key, &elements).text(&text)).unwrap();
        }
        writer.commit().unwrap();
    };
    commit(&mut collection.writer().unwrap(), 0);
    let rounds = effort(60, 1_500);
    let (done, views) = (AtomicBool::new(false), AtomicU64::new(0));
    let read = |seed: u64| {
        let mut rng = Rng::new(seed);
        while !done.load(Ordering::Relaxed) {
            // A store of its own, as another process has it, or the shared one.
            let own = Store::open(scratch.path().join("store")).unwrap();
            let collection = match rng.chance(1, 2) {
                true => own.collection("layers").unwrap(),
                false => collection.clone(),
            };
            let view = collection.view().unwrap();
            let texts: BTreeSet<String> =
                view.iter(Order::Key).unwrap().map(|row| row.unwrap().text).collect();
            assert_eq!((view.len(), texts.len()), (ROWS as u64, 1), "{texts:?}");
            let hits = view.search(&vector(DIMS, seed), &Search::new(1000)).unwrap().hits;
            assert_eq!(hits.len(), ROWS);
            views.fetch_add(1, Ordering::Relaxed);
        }
    };
    let mut compactions = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| read(1));
        scope.spawn(|| read(2));
        let options = CompactOptions { min_dead: 0.0, ..CompactOptions::default() };
        for round in 1..=rounds {
            let mut writer = collection.writer().unwrap();
            commit(&mut writer, round);
            compactions += writer.compact(&options).unwrap().groups.len();
        }
        done.store(true, Ordering::Relaxed);
    });
    let views = views.into_inner();
    assert!(views > 0 && compactions as u64 >= rounds);
    report(format_args!(
        "compaction beside readers: {compactions} groups, {views} views, each of one commit"
    ));
}

/// Counts what this process still holds mapped of files below a path that were removed, whenever a group is done.
#[cfg(target_os = "linux")]
#[derive(Debug)]
struct Maps {
    below: String,
    seen: std::sync::Mutex<Vec<(usize, usize)>>,
}

#[cfg(target_os = "linux")]
impl siltstone::Observer for Maps {
    fn event(&self, event: &siltstone::Event) {
        if let siltstone::Event::Compacted { group, .. } = event {
            let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
            let is_gone = |line: &&str| line.contains(&self.below) && line.ends_with(".seg (deleted)");
            let gone = maps.lines().filter(is_gone).count();
            self.seen.lock().unwrap().push((group.inputs.len(), gone));
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn the_space_of_a_group_is_free_before_the_next_is_begun() {
    let scratch = tempfile::tempdir().unwrap();
    sediment().export(scratch.path()).unwrap();
    let below = scratch.path().to_string_lossy().into_owned();
    let maps = Arc::new(Maps { below, seen: std::sync::Mutex::default() });
    let environment = Environment { observer: Arc::clone(&maps) as _, ..Environment::default() };
    let store = Store::open_in(environment, scratch.path().join("store")).unwrap();
    let collection = store.collection("layers").unwrap();
    collection.drop_snapshot("middle").unwrap();
    collection.drop_snapshot("nearly").unwrap();
    collection.compact(&CompactOptions { target_bytes: 12_000, ..options() }).unwrap();
    let seen = maps.seen.lock().unwrap().clone();
    assert!(seen.len() > 1 && seen.iter().all(|(own, gone)| gone <= own), "{seen:?}");
}
