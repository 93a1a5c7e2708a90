//! A store: a directory of collections. Owns no algorithm; calls the verbs.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use siltstone_format::Id;
use siltstone_format::catalogue::{Catalogue, CatalogueEntry};
use siltstone_format::identity::EmbeddingIdentity;
use siltstone_format::manifest::Manifest;
use siltstone_format::names::{
    CATALOGUE_FILE, COLLECTIONS_DIR, DROPPED_FILE, LOCK_FILE, TEMPORARY_SUFFIX, check_name, is_hidden,
};

use crate::codes::Bases;
use crate::collection::{Collection, Shared};
use crate::disk::Mode;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::snapshot::{SnapshotInfo, store_wide};
use crate::{catalogue, lock, manifest, replace, sweep, witness};

/// A directory of collections. Cheap to clone; clones share their maps.
///
/// ```
/// use siltstone::{EmbeddingIdentity, Record, Search, Store};
///
/// # fn main() -> siltstone::Result<()> {
/// # let directory = tempfile::tempdir().expect("a directory");
/// let store = Store::create(directory.path().join("vectorstore"))?;
/// let identity = EmbeddingIdentity { dims: 2, ..EmbeddingIdentity::default() };
/// let pages = store.create_collection("pages", identity)?;
///
/// let mut writer = pages.writer()?;
/// writer.upsert(Record::new("intro.md#0", &[0.6, 0.8]).text("Welcome."))?;
/// writer.upsert(Record::new("usage.md#0", &[1.0, 0.0]).text("Open a store."))?;
/// let receipt = writer.commit()?;
/// assert_eq!(receipt.rows, 2);
///
/// let answer = pages.view()?.search(&[0.9, 0.1], &Search::new(1))?;
/// assert_eq!(answer.hits[0].key, "usage.md#0");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Store {
    environment: Environment,
    root: PathBuf,
    opened: Arc<Mutex<HashMap<Id, Arc<Shared>>>>,
    pub(crate) bases: Arc<Bases>,
}

impl Store {
    /// Creates a store in a new or empty directory.
    ///
    /// # Errors
    /// [`Error::PathTaken`] when something is there; a disk that refuses.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        Self::create_in(Environment::default(), path)
    }

    /// As [`Store::create`], in an environment of the caller's.
    ///
    /// # Errors
    /// As [`Store::create`].
    pub fn create_in(environment: Environment, path: impl AsRef<Path>) -> Result<Self> {
        let root = path.as_ref().to_owned();
        let disk = &*environment.disk;
        match disk.create_dir(&root) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Error::io("create", &root)(error));
            }
            _ => {}
        }
        let taken = |found: String| Err(Error::PathTaken { path: root.clone(), found });
        let entries = match disk.list(&root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => return taken("a file".into()),
            Err(error) => return Err(Error::io("list", &root)(error)),
        };
        // What an interrupted creation leaves behind may stay; anything else is somebody's.
        for entry in &entries {
            let ours = match entry.name.as_str() {
                COLLECTIONS_DIR => {
                    disk.list(&root.join(COLLECTIONS_DIR)).is_ok_and(|inside| inside.is_empty())
                }
                CATALOGUE_FILE => return taken("a store".into()),
                name => name == LOCK_FILE || name.ends_with(TEMPORARY_SUFFIX),
            };
            if !ours {
                return taken(format!("a directory with {:?} in it", entry.name));
            }
        }
        let _lock = lock::acquire(&environment, root.join(LOCK_FILE))?;
        let collections = root.join(COLLECTIONS_DIR);
        match disk.create_dir(&collections) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Error::io("create", &collections)(error));
            }
            _ => {}
        }
        // Before there is a catalogue: who finds one may rely on the directory of collections and the name of the store.
        disk.sync_dir(&root).map_err(Error::io("sync", &root))?;
        let parent = root.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        disk.sync_dir(parent).map_err(Error::io("sync", parent))?;
        let id = environment.entropy.id().map_err(Error::io("draw random bytes for", &root))?;
        catalogue::write(&environment, &root, &Catalogue::empty(id))?;
        Ok(Self { environment: environment.clone(), root, opened: Arc::default(), bases: Arc::default() })
    }

    /// Opens a store. Reads the catalogue only.
    ///
    /// # Errors
    /// [`Error::NotAStore`]; [`Error::NewerFormat`]; a damaged catalogue; a disk that cannot be read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_in(Environment::default(), path)
    }

    /// As [`Store::open`], in an environment of the caller's.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_in(environment: Environment, path: impl AsRef<Path>) -> Result<Self> {
        let store = Self {
            environment,
            root: path.as_ref().to_owned(),
            opened: Arc::default(),
            bases: Arc::default(),
        };
        match catalogue::load(&store.environment, &store.root) {
            Ok(_) => Ok(store),
            Err(Error::Io { source, .. })
                if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
            {
                Err(store.why_no_store())
            }
            Err(error) => Err(error),
        }
    }

    fn why_no_store(&self) -> Error {
        let disk = &*self.environment.disk;
        let found = match disk.list(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => "nothing is there".to_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => "it is a file".to_owned(),
            Err(error) => error.to_string(),
            Ok(_) if disk.list(&self.root.join(COLLECTIONS_DIR)).is_ok_and(|inside| !inside.is_empty()) => {
                let path = self.root.join(CATALOGUE_FILE);
                let flaw = siltstone_format::Flaw::new(
                    "catalogue",
                    "file",
                    0,
                    1,
                    "a catalogue of the collections",
                    "no file",
                );
                return Error::flaw(&path, flaw);
            }
            Ok(_) => format!("the directory has no {CATALOGUE_FILE}"),
        };
        Error::NotAStore { path: self.root.clone(), found }
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// What it lives in.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The names of the collections, sorted; hidden ones (`.name`) left out.
    ///
    /// # Errors
    /// A damaged catalogue, or a disk that cannot be read.
    pub fn names(&self) -> Result<Vec<String>> {
        Ok(self.all_names()?.into_iter().filter(|name| !is_hidden(name)).collect())
    }

    /// The names of all collections, hidden ones too, sorted.
    ///
    /// # Errors
    /// As [`Store::names`].
    pub fn all_names(&self) -> Result<Vec<String>> {
        let catalogue = catalogue::load(&self.environment, &self.root)?;
        Ok(catalogue.collections.into_iter().map(|entry| entry.name).collect())
    }

    /// Every collection that is not hidden, opened; sorted by name.
    ///
    /// # Errors
    /// A damaged catalogue or manifest, or a disk that cannot be read.
    pub fn collections(&self) -> Result<Vec<Collection>> {
        use rayon::prelude::*;
        let catalogue = catalogue::load(&self.environment, &self.root)?;
        let visible: Vec<_> = catalogue.collections.iter().filter(|entry| !is_hidden(&entry.name)).collect();
        visible.into_par_iter().map(|entry| self.open_entry(entry)).collect()
    }

    /// The collection of this name.
    ///
    /// # Errors
    /// [`Error::NoSuchCollection`]; a damaged catalogue or manifest; a disk that cannot be read.
    pub fn collection(&self, name: &str) -> Result<Collection> {
        let catalogue = catalogue::load(&self.environment, &self.root)?;
        match catalogue.collections.iter().find(|entry| entry.name == name) {
            Some(entry) => self.open_entry(entry),
            None => {
                Err(Error::NoSuchCollection { name: name.to_owned(), similar: similar(&catalogue, name) })
            }
        }
    }

    fn open_entry(&self, entry: &CatalogueEntry) -> Result<Collection> {
        let known = self.opened().get(&entry.directory()).filter(|shared| shared.name == entry.name).cloned();
        if let Some(shared) = known {
            return Ok(Collection { shared });
        }
        let directory = catalogue::directory(&self.root, &entry.directory());
        let mut attempt = 1;
        let manifest = loop {
            match manifest::current(&*self.environment.disk, &directory, &entry.collection) {
                // A writer replaced the manifest between the list and the read.
                Err(error) if error.is_missing_file() && attempt < 20 => attempt += 1,
                Err(error) => {
                    let copied = lock::was_copied(&self.environment, &directory.join(LOCK_FILE));
                    return Err(match error {
                        Error::Damaged { path, flaw, .. } => Error::Damaged { path, flaw, copied },
                        Error::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                            let expected = "the directory that the catalogue names";
                            let flaw = siltstone_format::Flaw::new(
                                "collection",
                                "directory",
                                0,
                                1,
                                expected,
                                "nothing",
                            );
                            Error::flaw(&directory, flaw)
                        }
                        error => error,
                    });
                }
                Ok(manifest) => break manifest,
            }
        };
        let shared = Shared::new(&self.environment, &self.root, &manifest, &entry.name);
        let shared = Arc::new(shared.with_bases(&self.bases).lying_in(&directory));
        self.opened().insert(entry.directory(), Arc::clone(&shared));
        Ok(Collection { shared })
    }

    fn opened(&self) -> std::sync::MutexGuard<'_, HashMap<Id, Arc<Shared>>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Creates a collection. `identity` can never change afterwards.
    ///
    /// # Errors
    /// [`Error::CollectionExists`]; a name or identity that cannot be; a disk that refuses.
    pub fn create_collection(&self, name: &str, identity: EmbeddingIdentity) -> Result<Collection> {
        check_name(name)
            .map_err(|reason| Error::invalid("collection name", format!("{name:?}: {reason}")))?;
        identity.check().map_err(|reason| Error::invalid("embedding identity", reason))?;
        let environment = &self.environment;
        let id = environment.entropy.id().map_err(Error::io("draw random bytes for", &self.root))?;
        let created = CatalogueEntry::new(name, id);
        catalogue::edit(environment, &self.root, |catalogue| {
            if catalogue.collections.iter().any(|entry| entry.name == name) {
                return Err(Error::CollectionExists { name: name.to_owned() });
            }
            sweep::directories(environment, &self.root, catalogue)?;
            let directory = catalogue::directory(&self.root, &id);
            environment.disk.create_dir(&directory).map_err(Error::io("create", &directory))?;
            witness::create(&*environment.disk, &directory, &witness::blank(id))?;
            let first = Manifest::first(id, name, identity.clone(), environment.clock.now_ms());
            manifest::write(environment, &directory, &first)?;
            let parent = self.root.join(COLLECTIONS_DIR);
            environment.disk.sync_dir(&parent).map_err(Error::io("sync", &parent))?;
            catalogue.collections.push(created.clone());
            Ok(())
        })?;
        self.open_entry(&created)
    }

    /// The collection of this name, created when there is none.
    ///
    /// # Errors
    /// [`Error::IdentityMismatch`] when there is one with other embeddings; else as [`Store::create_collection`].
    pub fn open_or_create(&self, name: &str, identity: &EmbeddingIdentity) -> Result<Collection> {
        let collection = match self.collection(name) {
            Err(Error::NoSuchCollection { .. }) => match self.create_collection(name, identity.clone()) {
                Err(Error::CollectionExists { .. }) => self.collection(name)?,
                result => result?,
            },
            result => result?,
        };
        match collection.identity().difference(identity) {
            None => Ok(collection),
            Some(difference) => Err(Error::IdentityMismatch { collection: name.to_owned(), difference }),
        }
    }

    /// Keeps the last commit of several collections under one name, all at one instant: their locks are held together for
    /// that moment. Without `only` these are all that are not hidden. Returns what was created, by name of the collection.
    ///
    /// Each snapshot is durable by itself, so a power cut in the middle leaves those that were created so far.
    ///
    /// # Errors
    /// [`Error::Locked`], with who holds it, while somebody writes to one of them; [`Error::SnapshotExists`] when one has
    /// the name already; as [`Collection::writer`]. Then none is kept, unless the disk refuses that too.
    pub fn create_snapshot(
        &self,
        name: &str,
        only: Option<&[String]>,
    ) -> Result<Vec<(String, SnapshotInfo)>> {
        store_wide::create(self, name, only)
    }

    /// Puts the collection `by` in the place of `name`: from one instant to the next, `name` is what `by` was, and `by` is
    /// no name any more. Identity, rows and snapshots are those of `by`. Views and handles of the old one stay good. What
    /// `name` was is kept: the path that is returned is a safety copy, as a restore makes one, and
    /// [`crate::backup::restore`] goes back to it.
    ///
    /// Costs a manifest, a copy of the catalogue and one rename; durable when it returns.
    ///
    /// # Errors
    /// [`Error::NoSuchCollection`]; [`Error::Locked`] while somebody writes to one of the two; a disk that refuses.
    /// Then `name` is what it was, unless the disk failed after the rename.
    pub fn replace_collection(&self, name: &str, by: &str) -> Result<PathBuf> {
        replace::replace(self, name, by)
    }

    /// Names a collection whose directory is complete.
    pub(crate) fn adopt(&self, name: &str, id: Id) -> Result<()> {
        let parent = self.root.join(COLLECTIONS_DIR);
        self.environment.disk.sync_dir(&parent).map_err(Error::io("sync", &parent))?;
        catalogue::edit(&self.environment, &self.root, |catalogue| {
            catalogue.collections.push(CatalogueEntry::new(name, id));
            Ok(())
        })?;
        Ok(())
    }

    /// Drops a collection and everything in it, snapshots too. Nothing of it is kept.
    ///
    /// # Errors
    /// [`Error::NoSuchCollection`]; [`Error::Locked`] while somebody writes to it; a disk that refuses.
    pub fn drop_collection(&self, name: &str) -> Result<()> {
        let collection = self.collection(name)?;
        let shared = &collection.shared;
        let _lock = lock::acquire(&self.environment, shared.directory.join(LOCK_FILE))?;
        let catalogue = catalogue::load(&self.environment, &self.root)?;
        let Some(entry) = catalogue::entry_in(&catalogue, &self.root, shared) else {
            return Err(Error::NoSuchCollection {
                name: name.to_owned(),
                similar: similar(&catalogue, name),
            });
        };
        let mark = shared.directory.join(DROPPED_FILE);
        let disk = &*self.environment.disk;
        match disk.open(&mark, Mode::Create) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Error::io("create", &mark)(error));
            }
            _ => disk.sync_dir(&shared.directory).map_err(Error::io("sync", &shared.directory))?,
        }
        catalogue::edit(&self.environment, &self.root, |catalogue| {
            catalogue.collections.retain(|entry| entry.collection != shared.id);
            Ok(())
        })?;
        self.opened().remove(&entry.directory());
        sweep::remove_directory(&self.environment, &shared.directory)
    }
}

/// Names that a person may have meant.
fn similar(catalogue: &Catalogue, name: &str) -> Vec<String> {
    let plain = |text: &str| text.to_ascii_lowercase().replace(['-', '.'], "_");
    let wanted = plain(name);
    let mut found: Vec<(usize, &str)> = catalogue
        .collections
        .iter()
        .filter(|entry| !is_hidden(&entry.name))
        .map(|entry| (distance(&plain(&entry.name), &wanted), entry.name.as_str()))
        .filter(|(distance, entry)| *distance <= 2 || plain(entry).ends_with(&format!("_{wanted}")))
        .collect();
    found.sort_unstable();
    found.into_iter().take(3).map(|(_, name)| name.to_owned()).collect()
}

/// Edits between two short texts (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, to) in row.iter_mut().skip(1).zip(b.bytes()) {
            let value = (diagonal + usize::from(from != to)).min(left + 1).min(*cell + 1);
            diagonal = std::mem::replace(cell, value);
            left = value;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.pop().unwrap_or(0)
}
