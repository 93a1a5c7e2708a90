//! One instant of a whole store. A collection has moments of its own and no clock that others share, so the only way to
//! one instant of all is to hold all of their locks: while they are held nobody can commit anywhere, and each snapshot shows
//! the last commit as it was when the last lock was taken.
//!
//! Locks are taken in the order of the collections' identities, which never changes, so two such commands cannot wait for
//! each other.

use siltstone_format::catalogue::CatalogueEntry;
use siltstone_format::names::{check_name, is_hidden};

use super::SnapshotInfo;
use crate::append::{Writer, WriterOptions, lock_of};
use crate::collection::Collection;
use crate::error::{Error, Result};
use crate::lock::Lock;
use crate::store::Store;
use crate::{catalogue, manifest};

/// How often to start over when collections come or go while the locks are taken.
const ATTEMPTS: usize = 20;

/// Keeps the last commit of these collections, or of every one that is not hidden, under one name, all at one instant.
pub(crate) fn create(
    store: &Store,
    name: &str,
    only: Option<&[String]>,
) -> Result<Vec<(String, SnapshotInfo)>> {
    check_name(name).map_err(|reason| Error::invalid("snapshot name", format!("{name:?}: {reason}")))?;
    let mut attempt = 1;
    loop {
        match try_create(store, name, only) {
            Ok(Some(created)) => return Ok(created),
            Err(Error::NoSuchCollection { .. }) | Ok(None) if only.is_none() && attempt < ATTEMPTS => {
                attempt += 1;
            }
            Ok(None) => {
                let reason = "collections are created and dropped faster than they can be locked";
                return Err(Error::invalid("snapshot of the store", reason));
            }
            Err(error) => return Err(error),
        }
    }
}

/// `None` when the collections are not those that were locked.
fn try_create(
    store: &Store,
    name: &str,
    only: Option<&[String]>,
) -> Result<Option<Vec<(String, SnapshotInfo)>>> {
    let mut collections = match only {
        Some(names) => names.iter().map(|name| store.collection(name)).collect::<Result<Vec<_>>>()?,
        None => store.collections()?,
    };
    collections.sort_by_key(|collection| collection.shared.id);
    collections.dedup_by_key(|collection| collection.shared.id);
    let mut locks = Vec::with_capacity(collections.len());
    for collection in &collections {
        locks.push(lock_of(&collection.shared)?);
    }
    if only.is_none() && !are_all(store, &collections)? {
        return Ok(None);
    }
    for collection in &collections {
        refuse_taken(collection, name)?;
    }
    let mut created = Vec::new();
    for (collection, lock) in collections.iter().zip(&locks) {
        match open(collection, lock).and_then(|mut writer| writer.create_snapshot(name)) {
            Ok(info) => created.push((collection.name().to_owned(), info)),
            Err(error) => {
                // Half a store under the name would be taken for the whole. What cannot be dropped either stays listed.
                for (collection, lock) in collections.iter().zip(&locks).take(created.len()) {
                    let _ = open(collection, lock).and_then(|mut writer| writer.drop_snapshot(name));
                }
                return Err(error);
            }
        }
    }
    created.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(Some(created))
}

fn open(collection: &Collection, lock: &Lock) -> Result<Writer> {
    let shared = &collection.shared;
    let writer = Writer::open_locked(shared, WriterOptions::default(), lock.clone());
    writer.map_err(|error| shared.mark_copied(error))
}

/// Whether these are still all the collections that are not hidden.
fn are_all(store: &Store, collections: &[Collection]) -> Result<bool> {
    let mut entries = catalogue::load(store.environment(), store.path())?.collections;
    entries.retain(|entry| !is_hidden(&entry.name));
    let is_locked = |entry: &CatalogueEntry| {
        collections.iter().any(|found| found.shared.id == entry.collection && found.name() == entry.name)
    };
    Ok(entries.len() == collections.len() && entries.iter().all(is_locked))
}

/// A name that is taken in one collection is refused before anything is created in another.
fn refuse_taken(collection: &Collection, name: &str) -> Result<()> {
    let shared = &collection.shared;
    let manifest = manifest::current(&*shared.environment.disk, &shared.directory, &shared.id)?;
    match manifest.snapshots.iter().any(|entry| entry.name == name) {
        true => Err(Error::SnapshotExists { collection: shared.name.clone(), name: name.to_owned() }),
        false => Ok(()),
    }
}
