//! What a collection holds already, by document.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};
use siltstone::View;

/// A document as it is stored.
#[derive(Debug, Default)]
pub(super) struct StoredDocument {
    /// Digest of the file that it was made from; empty when its chunks disagree.
    hash: String,
    /// How many chunks it should have.
    total: u64,
    pub(super) keys: Vec<String>,
}

impl StoredDocument {
    /// Whether it is there as a whole, made from a file with this digest.
    pub(super) fn is_current(&self, hash: &str) -> bool {
        self.hash == hash && self.keys.len() as u64 == self.total
    }
}

/// The documents of a collection, and where the vector of each text is.
#[derive(Debug, Default)]
pub(super) struct Stored {
    pub(super) documents: BTreeMap<String, StoredDocument>,
    /// From the hash of an embedded text to the key of a row with its vector.
    pub(super) chunks: HashMap<String, String>,
}

impl Stored {
    /// Reads keys and metadata of all rows; no vectors.
    pub(super) fn read(view: &View) -> siltstone::Result<Stored> {
        let mut stored = Stored::default();
        view.for_each_metadata(|key, metadata| {
            stored.add(key, metadata);
            Ok(())
        })?;
        Ok(stored)
    }

    fn add(&mut self, key: &str, metadata: &Map<String, Value>) {
        let text = |field: &str| metadata.get(field).and_then(Value::as_str);
        if let Some(hash) = text("chunk_hash") {
            self.chunks.entry(hash.to_owned()).or_insert_with(|| key.to_owned());
        }
        // Rows that somebody else put here belong to no document and are left alone.
        let Some(path) = text("file_path") else { return };
        let document = self.documents.entry(path.to_owned()).or_default();
        let hash = text("document_hash").unwrap_or_default();
        if document.keys.is_empty() {
            document.hash = hash.to_owned();
            document.total = metadata.get("total_chunks").and_then(Value::as_u64).unwrap_or(0);
        } else if document.hash != hash {
            document.hash.clear();
        }
        document.keys.push(key.to_owned());
    }
}
