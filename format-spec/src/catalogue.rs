//! The catalogue: which collections a store has and in which directory each lies. Replacing it by one rename is the
//! only way in which collections appear, disappear or change places.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::document::{self, hex, hex_option, member};
use crate::limits::{FORMAT_VERSION, MAX_NUMBER};
use crate::names::check_name;
use crate::{Digest, Flaw, Id};

/// What the `format` member of a catalogue says.
pub const CATALOGUE_FORMAT: &str = "siltstone catalogue";
const STRUCTURE: &str = "catalogue";

/// The content of `catalogue.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalogue {
    /// [`CATALOGUE_FORMAT`].
    pub format: String,
    /// Format version, 1.
    pub version: u32,
    /// Random identity of the store.
    #[serde(with = "hex")]
    pub store: Id,
    /// Counts the catalogues of this store from 1.
    pub generation: u64,
    /// The collections, sorted by name.
    pub collections: Vec<CatalogueEntry>,
}

/// A collection of the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogueEntry {
    /// Its name.
    pub name: String,
    /// Its random identity.
    #[serde(with = "hex")]
    pub collection: Id,
    /// The name of its directory below `collections/`, as 32 hex digits, where that is not its identity: a collection that
    /// was restored lies beside the state that it replaced.
    #[serde(with = "hex_option", default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<Id>,
}

impl CatalogueEntry {
    /// A collection in the directory of its own identity.
    pub fn new(name: impl Into<String>, collection: Id) -> Self {
        Self { name: name.into(), collection, directory: None }
    }

    /// Its directory is `collections/` and these 32 hex digits.
    pub fn directory(&self) -> Id {
        self.directory.unwrap_or(self.collection)
    }
}

impl Catalogue {
    /// The catalogue of a new store.
    pub fn empty(store: Id) -> Self {
        let (format, version) = (CATALOGUE_FORMAT.to_owned(), FORMAT_VERSION);
        Self { format, version, store, generation: 1, collections: Vec::new() }
    }

    /// The bytes of the file.
    ///
    /// # Errors
    /// The value cannot be written as JSON.
    pub fn encode(&self) -> Result<Vec<u8>, String> {
        document::seal(self)
    }

    /// The catalogue in `bytes`, and its digest.
    ///
    /// # Errors
    /// A [`Flaw`] when it is damaged, of a newer version, or names something that cannot be.
    pub fn decode(bytes: &[u8]) -> Result<(Self, Digest), Flaw> {
        let (catalogue, digest) = document::open_versioned::<Self>((STRUCTURE, CATALOGUE_FORMAT), 0, bytes)?;
        if !(1..=MAX_NUMBER).contains(&catalogue.generation) {
            let (expected, found) = (format!("1 to {MAX_NUMBER}"), catalogue.generation.to_string());
            return Err(member(STRUCTURE, bytes, "generation", &expected, &found));
        }
        let ids: BTreeSet<_> = catalogue.collections.iter().map(|entry| entry.collection).collect();
        if ids.len() != catalogue.collections.len() {
            return Err(member(STRUCTURE, bytes, "collections", "different ids", "an id under two names"));
        }
        let directories: BTreeSet<_> = catalogue.collections.iter().map(CatalogueEntry::directory).collect();
        if directories.len() != catalogue.collections.len() {
            let (expected, found) = ("different directories", "two collections in one directory");
            return Err(member(STRUCTURE, bytes, "collections", expected, found));
        }
        for pair in catalogue.collections.windows(2) {
            if let [a, b] = pair
                && a.name >= b.name
            {
                return Err(member(STRUCTURE, bytes, "collections", "names sorted and different", &b.name));
            }
        }
        for entry in &catalogue.collections {
            if let Err(reason) = check_name(&entry.name) {
                return Err(member(STRUCTURE, bytes, "collections", &reason, &entry.name));
            }
        }
        Ok((catalogue, digest))
    }
}
