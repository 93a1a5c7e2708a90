//! A disk that refuses once the user has interrupted the command. Backups take minutes; the engine clears up after a disk
//! that refuses at any call, so that is how it is told to stop.

use std::io;
use std::path::Path;
use std::sync::Arc;

use siltstone::Environment;
use siltstone::disk::{Attributes, Disk, DiskFile, Entry, Map, Mode, Volume};

use crate::command::context::Context;
use crate::exit::CliError;
use crate::ingest::cancel::Cancel;

/// The environment of a command that can be interrupted while it reads and writes.
pub(super) fn environment(context: &Context) -> Environment {
    let disk = Interruptible { disk: Arc::clone(&context.environment.disk), cancel: context.cancel.clone() };
    Environment { disk: Arc::new(disk), ..context.environment.clone() }
}

/// The error of a command that may have been interrupted.
pub(super) fn ended(context: &Context, error: siltstone::Error) -> CliError {
    if context.cancel.is_cancelled() { CliError::interrupted() } else { error.into() }
}

#[derive(Debug)]
struct Interruptible {
    disk: Arc<dyn Disk>,
    cancel: Cancel,
}

#[derive(Debug)]
struct File {
    file: Arc<dyn DiskFile>,
    cancel: Cancel,
}

impl Interruptible {
    fn wrap(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(File { file, cancel: self.cancel.clone() })
    }
}

impl Disk for Interruptible {
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.open(path, mode).map(|file| self.wrap(file))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.create_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        self.disk.list(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.sync_dir(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Arc<dyn DiskFile>>> {
        Ok(self.disk.lock(path)?.map(|file| self.wrap(file)))
    }

    fn most_open_files(&self) -> usize {
        self.disk.most_open_files()
    }

    fn volume(&self, path: &Path) -> io::Result<Volume> {
        self.disk.volume(path)
    }
}

impl File {
    fn check(&self) -> io::Result<()> {
        match self.cancel.is_cancelled() {
            // Not `Interrupted`, which means that a call is to be made again.
            true => Err(io::Error::other("the command was interrupted")),
            false => Ok(()),
        }
    }
}

impl DiskFile for File {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.check().and_then(|()| self.file.read_at(buffer, offset))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.check().and_then(|()| self.file.write_at(bytes, offset))
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.file.truncate(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn map(&self, length: u64) -> io::Result<Map> {
        self.file.map(length)
    }

    fn file_number(&self) -> Option<u64> {
        self.file.file_number()
    }

    fn attributes(&self) -> io::Result<Attributes> {
        self.file.attributes()
    }

    fn set_attributes(&self, attributes: &Attributes) -> io::Result<()> {
        self.file.set_attributes(attributes)
    }
}
