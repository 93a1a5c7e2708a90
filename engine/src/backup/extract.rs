//! Single files out of a backup: those that lie beside the store, which a restore of the store leaves where they are.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use siltstone_format::backup::BackupFile;
use siltstone_format::names::TEMPORARY_SUFFIX;

use super::content::Receive;
use super::list::BackupInfo;
use crate::disk::{Attributes, DiskFile, Mode};
use crate::environment::Environment;
use crate::error::{Error, Result};

/// Takes files out of a backup: each by its path there, to a place in a directory that exists. A file that is there already
/// stays as it is. Returns the files that were written.
///
/// Durability: each is synced, and has its name only when it is whole and has the digest of the index. Reads the backup up
/// to the last of them.
///
/// # Errors
/// Damage to the backup before the last of them; a safety copy, which has no such files; a disk that refuses. What was taken
/// out before stays.
pub fn extract(
    environment: &Environment,
    backup: &BackupInfo,
    files: &[(String, PathBuf)],
) -> Result<Vec<PathBuf>> {
    let mut wanted = BTreeMap::new();
    for (path, to) in files {
        match environment.disk.open(to, Mode::Read) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => drop(wanted.insert(path.as_str(), to)),
            _ => {}
        }
    }
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let content = super::open(environment, backup)?;
    wanted.retain(|path, _| content.index().files.iter().any(|file| file.path == *path));
    let mut extract = Extract { environment, wanted, current: None, done: Vec::new() };
    let delivered = content.deliver(&mut extract);
    if let Some(open) = extract.current.take() {
        // Half a file is nothing; that it cannot be removed changes nothing.
        let _ = environment.disk.remove(&open.temporary);
    }
    delivered.map(|()| extract.done)
}

struct Extract<'a> {
    environment: &'a Environment,
    wanted: BTreeMap<&'a str, &'a PathBuf>,
    current: Option<Open>,
    done: Vec<PathBuf>,
}

struct Open {
    to: PathBuf,
    temporary: PathBuf,
    file: Arc<dyn DiskFile>,
    at: u64,
    attributes: Attributes,
}

impl Receive for Extract<'_> {
    fn directory(&mut self, _path: &str) -> Result<()> {
        Ok(())
    }

    fn begin(&mut self, file: &BackupFile) -> Result<()> {
        let Some(to) = self.wanted.remove(file.path.as_str()) else { return Ok(()) };
        let mut temporary = to.clone().into_os_string();
        temporary.push(TEMPORARY_SUFFIX);
        let temporary = PathBuf::from(temporary);
        let disk = &*self.environment.disk;
        match disk.remove(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::io("remove", &temporary)(error));
            }
            _ => {}
        }
        let opened = disk.open(&temporary, Mode::Create).map_err(Error::io("create", &temporary))?;
        let attributes = Attributes { modified_at_ns: file.modified_at_ns, mode: file.mode };
        self.current = Some(Open { to: to.clone(), temporary, file: opened, at: 0, attributes });
        Ok(())
    }

    fn chunk(&mut self, bytes: &[u8]) -> Result<()> {
        let Some(open) = &mut self.current else { return Ok(()) };
        open.file.write_at(bytes, open.at).map_err(Error::io("write", &open.temporary))?;
        open.at += bytes.len() as u64;
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        let Some(Open { to, temporary, file, attributes, .. }) = self.current.take() else { return Ok(()) };
        let disk = &*self.environment.disk;
        file.set_attributes(&attributes).map_err(Error::io("write", &temporary))?;
        file.sync().map_err(Error::io("sync", &temporary))?;
        disk.rename(&temporary, &to).map_err(Error::io("rename", &temporary))?;
        let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        disk.sync_dir(parent).map_err(Error::io("sync", parent))?;
        self.done.push(to);
        Ok(())
    }

    fn is_satisfied(&self) -> bool {
        self.wanted.is_empty() && self.current.is_none()
    }
}
