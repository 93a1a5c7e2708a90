//! Removing what is of no use: bases that are damaged, derived files that no basis can come for any more, and all of them
//! when their contents are doubted.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use siltstone_format::Digest;
use siltstone_format::names::{FileKind, LOCK_FILE, basis_file};

use super::Encoded;
use crate::attributes::Attributes;
use crate::codes::{self, Bases, Codes};
use crate::collection::Shared;
use crate::error::{Error, Result};
use crate::lock;
use crate::segment::Segment;
use crate::store::Store;
use crate::view::{self, At, OnDamage};

impl Store {
    /// Removes every basis, code file and attribute index, so that the next [`Store::encode`] makes all of them anew. For
    /// when their contents are doubted: files that are damaged are found by their checksums. Searches read the rows
    /// meanwhile.
    ///
    /// Returns how many files were removed; those of a collection that somebody writes to stay.
    ///
    /// # Errors
    /// A damaged catalogue or manifest; a disk that refuses.
    pub fn remove_codes(&self) -> Result<u64> {
        let disk = &*self.environment().disk;
        let mut removed = 0;
        {
            let _lock = lock::acquire_soon(self.environment(), &self.path().join(LOCK_FILE))?;
            for digest in codes::digests(disk, self.path())? {
                removed += u64::from(self.remove_basis(&digest)?);
            }
        }
        self.bases.forget();
        for name in self.all_names()? {
            let shared = self.collection(&name)?.shared;
            let _lock = match lock::acquire(self.environment(), shared.directory.join(LOCK_FILE)) {
                Err(Error::Locked { .. }) => continue,
                lock => lock?,
            };
            for entry in disk.list(&shared.directory).map_err(Error::io("list", &shared.directory))? {
                if matches!(FileKind::of(&entry.name), Some(FileKind::Codes(_) | FileKind::Attributes(_))) {
                    let path = shared.directory.join(&entry.name);
                    disk.remove(&path).map_err(Error::io("remove", &path))?;
                    removed += 1;
                }
            }
            shared.look_again(None);
        }
        Ok(removed)
    }

    /// Removes bases that cannot be what their names say. One that cannot be read, or is of a newer version, stays.
    pub(super) fn remove_damaged_bases(&self, done: &mut Encoded) -> Result<()> {
        let disk = &*self.environment().disk;
        let is_damaged =
            |digest: &Digest| matches!(self.bases.get(disk, self.path(), digest), Err(Error::Damaged { .. }));
        let damaged: Vec<_> = codes::digests(disk, self.path())?.into_iter().filter(is_damaged).collect();
        if damaged.is_empty() {
            return Ok(());
        }
        let _lock = lock::acquire_soon(self.environment(), &self.path().join(LOCK_FILE))?;
        // Somebody may have made it again before the lock was had.
        for digest in damaged.iter().filter(|digest| is_damaged(digest)) {
            done.removed += u64::from(self.remove_basis(digest)?);
        }
        Ok(())
    }

    /// Says whether it was there. The caller holds the store's lock.
    fn remove_basis(&self, digest: &Digest) -> Result<bool> {
        let path = Bases::directory(self.path()).join(basis_file(digest));
        match self.environment().disk.remove(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            removed => removed.map(|()| true).map_err(Error::io("remove", &path)),
        }
    }
}

/// Removes the derived files that no search can use, of a collection whose vectors have no basis.
pub(super) fn remove_useless(shared: &Arc<Shared>, done: &mut Encoded) -> Result<()> {
    let disk = &*shared.environment.disk;
    let view = view::load(shared, At::Now, OnDamage::Skip)?;
    let useless = || view.parts.iter().flat_map(|part| useless_files(shared, &part.segment));
    if useless().next().is_none() {
        return Ok(());
    }
    let _lock = lock::acquire(&shared.environment, shared.directory.join(LOCK_FILE))?;
    for path in useless() {
        disk.remove(&path).map_err(Error::io("remove", &path))?;
        done.removed += 1;
    }
    shared.look_again(None);
    Ok(())
}

fn useless_files(shared: &Shared, segment: &Segment) -> Vec<PathBuf> {
    let Some(digest) = segment.digest else { return Vec::new() };
    let (disk, place, of) = (&*shared.environment.disk, &segment.place, (digest, segment.rows));
    let codes = Codes::open(disk, &shared.root, &shared.bases, place, of).map(|codes| codes.check());
    let index = Attributes::open(disk, place, of).map(|index| index.check());
    let found = [(place.codes_path(), codes), (place.attributes_path(), index)];
    let is_useless = |result: &Result<Vec<_>>| match result {
        Ok(flaws) => !flaws.is_empty(),
        Err(error) => matches!(error, Error::Damaged { .. }),
    };
    found.into_iter().filter(|(_, result)| is_useless(result)).map(|(path, _)| path).collect()
}
