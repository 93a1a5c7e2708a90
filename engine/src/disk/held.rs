//! A directory as it was at one moment. Whoever reads the files of a collection for long, without its lock, would meet
//! files that a compaction has removed meanwhile; a file that is open stays readable whatever happens to its name. So all
//! of them are opened first, and the directory is listed as it was then.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use siltstone_format::names::FileKind;

use super::{Disk, DiskFile, Entry, Mode, Volume};

/// How often the directory is listed again because a file was gone before it could be opened.
const ATTEMPTS: usize = 50;

/// A disk on which one directory stands still. Everything else goes to the disk behind it. Half of the files that the
/// process may have open are held at most; those beyond are opened when they are read.
#[derive(Debug)]
pub(crate) struct HeldDisk {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    /// Nothing when the directory could not be listed: whoever asks is told why.
    entries: Option<Vec<Entry>>,
    files: HashMap<PathBuf, Arc<dyn DiskFile>>,
}

impl HeldDisk {
    /// Opens the files of a collection's directory.
    pub(crate) fn hold(disk: &Arc<dyn Disk>, directory: &Path) -> Self {
        let mut held = Self {
            disk: Arc::clone(disk),
            directory: directory.to_owned(),
            entries: None,
            files: HashMap::new(),
        };
        for _ in 0..ATTEMPTS {
            let Ok(entries) = disk.list(directory) else { break };
            let is_complete = held.open_all(&entries);
            held.entries = Some(entries);
            if is_complete {
                break;
            }
        }
        held
    }

    /// Says whether none of them was gone. One that cannot be opened for another reason is left to whoever reads it.
    fn open_all(&mut self, entries: &[Entry]) -> bool {
        self.files.clear();
        let most = self.disk.most_open_files() / 2;
        for entry in entries.iter().filter(|entry| is_read(entry)).take(most) {
            let path = self.directory.join(&entry.name);
            match self.disk.open(&path, Mode::Read) {
                Ok(file) => drop(self.files.insert(path, file)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return false,
                Err(_) => {}
            }
        }
        true
    }
}

fn is_read(entry: &Entry) -> bool {
    let is_other = |kind| matches!(kind, FileKind::Lock | FileKind::Temporary | FileKind::Dropped);
    !entry.is_dir && FileKind::of(&entry.name).is_some_and(|kind| !is_other(kind))
}

impl Disk for HeldDisk {
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn DiskFile>> {
        match self.files.get(path).filter(|_| mode == Mode::Read) {
            Some(file) => Ok(Arc::clone(file)),
            None => self.disk.open(path, mode),
        }
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.create_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        match self.entries.as_ref().filter(|_| path == self.directory) {
            Some(entries) => Ok(entries.clone()),
            None => self.disk.list(path),
        }
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
        self.disk.lock(path)
    }

    fn volume(&self, path: &Path) -> io::Result<Volume> {
        self.disk.volume(path)
    }

    fn most_open_files(&self) -> usize {
        self.disk.most_open_files()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;

    #[test]
    fn what_was_there_stays_there_for_its_holder() {
        let scratch = tempfile::tempdir().unwrap();
        let directory = scratch.path();
        let path = directory.join("segment-00000001.seg");
        std::fs::write(&path, "rows").unwrap();
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let held = HeldDisk::hold(&disk, directory);
        std::fs::remove_file(&path).unwrap();
        std::fs::write(directory.join("segment-00000002.seg"), "later").unwrap();
        let names: Vec<String> = held.list(directory).unwrap().into_iter().map(|entry| entry.name).collect();
        assert_eq!(names, ["segment-00000001.seg"]);
        let mut bytes = [0; 4];
        held.open(&path, Mode::Read).unwrap().read_at(&mut bytes, 0).unwrap();
        assert_eq!(&bytes, b"rows");
        // A directory that is not there is asked for anew, and says why.
        let none = HeldDisk::hold(&disk, &directory.join("none"));
        assert_eq!(none.list(&directory.join("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
