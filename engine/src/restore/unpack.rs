//! Unpacking: files from a backup into a directory, each durable, with the times and permissions that it had.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use siltstone_format::Id;
use siltstone_format::backup::{BackupFile, STORE_DIR};
use siltstone_format::checksum::to_hex;
use siltstone_format::names::COLLECTIONS_DIR;

use crate::backup::content::{Content, Receive};
use crate::disk::{Attributes, DiskFile, Mode};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::event::Event;

/// Which part of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The whole store.
    Everything,
    /// One collection.
    Collection(Id),
}

impl Wanted {
    pub(super) fn has(&self, collection: &Id) -> bool {
        match self {
            Self::Everything => true,
            Self::Collection(wanted) => wanted == collection,
        }
    }

    /// Where an entry of a backup goes in the store, if it does: its path below the directory of the store.
    fn place<'p>(&self, path: &'p str) -> Option<&'p str> {
        let inside = path.strip_prefix(STORE_DIR)?.strip_prefix('/')?;
        let collection = inside.strip_prefix(COLLECTIONS_DIR).and_then(|rest| rest.strip_prefix('/'));
        match (self, collection) {
            (Self::Collection(wanted), Some(rest)) => {
                let directory = rest.split('/').next().unwrap_or_default();
                (directory == to_hex(wanted)).then_some(inside)
            }
            _ => Some(inside),
        }
    }
}

/// What was unpacked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Unpacked {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    /// What lies beside the store in the backup, and was read but not unpacked.
    pub(crate) left: Vec<String>,
}

/// Unpacks the store of a backup into an existing directory.
pub(crate) fn unpack(
    environment: &Environment,
    content: Box<dyn Content>,
    target: &Path,
    wanted: Wanted,
) -> Result<Unpacked> {
    unpack_with(environment, content, target, |path| wanted.place(path).map(|inside| target.join(inside)))
}

/// Unpacks entries to where `place` says, in directories that it creates below `target`.
pub(super) fn unpack_with(
    environment: &Environment,
    content: Box<dyn Content>,
    target: &Path,
    place: impl Fn(&str) -> Option<PathBuf>,
) -> Result<Unpacked> {
    let mut unpack = Unpack {
        environment,
        place: &place,
        current: None,
        directories: BTreeSet::new(),
        done: Unpacked::default(),
    };
    unpack.directories.insert(target.to_owned());
    content.deliver(&mut unpack)?;
    // The deepest first, so that no durable name leads to a directory whose own names are not durable.
    for directory in unpack.directories.iter().rev() {
        environment.disk.sync_dir(directory).map_err(Error::io("sync", directory))?;
    }
    Ok(unpack.done)
}

struct Unpack<'a> {
    environment: &'a Environment,
    place: &'a dyn Fn(&str) -> Option<PathBuf>,
    current: Option<Open>,
    directories: BTreeSet<PathBuf>,
    done: Unpacked,
}

struct Open {
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    at: u64,
    attributes: Attributes,
}

impl Receive for Unpack<'_> {
    fn directory(&mut self, path: &str) -> Result<()> {
        let Some(path) = (self.place)(path) else { return Ok(()) };
        match self.environment.disk.create_dir(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Error::io("create", &path)(error));
            }
            _ => {}
        }
        self.directories.insert(path);
        Ok(())
    }

    fn begin(&mut self, entry: &BackupFile) -> Result<()> {
        let Some(path) = (self.place)(&entry.path) else {
            if !entry.path.starts_with(&format!("{STORE_DIR}/")) {
                self.done.left.push(entry.path.clone());
            }
            return Ok(());
        };
        let file = self.environment.disk.open(&path, Mode::Create).map_err(Error::io("create", &path))?;
        let attributes = Attributes { modified_at_ns: entry.modified_at_ns, mode: entry.mode };
        self.current = Some(Open { path, file, at: 0, attributes });
        Ok(())
    }

    fn chunk(&mut self, bytes: &[u8]) -> Result<()> {
        let Some(open) = &mut self.current else { return Ok(()) };
        open.file.write_at(bytes, open.at).map_err(Error::io("write", &open.path))?;
        open.at += bytes.len() as u64;
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        let Some(Open { path, file, at, attributes }) = self.current.take() else { return Ok(()) };
        file.set_attributes(&attributes).map_err(Error::io("write", &path))?;
        file.sync().map_err(Error::io("sync", &path))?;
        self.done.files += 1;
        self.done.bytes += at;
        self.environment.observer.event(&Event::Unpacked { path, bytes: at });
        Ok(())
    }
}
