//! What goes in: one row as the caller gives it.

use serde_json::{Map, Value};
use siltstone_format::Metric;
use siltstone_format::limits::{MAX_KEY_BYTES, MAX_METADATA_BYTES, MAX_METADATA_DEPTH, MAX_TEXT_BYTES};

use crate::distance::check_vector;
use crate::error::{Error, Result};

/// A row to store.
#[derive(Debug, Clone)]
pub struct Record<'a> {
    key: &'a str,
    vector: &'a [f32],
    metadata: Map<String, Value>,
    text: &'a str,
}

/// A record that was found good.
pub(super) struct Checked<'a> {
    pub(super) key: &'a str,
    pub(super) vector: &'a [f32],
    pub(super) squared_norm: f64,
    pub(super) metadata: Vec<u8>,
    pub(super) text: &'a str,
}

impl<'a> Record<'a> {
    /// A row with a key (1 to 1024 bytes) and a vector, without metadata and text.
    pub fn new(key: &'a str, vector: &'a [f32]) -> Self {
        Self { key, vector, metadata: Map::new(), text: "" }
    }

    /// With this metadata: a JSON object of at most 64 KiB.
    #[must_use]
    pub fn metadata(self, metadata: Map<String, Value>) -> Self {
        Self { metadata, ..self }
    }

    /// With this text, at most 4 MiB.
    #[must_use]
    pub fn text(self, text: &'a str) -> Self {
        Self { text, ..self }
    }

    pub(super) fn check(&self, metric: Metric, dims: u32) -> Result<Checked<'a>> {
        check_key(self.key)?;
        if self.vector.len() != dims as usize {
            let reason = format!("{} elements, the collection has {dims} dims", self.vector.len());
            return Err(Error::invalid("vector", format!("{:?}: {reason}", self.key)));
        }
        let squared_norm = check_vector(metric, self.vector)
            .map_err(|refused| Error::Vector { subject: self.key.to_owned(), refused })?;
        if !self.metadata.values().all(|value| is_shallow(value, MAX_METADATA_DEPTH - 1)) {
            let reason = format!("{:?}: nested deeper than {MAX_METADATA_DEPTH} levels", self.key);
            return Err(Error::invalid("metadata", reason));
        }
        let metadata = match self.metadata.is_empty() {
            true => Vec::new(),
            false => serde_json::to_vec(&self.metadata).map_err(|error| Error::invalid("metadata", error))?,
        };
        let long = |what, bytes: usize, limit: usize| {
            Err(Error::invalid(what, format!("{:?}: {bytes} bytes, at most {limit} are allowed", self.key)))
        };
        if metadata.len() > MAX_METADATA_BYTES {
            return long("metadata", metadata.len(), MAX_METADATA_BYTES);
        }
        if self.text.len() > MAX_TEXT_BYTES {
            return long("text", self.text.len(), MAX_TEXT_BYTES);
        }
        Ok(Checked { key: self.key, vector: self.vector, squared_norm, metadata, text: self.text })
    }
}

/// Whether a value is nested at most `levels` deep.
fn is_shallow(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => levels > 0 && items.iter().all(|item| is_shallow(item, levels - 1)),
        Value::Object(members) => levels > 0 && members.values().all(|item| is_shallow(item, levels - 1)),
        _ => true,
    }
}

pub(super) fn check_key(key: &str) -> Result<()> {
    if key.is_empty() {
        return Err(Error::invalid("key", "a key must not be empty"));
    }
    if key.len() > MAX_KEY_BYTES {
        let start: String = key.chars().take(40).collect();
        let reason = format!("{start:?}...: {} bytes, at most {MAX_KEY_BYTES} are allowed", key.len());
        return Err(Error::invalid("key", reason));
    }
    Ok(())
}
