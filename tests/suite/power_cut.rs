//! An acknowledged commit survives a power cut at every disk call, in every crash image that is tried; what was not
//! acknowledged is wholly there or wholly not; and no ordinary power cut is ever called damage.
//!
//! A seeded workload runs once undisturbed, to learn how many disk calls it makes. Then it runs again for each of them,
//! with the power going at that call. From each cut several disks are made that it may have left; each is read, verified,
//! written to, and read again. They lose their power a second time while they recover, and once more afterwards. One more
//! disk kept its power, and lost the process only.

use std::sync::Arc;

use harness::aftermath::Aftermath;
use harness::events::Tally;
use harness::lying_disk::{Lie, LyingDisk};
use harness::model::Stored;
use harness::proof::{each, effort, report};
use harness::rng::mix3;
use harness::sim_disk::{Call, Failure, Fault, Lost, SimDisk, Survivors};
use harness::workload::{Workload, environment};
use siltstone::Observer;
use siltstone::disk::Disk;

/// A workload, the disk as the engine sees it, and who listens.
struct Trial {
    seed: u64,
    steps: usize,
    lie: Option<Lie>,
    tally: Arc<Tally>,
}

/// Whether the power was off: what is seen is durable then, and otherwise need not be.
#[derive(Debug, Clone, Copy)]
enum Power {
    On,
    Back,
}

/// What was tried. All of it passed, or the proof ended.
#[derive(Debug, Default, Clone, Copy)]
struct Tried {
    cuts: u64,
    images: u64,
    second_cuts: u64,
}

impl std::iter::Sum for Tried {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |a, b| Self {
            cuts: a.cuts + b.cuts,
            images: a.images + b.images,
            second_cuts: a.second_cuts + b.second_cuts,
        })
    }
}

impl Trial {
    fn new(seed: u64, steps: usize) -> Self {
        Self { seed, steps, lie: None, tally: Arc::default() }
    }

    fn observer(&self) -> Arc<dyn Observer> {
        Arc::clone(&self.tally) as Arc<dyn Observer>
    }

    /// Runs the workload on a disk until a call fails, and closes everything; says what the disk may hold then.
    fn run(&self, disk: &SimDisk) -> Vec<Option<Stored>> {
        let seen: Arc<dyn Disk> = match self.lie {
            Some(lie) => Arc::new(LyingDisk { disk: disk.clone(), lie }),
            None => Arc::new(disk.clone()),
        };
        let environment = environment(seen, self.observer(), self.seed);
        let mut workload = Workload::new(environment, self.seed, (4, 8));
        let result = workload.run(self.steps);
        assert!(result.is_ok() || disk.fired(), "without a fault: {result:?}");
        workload.abandon();
        workload.allowed()
    }

    /// The calls of the undisturbed workload.
    fn trace(&self) -> Vec<Call> {
        let disk = SimDisk::new();
        self.run(&disk);
        disk.trace()
    }

    /// Cuts the power at a call, and tries what it may have left.
    fn cut_at(&self, call: u64, random: u64, corners: bool) -> Result<Tried, String> {
        let disk = SimDisk::new();
        disk.arm(call, Fault::PowerCut);
        let allowed = self.run(&disk);
        let mut tried = Tried { cuts: 1, ..Tried::default() };
        for (number, survivors) in (0..).zip(self.images(&disk, call, random, corners)) {
            let image = || (disk.crash_as(survivors), Power::Back);
            let result = self.twice(image, &allowed, mix3(self.seed, call, number));
            tried.images +=
                result.map_err(|e| format!("seed {}, cut at call {call}, {survivors:?}: {e}", self.seed))?;
            tried.second_cuts += 1;
        }
        // Once more, with the power still on: only the process died, and the next one builds on what it sees, durable or
        // not, before the power goes.
        for second in [1, 2] {
            let result = self.twice(|| (disk.kill(), Power::On), &allowed, !mix3(self.seed, call, second));
            tried.images += result.map_err(|e| format!("seed {}, killed at call {call}: {e}", self.seed))?;
            tried.second_cuts += 1;
        }
        Ok(tried)
    }

    /// Goes on with a disk, and with the same disk once more, which loses its power at one of the calls of that.
    fn twice(
        &self,
        disk: impl Fn() -> (SimDisk, Power),
        allowed: &[Option<Stored>],
        seed: u64,
    ) -> Result<u64, String> {
        let images = self.survive(&disk().0, allowed, seed)?;
        let second = mix3(seed, 2, 2) % 80;
        let more = self.cut_again(disk(), allowed, second, seed);
        Ok(1 + images + more.map_err(|e| format!("and again at call {second} of the recovery: {e}"))?)
    }

    fn images(&self, disk: &SimDisk, call: u64, random: u64, corners: bool) -> Vec<Survivors> {
        let seed = |number| mix3(self.seed, call, number);
        let mut images = disk.corners();
        if !corners {
            // The four extremes, and one of the states that were there one after the other.
            let prefix = 4 + seed(u64::MAX) as usize % images.len().saturating_sub(4).max(1);
            images = images.iter().take(4).chain(images.get(prefix)).copied().collect();
        }
        images.extend((0..random).map(|number| Survivors::Random(seed(number))));
        images
    }

    /// Goes on with a disk, and cuts the power once more when all is acknowledged.
    fn survive(&self, disk: &SimDisk, allowed: &[Option<Stored>], seed: u64) -> Result<u64, String> {
        let observer = &self.observer();
        let seed = seed >> 24;
        let stored = Aftermath { disk, allowed, observer, seed }.carry_on()?;
        let allowed = &[Some(stored)];
        let last = [Survivors::Nothing, Survivors::Everything, Survivors::Random(seed)];
        for survivors in last {
            let disk = &disk.crash_as(survivors);
            Aftermath { disk, allowed, observer, seed: seed + 2 }
                .look()
                .map_err(|error| format!("after going on and {survivors:?}: {error}"))?;
        }
        Ok(last.len() as u64)
    }

    /// Cuts the power at a call of the recovery, and goes on with what that leaves.
    fn cut_again(
        &self,
        (disk, power): (SimDisk, Power),
        allowed: &[Option<Stored>],
        second: u64,
        seed: u64,
    ) -> Result<u64, String> {
        let observer = &self.observer();
        let aftermath = Aftermath { disk: &disk, allowed, observer, seed: mix3(seed, 0, 0) >> 24 };
        let mut workload = match power {
            Power::Back => aftermath.look()?,
            Power::On => aftermath.look_at_live()?,
        };
        disk.arm(disk.calls() + second, Fault::PowerCut);
        let _interrupted = workload.carry_on();
        workload.abandon();
        let image = disk.crash(seed);
        Ok(1 + self.survive(&image, &workload.allowed(), seed)?)
    }
}

/// The calls at which to cut: all that change anything, or a sample of them.
fn cuts(trace: &[Call], every: usize, seed: u64) -> Vec<u64> {
    let changing = (0u64..).zip(trace).filter(|(_, call)| call.changes()).map(|(number, _)| number);
    changing.skip(seed as usize % every).step_by(every).collect()
}

#[test]
fn an_acknowledged_commit_survives_a_power_cut_at_every_disk_call() {
    let (seeds, every, random, corners) = effort((1..=4, 9, 3, false), (1..=8, 1, 6, true));
    let mut all = Vec::new();
    let mut tallies = Vec::new();
    for seed in seeds.clone() {
        let trial = Trial::new(seed, 60);
        let trace = trial.trace();
        let calls: Vec<u64> = match every {
            1 => (0..trace.len() as u64).collect(),
            _ => cuts(&trace, every, seed),
        };
        let results = each(&calls, |&call| trial.cut_at(call, random, corners));
        all.extend(results.unwrap_or_else(|error| panic!("{error}")));
        assert_eq!(trial.tally.damage.load(std::sync::atomic::Ordering::Relaxed), 0, "seed {seed}");
        tallies.push(format!("  seed {seed}: {} calls; {}", trace.len(), trial.tally));
    }
    let Tried { cuts, images, second_cuts } = all.into_iter().sum();
    report(format_args!(
        "power cut: seeds {seeds:?}: {cuts} cuts, {second_cuts} second cuts, {images} crash images, all passed\n{}",
        tallies.join("\n")
    ));
}

/// A sync that fails and loses its pages, which stay readable: the power goes at once, or the process is started again
/// on the same machine, goes on, and only then the power goes.
#[test]
fn what_is_acknowledged_after_a_failed_sync_survives_a_power_cut() {
    let (seeds, every) = effort((1..=3, 3), (1..=20, 1));
    let mut counts = Vec::new();
    for seed in seeds.clone() {
        let trial = Trial::new(seed, 60);
        let syncs: Vec<(u64, Call)> = (0..).zip(trial.trace()).filter(|(_, call)| call.is_sync()).collect();
        let faults: Vec<(u64, Lost)> = syncs
            .into_iter()
            .skip(seed as usize % every)
            .step_by(every)
            .flat_map(|(number, _)| [Lost::Everything, Lost::Some, Lost::Nothing].map(|lost| (number, lost)))
            .collect();
        let results = each(&faults, |&(number, lost)| {
            let disk = SimDisk::new();
            disk.lose(lost);
            disk.arm(number, Fault::Once(Failure::Io));
            let allowed = trial.run(&disk);
            let at_once = [Survivors::Nothing, Survivors::Everything, Survivors::Random(number)];
            let crashed =
                at_once.iter().map(|survivors| trial.survive(&disk.crash_as(*survivors), &allowed, number));
            let killed = (0..2)
                .map(|second| trial.twice(|| (disk.kill(), Power::On), &allowed, mix3(seed, number, second)));
            let images = crashed.chain(killed).sum::<Result<u64, String>>();
            images.map_err(|error| format!("seed {seed}, sync {number} fails, {lost:?} is lost: {error}"))
        });
        counts.extend(results.unwrap_or_else(|error| panic!("{error}")));
    }
    report(format_args!(
        "failed syncs: seeds {seeds:?}: {} failures, {} crash images, all passed",
        counts.len(),
        counts.iter().sum::<u64>()
    ));
}

/// The proof can fail: on a disk that lies about its syncs it must find a loss.
#[test]
fn a_disk_that_lies_about_syncs_is_found_out() {
    for lie in [Lie::Files, Lie::Directories] {
        let trial = Trial { lie: Some(lie), ..Trial::new(1, 60) };
        let calls = cuts(&trial.trace(), 5, 1);
        let loss = each(&calls, |&call| trial.cut_at(call, 2, false).map(drop));
        let loss = loss.expect_err("nothing was found");
        report(format_args!("power cut, canary: a disk that lies about {lie:?} is found out: {loss}"));
    }
}
