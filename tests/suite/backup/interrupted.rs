//! Each act, with the power going, the process dying, or the disk failing at every call of it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use harness::answers::Moment;
use harness::fixture::STORE;
use harness::lying_disk::{Lie, LyingDisk};
use harness::proof::{each, effort, report};
use harness::sim_disk::{Call, Failure, Fault, SimDisk, Survivors};
use siltstone::backup::{self, BackupOptions, Keep, Place, RestoreOptions, restore};
use siltstone::{Depth, Environment, Error, Severity, verify};

use super::{BACKUPS, REPOSITORY, Scene, archives, below, damage, environment, on, repository, state, touch};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Create,
    CreateStored,
    Restore,
    RestoreStored,
    RestoreOne,
    RestoreSafety,
    RestoreElsewhere,
    Prune,
    PruneStored,
    PruneSafety,
}

const ACTS: [Act; 10] = [
    Act::Create,
    Act::CreateStored,
    Act::Restore,
    Act::RestoreStored,
    Act::RestoreOne,
    Act::RestoreSafety,
    Act::RestoreElsewhere,
    Act::Prune,
    Act::PruneStored,
    Act::PruneSafety,
];

const ELSEWHERE: &str = "/elsewhere";

/// An act, the disk before it, and the states in which the store may be found after an interruption.
struct Stage {
    act: Act,
    disk: SimDisk,
    first: String,
    first_stored: String,
    allowed: Vec<Vec<Moment>>,
    elsewhere: Vec<Moment>,
}

impl Stage {
    fn of(act: Act, scene: &Scene) -> Self {
        let disk = scene.disk.clone_image();
        let mut stage = Self {
            act,
            disk,
            first: scene.first.path.display().to_string(),
            first_stored: scene.first_stored.path.display().to_string(),
            allowed: vec![scene.now.clone()],
            elsewhere: scene.before.clone(),
        };
        if matches!(act, Act::RestoreSafety | Act::PruneSafety) {
            Stage { act: Act::Restore, ..Stage::of(Act::Restore, scene) }.act(&on(&stage.disk, 50)).unwrap();
            stage.disk = stage.disk.clone_image();
            stage.allowed = vec![scene.before.clone()];
        }
        let after = stage.disk.clone_image();
        stage.act(&on(&after, 60)).unwrap();
        let after = state(&after).unwrap();
        if !stage.allowed.contains(&after) {
            stage.allowed.push(after);
        }
        stage
    }

    fn act(&self, environment: &Environment) -> siltstone::Result<()> {
        let root = Path::new(STORE);
        let (place, which) = match self.act {
            Act::RestoreStored => (repository(), &self.first_stored),
            _ => (archives(), &self.first),
        };
        let options = match self.act {
            Act::RestoreOne => RestoreOptions { collection: Some("guide".to_owned()), ..Default::default() },
            Act::RestoreElsewhere => RestoreOptions { to: Some(ELSEWHERE.into()), ..Default::default() },
            _ => RestoreOptions::default(),
        };
        let prune = |place: &Place, with_backups: bool| {
            let backups = if with_backups { backup::list(environment, place)? } else { Vec::new() };
            let safety = if with_backups { Vec::new() } else { backup::safety_copies(environment, root)? };
            let keep = Keep { days: Some(0), ..Keep::default() };
            let plan = backup::plan_prune(backups, safety, keep, i64::MAX)?;
            backup::prune(environment, place, root, &plan).map(drop)
        };
        match self.act {
            Act::Create => {
                backup::create(environment, root, &archives(), &BackupOptions::default()).map(drop)
            }
            Act::CreateStored => {
                backup::create(environment, root, &repository(), &BackupOptions::default()).map(drop)
            }
            Act::Restore | Act::RestoreStored | Act::RestoreOne | Act::RestoreElsewhere => {
                let found = backup::find(environment, &place, root, which)?;
                restore(environment, &found, root, &options).map(drop)
            }
            Act::RestoreSafety => {
                let Some(copy) = backup::safety_copies(environment, root)?.pop() else { return Ok(()) };
                restore(environment, &copy, root, &options).map(drop)
            }
            Act::Prune => prune(&archives(), true),
            Act::PruneStored => prune(&repository(), true),
            Act::PruneSafety => prune(&archives(), false),
        }
    }

    fn trace(&self) -> Vec<Call> {
        let disk = self.disk.clone_image();
        self.act(&on(&disk, 10)).unwrap();
        disk.trace()
    }

    /// What must hold on a disk after an interruption, and that the act can be done then.
    fn look(&self, disk: &SimDisk, seed: u64) -> Result<(), String> {
        let found = state(disk)?;
        if !self.allowed.contains(&found) {
            return Err("neither the old store nor the new one".to_owned());
        }
        let environment = &on(disk, seed);
        if let Some(damage) = damage(environment, STORE).first() {
            return Err(format!("called damage: {damage}"));
        }
        for place in [archives(), repository()] {
            let listed = backup::list(environment, &place).map_err(|error| format!("list: {error}"))?;
            if listed.is_empty() {
                return Err(format!("no backup is left in {place:?}"));
            }
            for info in listed {
                let found = backup::verify(environment, &info).map_err(|error| format!("verify: {error}"))?;
                if !info.is_sound() || !found.damage.is_empty() {
                    return Err(format!("{}: {:?} {:?}", info.name, info.damage, found.damage));
                }
            }
        }
        for copy in backup::safety_copies(environment, Path::new(STORE)).map_err(|error| error.to_string())? {
            let found = backup::verify(environment, &copy).map_err(|error| format!("verify: {error}"))?;
            if !found.damage.is_empty() {
                return Err(format!("{}: {:?}", copy.name, found.damage));
            }
        }
        self.again(disk, seed + 1)
    }

    fn again(&self, disk: &SimDisk, seed: u64) -> Result<(), String> {
        let environment = &on(disk, seed);
        let is_there = disk.read_file(format!("{ELSEWHERE}/catalogue.json")).is_ok();
        if self.act == Act::RestoreElsewhere && is_there {
            let store = siltstone::Store::open_in(environment.clone(), ELSEWHERE);
            let found = store.and_then(|store| harness::answers::answers(&store));
            if found.map_err(|error| format!("elsewhere: {error}"))? != self.elsewhere {
                return Err("another store elsewhere".to_owned());
            }
        } else {
            self.act(environment).map_err(|error| format!("once more: {error}"))?;
            if !self.allowed.contains(&state(disk)?) {
                return Err("once more: another store".to_owned());
            }
        }
        // Whoever comes next sweeps what the interruption left.
        touch(environment).map_err(|error| format!("go on: {error}"))?;
        for place in [archives(), repository()] {
            backup::create(environment, Path::new(STORE), &place, &BackupOptions::default())
                .map_err(|error| format!("back up: {error}"))?;
        }
        is_tidy(environment, disk)
    }
}

fn is_tidy(environment: &Environment, disk: &SimDisk) -> Result<(), String> {
    let report =
        verify(environment, Path::new(STORE), Depth::Quick, None).map_err(|error| error.to_string())?;
    let is_litter = |severity, field| severity == Severity::Note && field != "aside";
    if let Some(litter) = report.findings.iter().find(|found| is_litter(found.severity, found.flaw.field)) {
        return Err(format!("left behind: {} {}", litter.path.display(), litter.flaw));
    }
    let names: BTreeSet<String> =
        below(disk, BACKUPS).iter().map(|file| file.display().to_string()).collect();
    for name in &names {
        let archive = name.trim_end_matches(".b3").trim_end_matches(".verified.json");
        if name != "lock" && !(archive.ends_with(".tar.zst") && names.contains(archive)) {
            return Err(format!("left behind in {BACKUPS}: {name}"));
        }
    }
    if let Some(litter) = below(disk, REPOSITORY).iter().find(|file| {
        let name = file.display().to_string();
        // An object that was being written when all ended is written over, or goes with the next prune.
        name.ends_with(".tmp") && !name.starts_with("objects") || name.contains("rehearsal")
    }) {
        return Err(format!("left behind in {REPOSITORY}: {}", litter.display()));
    }
    match disk.files().iter().find(|file| file.display().to_string().contains(".restoring")) {
        Some(litter) => Err(format!("left behind: {}", litter.display())),
        None => Ok(()),
    }
}

#[test]
fn the_power_may_go_at_every_call() {
    let scene = Scene::new();
    let (every, random) = effort((5, 1), (1, 4));
    for act in ACTS {
        let stage = Stage::of(act, &scene);
        let changing: Vec<u64> =
            (0..).zip(stage.trace()).filter(|(_, call)| call.changes()).map(|(number, _)| number).collect();
        let calls: Vec<u64> = changing.iter().copied().skip(act as usize % every).step_by(every).collect();
        let images = each(&calls, |&call| {
            let disk = stage.disk.clone_image();
            disk.arm(call, Fault::PowerCut);
            let _interrupted = stage.act(&on(&disk, 10));
            let mut images = 0;
            let randoms = (0..random).map(|number| Survivors::Random(call * 100 + number));
            for survivors in [Survivors::Nothing, Survivors::Everything].into_iter().chain(randoms) {
                let after = disk.crash_as(survivors);
                stage.look(&after, 20).map_err(|e| format!("{act:?}, cut at {call}, {survivors:?}: {e}"))?;
                images += 1;
            }
            stage.look(&disk.kill(), 20).map_err(|e| format!("{act:?}, killed at {call}: {e}"))?;
            Ok::<u64, String>(images + 1)
        });
        let images: u64 = images.unwrap_or_else(|error| panic!("{error}")).into_iter().sum();
        report(format_args!(
            "backup, power cut: {act:?}: {} of {} changing calls, {images} images, all passed",
            calls.len(),
            changing.len()
        ));
    }
}

#[test]
fn the_disk_may_fail_at_every_call() {
    let scene = Scene::new();
    let every = effort(13, 1);
    for act in ACTS {
        let stage = Stage::of(act, &scene);
        let mut faults = Vec::new();
        for (number, call) in (0..).zip(stage.trace()) {
            faults.extend([(number, Fault::Once(Failure::Io)), (number, Fault::Lasting(Failure::Io))]);
            if call.needs_space() {
                faults.push((number, Fault::Lasting(Failure::Full)));
            }
            if call == Call::Write {
                faults.push((number, Fault::Partly(Failure::Full)));
            }
        }
        let all = faults.len();
        let faults: Vec<(u64, Fault)> =
            faults.into_iter().skip(act as usize % every).step_by(every).collect();
        let returned = each(&faults, |&(number, fault)| {
            let disk = stage.disk.clone_image();
            disk.arm(number, fault);
            let result = stage.act(&on(&disk, 10));
            disk.disarm();
            let failed = |error: String| format!("{act:?}, {fault:?} at {number}: {error}");
            match &result {
                Ok(()) | Err(Error::Io { .. }) => {}
                Err(error) => return Err(failed(format!("not a disk error: {error}"))),
            }
            stage.look(&disk.kill(), 20).map_err(&failed)?;
            stage.look(&disk.crash_as(Survivors::Nothing), 20).map_err(failed)?;
            Ok(u64::from(result.is_err()))
        });
        let returned: u64 = returned.unwrap_or_else(|error| panic!("{error}")).into_iter().sum();
        report(format_args!(
            "backup, disk errors: {act:?}: {} of {all} failures, all passed, {returned} returned as errors",
            faults.len()
        ));
    }
}

/// The proof can fail: on a disk that lies about its syncs it must find a loss.
#[test]
fn a_disk_that_lies_about_syncs_is_found_out() {
    let scene = Scene::new();
    for (act, lie) in
        [(Act::Create, Lie::Files), (Act::Restore, Lie::Files), (Act::RestoreStored, Lie::Directories)]
    {
        let stage = Stage::of(act, &scene);
        let disk = stage.disk.clone_image();
        let lying = LyingDisk { disk: disk.clone(), lie };
        stage.act(&environment(Arc::new(lying), 10)).unwrap();
        let found = stage.look(&disk.crash_as(Survivors::Nothing), 20);
        let found = found
            .err()
            .or_else(|| (0..40).find_map(|n| stage.look(&disk.crash_as(Survivors::Random(n)), 20).err()));
        let found = found.expect("nothing was found");
        report(format_args!(
            "backup, canary: {act:?} on a disk that lies about {lie:?} is found out: {found}"
        ));
    }
}
