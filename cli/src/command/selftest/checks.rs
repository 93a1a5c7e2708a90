//! The promises, each tried once, in this order: later ones find the store as earlier ones left it, which is whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use siltstone::backup::{self, BackupOptions, Place, RestoreOptions};
use siltstone::{Depth, RepairOptions, Search, Store, repair, verify};

use super::scene::{Broken, COLLECTION, DIMS, ROWS, Scene, key, put};
use crate::command::bench::commit::vector;
use crate::exit::Exit;
use crate::render::units::{bytes, count, counted};

/// A name, and what is tried under it: what it says when it holds, or why it does not.
type Check = (&'static str, fn(&Scene) -> Result<String, Broken>);

pub(super) const CHECKS: [Check; 8] = [
    ("rows", rows),
    ("commits", commits),
    ("locks", locks),
    ("torn", torn),
    ("search", search),
    ("damage", damage),
    ("snapshots", snapshots),
    ("backup", backup_and_restore),
];

fn rows(scene: &Scene) -> Result<String, Broken> {
    scene.compare(&scene.root, ROWS)?;
    Ok(format!("{} were read back bit for bit", counted(ROWS as u64, "row", "rows")))
}

/// What a commit costs here. One that costs nothing has not waited for any disk.
fn commits(scene: &Scene) -> Result<String, Broken> {
    let mut writer = scene.open()?.writer()?;
    let mut times = Vec::new();
    for number in 0..20 {
        let started = Instant::now();
        put(&mut writer, number..number + 1)?;
        times.push(started.elapsed());
    }
    drop(writer);
    times.sort();
    scene.compare(&scene.root, ROWS)?;
    let median = times.get(times.len() / 2).map_or(0.0, |time| time.as_secs_f64() * 1e3);
    Ok(format!("a commit takes {median:.2} ms, its sync included"))
}

/// Another process is kept out while this one writes, and let in afterwards.
fn locks(scene: &Scene) -> Result<String, Broken> {
    let program = std::env::current_exe()?;
    let other = |name: &str| -> Result<Option<i32>, Broken> {
        let mut command = Command::new(&program);
        command.current_dir(&scene.folder).arg("--store").arg(&scene.root);
        command.args(["snapshot", "create", name]).stdin(Stdio::null());
        Ok(command.stdout(Stdio::null()).stderr(Stdio::null()).status()?.code())
    };
    let writer = scene.open()?.writer()?;
    let kept_out = other("while")?;
    drop(writer);
    let let_in = other("after")?;
    if kept_out != Some(Exit::Locked.code().into()) {
        return Err(
            format!("another process was not kept out by the lock: it ended with {kept_out:?}").into()
        );
    }
    if let_in != Some(Exit::Pass.code().into()) {
        return Err(format!("another process was kept out without a lock: it ended with {let_in:?}").into());
    }
    scene.open()?.drop_snapshot("after")?;
    Ok("another process is kept out while one writes, and only then".to_owned())
}

/// A commit that was cut short is cut off, and nothing that was acknowledged is.
fn torn(scene: &Scene) -> Result<String, Broken> {
    let segment = segments(scene)?.pop().ok_or("there is no segment")?;
    let mut whole = std::fs::read(&segment)?;
    whole.extend(std::iter::repeat_n(0xa5, 777));
    std::fs::write(&segment, &whole)?;
    let mut writer = scene.open()?.writer()?;
    put(&mut writer, 0..1)?;
    drop(writer);
    scene.compare(&scene.root, ROWS)?;
    is_whole(scene, &scene.root)?;
    Ok("a commit that was cut short was cut off; all others are there".to_owned())
}

/// Against scores that are computed here, in float64, without and with search codes.
fn search(scene: &Scene) -> Result<String, Broken> {
    const QUERIES: usize = 50;
    const TOP: usize = 10;
    let store = Store::open_in(scene.environment.clone(), &scene.root)?;
    let mut compared = 0;
    for with_codes in [false, true] {
        if with_codes {
            store.encode()?;
        }
        let view = store.collection(COLLECTION)?.view()?;
        for number in 0..QUERIES {
            let query = vector(1_000_000 + number, DIMS);
            let mut scores: Vec<(f64, usize)> =
                (0..ROWS).map(|row| (cosine(&query, &vector(row, DIMS)), row)).collect();
            scores.sort_by(|a, b| b.0.total_cmp(&a.0));
            let answer = view.search(&query, &Search::new(TOP))?;
            if answer.hits.len() != TOP {
                return Err(format!("query {number} has {} answers", answer.hits.len()).into());
            }
            for (hit, (score, row)) in answer.hits.iter().zip(&scores) {
                if hit.key != key(*row) || (hit.score - score).abs() > 1e-9 {
                    return Err(format!("query {number}: {} instead of {}", hit.key, key(*row)).into());
                }
                compared += 1;
            }
        }
    }
    Ok(format!("{} answers are those of brute force in float64", count(compared)))
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// A bit flips in every segment: it is seen, and put right byte for byte.
fn damage(scene: &Scene) -> Result<String, Broken> {
    let segments = segments(scene)?;
    let mut whole = BTreeMap::new();
    for (at, path) in segments.iter().enumerate() {
        let bytes = std::fs::read(path)?;
        let mut flipped = bytes.clone();
        let place = flipped.len() / 3 + at;
        *flipped.get_mut(place).ok_or("a segment is empty")? ^= 1 << (at % 8);
        std::fs::write(path, flipped)?;
        whole.insert(path.clone(), bytes);
    }
    let found = verify(&scene.environment, &scene.root, Depth::Deep, None)?;
    if !found.is_damaged() {
        return Err("flipped bits were not seen".into());
    }
    let done = repair(&scene.environment, &scene.root, &RepairOptions::default())?;
    for (path, bytes) in &whole {
        if std::fs::read(path)? != *bytes {
            let left = counted(done.left.len() as u64, "structure is", "structures are");
            return Err(format!("{} was not put right; {left} left", path.display()).into());
        }
    }
    is_whole(scene, &scene.root)?;
    Ok(format!(
        "{} were found and put right byte for byte",
        counted(whole.len() as u64, "flipped bit", "flipped bits")
    ))
}

fn snapshots(scene: &Scene) -> Result<String, Broken> {
    let collection = scene.open()?;
    collection.create_snapshot("whole")?;
    let mut writer = collection.writer()?;
    for number in 0..ROWS / 2 {
        writer.delete(&key(number))?;
    }
    writer.commit()?;
    drop(writer);
    collection.compact(&siltstone::CompactOptions::default())?;
    if collection.view()?.len() != (ROWS - ROWS / 2) as u64 {
        return Err("a half of the rows was deleted, and others are gone or there".into());
    }
    collection.restore_snapshot("whole", "halved")?;
    scene.compare(&scene.root, ROWS)?;
    Ok("a moment came back whole after a half of its rows was deleted and compacted away".to_owned())
}

fn backup_and_restore(scene: &Scene) -> Result<String, Broken> {
    let place = Place::Directory(scene.folder.join("backups"));
    std::fs::create_dir_all(place.path())?;
    let options = BackupOptions { snapshot: None, extras: Vec::new() };
    let made = backup::create(&scene.environment, &scene.root, &place, &options)?;
    let report = backup::verify(&scene.environment, &made.backup)?;
    if let Some(damage) = report.damage.first() {
        return Err(damage.clone().into());
    }
    let to = scene.folder.join("restored");
    let options = RestoreOptions { to: Some(to.clone()), collection: None };
    backup::restore(&scene.environment, &made.backup, &scene.root, &options)?;
    scene.compare(&to, ROWS)?;
    is_whole(scene, &to)?;
    Ok(format!("{} went out and came back", bytes(made.backup.bytes)))
}

fn is_whole(scene: &Scene, root: &Path) -> Result<(), Broken> {
    let report = verify(&scene.environment, root, Depth::Deep, None)?;
    match report.findings.iter().find(|_| report.is_damaged()) {
        None => Ok(()),
        Some(finding) => Err(format!("{}: {}", finding.path.display(), finding.flaw).into()),
    }
}

/// The segment files, the newest last.
fn segments(scene: &Scene) -> Result<Vec<PathBuf>, Broken> {
    let entries = std::fs::read_dir(scene.open()?.directory())?;
    let mut found: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    found.retain(|path| path.extension().is_some_and(|ending| ending == "seg"));
    found.sort();
    Ok(found)
}
