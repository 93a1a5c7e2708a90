//! What a collection holds already, by document: an id, a digest and a number of rows for each, packed tightly, because
//! there may be hundreds of thousands of them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use siltstone::{RowPlace, View};

use super::seen::Short;
use super::texts::Known;

/// A document as it is stored.
#[derive(Debug)]
struct StoredDocument {
    /// Where its id lies in `ids`.
    id: (u32, u32),
    /// Digest of the file that it was made from; `None` when its rows disagree, or say none.
    hash: Option<Short>,
    /// How many rows it should have, and how many there are.
    total: u32,
    rows: u32,
    /// One more than the greatest chunk number among the keys.
    end: u32,
}

/// The documents of a collection.
#[derive(Debug, Default)]
pub(super) struct Stored {
    ids: String,
    /// Sorted by id.
    documents: Vec<StoredDocument>,
    /// Keys that are not made of their document's id and a number, by id: somebody imported them.
    odd: BTreeMap<String, Vec<String>>,
}

impl Stored {
    /// Reads keys and metadata of all rows, and where the vector of each text is; no vectors.
    pub(super) fn read(view: &View) -> siltstone::Result<(Stored, Known)> {
        let mut stored = Stored::default();
        let mut known = Known::new(view);
        let mut rows = 0u32;
        view.for_each_placed(|key, place, metadata| {
            stored.add(key, metadata);
            known.add(key, place, metadata);
            rows = rows.wrapping_add(1);
            if rows.is_multiple_of(LET_GO_EVERY) {
                view.let_go();
            }
            Ok(())
        })?;
        view.let_go();
        stored.settle();
        known.settle();
        Ok((stored, known))
    }

    fn add(&mut self, key: &str, metadata: &Map<String, Value>) {
        let text = |field: &str| metadata.get(field).and_then(Value::as_str);
        // Rows that somebody else put here belong to no document and are left alone.
        let Some(path) = text("file_path") else { return };
        let hash = text("document_hash").and_then(short);
        let total = metadata.get("total_chunks").and_then(Value::as_u64);
        let total = total.and_then(|total| u32::try_from(total).ok()).unwrap_or(0);
        // The rows of a document come one after the other, as a rule; others meet when all are sorted.
        let is_next = self.documents.last().is_some_and(|last| self.id(last) == path);
        if !is_next {
            let from = self.ids.len() as u32;
            self.ids.push_str(path);
            let id = (from, self.ids.len() as u32);
            self.documents.push(StoredDocument { id, hash, total, rows: 0, end: 0 });
        }
        let number = key.strip_prefix(path).and_then(|rest| rest.strip_prefix('#')).and_then(number);
        let Some(document) = self.documents.last_mut() else { return };
        if document.hash != hash {
            document.hash = None;
        }
        document.rows += 1;
        match number {
            Some(number) => document.end = document.end.max(number.saturating_add(1)),
            None => self.odd.entry(path.to_owned()).or_default().push(key.to_owned()),
        }
    }

    /// Sorts, and makes one of what was read in parts.
    fn settle(&mut self) {
        let ids = &self.ids;
        self.documents.sort_by(|a, b| slice(ids, a.id).cmp(slice(ids, b.id)));
        self.documents.dedup_by(|later, first| {
            let same = slice(ids, later.id) == slice(ids, first.id);
            if same {
                first.rows += later.rows;
                first.end = first.end.max(later.end);
                if first.hash != later.hash {
                    first.hash = None;
                }
            }
            same
        });
        self.documents.shrink_to_fit();
        self.ids.shrink_to_fit();
    }

    fn id(&self, document: &StoredDocument) -> &str {
        slice(&self.ids, document.id)
    }

    fn get(&self, id: &str) -> Option<&StoredDocument> {
        let at = self.documents.binary_search_by(|document| self.id(document).cmp(id)).ok()?;
        self.documents.get(at)
    }

    /// How many documents there are.
    pub(super) fn len(&self) -> usize {
        self.documents.len()
    }

    pub(super) fn contains(&self, id: &str) -> bool {
        self.get(id).is_some()
    }

    /// Whether a document is there as a whole, made from a file with this digest.
    pub(super) fn is_current(&self, id: &str, hash: &Short) -> bool {
        self.get(id).is_some_and(|found| found.hash.as_ref() == Some(hash) && found.rows == found.total)
    }

    /// The ids of all documents, sorted.
    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.documents.iter().map(|document| self.id(document))
    }

    /// The keys of a document's rows, and perhaps some that no row has.
    pub(super) fn keys(&self, id: &str) -> impl Iterator<Item = String> {
        let end = self.get(id).map_or(0, |document| document.end);
        let numbered = (0..end).map({
            let id = id.to_owned();
            move |number| format!("{id}#{number}")
        });
        numbered.chain(self.odd.get(id).cloned().unwrap_or_default())
    }
}

/// So many rows are read before the memory of what was read is let go of: some megabytes.
const LET_GO_EVERY: u32 = 1_024;

fn slice(ids: &str, (from, to): (u32, u32)) -> &str {
    ids.get(from as usize..to as usize).unwrap_or_default()
}

/// The first half of a digest in hex.
pub(super) fn short(hex: &str) -> Option<Short> {
    let digest = blake3::Hash::from_hex(hex).ok()?;
    digest.as_bytes().first_chunk().copied()
}

/// A chunk's number as keys have it: without signs and leading zeros.
fn number(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain)
}

impl Known {
    /// Notes where the vector of a row's text is.
    fn add(&mut self, key: &str, place: RowPlace, metadata: &Map<String, Value>) {
        let hash = metadata.get("chunk_hash").and_then(Value::as_str);
        self.put(hash.unwrap_or(key), place);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn digest(text: &str) -> String {
        blake3::hash(text.as_bytes()).to_hex().to_string()
    }

    fn add(stored: &mut Stored, key: &str, path: &str, hash: &str, total: u64) {
        let value = json!({ "file_path": path, "document_hash": digest(hash), "total_chunks": total });
        stored.add(key, value.as_object().unwrap());
    }

    #[test]
    fn documents_are_whole_only_when_all_rows_agree() {
        let mut stored = Stored::default();
        add(&mut stored, "b.md#0", "b.md", "x", 2);
        add(&mut stored, "a.md#0", "a.md", "y", 1);
        add(&mut stored, "b.md#1", "b.md", "x", 2);
        add(&mut stored, "c.md#0", "c.md", "y", 2);
        add(&mut stored, "d.md#0", "d.md", "y", 2);
        add(&mut stored, "d.md#1", "d.md", "z", 2);
        add(&mut stored, "mine", "e.md", "z", 1);
        add(&mut stored, "e.md#01", "e.md", "z", 1);
        stored.settle();
        assert_eq!(stored.ids().collect::<Vec<_>>(), ["a.md", "b.md", "c.md", "d.md", "e.md"]);
        let is_current = |id: &str, hash: &str| stored.is_current(id, &short(&digest(hash)).unwrap());
        assert!(is_current("a.md", "y") && is_current("b.md", "x"));
        assert!(!is_current("a.md", "x") && !is_current("c.md", "y") && !is_current("d.md", "y"));
        assert_eq!(stored.keys("b.md").collect::<Vec<_>>(), ["b.md#0", "b.md#1"]);
        assert_eq!(stored.keys("e.md").collect::<Vec<_>>(), ["mine", "e.md#01"]);
        assert_eq!(stored.keys("none").count(), 0);
    }
}
