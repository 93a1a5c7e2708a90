//! Putting one collection in the place of another: how a new embedding of the same documents becomes the one that is
//! searched. It is built beside the old one under a hidden name, for as long as that takes, and nobody sees it. Then one
//! rename of the catalogue gives it the name. Whoever has the old one open goes on with it; whoever opens the name
//! afterwards gets the new one, and at no instant is there none or half of one.
//!
//! Nothing of the old one is removed: the catalogue before stays as a safety copy, as after a restore, and so does the
//! directory that it names.

use std::path::PathBuf;

use siltstone_format::catalogue::CatalogueEntry;
use siltstone_format::manifest::Manifest;
use siltstone_format::names::{LOCK_FILE, is_hidden};

use crate::append::{Writer, WriterOptions};
use crate::collection::Shared;
use crate::error::{Error, Result};
use crate::store::Store;
use crate::{catalogue, lock, manifest, safety};

/// Gives `by` the name of `name`; returns the safety copy.
pub(crate) fn replace(store: &Store, name: &str, by: &str) -> Result<PathBuf> {
    let (environment, root) = (store.environment(), store.path());
    if name == by {
        return Err(Error::invalid("collection name", format!("{name:?} cannot take its own place")));
    }
    let (old, new) = (store.collection(name)?.shared, store.collection(by)?.shared);
    let _lock = lock::acquire(environment, old.directory.join(LOCK_FILE))?;
    // Opening for writing takes the lock of the new one, and makes durable whatever it says.
    let mut writer = Writer::open(&new, WriterOptions::default())?;
    let before = catalogue::load(environment, root)?;
    let gone = |name: &str| Error::NoSuchCollection { name: name.to_owned(), similar: Vec::new() };
    let entry = |shared: &Shared| catalogue::entry_in(&before, root, shared);
    entry(&old).ok_or_else(|| gone(name))?;
    let new_entry = entry(&new).ok_or_else(|| gone(by))?;
    // The name that it will go by, should the catalogue ever be lost. Until the switch, two say that it is theirs, and
    // nobody would guess.
    if writer.manifest().name != name {
        let next = Manifest { name: name.to_owned(), ..writer.manifest().clone() };
        let published = manifest::publish(environment, &new.directory, next)?;
        writer.set_manifest(published);
    }
    let mut kept = PathBuf::new();
    catalogue::edit(environment, root, |catalogue| {
        if *catalogue != before {
            let still = |shared: &Shared| catalogue::entry_in(catalogue, root, shared).is_some();
            if !still(&old) || !still(&new) {
                return Err(gone(name));
            }
        }
        // Hidden ones come and go; a safety copy that named them could not be restored any more.
        let mut visible = catalogue.clone();
        visible.collections.retain(|entry| !is_hidden(&entry.name));
        let bytes = visible.encode().map_err(|reason| Error::invalid("catalogue", reason))?;
        kept = safety::keep(environment, root, &bytes)?;
        catalogue.collections.retain(|entry| entry.name != name && entry.name != by);
        catalogue.collections.push(CatalogueEntry { name: name.to_owned(), ..new_entry });
        Ok(())
    })?;
    Ok(kept)
}
