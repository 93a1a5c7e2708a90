//! The file system of the machine.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use super::{Attributes, Disk, DiskFile, Entry, Map, Mode, Volume, volume};

/// The file system of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(mode != Mode::Read).create_new(mode == Mode::Create);
        Ok(Arc::new(RealFile(options.open(path)?)))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        std::fs::create_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            entries.push(Entry { name, is_dir: entry.file_type()?.is_dir() });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        match std::fs::remove_file(path) {
            Err(_) if path.is_dir() => std::fs::remove_dir(path),
            result => result,
        }
    }

    #[cfg(unix)]
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    /// Other systems have no call for it; their file systems order names by themselves.
    #[cfg(not(unix))]
    fn sync_dir(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Arc<dyn DiskFile>>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Arc::new(RealFile(file)))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    #[cfg(unix)]
    fn most_open_files(&self) -> usize {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        limit.map_or(1 << 20, |limit| usize::try_from(limit).unwrap_or(1 << 20))
    }

    fn volume(&self, path: &Path) -> io::Result<Volume> {
        volume::of(path)
    }
}

#[derive(Debug)]
struct RealFile(File);

impl DiskFile for RealFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    #[cfg(unix)]
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.0, buffer, offset)
    }

    #[cfg(unix)]
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(&self.0, bytes, offset)
    }

    #[cfg(windows)]
    fn read_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            match std::os::windows::fs::FileExt::seek_read(&self.0, buffer, offset)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => (buffer, offset) = (buffer.split_at_mut(n).1, offset + n as u64),
            }
        }
        Ok(())
    }

    #[cfg(windows)]
    fn write_at(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            let n = std::os::windows::fs::FileExt::seek_write(&self.0, bytes, offset)?;
            (bytes, offset) = (bytes.split_at(n).1, offset + n as u64);
        }
        Ok(())
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    /// `fdatasync`, which covers the length too; F_FULLFSYNC on macOS, where std asks for it.
    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn map(&self, length: u64) -> io::Result<Map> {
        let available = self.len()?;
        match usize::try_from(length) {
            Ok(length_in_memory) if length <= available => Map::of_file(&self.0, length_in_memory),
            _ => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("{length} bytes to map, the file has {available}"),
            )),
        }
    }

    #[cfg(unix)]
    fn file_number(&self) -> Option<u64> {
        self.0.metadata().ok().map(|metadata| std::os::unix::fs::MetadataExt::ino(&metadata))
    }

    #[cfg(not(unix))]
    fn file_number(&self) -> Option<u64> {
        None
    }

    fn attributes(&self) -> io::Result<Attributes> {
        let metadata = self.0.metadata()?;
        let since = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let modified_at_ns = since.and_then(|since| i64::try_from(since.as_nanos()).ok());
        #[cfg(unix)]
        let mode = Some(std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o7777);
        #[cfg(not(unix))]
        let mode = None;
        Ok(Attributes { modified_at_ns, mode })
    }

    fn set_attributes(&self, attributes: &Attributes) -> io::Result<()> {
        #[cfg(unix)]
        if let Some(mode) = attributes.mode {
            self.0.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))?;
        }
        if let Some(since) = attributes.modified_at_ns.and_then(|ns| u64::try_from(ns).ok()) {
            let modified = UNIX_EPOCH + Duration::from_nanos(since);
            self.0.set_times(std::fs::FileTimes::new().set_modified(modified))?;
        }
        Ok(())
    }
}
