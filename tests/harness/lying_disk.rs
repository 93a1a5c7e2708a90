//! A disk that says that it synced and did not: the canary. A proof of durability that passes on it proves nothing.

use std::io;
use std::path::Path;
use std::sync::Arc;

use siltstone::disk::{Attributes, Disk, DiskFile, Entry, Map, Mode, Volume};

use crate::sim_disk::SimDisk;

/// What the disk lies about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// Syncs of files.
    Files,
    /// Syncs of directories.
    Directories,
}

/// A disk that passes everything on but the syncs that it lies about.
#[derive(Debug, Clone)]
pub struct LyingDisk {
    /// The disk underneath.
    pub disk: SimDisk,
    /// What it lies about.
    pub lie: Lie,
}

#[derive(Debug)]
struct LyingFile(Arc<dyn DiskFile>);

impl Disk for LyingDisk {
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.disk.open(path, mode)?;
        Ok(if self.lie == Lie::Files { Arc::new(LyingFile(file)) } else { file })
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
        if self.lie == Lie::Directories { Ok(()) } else { self.disk.sync_dir(path) }
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Arc<dyn DiskFile>>> {
        self.disk.lock(path)
    }

    fn volume(&self, path: &Path) -> io::Result<Volume> {
        self.disk.volume(path)
    }
}

impl DiskFile for LyingFile {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_at(bytes, offset)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.0.truncate(length)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn map(&self, length: u64) -> io::Result<Map> {
        self.0.map(length)
    }

    fn file_number(&self) -> Option<u64> {
        self.0.file_number()
    }

    fn attributes(&self) -> io::Result<Attributes> {
        self.0.attributes()
    }

    fn set_attributes(&self, attributes: &Attributes) -> io::Result<()> {
        self.0.set_attributes(attributes)
    }
}
