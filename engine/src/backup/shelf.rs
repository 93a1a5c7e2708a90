//! A directory of archives: their names, what lies beside each, and what an interrupted command left there.
//!
//! ```text
//! backup_20260131_235958.tar.zst                  an archive; _damaged at the end of its name when the store was damaged
//! backup_20260131_235958.tar.zst.b3               its BLAKE3, for `b3sum -c`
//! backup_20260131_235958.tar.zst.verified.json    what the last verification found
//! lock                                            held for moments, while names are given and taken
//! ```

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use siltstone_format::Digest;
use siltstone_format::backup::{BackupIndex, Verification};
use siltstone_format::checksum::{from_hex, to_hex};
use siltstone_format::names::{LOCK_FILE, TEMPORARY_SUFFIX};

use super::archive::{self, Archive};
use super::capture::Capture;
use super::content::{Content, Discard};
use super::repository::INDEX_SUFFIX;
use super::survey::check_room;
use crate::disk::{Disk, DiskFile, durable};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::lock;
use crate::stamp::{free_name, stamp};
use crate::tree;

/// How the name of a backup begins.
pub(super) const PREFIX: &str = "backup_";
/// How the name of an archive ends.
pub(super) const SUFFIX: &str = ".tar.zst";
const DIGEST_SUFFIX: &str = ".b3";
/// How the name of a verification ends.
pub(super) const VERIFIED_SUFFIX: &str = ".verified.json";
/// How the name of a scratch directory begins, in which a restore is rehearsed.
pub(super) const REHEARSAL_PREFIX: &str = ".rehearsal_";
/// What the name of a backup of a damaged store has at its end.
pub(super) const DAMAGED: &str = "_damaged";

/// The stem of a new backup's name.
pub(super) fn stem(index: &BackupIndex, is_taken: impl Fn(&str) -> bool) -> String {
    let mark = if index.damage.is_empty() { "" } else { DAMAGED };
    let name = free_name(&format!("{PREFIX}{}", stamp(index.created_at_ms)), |name| {
        is_taken(name) || is_taken(&format!("{name}{DAMAGED}"))
    });
    format!("{name}{mark}")
}

/// Whether a file of this name is an archive.
pub(super) fn is_archive(name: &str) -> bool {
    name.starts_with(PREFIX) && name.ends_with(SUFFIX)
}

/// Writes an archive, reads it back, and only then gives it its name. Returns its path.
pub(super) fn create(
    environment: &Environment,
    directory: &Path,
    index: &BackupIndex,
    capture: &Capture,
) -> Result<PathBuf> {
    let disk = &*environment.disk;
    ensure(disk, directory)?;
    let (name, file) = claim(environment, directory, index)?;
    let temporary = directory.join(format!("{name}{TEMPORARY_SUFFIX}"));
    let written = check_room(environment, directory, index.bytes())
        .and_then(|()| archive::write(environment, (Arc::clone(&file), &temporary), index, capture))
        .and_then(|(_, digest)| {
            Box::new(Archive::open(disk, &temporary, Some(digest))?).deliver(&mut Discard)?;
            publish(environment, directory, &name, &digest)
        });
    if written.is_err() {
        // Where even this fails, the next command in this directory sweeps it away.
        let _ = disk.remove(&temporary);
        let digest = format!("{name}{DIGEST_SUFFIX}");
        let _ = disk.remove(&directory.join(format!("{digest}{TEMPORARY_SUFFIX}")));
        let is_there = disk.list(directory).is_ok_and(|all| all.iter().any(|entry| entry.name == name));
        if !is_there {
            let _ = disk.remove(&directory.join(digest));
        }
    }
    written.map(|()| directory.join(name))
}

/// Creates the directory of the backups, if it is not there, in one that is.
pub(super) fn ensure(disk: &dyn Disk, directory: &Path) -> Result<()> {
    match disk.create_dir(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(Error::io("create", directory)(error));
        }
        _ => {}
    }
    let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    disk.sync_dir(parent).map_err(Error::io("sync", parent))
}

/// A name that nobody has, and its unfinished file, locked for as long as it is written: two runs in one second get two
/// names, and the file of a run that died can be told from that of one at work.
fn claim(
    environment: &Environment,
    directory: &Path,
    index: &BackupIndex,
) -> Result<(String, Arc<dyn DiskFile>)> {
    let disk = &*environment.disk;
    let _lock = lock::acquire_soon(environment, &directory.join(LOCK_FILE))?;
    sweep(environment, directory)?;
    let entries = disk.list(directory).map_err(Error::io("list", directory))?;
    let stem = stem(index, |stem| {
        entries.iter().any(|entry| entry.name.strip_prefix(stem).is_some_and(|rest| rest.starts_with(SUFFIX)))
    });
    let name = format!("{stem}{SUFFIX}");
    let path = directory.join(format!("{name}{TEMPORARY_SUFFIX}"));
    match disk.lock(&path).map_err(Error::io("create", &path))? {
        Some(file) => Ok((name, file)),
        None => Err(Error::Locked { path, holder: None }),
    }
}

/// Gives an archive its name, its digest first: an archive that is there can always be checked.
fn publish(environment: &Environment, directory: &Path, name: &str, digest: &Digest) -> Result<()> {
    let disk = &*environment.disk;
    let _lock = lock::acquire_soon(environment, &directory.join(LOCK_FILE))?;
    let line = format!("{}  {name}\n", to_hex(digest));
    durable::publish(disk, directory, &format!("{name}{DIGEST_SUFFIX}"), line.as_bytes())?;
    let temporary = directory.join(format!("{name}{TEMPORARY_SUFFIX}"));
    disk.rename(&temporary, &directory.join(name)).map_err(Error::io("rename", &temporary))?;
    disk.sync_dir(directory).map_err(Error::io("sync", directory))
}

/// The digest that the file beside an archive tells; `None` without one.
pub(super) fn sidecar(disk: &dyn Disk, archive: &Path) -> Result<Option<Digest>> {
    let path = beside(archive, DIGEST_SUFFIX);
    let bytes = match durable::read_whole(disk, &path, 1 << 12) {
        Err(error) if error.is_missing_file() => return Ok(None),
        bytes => bytes?,
    };
    let text = String::from_utf8_lossy(&bytes);
    let digest = text.split_whitespace().next().and_then(from_hex::<32>);
    digest.map(Some).ok_or_else(|| {
        let expected = "64 hex digits and the name of the archive";
        super::content::damaged(&path, "the digest", (0, bytes.len() as u64), expected, text)
    })
}

/// What the last verification of a backup found, if there was one and it can be read.
pub(super) fn verification(disk: &dyn Disk, backup: &Path) -> Option<Verification> {
    let bytes = durable::read_whole(disk, &beside(backup, VERIFIED_SUFFIX), 1 << 20).ok()?;
    Verification::decode(&bytes).ok()
}

/// Keeps what a verification found.
pub(super) fn keep_verification(
    environment: &Environment,
    backup: &Path,
    found: &Verification,
) -> Result<()> {
    let disk = &*environment.disk;
    let bytes = found.encode().map_err(|reason| Error::invalid("verification", reason))?;
    let directory = backup.parent().unwrap_or(Path::new("."));
    let name = beside(backup, VERIFIED_SUFFIX);
    let name = name.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    // In a directory of archives others sweep unfinished files away, under its lock.
    let is_stored = name.ends_with(&format!("{INDEX_SUFFIX}{VERIFIED_SUFFIX}"));
    let _lock = match is_stored {
        true => None,
        false => Some(lock::acquire_soon(environment, &directory.join(LOCK_FILE))?),
    };
    durable::publish(disk, directory, &name, &bytes)
}

/// The path of a file that lies beside a backup.
pub(super) fn beside(backup: &Path, suffix: &str) -> PathBuf {
    let mut path = backup.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

/// Removes an archive, and then what lies beside it.
pub(super) fn remove(environment: &Environment, archive: &Path) -> Result<()> {
    let disk = &*environment.disk;
    let directory = archive.parent().unwrap_or(Path::new("."));
    let _lock = lock::acquire_soon(environment, &directory.join(LOCK_FILE))?;
    disk.remove(archive).map_err(Error::io("remove", archive))?;
    disk.sync_dir(directory).map_err(Error::io("sync", directory))?;
    for suffix in [DIGEST_SUFFIX, VERIFIED_SUFFIX] {
        let path = beside(archive, suffix);
        match disk.remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::io("remove", &path)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Removes what interrupted commands left: unfinished files that nobody writes, files beside archives that are gone,
/// scratch directories. The caller holds the directory's lock.
pub(super) fn sweep(environment: &Environment, directory: &Path) -> Result<()> {
    let disk = &*environment.disk;
    let entries = disk.list(directory).map_err(Error::io("list", directory))?;
    let is_there = |name: &str| entries.iter().any(|entry| entry.name == name);
    for entry in &entries {
        let (name, path) = (entry.name.as_str(), directory.join(&entry.name));
        if entry.is_dir {
            if name.starts_with(REHEARSAL_PREFIX) {
                tree::remove_abandoned(environment, &path)?;
            }
            continue;
        }
        let owner = [DIGEST_SUFFIX, VERIFIED_SUFFIX].iter().find_map(|suffix| name.strip_suffix(suffix));
        let is_left = match name.strip_suffix(TEMPORARY_SUFFIX) {
            Some(stem) if stem.starts_with(PREFIX) => {
                disk.lock(&path).map_err(Error::io("lock", &path))?.is_some()
            }
            Some(_) => false,
            None => owner.is_some_and(|owner| is_archive(owner) && !is_there(owner)),
        };
        if is_left {
            disk.remove(&path).map_err(Error::io("remove", &path))?;
            environment.observer.event(&Event::Swept { path });
        }
    }
    Ok(())
}

/// As [`sweep`], for the indexes of a repository. The caller holds its lock.
pub(super) fn sweep_repository(environment: &Environment, backups: &Path) -> Result<()> {
    let disk = &*environment.disk;
    for entry in disk.list(backups).map_err(Error::io("list", backups))? {
        let path = backups.join(&entry.name);
        if entry.is_dir && entry.name.starts_with(REHEARSAL_PREFIX) {
            tree::remove_abandoned(environment, &path)?;
        } else if !entry.is_dir
            && entry.name.ends_with(TEMPORARY_SUFFIX)
            && !entry.name.contains(VERIFIED_SUFFIX)
        {
            disk.remove(&path).map_err(Error::io("remove", &path))?;
            environment.observer.event(&Event::Swept { path });
        }
    }
    Ok(())
}
