//! Replacing a file by a corrected copy. The file itself is never written to, because a reader may have it mapped: it is
//! copied to `aside/`, a corrected copy is made durable under a temporary name, and takes its name by one rename. Whoever
//! looks in between, after a power cut too, finds the old bytes or the new ones.

use std::io;
use std::path::{Path, PathBuf};

use siltstone_format::mend::Mend;
use siltstone_format::names::ASIDE_DIR;

use crate::disk::{Disk, DiskFile, Mode, durable};
use crate::environment::Environment;
use crate::error::{Error, Result};

const COPY_BYTES: u64 = 1 << 20;

/// A corrected copy that is to take the place of a file.
#[derive(Debug)]
pub(super) struct Correction {
    pub(super) name: String,
    pub(super) mends: Vec<Mend>,
    /// Length of the corrected file.
    pub(super) bytes: u64,
}

/// Puts a corrected copy in the place of a file of `directory`; returns where the original is kept.
pub(super) fn replace(
    environment: &Environment,
    directory: &Path,
    correction: &Correction,
) -> Result<PathBuf> {
    let disk = &*environment.disk;
    let path = directory.join(&correction.name);
    let kept = keep(environment, directory, &correction.name)?;
    let source = disk.open(&path, Mode::Read).map_err(Error::io("open", &path))?;
    publish(disk, directory, correction, &*source)?;
    Ok(kept)
}

/// Gives a corrected copy of `source` its name, in the place of whatever has it.
pub(super) fn publish(
    disk: &dyn Disk,
    directory: &Path,
    correction: &Correction,
    source: &dyn DiskFile,
) -> Result<()> {
    let path = directory.join(&correction.name);
    let length = source.len().map_err(Error::io("read", &path))?;
    durable::publish_with(disk, directory, &correction.name, |file, temporary| {
        let mut at = 0;
        while at < correction.bytes {
            let mut bytes = vec![0; COPY_BYTES.min(correction.bytes - at) as usize];
            let there = length.saturating_sub(at).min(bytes.len() as u64) as usize;
            if let Some(part) = bytes.get_mut(..there) {
                source.read_at(part, at).map_err(Error::io("read", &path))?;
            }
            correction.mends.iter().for_each(|mend| apply(mend, &mut bytes, at));
            file.write_at(&bytes, at).map_err(Error::io("write", temporary))?;
            at += bytes.len() as u64;
        }
        Ok(())
    })
}

/// The part of a mend that falls into `bytes`, which lie at `at`.
pub(super) fn apply(mend: &Mend, bytes: &mut [u8], at: u64) {
    let from = mend.offset.saturating_sub(at) as usize;
    let skip = at.saturating_sub(mend.offset) as usize;
    let new = mend.bytes.iter().skip(skip);
    bytes.iter_mut().skip(from).zip(new).for_each(|(to, new)| *to = *new);
}

/// Copies a file to `aside/`, durably; returns the copy.
pub(super) fn keep(environment: &Environment, directory: &Path, name: &str) -> Result<PathBuf> {
    let disk = &*environment.disk;
    let path = directory.join(name);
    let source = disk.open(&path, Mode::Read).map_err(Error::io("open", &path))?;
    let (aside, kept) = place_aside(environment, directory, name)?;
    let length = source.len().map_err(Error::io("read", &path))?;
    copy(disk, &aside, &kept, &*source, length, &path)?;
    Ok(aside.join(kept))
}

/// The directory for what is put aside, made durable, and a name in it that says what and when.
pub(super) fn place_aside(
    environment: &Environment,
    directory: &Path,
    name: &str,
) -> Result<(PathBuf, String)> {
    let disk = &*environment.disk;
    let aside = directory.join(ASIDE_DIR);
    match disk.create_dir(&aside) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(Error::io("create", &aside)(error));
        }
        _ => disk.sync_dir(directory).map_err(Error::io("sync", directory))?,
    }
    Ok((aside, format!("damaged-{:013}-{name}", environment.clock.now_ms())))
}

fn copy(
    disk: &dyn Disk,
    aside: &Path,
    name: &str,
    source: &dyn DiskFile,
    length: u64,
    path: &Path,
) -> Result<()> {
    durable::publish_copy(disk, aside, name, source, 0..length).map_err(|error| match error {
        Error::Io { action: "read", source, .. } => Error::io("read", path)(source),
        error => error,
    })
}
