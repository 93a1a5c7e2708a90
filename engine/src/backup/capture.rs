//! One moment of a whole store, held open: what a backup will contain. No lock is taken. Documents are read into memory;
//! segments are opened, so that a compaction that removes them takes nothing away, and the open one is cut at the end of
//! its last whole commit. A file that vanishes meanwhile makes the collection be captured again.
//!
//! Half of the files that a process may have open are held. Those beyond are opened again when they are read, and one that
//! is gone by then makes the whole backup begin anew.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use siltstone_format::backup::STORE_DIR;
use siltstone_format::catalogue::Catalogue;
use siltstone_format::checksum::to_hex;
use siltstone_format::names::{CATALOGUE_FILE, COLLECTIONS_DIR};

use super::{Extra, collect};
use crate::catalogue;
use crate::disk::{Attributes, Disk, DiskFile, Mode};
use crate::environment::Environment;
use crate::error::{Error, Result};

/// How often a collection is captured again when a writer changes it meanwhile.
const ATTEMPTS: usize = 20;
/// How often one that looks damaged is looked at again.
const LOOKS: usize = 3;

/// A captured store.
#[derive(Debug)]
pub(super) struct Capture {
    pub(super) root: PathBuf,
    pub(super) catalogue: Catalogue,
    /// By the paths that they have in a backup.
    pub(super) files: BTreeMap<String, Captured>,
    pub(super) directories: BTreeSet<String>,
    pub(super) snapshot: Option<String>,
    /// How many more files may be held open.
    room: usize,
}

/// A captured file.
#[derive(Debug, Clone)]
pub(super) struct Captured {
    pub(super) content: Content,
    pub(super) attributes: Attributes,
}

/// Where the bytes of a captured file are.
#[derive(Debug, Clone)]
pub(super) enum Content {
    /// In memory: documents, which are small.
    Bytes(Arc<Vec<u8>>),
    /// The beginning of a file.
    File { path: PathBuf, held: Option<Arc<dyn DiskFile>>, bytes: u64 },
}

impl Captured {
    pub(super) fn of_bytes(bytes: Vec<u8>, attributes: Attributes) -> Self {
        Self { content: Content::Bytes(Arc::new(bytes)), attributes }
    }

    /// The beginning of a file that is open.
    pub(super) fn of_file(path: &Path, file: Arc<dyn DiskFile>, bytes: u64) -> Result<Self> {
        let attributes = file.attributes().map_err(Error::io("read", path))?;
        Ok(Self { content: Content::File { path: path.to_owned(), held: Some(file), bytes }, attributes })
    }

    /// Lets go of the open file when there is no room for it.
    pub(super) fn hold_within(&mut self, room: &mut usize) {
        if let Content::File { held: held @ Some(_), .. } = &mut self.content {
            match room.checked_sub(1) {
                Some(left) => *room = left,
                None => *held = None,
            }
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        match &self.content {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::File { bytes, .. } => *bytes,
        }
    }
}

impl Capture {
    /// Captures the store at `root`: its last commits, or the moments that a snapshot keeps.
    pub(super) fn take(
        environment: &Environment,
        root: &Path,
        snapshot: Option<&str>,
        extras: &[Extra],
    ) -> Result<Self> {
        crate::store::Store::open_in(environment.clone(), root)?;
        let disk = &*environment.disk;
        let mut attempt = 1;
        let mut capture = loop {
            let catalogue = catalogue::load(environment, root)?;
            match Self::of_collections(environment, root, &catalogue, snapshot) {
                // Dropped or restored meanwhile, with its directory.
                Err(error) if error.is_missing_file() && attempt < ATTEMPTS => attempt += 1,
                capture => break capture?,
            }
        };
        let path = root.join(CATALOGUE_FILE);
        let attributes = disk.open(&path, Mode::Read).and_then(|file| file.attributes());
        let attributes = attributes.map_err(Error::io("read", &path))?;
        let bytes = capture.catalogue.encode().map_err(|reason| Error::invalid("catalogue", reason))?;
        capture.put(&format!("{STORE_DIR}/{CATALOGUE_FILE}"), Captured::of_bytes(bytes, attributes));
        for extra in extras {
            let path = &extra.from;
            match disk.open(path, Mode::Read) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                file => {
                    let file = file.map_err(Error::io("open", path))?;
                    let bytes = file.len().map_err(Error::io("read", path))?;
                    capture.put(&extra.path, Captured::of_file(path, file, bytes)?);
                }
            }
        }
        Ok(capture)
    }

    fn of_collections(
        environment: &Environment,
        root: &Path,
        catalogue: &Catalogue,
        snapshot: Option<&str>,
    ) -> Result<Self> {
        let mut capture = Self {
            root: root.to_owned(),
            catalogue: Catalogue { collections: Vec::new(), ..catalogue.clone() },
            files: BTreeMap::new(),
            directories: BTreeSet::from([format!("{STORE_DIR}/{COLLECTIONS_DIR}")]),
            snapshot: snapshot.map(str::to_owned),
            room: environment.disk.most_open_files() / 2,
        };
        for entry in &catalogue.collections {
            let mut attempt = 1;
            let collected = loop {
                match collect::collection(environment, root, entry, (snapshot, capture.room)) {
                    Err(error) if error.is_missing_file() && attempt < ATTEMPTS => {}
                    // A commit, or a write of the witness, may have been under way at the first looks.
                    Ok(collected) if collected.is_damaged && attempt <= LOOKS => {}
                    collected => break collected?,
                }
                attempt += 1;
            };
            let Some(files) = collected.files else { continue };
            // In a backup every collection lies in the directory of its identity.
            let directory = format!("{STORE_DIR}/{COLLECTIONS_DIR}/{}", to_hex(&entry.collection));
            for (name, file) in files {
                capture.put(&format!("{directory}/{name}"), file);
            }
            capture.directories.insert(directory);
            let entry = siltstone_format::catalogue::CatalogueEntry { directory: None, ..entry.clone() };
            capture.catalogue.collections.push(entry);
        }
        if let Some(name) = snapshot.filter(|_| capture.catalogue.collections.is_empty()) {
            let reason = format!("no collection has a snapshot named {name:?}");
            return Err(Error::invalid("snapshot", reason));
        }
        Ok(capture)
    }

    fn put(&mut self, path: &str, mut file: Captured) {
        file.hold_within(&mut self.room);
        for (at, _) in path.match_indices('/') {
            self.directories.extend(path.get(..at).map(str::to_owned));
        }
        self.files.insert(path.to_owned(), file);
    }

    /// Opens a captured file.
    pub(super) fn open(&self, disk: &dyn Disk, path: &str) -> Result<CapturedFile> {
        let Some(captured) = self.files.get(path) else {
            return Err(Error::io("open", Path::new(path))(io::ErrorKind::NotFound.into()));
        };
        let file = match &captured.content {
            Content::File { path, held: None, .. } => {
                Some(disk.open(path, Mode::Read).map_err(Error::io("open", path))?)
            }
            Content::File { held, .. } => held.clone(),
            Content::Bytes(_) => None,
        };
        Ok(CapturedFile { captured: captured.clone(), file })
    }

    /// Where a captured file lies, for messages.
    pub(super) fn source(&self, path: &str) -> PathBuf {
        match self.files.get(path).map(|file| &file.content) {
            Some(Content::File { path, .. }) => path.clone(),
            _ => self.root.join(path.trim_start_matches(STORE_DIR).trim_start_matches('/')),
        }
    }
}

/// An open captured file; it ends where its capture ends.
#[derive(Debug)]
pub(super) struct CapturedFile {
    captured: Captured,
    file: Option<Arc<dyn DiskFile>>,
}

impl CapturedFile {
    fn bytes(&self) -> &[u8] {
        match &self.captured.content {
            Content::Bytes(bytes) => bytes,
            Content::File { .. } => &[],
        }
    }
}

impl DiskFile for CapturedFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.captured.bytes())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let end = offset.saturating_add(buffer.len() as u64);
        if end > self.captured.bytes() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match &self.file {
            Some(file) => file.read_at(buffer, offset),
            None => {
                let bytes = self.bytes().get(offset as usize..end as usize).unwrap_or_default();
                buffer.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
                Ok(())
            }
        }
    }

    fn write_at(&self, _bytes: &[u8], _offset: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn truncate(&self, _length: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn map(&self, length: u64) -> io::Result<crate::disk::Map> {
        match &self.file {
            _ if length > self.captured.bytes() => Err(io::ErrorKind::UnexpectedEof.into()),
            Some(file) => file.map(length),
            None => Ok(crate::disk::Map::copy_of(self.bytes().get(..length as usize).unwrap_or_default())),
        }
    }

    fn file_number(&self) -> Option<u64> {
        None
    }

    fn attributes(&self) -> io::Result<Attributes> {
        Ok(self.captured.attributes)
    }
}
