//! What a collection holds, by document: one pass over its metadata.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Map, Value};
use siltstone::View;

use super::findings::Findings;
use super::kind::{DUPLICATE_TEXT, METADATA};
use super::metadata;
use super::privacy::Names;
use crate::config::FieldType;
use crate::exit::CliError;

/// A document as it is stored.
#[derive(Debug, Default)]
pub(super) struct StoredDocument {
    pub(super) rows: u64,
    /// How many passages it should have.
    total: Option<u64>,
    /// Digest of the file that it was made from; `None` when its passages do not say.
    pub(super) hash: Option<String>,
    /// Its passages contradict each other.
    is_mixed: bool,
}

impl StoredDocument {
    /// Whether passages of it are missing, or come from different versions of the file.
    pub(super) fn is_incomplete(&self) -> bool {
        self.is_mixed || self.total.is_some_and(|total| total != self.rows)
    }

    fn add(&mut self, metadata: &Map<String, Value>) {
        let total = metadata.get("total_chunks").and_then(Value::as_u64);
        let hash = metadata.get("document_hash").and_then(Value::as_str);
        if self.rows == 0 {
            (self.total, self.hash) = (total, hash.map(str::to_owned));
        } else {
            self.is_mixed |= self.total != total || self.hash.as_deref() != hash;
        }
        self.rows += 1;
    }
}

/// What a collection holds.
#[derive(Debug, Default)]
pub(super) struct Stored {
    pub(super) rows: u64,
    pub(super) documents: HashMap<String, StoredDocument>,
}

/// Reads the metadata of every row.
pub(super) fn read(
    view: &View,
    required: &BTreeMap<String, FieldType>,
    names: &Names,
    findings: &mut Findings,
) -> Result<Stored, CliError> {
    let name = view.collection();
    let mut stored = Stored::default();
    let mut texts: HashSet<u64> = HashSet::new();
    let passage = |key: &str| format!("{}: {}", names.collection(name), names.document(key));
    view.for_each_metadata(|key, metadata| {
        stored.rows += 1;
        if let Some(flaw) = metadata::flaw(metadata, required) {
            findings.add(&METADATA, Some(name), 1, [format!("{}: {flaw}", passage(key))]);
        }
        let text = |field: &str| metadata.get(field).and_then(Value::as_str);
        // Of two texts with one digest of eight bytes among millions the worst is a note too many.
        if let Some(hash) = text("chunk_hash")
            && !texts.insert(short(hash))
        {
            findings.add(&DUPLICATE_TEXT, Some(name), 1, [passage(key)]);
        }
        if let Some(path) = text("file_path") {
            stored.documents.entry(path.to_owned()).or_default().add(metadata);
        }
        Ok(())
    })?;
    Ok(stored)
}

fn short(text: &str) -> u64 {
    let digest = blake3::hash(text.as_bytes());
    digest.as_bytes().first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
