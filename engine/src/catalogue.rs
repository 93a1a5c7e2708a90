//! The catalogue of a store: reading it, and the one function that replaces it.

use std::path::{Path, PathBuf};

use siltstone_format::Id;
use siltstone_format::catalogue::{Catalogue, CatalogueEntry};
use siltstone_format::checksum::to_hex;
use siltstone_format::limits::MAX_DOCUMENT_BYTES;
use siltstone_format::names::{CATALOGUE_FILE, COLLECTIONS_DIR, LOCK_FILE};

use crate::collection::Shared;
use crate::disk::durable;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::lock;

/// The catalogue of the store at `root`.
pub(crate) fn load(environment: &Environment, root: &Path) -> Result<Catalogue> {
    let path = root.join(CATALOGUE_FILE);
    let bytes = durable::read_whole(&*environment.disk, &path, MAX_DOCUMENT_BYTES)?;
    let (catalogue, _) = Catalogue::decode(&bytes).map_err(|flaw| Error::flaw(&path, flaw))?;
    Ok(catalogue)
}

/// Replaces the catalogue by what `edit` makes of it, under the store's lock.
pub(crate) fn edit(
    environment: &Environment,
    root: &Path,
    edit: impl FnOnce(&mut Catalogue) -> Result<()>,
) -> Result<Catalogue> {
    let _lock = lock::acquire_soon(environment, &root.join(LOCK_FILE))?;
    let mut catalogue = load(environment, root)?;
    confirm(environment, root)?;
    edit(&mut catalogue)?;
    catalogue.generation += 1;
    catalogue.collections.sort_by(|a, b| a.name.cmp(&b.name));
    write(environment, root, &catalogue)?;
    Ok(catalogue)
}

/// Makes durable what the catalogue that everybody sees says: the sync of whoever published it may have failed. Comes
/// after reading it and before anything that relies on it, be it a commit or the removal of what it no longer names.
pub(crate) fn confirm(environment: &Environment, root: &Path) -> Result<()> {
    environment.disk.sync_dir(root).map_err(Error::io("sync", root))
}

/// Writes a catalogue.
pub(crate) fn write(environment: &Environment, root: &Path, catalogue: &Catalogue) -> Result<()> {
    let bytes = catalogue.encode().map_err(|reason| Error::invalid("catalogue", reason))?;
    durable::publish(&*environment.disk, root, CATALOGUE_FILE, &bytes)
}

/// The entry that still names a collection in the directory in which it was opened. Whoever locks a collection looks
/// again afterwards: it may have been dropped, renamed or restored meanwhile.
pub(crate) fn entry_in(catalogue: &Catalogue, root: &Path, shared: &Shared) -> Option<CatalogueEntry> {
    let is_it = |entry: &&CatalogueEntry| {
        (entry.collection, entry.name.as_str()) == (shared.id, shared.name.as_str())
            && *directory(root, &entry.directory()) == *shared.directory
    };
    catalogue.collections.iter().find(is_it).cloned()
}

/// The directory of a collection, by the name that its catalogue entry gives it.
pub(crate) fn directory(root: &Path, directory: &Id) -> PathBuf {
    root.join(COLLECTIONS_DIR).join(to_hex(directory))
}
