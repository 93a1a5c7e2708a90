//! The new directories of a restore in place. Nothing names them until the catalogue does; until then they are locked, so
//! that nobody sweeps them away, and marked as dropped, so that somebody does when this process dies.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use siltstone_format::Id;
use siltstone_format::backup::{BackupIndex, STORE_DIR};
use siltstone_format::catalogue::CatalogueEntry;
use siltstone_format::checksum::to_hex;
use siltstone_format::names::{COLLECTIONS_DIR, DROPPED_FILE, LOCK_FILE};

use super::unpack::{Unpacked, unpack_with};
use crate::backup::content::Content;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::lock::{self, Lock};
use crate::verify::{Depth, Report};
use crate::{catalogue, safety, sweep};

/// The new directories of a restore, by the collections that go into them.
pub(super) struct Beside<'a> {
    environment: &'a Environment,
    root: &'a Path,
    directories: BTreeMap<Id, Id>,
    locks: Vec<Lock>,
}

impl<'a> Beside<'a> {
    pub(super) fn new(environment: &'a Environment, root: &'a Path) -> Self {
        Self { environment, root, directories: BTreeMap::new(), locks: Vec::new() }
    }

    fn directory(&self, collection: &Id) -> Option<PathBuf> {
        self.directories.get(collection).map(|id| catalogue::directory(self.root, id))
    }

    fn paths(&self) -> impl Iterator<Item = PathBuf> + '_ {
        self.directories.values().map(|id| catalogue::directory(self.root, id))
    }

    /// Makes the directory of a collection: locked, so that nobody sweeps it away, and marked, so that somebody does when
    /// this process dies.
    pub(super) fn make(&mut self, collection: Id) -> Result<()> {
        let environment = self.environment;
        let id = environment.entropy.id().map_err(Error::io("draw random bytes for", self.root))?;
        let directory = catalogue::directory(self.root, &id);
        environment.disk.create_dir(&directory).map_err(Error::io("create", &directory))?;
        self.directories.insert(collection, id);
        self.locks.push(lock::acquire(environment, directory.join(LOCK_FILE))?);
        safety::mark_dropped(environment, &directory)
    }

    /// Unpacks each collection into its new directory.
    pub(super) fn fill(&self, content: Box<dyn Content>) -> Result<Unpacked> {
        let mut places = BTreeMap::new();
        for collection in self.directories.keys() {
            let prefix = format!("{STORE_DIR}/{COLLECTIONS_DIR}/{}/", to_hex(collection));
            places.extend(self.directory(collection).map(|directory| (prefix, directory)));
        }
        let parent = self.root.join(COLLECTIONS_DIR);
        let unpacked = unpack_with(self.environment, content, &parent, |path| {
            places.iter().find_map(|(prefix, directory)| {
                path.strip_prefix(prefix.as_str()).map(|inside| directory.join(inside))
            })
        })?;
        for directory in self.paths() {
            self.environment.disk.sync_dir(&directory).map_err(Error::io("sync", &directory))?;
        }
        Ok(unpacked)
    }

    pub(super) fn entries(&self, index: &BackupIndex) -> Vec<CatalogueEntry> {
        let restored = index.collections.iter().filter_map(|one| {
            let directory = self.directories.get(&one.collection)?;
            let entry = CatalogueEntry::new(one.name.clone(), one.collection);
            Some(CatalogueEntry { directory: Some(*directory), ..entry })
        });
        restored.collect()
    }

    pub(super) fn verify(&self, index: &BackupIndex) -> Result<Report> {
        let mut report = Report::default();
        for entry in self.entries(index) {
            let found = crate::verify::collection::verify(self.environment, self.root, &entry, Depth::Deep)?;
            report.findings.extend(found.findings);
        }
        Ok(report)
    }

    /// Takes the marks away, once the catalogue names the directories. Where one stays, it says nothing any more, and the
    /// next writer of the collection removes it.
    pub(super) fn unmark(&self) {
        for directory in self.paths() {
            let _ = self.environment.disk.remove(&directory.join(DROPPED_FILE));
        }
    }

    pub(super) fn remove(&self) {
        for directory in self.paths() {
            let _ = sweep::remove_directory(self.environment, &directory);
        }
    }
}
