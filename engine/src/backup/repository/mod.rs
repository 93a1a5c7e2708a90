//! A repository: every file is cut into pieces, and each piece is kept once, under its digest, however many backups have
//! it. Segments only grow and then never change, so tomorrow's backup adds the pieces at the ends of the open segments and
//! little else.
//!
//! ```text
//! repository.json                                 says what this directory is
//! objects/0a/0a1b...zst                           a piece, compressed; named by the BLAKE3 of its bytes
//! backups/backup_20260131_235958.json             the index of a backup, with the pieces of each file
//! lock                                            held by whoever adds or removes
//! ```

mod objects;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use siltstone_format::backup::BackupIndex;
use siltstone_format::checksum::to_hex;
use siltstone_format::limits::{FORMAT_VERSION, MAX_DOCUMENT_BYTES};
use siltstone_format::names::{LOCK_FILE, TEMPORARY_SUFFIX};
use siltstone_format::{Flaw, document};

use objects::{OBJECT_SUFFIX, Objects, object_path, read_object};

use super::capture::Capture;
use super::content::{Content, Receive, damaged};
use super::shelf::{self, VERIFIED_SUFFIX};
use crate::disk::{Disk, Mode, durable};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::lock;

const MARK: &str = "repository.json";
const MARK_FORMAT: &str = "siltstone repository";
const OBJECTS: &str = "objects";
pub(super) const BACKUPS: &str = "backups";
/// How the name of an index ends.
pub(super) const INDEX_SUFFIX: &str = ".json";

#[derive(Debug, Serialize, Deserialize)]
struct Mark {
    format: String,
    version: u32,
}

/// Whether a file of this name is the index of a backup.
pub(super) fn is_index(name: &str) -> bool {
    name.starts_with(shelf::PREFIX) && name.ends_with(INDEX_SUFFIX) && !name.ends_with(VERIFIED_SUFFIX)
}

/// Whether there is something that says what the directory is.
pub(super) fn is_marked(disk: &dyn Disk, root: &Path) -> bool {
    let opened = disk.open(&root.join(MARK), Mode::Read);
    !opened.is_err_and(|error| matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory))
}

/// Checks that the directory is a repository that this version knows.
pub(super) fn check(disk: &dyn Disk, root: &Path) -> Result<()> {
    let path = root.join(MARK);
    let bytes = durable::read_whole(disk, &path, 1 << 16).map_err(|error| match error.is_missing_file() {
        true => Error::invalid("repository", format!("{} has no {MARK}", root.display())),
        false => error,
    })?;
    let (mark, _): (Mark, _) =
        document::open("repository", &bytes).map_err(|flaw| Error::flaw(&path, flaw))?;
    if mark.format != MARK_FORMAT || mark.version == 0 || mark.version > FORMAT_VERSION {
        let expected = format!("{MARK_FORMAT:?}, 1 to {FORMAT_VERSION}");
        let found = format!("{:?}, {}", mark.format, mark.version);
        let field = if mark.format == MARK_FORMAT { "version" } else { "format" };
        let flaw = Flaw::new("repository", field, 0, bytes.len() as u64, expected, found);
        return Err(Error::flaw(&path, flaw));
    }
    Ok(())
}

/// Adds a backup, and makes the repository first if there is none. Returns the path of its index, and the bytes that it
/// added. What was there already is read, so that the new backup does not rest on an object that rotted; such a one is
/// written anew.
pub(super) fn create(
    environment: &Environment,
    root: &Path,
    index: &BackupIndex,
    capture: &Capture,
) -> Result<(PathBuf, u64)> {
    let disk = &*environment.disk;
    shelf::ensure(disk, root)?;
    let _lock = lock::acquire(environment, root.join(LOCK_FILE))?;
    let (objects, backups) = (root.join(OBJECTS), root.join(BACKUPS));
    match disk.open(&root.join(MARK), Mode::Read) {
        Ok(_) => check(disk, root)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let found = disk.list(root).map_err(Error::io("list", root))?;
            let ours = |name: &str| matches!(name, LOCK_FILE) || name.ends_with(TEMPORARY_SUFFIX);
            if let Some(entry) = found.iter().find(|entry| !ours(&entry.name)) {
                let found = format!("a directory with {:?} in it that is no repository", entry.name);
                return Err(Error::PathTaken { path: root.to_owned(), found });
            }
            let mark = Mark { format: MARK_FORMAT.to_owned(), version: FORMAT_VERSION };
            let bytes = document::seal(&mark).map_err(|reason| Error::invalid("repository", reason))?;
            durable::publish(disk, root, MARK, &bytes)?;
        }
        Err(error) => return Err(Error::io("open", root)(error)),
    }
    shelf::ensure(disk, &objects)?;
    shelf::ensure(disk, &backups)?;
    shelf::sweep_repository(environment, &backups)?;
    let mut writer = Objects::new(disk, &objects);
    let mut index = index.clone();
    for file in &mut index.files {
        let source = capture.source(&file.path);
        let opened = capture.open(disk, &file.path)?;
        file.pieces = writer.put_file(environment, root, (&opened, &source), file)?;
        environment.observer.event(&Event::BackedUp { path: source, bytes: file.bytes });
    }
    let added = writer.settle()?;
    let entries = disk.list(&backups).map_err(Error::io("list", &backups))?;
    let stem = shelf::stem(&index, |stem| {
        entries.iter().any(|entry| entry.name.strip_suffix(INDEX_SUFFIX) == Some(stem))
    });
    let bytes = index.encode().map_err(|reason| Error::invalid("backup index", reason))?;
    let name = format!("{stem}{INDEX_SUFFIX}");
    durable::publish(disk, &backups, &name, &bytes)?;
    Ok((backups.join(name), added + bytes.len() as u64))
}

/// A backup in a repository.
pub(super) struct Stored {
    disk: std::sync::Arc<dyn Disk>,
    path: PathBuf,
    objects: PathBuf,
    index: BackupIndex,
}

impl Stored {
    /// Opens a backup by the path of its index.
    pub(super) fn open(environment: &Environment, path: &Path) -> Result<Self> {
        let disk = &environment.disk;
        let root = path.parent().and_then(Path::parent).unwrap_or(Path::new("."));
        check(&**disk, root)?;
        let index = read_index(&**disk, path)?;
        Ok(Self {
            disk: std::sync::Arc::clone(disk),
            path: path.to_owned(),
            objects: root.join(OBJECTS),
            index,
        })
    }
}

/// The index of a backup in a repository.
pub(super) fn read_index(disk: &dyn Disk, path: &Path) -> Result<BackupIndex> {
    let bytes = durable::read_whole(disk, path, MAX_DOCUMENT_BYTES)?;
    let decoded = BackupIndex::decode(&bytes).map(|(index, _)| index);
    decoded.map_err(|flaw| Error::flaw(path, flaw))
}

impl Content for Stored {
    fn index(&self) -> &BackupIndex {
        &self.index
    }

    fn deliver(self: Box<Self>, to: &mut dyn Receive) -> Result<()> {
        self.index.directories.iter().try_for_each(|directory| to.directory(directory))?;
        for file in &self.index.files {
            if to.is_satisfied() {
                return Ok(());
            }
            to.begin(file)?;
            let mut hasher = blake3::Hasher::new();
            let mut at = 0;
            for piece in &file.pieces {
                let object = object_path(&self.objects, &piece.blake3);
                let member = |found: String| {
                    let expected = format!("the object {}", object.display());
                    damaged(&self.path, &file.path, (at, piece.bytes), &expected, found)
                };
                let raw = read_object(&*self.disk, &self.objects, piece).map_err(|error| match &error {
                    Error::Damaged { flaw, .. } => member(flaw.found.clone()),
                    _ if error.is_missing_file() => member("no such file".to_owned()),
                    _ => error,
                })?;
                hasher.update(&raw);
                to.chunk(&raw)?;
                at += piece.bytes;
            }
            if at != file.bytes || hasher.finalize().as_bytes() != &file.blake3 {
                let (expected, found) = ("the digest in the index", "another digest");
                return Err(damaged(&self.path, &file.path, (0, file.bytes), expected, found));
            }
            to.end()?;
        }
        Ok(())
    }
}

/// Removes backups, and then the objects that no kept backup names. Dying on the way leaves objects too many, which the
/// next prune removes. Returns how many bytes were freed.
pub(super) fn remove(environment: &Environment, root: &Path, backups: &[PathBuf]) -> Result<u64> {
    let disk = &*environment.disk;
    check(disk, root)?;
    let _lock = lock::acquire(environment, root.join(LOCK_FILE))?;
    let directory = root.join(BACKUPS);
    // What is kept is read first: while one of them cannot be read, nobody knows which objects it needs.
    let mut needed = BTreeSet::new();
    for entry in disk.list(&directory).map_err(Error::io("list", &directory))? {
        let path = directory.join(&entry.name);
        if is_index(&entry.name) && !backups.contains(&path) {
            let index = read_index(disk, &path)?;
            needed.extend(index.files.into_iter().flat_map(|file| file.pieces).map(|piece| piece.blake3));
        }
    }
    for path in backups {
        let verified = shelf::beside(path, VERIFIED_SUFFIX);
        match disk.remove(&verified) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::io("remove", &verified)(error));
            }
            _ => {}
        }
        disk.remove(path).map_err(Error::io("remove", path))?;
    }
    disk.sync_dir(&directory).map_err(Error::io("sync", &directory))?;
    let needed: BTreeSet<String> =
        needed.iter().map(|digest| format!("{}{OBJECT_SUFFIX}", to_hex(digest))).collect();
    let objects = root.join(OBJECTS);
    let mut freed = 0;
    for shelf in disk.list(&objects).map_err(Error::io("list", &objects))?.iter().filter(|one| one.is_dir) {
        let directory = objects.join(&shelf.name);
        for entry in disk.list(&directory).map_err(Error::io("list", &directory))? {
            let is_ours = entry.name.ends_with(OBJECT_SUFFIX) || entry.name.ends_with(TEMPORARY_SUFFIX);
            if is_ours && !needed.contains(&entry.name) {
                let path = directory.join(&entry.name);
                let file = disk.open(&path, Mode::Read).map_err(Error::io("open", &path))?;
                freed += file.len().map_err(Error::io("read", &path))?;
                drop(file);
                disk.remove(&path).map_err(Error::io("remove", &path))?;
            }
        }
    }
    Ok(freed)
}
