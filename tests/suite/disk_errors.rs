//! A failing or full disk loses nothing that was committed, says what is wrong, and leaves the store usable.
//!
//! A seeded workload runs once for every disk call and every kind of failure, with that call failing. Whatever the call
//! was for: the engine returns an error that names what it did and to which file, the writer it happened to either goes
//! on with its batch whole or refuses everything, and once the disk works again the store is read, verified and written
//! to, on the same disk and after a power cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use harness::aftermath::Aftermath;
use harness::events::Tally;
use harness::model::Stored;
use harness::proof::{each, effort, report};
use harness::rng::mix3;
use harness::sim_disk::{Call, Failure, Fault, Lost, SimDisk, Survivors};
use harness::workload::{ROOT, Workload, environment};
use siltstone::{Error, Observer, Store};

const STEPS: usize = 60;

/// A call to fail, and how.
#[derive(Debug, Clone, Copy)]
struct Failing {
    seed: u64,
    call: u64,
    fault: Fault,
    lost: Lost,
}

/// What came of the failures.
#[derive(Debug, Default)]
struct Outcomes {
    /// The call that failed made the engine's call fail.
    returned: AtomicU64,
    /// The engine could do without what failed, and all went on.
    tolerated: AtomicU64,
    /// Writers that refused to go on.
    poisoned: AtomicU64,
    tally: Arc<Tally>,
}

impl Outcomes {
    fn observer(&self) -> Arc<dyn Observer> {
        Arc::clone(&self.tally) as Arc<dyn Observer>
    }

    fn workload(&self, disk: &SimDisk, seed: u64) -> Workload {
        Workload::new(environment(Arc::new(disk.clone()), self.observer(), seed), seed, (4, 8))
    }

    fn trace(&self, seed: u64) -> Vec<Call> {
        let disk = SimDisk::new();
        self.workload(&disk, seed).run(STEPS).unwrap();
        disk.trace()
    }

    fn fail(&self, failing: &Failing) -> Result<(), String> {
        self.try_fail(failing).map_err(|error| format!("{failing:?}: {error}"))
    }

    fn try_fail(&self, failing: &Failing) -> Result<(), String> {
        let disk = SimDisk::new();
        disk.lose(failing.lost);
        disk.arm(failing.call, failing.fault);
        let mut workload = self.workload(&disk, failing.seed);
        match workload.run(STEPS) {
            Ok(()) => self.tolerated.fetch_add(1, Ordering::Relaxed),
            Err(error) => {
                check_error(&error, failing.fault)?;
                self.returned.fetch_add(1, Ordering::Relaxed)
            }
        };
        if matches!(failing.fault, Fault::Lasting(_)) {
            try_in_vain(&workload);
        }
        disk.disarm();
        self.poisoned.fetch_add(workload.settle()?, Ordering::Relaxed);
        workload.abandon();
        self.goes_on(&disk, &workload.allowed(), mix3(failing.seed, failing.call, 1) >> 24)
    }

    /// The store is whole on the disk as it is, goes on, and is whole after a power cut.
    fn goes_on(&self, disk: &SimDisk, allowed: &[Option<Stored>], seed: u64) -> Result<(), String> {
        let observer = &self.observer();
        let stored = Aftermath { disk, allowed, observer, seed }.carry_on()?;
        let allowed = &[Some(stored)];
        for survivors in [Survivors::Nothing, Survivors::Everything, Survivors::Random(seed)] {
            Aftermath { disk: &disk.crash_as(survivors), allowed, observer, seed: seed + 2 }
                .look()
                .map_err(|error| format!("after a power cut that leaves {survivors:?}: {error}"))?;
        }
        Ok(())
    }
}

/// The error says what could not be done, to which file, and what to do about it.
fn check_error(error: &Error, fault: Fault) -> Result<(), String> {
    let text = error.to_string();
    let Error::Io { action, path, .. } = error else { return Err(format!("not a disk error: {text}")) };
    let is_full = matches!(
        fault,
        Fault::Once(Failure::Full) | Fault::Partly(Failure::Full) | Fault::Lasting(Failure::Full)
    );
    let advice = error.next_step();
    let is_clear = text.starts_with(&format!("cannot {action} {}", path.display()))
        && (path.starts_with(ROOT) || ROOT.starts_with(&*path.to_string_lossy()))
        && advice.contains(if is_full { "free some space" } else { "check the disk" });
    is_clear.then_some(()).ok_or_else(|| format!("not clear: {text}; {advice}"))
}

/// While the disk still fails, somebody else tries to read and to write. Neither panics, nothing comes of it.
fn try_in_vain(workload: &Workload) {
    let Ok(store) = Store::open_in(workload.environment.clone(), ROOT) else { return };
    let _ = Stored::read(&store);
    for name in store.all_names().unwrap_or_default() {
        let _ = store.collection(&name).and_then(|collection| collection.writer()).map(drop);
    }
}

/// Every way in which a call may fail.
fn ways(seed: u64, call: u64, kind: Call) -> Vec<Failing> {
    let mut faults = vec![Fault::Once(Failure::Io), Fault::Lasting(Failure::Io)];
    if kind.needs_space() {
        faults.extend([Fault::Once(Failure::Full), Fault::Lasting(Failure::Full)]);
    }
    if kind == Call::Write {
        faults.extend([Fault::Partly(Failure::Io), Fault::Partly(Failure::Full)]);
    }
    let lost: &[Lost] = match kind {
        Call::Sync => &[Lost::Everything, Lost::Some, Lost::Nothing],
        _ => &[Lost::Everything],
    };
    let failing = |fault| lost.iter().map(move |&lost| Failing { seed, call, fault, lost });
    faults.into_iter().flat_map(failing).collect()
}

#[test]
fn a_failing_disk_loses_nothing_committed_and_leaves_the_store_usable() {
    let (seeds, every) = effort((11..=13, 17), (11..=20, 1));
    let outcomes = Outcomes::default();
    let mut failures = Vec::new();
    for seed in seeds.clone() {
        let trace = outcomes.trace(seed);
        let all = (0..).zip(trace).flat_map(|(call, kind)| ways(seed, call, kind));
        failures.extend(all.skip(seed as usize % every).step_by(every));
    }
    each(&failures, |failing| outcomes.fail(failing)).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(outcomes.tally.damage.load(Ordering::Relaxed), 0);
    report(format_args!(
        "disk errors: seeds {seeds:?}: {} failures, all passed: {} returned as errors, {} done without, {} writers \
         poisoned\n  {}",
        failures.len(),
        outcomes.returned.load(Ordering::Relaxed),
        outcomes.tolerated.load(Ordering::Relaxed),
        outcomes.poisoned.load(Ordering::Relaxed),
        outcomes.tally
    ));
}

/// A disk of a given size, which a workload fills. Reading goes on; writing goes on when there is space again.
#[test]
fn a_full_disk_keeps_what_was_committed_and_goes_on_when_there_is_space() {
    let (seeds, step) = effort((31..=32, 2_999), (31..=38, 509));
    let outcomes = Outcomes::default();
    let mut sizes = Vec::new();
    for seed in seeds.clone() {
        let disk = SimDisk::new();
        outcomes.workload(&disk, seed).run(STEPS).unwrap();
        let files = disk.files();
        let used: u64 = files.iter().map(|file| disk.read_file(file).unwrap().len() as u64).sum();
        sizes.extend((0..used).step_by(step).map(|bytes| (seed, bytes)));
    }
    let fill = |&(seed, bytes): &(u64, u64)| -> Result<(), String> {
        let disk = SimDisk::new();
        disk.set_capacity(Some(bytes));
        let mut workload = outcomes.workload(&disk, seed);
        if let Err(error) = workload.run(STEPS) {
            check_error(&error, Fault::Once(Failure::Full))?;
            outcomes.returned.fetch_add(1, Ordering::Relaxed);
        }
        try_in_vain(&workload);
        let allowed = workload.allowed();
        // A full disk can be read: what was committed is found without any space.
        if allowed.iter().all(Option::is_some) {
            let look = Aftermath { disk: &disk, allowed: &allowed, observer: &outcomes.observer(), seed };
            look.look().map_err(|error| format!("while full: {error}"))?;
        }
        disk.set_capacity(None);
        outcomes.poisoned.fetch_add(workload.settle()?, Ordering::Relaxed);
        workload.abandon();
        outcomes.goes_on(&disk, &workload.allowed(), seed)
    };
    each(&sizes, |size| fill(size).map_err(|error| format!("seed {}, {} bytes: {error}", size.0, size.1)))
        .unwrap_or_else(|error| panic!("{error}"));
    let returned = outcomes.returned.load(Ordering::Relaxed);
    assert!(returned * 2 > sizes.len() as u64, "hardly ever full: {returned} of {}", sizes.len());
    report(format_args!(
        "full disk: seeds {seeds:?}: {} sizes, all passed: {returned} were too small, {} writers poisoned",
        sizes.len(),
        outcomes.poisoned.load(Ordering::Relaxed)
    ));
}

/// The proof can fail: a store that lost an acknowledged row, and one that kept a row that nobody committed, are
/// found out.
#[test]
fn a_loss_that_is_made_on_purpose_is_found_out() {
    let outcomes = Outcomes::default();
    // The first workload that leaves a row to lose, and another one.
    let left = (1..100).find_map(|seed| {
        let disk = SimDisk::new();
        let mut workload = outcomes.workload(&disk, seed);
        workload.run(STEPS).unwrap();
        workload.abandon();
        let stored = workload.acknowledged()?.clone();
        stored.0.values().any(|kept| kept.rows.len() > 1).then_some((disk, stored))
    });
    let (disk, stored) = left.unwrap();
    outcomes.goes_on(&disk.clone_image(), &[Some(stored.clone())], 5).unwrap();

    let (name, kept) = stored.0.iter().find(|(_, kept)| kept.rows.len() > 1).unwrap();
    let key = kept.rows.keys().next().unwrap();
    let mut less = stored.clone();
    less.0.get_mut(name).unwrap().rows.remove(key);
    let lost = disk.clone_image();
    let store = Store::open_in(environment(Arc::new(lost.clone()), outcomes.observer(), 3), ROOT).unwrap();
    let mut writer = store.collection(name).unwrap().writer().unwrap();
    writer.delete(key).unwrap();
    writer.commit().unwrap();
    drop(writer);
    let found = outcomes.goes_on(&lost, &[Some(stored.clone())], 5).unwrap_err();
    assert!(found.contains("should be there, is absent"), "{found}");
    let found = outcomes.goes_on(&disk, &[Some(less)], 5).unwrap_err();
    assert!(found.contains("should be absent, is there"), "{found}");
}
