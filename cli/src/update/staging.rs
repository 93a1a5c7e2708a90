//! The hidden collection in which paid vectors wait, under the hash of their text, until their document is whole.

use std::collections::BTreeMap;

use siltstone::{Collection, EmbeddingIdentity, OnDamage, Record, Store, View, Writer};

use crate::exit::CliError;
use crate::ingest::embed::Identity;

use super::read_back::{is_same, read_back_otherwise};

/// Vectors that were paid for and are not published yet.
pub(super) struct Staging<'s> {
    store: &'s Store,
    name: String,
    identity: EmbeddingIdentity,
    /// What is here: left by an interrupted run, or by this one.
    view: Option<View>,
    collection: Option<Collection>,
    writer: Option<Writer>,
}

/// Whether vectors of this embedder are worth keeping before their document is whole.
pub(super) fn is_paid(identity: &Identity) -> bool {
    identity.provider != "builtin"
}

impl<'s> Staging<'s> {
    /// The staging collection that belongs to a collection. Nothing is created yet.
    pub(super) fn open(
        store: &'s Store,
        collection: &str,
        identity: &EmbeddingIdentity,
        may_change: bool,
    ) -> Result<Self, CliError> {
        let mut name = format!(".staging.{collection}");
        if name.len() > siltstone::format::limits::MAX_NAME_BYTES {
            name = format!(".staging.{}", blake3::hash(collection.as_bytes()).to_hex());
        }
        // How documents were cut does not matter here: the key is the hash of the very text.
        let identity = EmbeddingIdentity { chunker: String::new(), ..identity.clone() };
        let mut staging = Staging { store, name, identity, view: None, collection: None, writer: None };
        if store.all_names()?.contains(&staging.name) {
            let collection = store.collection(&staging.name)?;
            if collection.identity() == &staging.identity {
                // Damage costs the vectors it hit, not the rest.
                staging.view = Some(collection.view_with(OnDamage::Skip)?);
                staging.collection = Some(collection);
            } else if may_change {
                // Left by a run with another model, whose documents will never be published from it.
                store.drop_collection(&staging.name)?;
            }
        }
        Ok(staging)
    }

    /// The vector of a text that was paid for earlier.
    pub(super) fn get(&self, chunk_hash: &str) -> Result<Option<Vec<f32>>, CliError> {
        let Some(view) = &self.view else { return Ok(None) };
        match view.get(chunk_hash) {
            Ok(row) => Ok(row.map(|row| row.vector.to_vec())),
            Err(error) if error.is_damage() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes vectors durable that were just paid for.
    pub(super) fn keep<'v>(
        &mut self,
        vectors: impl Iterator<Item = (&'v str, &'v [f32])>,
    ) -> Result<(), CliError> {
        if self.writer.is_none() {
            let collection = match self.collection.take() {
                Some(collection) => collection,
                None => self.store.open_or_create(&self.name, &self.identity)?,
            };
            self.writer = Some(collection.writer()?);
            self.collection = Some(collection);
        }
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let mut kept = BTreeMap::new();
        for (hash, vector) in vectors {
            if kept.insert(hash, vector).is_none() {
                writer.upsert(Record::new(hash, vector))?;
            }
        }
        if kept.is_empty() {
            return Ok(());
        }
        writer.commit()?;
        let view = writer.view()?;
        for (hash, vector) in kept {
            let row = view.get(hash)?;
            if !row.is_some_and(|row| is_same(row.vector, vector)) {
                return Err(read_back_otherwise(hash, &self.name));
            }
        }
        view.let_go();
        // A text that comes again later in this run is found here.
        self.view = Some(view);
        Ok(())
    }

    /// Everything was published: what is staged is not needed any more.
    pub(super) fn drop_all(mut self) -> Result<(), CliError> {
        drop(self.writer.take());
        if self.collection.take().is_some() {
            self.store.drop_collection(&self.name)?;
        }
        Ok(())
    }
}
