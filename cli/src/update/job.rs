//! One document on its way: loaded, compared, cut into chunks, given its vectors, turned into rows.

use serde_json::{Map, Value, json};

use crate::ingest::chunk::{Chunk, ChunkLimits, chunk};
use crate::ingest::scan::{Document, Kind, Reason, load};

use super::seen::{Seen, Short};
use super::stored::Stored;

/// Longest heading that is stored beside a chunk, in characters.
const MAX_HEADING: usize = 1_000;

/// What became of a document when it was looked at.
pub(super) enum Looked {
    /// The store has it as it is; by what its file can be known again.
    Unchanged(Option<Seen>),
    /// It cannot be used.
    Unusable(Reason),
    /// It must be embedded.
    Work(Box<Job>),
}

/// A document that is new or has changed.
pub(super) struct Job {
    pub(super) document: Document,
    hash: String,
    size_bytes: u64,
    /// Its stored vectors are not trusted.
    pub(super) afresh: bool,
    /// By what its file can be known again without reading it.
    pub(super) seen: Option<Seen>,
    /// Malformed places of the file that were replaced.
    pub(super) replaced: usize,
    pub(super) chunks: Vec<Chunk>,
    pub(super) hashes: Vec<String>,
    /// One a chunk, once it is known.
    pub(super) vectors: Vec<Option<Vec<f32>>>,
    /// Why it cannot be embedded.
    pub(super) refused: Option<String>,
}

/// Reads a document and compares it with what is stored: two files of the same bytes have the same digest, whatever their
/// times say. One that is wanted `afresh` is work in any case.
pub(super) fn look(
    document: &Document,
    stored: &Stored,
    afresh: bool,
    limit_bytes: u64,
    limits: &ChunkLimits,
) -> Looked {
    let raw = match load(document, limit_bytes) {
        Ok(raw) => raw,
        Err(reason) => return Looked::Unusable(reason),
    };
    let short: Short = raw.hash.as_bytes().first_chunk().copied().unwrap_or_default();
    let seen = raw.stamp.map(|stamp| Seen { stamp, hash: short });
    if !afresh && stored.is_current(&document.id, &short) {
        return Looked::Unchanged(seen);
    }
    let hash = raw.hash.to_hex().to_string();
    let loaded = match raw.decode(document.kind) {
        Ok(loaded) => loaded,
        Err(reason) => return Looked::Unusable(reason),
    };
    let chunks = chunk(document.kind, document.file_name(), &loaded.text, limits);
    if chunks.is_empty() {
        return Looked::Unusable(Reason::Empty);
    }
    let hashes = chunks.iter().map(Chunk::hash).collect();
    let vectors = vec![None; chunks.len()];
    let (document, size_bytes, replaced) = (document.clone(), loaded.size_bytes, loaded.replaced);
    Looked::Work(Box::new(Job {
        document,
        hash,
        size_bytes,
        afresh,
        seen,
        replaced,
        chunks,
        hashes,
        vectors,
        refused: None,
    }))
}

impl Job {
    /// Whether every chunk has its vector.
    pub(super) fn is_complete(&self) -> bool {
        self.refused.is_none() && self.vectors.iter().all(Option::is_some)
    }

    /// Tokens, by the estimate, of the chunks that have no vector yet.
    pub(super) fn tokens_to_send(&self) -> u64 {
        let missing = self.chunks.iter().zip(&self.vectors).filter(|(_, vector)| vector.is_none());
        missing.map(|(chunk, _)| chunk.tokens as u64).sum()
    }

    /// The key of a chunk. Ids are short enough for it: the scan sees to that.
    pub(super) fn key(&self, index: usize) -> String {
        format!("{}#{index}", self.document.id)
    }

    /// What is stored beside a chunk.
    pub(super) fn metadata(&self, chunk: &Chunk, chunk_hash: &str) -> Map<String, Value> {
        let cut = |text: &str| text.chars().take(MAX_HEADING).collect::<String>();
        let title = self.chunks.first().and_then(|first| first.heading_path.split(" > ").next());
        let title = title.filter(|title| !title.is_empty() && !matches!(self.document.kind, Kind::Source(_)));
        let value = json!({
            "api_name": cut(title.unwrap_or(self.document.file_name())),
            "chunk_hash": chunk_hash,
            "chunk_index": chunk.index,
            "document_hash": self.hash,
            "file_path": self.document.id,
            "file_size": self.size_bytes,
            "framework": &*self.document.framework,
            "heading": cut(&chunk.heading_path),
            "line": chunk.line,
            "total_chunks": self.chunks.len(),
        });
        match value {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }
}
