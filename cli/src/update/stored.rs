//! What a collection holds already, by document: an id, a digest and a number of rows for each, packed tightly, because
//! there may be hundreds of thousands of them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use siltstone::View;

use crate::ingest::scan::Documents;

use super::seen::Short;
use super::texts::{Known, entry};

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

/// What is wanted of a row's metadata: the fields that [`super::job::Job::metadata`] writes, borrowed where they can be.
#[derive(Debug, Default, Deserialize)]
struct Facts<'a> {
    #[serde(borrow)]
    file_path: Option<Cow<'a, str>>,
    #[serde(borrow)]
    document_hash: Option<Cow<'a, str>>,
    #[serde(borrow)]
    chunk_hash: Option<Cow<'a, str>>,
    total_chunks: Option<u32>,
}

impl Facts<'_> {
    /// Metadata that somebody else wrote may have other types under the same names, which say nothing then; what is no
    /// JSON says nothing either.
    fn of(json: &[u8]) -> Facts<'_> {
        serde_json::from_slice(json).unwrap_or_else(|_| Facts::of_any(json))
    }

    #[cold]
    fn of_any<'a>(json: &[u8]) -> Facts<'a> {
        let value: Value = serde_json::from_slice(json).unwrap_or_default();
        let text =
            |field: &str| value.get(field).and_then(Value::as_str).map(|text| Cow::Owned(text.to_owned()));
        let total = value.get("total_chunks").and_then(Value::as_u64);
        Facts {
            file_path: text("file_path"),
            document_hash: text("document_hash"),
            chunk_hash: text("chunk_hash"),
            total_chunks: total.and_then(|total| u32::try_from(total).ok()),
        }
    }
}

impl StoredDocument {
    fn is_whole_of(&self, hash: &Short) -> bool {
        self.hash.as_ref() == Some(hash) && self.rows == self.total
    }
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
        let groups = view.fold_json(|(stored, texts): &mut (Stored, Vec<_>), key, place, json| {
            let facts = Facts::of(json);
            stored.add(key, &facts);
            texts.extend(entry(facts.chunk_hash.as_deref().unwrap_or(key), place));
        })?;
        let (mut stored, mut known) = (Stored::default(), Known::new(view));
        for (documents, texts) in groups {
            stored.append(documents);
            known.append(texts);
        }
        stored.settle();
        known.settle();
        Ok((stored, known))
    }

    fn append(&mut self, more: Stored) {
        let shift = self.ids.len() as u32;
        self.ids.push_str(&more.ids);
        let moved = |(from, to)| (from + shift, to + shift);
        self.documents
            .extend(more.documents.into_iter().map(|one| StoredDocument { id: moved(one.id), ..one }));
        for (id, keys) in more.odd {
            self.odd.entry(id).or_default().extend(keys);
        }
    }

    fn add(&mut self, key: &str, facts: &Facts<'_>) {
        // Rows that somebody else put here belong to no document and are left alone.
        let Some(path) = facts.file_path.as_deref() else { return };
        let hash = facts.document_hash.as_deref().and_then(short);
        let total = facts.total_chunks.unwrap_or(0);
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
        self.get(id).is_some_and(|found| found.is_whole_of(hash))
    }

    /// As [`Stored::is_current`], for who asks in the order of ids: `hint` is where the next one is likely to be.
    pub(super) fn is_current_near(&self, hint: &mut usize, id: &str, hash: &Short) -> bool {
        if self.documents.get(*hint).is_none_or(|next| self.id(next) != id) {
            *hint = self.documents.partition_point(|document| self.id(document) < id);
        }
        let found = self.documents.get(*hint).filter(|found| self.id(found) == id);
        *hint += usize::from(found.is_some());
        found.is_some_and(|found| found.is_whole_of(hash))
    }

    /// How many of these documents are there.
    pub(super) fn count_of(&self, documents: &Documents) -> u64 {
        let mut all = self.ids().peekable();
        let is_there = |id: &str| {
            while all.next_if(|next| *next < id).is_some() {}
            all.peek().is_some_and(|next| *next == id)
        };
        documents.ids().map(is_there).filter(|is_there| *is_there).count() as u64
    }

    /// Whether all that is stored is among these documents.
    pub(super) fn is_within(&self, documents: &Documents) -> bool {
        self.count_of(documents) == self.len() as u64
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn digest(text: &str) -> String {
        blake3::hash(text.as_bytes()).to_hex().to_string()
    }

    fn add(stored: &mut Stored, key: &str, path: &str, hash: &str, total: u64) {
        let value = json!({ "file_path": path, "document_hash": digest(hash), "total_chunks": total });
        stored.add(key, &Facts::of(value.to_string().as_bytes()));
    }

    #[test]
    fn fields_of_other_types_and_what_is_no_json_say_nothing() {
        let facts =
            Facts::of(br#"{"file_path":"a\u0041.md","document_hash":7,"total_chunks":-1,"more":[{}]}"#);
        assert_eq!(facts.file_path.as_deref(), Some("aA.md"));
        assert!(facts.document_hash.is_none() && facts.total_chunks.is_none());
        let facts = Facts::of(br#"{"file_path":"a.md","file_path":"b.md"}"#);
        assert_eq!(facts.file_path.as_deref(), Some("b.md"));
        assert!(Facts::of(b"").file_path.is_none() && Facts::of(b"[1]").file_path.is_none());
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
