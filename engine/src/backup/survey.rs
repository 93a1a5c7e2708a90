//! Looking at a captured store before it is written: the deep verification runs on exactly the bytes that the backup will
//! have, through a disk that shows nothing else; then every file is hashed for the index.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use siltstone_format::backup::{BACKUP_FORMAT, BackupCollection, BackupFile, BackupIndex, STORE_DIR};
use siltstone_format::limits::FORMAT_VERSION;

use super::capture::Capture;
use super::stream::read_through;
use crate::disk::{Disk, DiskFile, Entry, Mode};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::store::Store;
use crate::verify::{Depth, Severity, verify};
use crate::view::OnDamage;

/// Most damaged places that an index lists.
const MOST_DAMAGE: usize = 100;

/// The index of a captured store.
pub(super) fn index(environment: &Environment, capture: &Arc<Capture>) -> Result<BackupIndex> {
    let disk = CapturedDisk { capture: Arc::clone(capture), disk: Arc::clone(&environment.disk) };
    let captured = Environment { disk: Arc::new(disk), ..environment.clone() };
    let report = verify(&captured, &capture.root, Depth::Deep, None)?;
    let damage = report.findings.iter().filter(|finding| finding.severity == Severity::Damage);
    let damage = damage.take(MOST_DAMAGE).map(|finding| {
        let path = finding.path.strip_prefix(&capture.root).unwrap_or(&finding.path);
        format!("{}: {}", path.display(), finding.flaw)
    });
    let damage = damage.collect();
    let store = Store::open_in(captured, &capture.root)?;
    let collections = capture.catalogue.collections.iter().map(|entry| {
        // Of a collection that cannot be opened no row can be counted; its damage is listed.
        let view = store.collection(&entry.name).and_then(|one| one.view_with(OnDamage::Skip)).ok();
        let (commit, rows) = view.map_or((0, 0), |view| (view.commit().0, view.len()));
        BackupCollection { name: entry.name.clone(), collection: entry.collection, commit, rows }
    });
    let collections = collections.collect();
    let mut files = Vec::new();
    for (path, captured) in &capture.files {
        let file = capture.open(&*environment.disk, path)?;
        let (source, bytes) = (capture.source(path), captured.bytes());
        let blake3 = read_through(&file, bytes, |error| vanished(&source, error), |_| Ok(()))?;
        let (modified_at_ns, mode) = (captured.attributes.modified_at_ns, captured.attributes.mode);
        let pieces = Vec::new();
        files.push(BackupFile { path: path.clone(), bytes, blake3, modified_at_ns, mode, pieces });
    }
    Ok(BackupIndex {
        format: BACKUP_FORMAT.to_owned(),
        version: FORMAT_VERSION,
        store: capture.catalogue.store,
        generation: capture.catalogue.generation,
        created_at_ms: environment.clock.now_ms(),
        damage,
        snapshot: capture.snapshot.clone(),
        collections,
        directories: capture.directories.iter().cloned().collect(),
        files,
    })
}

/// A file that became shorter than it was captured is another one by now, as if it had vanished: the backup is begun anew.
pub(super) fn vanished(path: &Path, error: io::Error) -> Error {
    let error = match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            io::Error::new(io::ErrorKind::NotFound, "it was replaced while it was read")
        }
        _ => error,
    };
    Error::io("read", path)(error)
}

/// Shows a captured store where the store lies, and nothing else.
#[derive(Debug)]
struct CapturedDisk {
    capture: Arc<Capture>,
    disk: Arc<dyn Disk>,
}

impl CapturedDisk {
    /// The path that a file has in a backup.
    fn path(&self, path: &Path) -> io::Result<String> {
        let inside = path.strip_prefix(&self.capture.root).map_err(|_| io::ErrorKind::NotFound)?;
        let parts = inside.iter().map(|part| part.to_string_lossy().into_owned());
        Ok(std::iter::once(STORE_DIR.to_owned()).chain(parts).collect::<Vec<_>>().join("/"))
    }
}

impl Disk for CapturedDisk {
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn DiskFile>> {
        if mode != Mode::Read {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        match self.capture.open(&*self.disk, &self.path(path)?) {
            Ok(file) => Ok(Arc::new(file)),
            Err(Error::Io { source, .. }) => Err(source),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    fn create_dir(&self, _path: &Path) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let inside = format!("{}/", self.path(path)?);
        let child = |path: &String| {
            let rest = path.strip_prefix(&inside)?;
            (!rest.is_empty() && !rest.contains('/')).then(|| rest.to_owned())
        };
        let directories: BTreeSet<String> = self.capture.directories.iter().filter_map(child).collect();
        let files = self.capture.files.keys().filter_map(child).map(|name| (name, false));
        let all = directories.into_iter().map(|name| (name, true)).chain(files);
        let mut entries: Vec<Entry> = all.map(|(name, is_dir)| Entry { name, is_dir }).collect();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        match entries.is_empty() && !self.capture.directories.contains(inside.trim_end_matches('/')) {
            true => Err(io::ErrorKind::NotFound.into()),
            false => Ok(entries),
        }
    }

    fn rename(&self, _from: &Path, _to: &Path) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn remove(&self, _path: &Path) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync_dir(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, _path: &Path) -> io::Result<Option<Arc<dyn DiskFile>>> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    /// The capture holds the other half.
    fn most_open_files(&self) -> usize {
        self.disk.most_open_files() / 2
    }
}

/// The room that a copy of a backup's files takes, and an error when there is less.
pub(crate) fn check_room(environment: &Environment, directory: &Path, bytes: u64) -> Result<()> {
    let volume = environment.disk.volume(directory).map_err(Error::io("measure the room in", directory))?;
    // Documents and directories take a little beside the files.
    let needed = bytes.saturating_add(1 << 16);
    match volume.free_bytes.filter(|free| *free < needed) {
        None => Ok(()),
        Some(free) => {
            let source: PathBuf = directory.to_owned();
            let why = format!("{needed} bytes are needed, {free} are free");
            Err(Error::io("find room in", &source)(io::Error::new(io::ErrorKind::StorageFull, why)))
        }
    }
}
