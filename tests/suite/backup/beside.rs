//! Files that lie beside a store come out of a backup whole or not at all, whatever call dies, and never in the place of
//! one that is there.

use std::path::{Path, PathBuf};

use harness::fixture::{self, STORE};
use harness::proof::{each, effort, report};
use harness::sim_disk::{Failure, Fault, SimDisk, Survivors};
use siltstone::backup::{self, BackupInfo, BackupOptions, Extra, extract};
use siltstone::{Compression, Environment, Error};

use super::{archives, environment, on, repository};

const FILES: [(&str, &str, usize); 3] = [
    ("logs/requests.jsonl", "/notes/requests.jsonl", 5_000),
    ("logs/empty.log", "/notes/empty.log", 0),
    ("settings.toml", "/notes/settings.toml", 70),
];

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 % 251) as u8).collect()
}

/// A disk with an archive and a repository that hold files beside the store, which are lost.
fn scene() -> (SimDisk, Vec<BackupInfo>) {
    let disk = fixture::basic(Compression::Zstd);
    let environment = &on(&disk, 1);
    for directory in ["/notes", "/here"] {
        environment.disk.create_dir(Path::new(directory)).unwrap();
    }
    let extras = FILES.map(|(path, to, length)| {
        let from = PathBuf::from(to.replace("/notes", "/here"));
        disk.write_file(&from, content(length)).unwrap();
        Extra { from, path: path.to_owned() }
    });
    let options = BackupOptions { extras: extras.to_vec(), ..BackupOptions::default() };
    let made = [archives(), repository()]
        .map(|place| backup::create(environment, Path::new(STORE), &place, &options).unwrap().backup);
    (disk.clone_image(), made.to_vec())
}

fn act(environment: &Environment, backup: &BackupInfo) -> siltstone::Result<Vec<PathBuf>> {
    let files = FILES.map(|(path, to, _)| (path.to_owned(), PathBuf::from(to)));
    extract(environment, backup, &files)
}

/// Each is whole or is not there; and the next call puts all there.
fn look(disk: &SimDisk, backup: &BackupInfo) -> Result<(), String> {
    for (_, to, length) in FILES {
        match disk.read_file(to) {
            Ok(found) if found != content(length) => return Err(format!("{to} is not what it was")),
            _ => {}
        }
    }
    act(&on(disk, 20), backup).map_err(|error| error.to_string())?;
    match FILES.iter().find(|(_, to, length)| disk.read_file(to).ok() != Some(content(*length))) {
        Some((_, to, _)) => Err(format!("{to} did not come back")),
        None => Ok(()),
    }
}

#[test]
fn what_is_there_stays_and_what_a_backup_lacks_does_not_come() {
    let (disk, made) = scene();
    for backup in &made {
        let disk = disk.clone_image();
        disk.write_file("/notes/requests.jsonl", b"newer".to_vec()).unwrap();
        let done = act(&on(&disk, 3), backup).unwrap();
        assert_eq!(done, [PathBuf::from("/notes/empty.log"), "/notes/settings.toml".into()]);
        assert_eq!(disk.read_file("/notes/requests.jsonl").unwrap(), b"newer");
        let none = extract(&on(&disk, 4), backup, &[("logs/other".to_owned(), "/notes/other".into())]);
        assert_eq!(none.unwrap(), [] as [PathBuf; 0]);
        assert!(disk.read_file("/notes/other").is_err());
    }
    // Damage before the last of them is an error, and no file of it.
    let archive = made[0].path.clone();
    let mut bytes = disk.read_file(&archive).unwrap();
    let early = bytes.len() / 40;
    bytes[early] ^= 1;
    disk.write_file(&archive, bytes).unwrap();
    assert!(matches!(act(&on(&disk, 5), &made[0]), Err(Error::Damaged { .. })));
}

#[test]
fn every_call_may_die_or_fail() {
    let (pristine, made) = scene();
    for backup in &made {
        let traced = pristine.clone_image();
        act(&on(&traced, 10), backup).unwrap();
        let calls = traced.trace();
        let tried: Vec<u64> = (0..calls.len() as u64).step_by(effort(3, 1)).collect();
        each(&tried, |&call| {
            let disk = pristine.clone_image();
            disk.arm(call, Fault::PowerCut);
            let _interrupted = act(&on(&disk, 10), backup);
            for survivors in [Survivors::Nothing, Survivors::Everything, Survivors::Random(call)] {
                look(&disk.crash_as(survivors), backup).map_err(|e| format!("cut at {call}: {e}"))?;
            }
            for failure in [Failure::Io, Failure::Full] {
                let disk = pristine.clone_image();
                disk.arm(call, Fault::Once(failure));
                let result = act(&environment(std::sync::Arc::new(disk.clone()), 10), backup);
                disk.disarm();
                if let Err(error) = result.as_ref().map_err(|error| error.to_string())
                    && !matches!(result, Err(Error::Io { .. }))
                {
                    return Err(format!("not a disk error at {call}: {error}"));
                }
                look(&disk.kill(), backup).map_err(|e| format!("{failure:?} at {call}: {e}"))?;
            }
            Ok::<(), String>(())
        })
        .unwrap_or_else(|broken| panic!("{broken}"));
        report(format_args!(
            "files beside the store, {:?}: power cut and two failures at {} of {} calls, each file whole or not there",
            backup.kind,
            tried.len(),
            calls.len()
        ));
    }
}
