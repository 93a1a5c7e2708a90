//! The one way in which whole files appear, and the one in which they are read.

use std::io;
use std::path::{Path, PathBuf};

use siltstone_format::names::TEMPORARY_SUFFIX;

use super::{Disk, DiskFile, Mode};
use crate::error::{Error, Result};

/// Writes a file under a temporary name, makes it durable, gives it its name and makes that durable. Whoever looks sees
/// the old content or the new, never a mixture, and after a power cut too. An old file of this name is replaced.
pub(crate) fn publish(disk: &dyn Disk, directory: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    publish_with(disk, directory, name, |file, path| {
        file.write_at(bytes, 0).map_err(Error::io("write", path))
    })
}

/// As [`publish`], with a part of another file as content. Memory stays small however long it is.
pub(crate) fn publish_copy(
    disk: &dyn Disk,
    directory: &Path,
    name: &str,
    source: &dyn DiskFile,
    range: std::ops::Range<u64>,
) -> Result<()> {
    publish_with(disk, directory, name, |file, path| {
        let mut at = range.start;
        while at < range.end {
            let mut bytes = vec![0; COPY_BYTES.min(range.end - at) as usize];
            source.read_at(&mut bytes, at).map_err(Error::io("read", path))?;
            file.write_at(&bytes, at - range.start).map_err(Error::io("write", path))?;
            at += bytes.len() as u64;
        }
        Ok(())
    })
}

/// A large page of memory, see [`super::stream`].
const COPY_BYTES: u64 = 2 << 20;

/// As [`publish`], with whatever `fill` writes into the new file as content. When that fails, what it wrote does not take up
/// space any longer.
pub(crate) fn publish_with<T>(
    disk: &dyn Disk,
    directory: &Path,
    name: &str,
    fill: impl FnOnce(&dyn DiskFile, &Path) -> Result<T>,
) -> Result<T> {
    let target = directory.join(name);
    let temporary: PathBuf = directory.join(format!("{name}{TEMPORARY_SUFFIX}"));
    match disk.remove(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(Error::io("remove", &temporary)(error));
        }
        _ => {}
    }
    let file = disk.open(&temporary, Mode::Create).map_err(Error::io("create", &temporary))?;
    let filled = match fill(&*file, &temporary) {
        Ok(filled) => filled,
        Err(error) => {
            drop(file);
            let _ = disk.remove(&temporary);
            return Err(error);
        }
    };
    file.sync().map_err(Error::io("sync", &temporary))?;
    drop(file);
    disk.rename(&temporary, &target).map_err(Error::io("rename", &temporary))?;
    disk.sync_dir(directory).map_err(Error::io("sync", directory))?;
    Ok(filled)
}

/// The content of a file of at most `limit` bytes.
pub(crate) fn read_whole(disk: &dyn Disk, path: &Path, limit: u64) -> Result<Vec<u8>> {
    let file = disk.open(path, Mode::Read).map_err(Error::io("open", path))?;
    let length = file.len().map_err(Error::io("read", path))?;
    if length > limit {
        let found =
            io::Error::new(io::ErrorKind::FileTooLarge, format!("{length} bytes, at most {limit} expected"));
        return Err(Error::io("read", path)(found));
    }
    let mut bytes = vec![0; length as usize];
    file.read_at(&mut bytes, 0).map_err(Error::io("read", path))?;
    Ok(bytes)
}
