//! The documents that a scan found, packed tightly: there may be hundreds of thousands of them, and all are known before
//! the first is read. Their names lie one after the other in one text; what all of them share is kept once.

use std::path::Path;
use std::sync::Arc;

use super::{Document, Kind, Stamp};

/// Documents of one source, sorted by id once they are [settled](Documents::settle).
#[derive(Clone, Debug)]
pub(crate) struct Documents {
    root: Arc<Path>,
    framework: Arc<str>,
    ids: String,
    entries: Vec<Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Where its id lies in `ids`.
    from: usize,
    length: u16,
    kind: Kind,
    size_bytes: u64,
    stamp: Option<Stamp>,
}

impl Documents {
    /// None of a source yet.
    pub(crate) fn new(root: &Path, framework: &str) -> Documents {
        Documents { root: root.into(), framework: framework.into(), ids: String::new(), entries: Vec::new() }
    }

    /// Adds one. An id is at most [`super::walk::LONGEST_ID`] bytes long.
    pub(super) fn push(&mut self, id: &str, kind: Kind, size_bytes: u64, stamp: Option<Stamp>) {
        let (from, length) = (self.ids.len(), u16::try_from(id.len()).unwrap_or(u16::MAX));
        self.ids.push_str(id);
        self.entries.push(Entry { from, length, kind, size_bytes, stamp });
    }

    /// Adds those of another list of the same source.
    pub(super) fn append(&mut self, more: &Documents) {
        let shift = self.ids.len();
        self.ids.push_str(&more.ids);
        self.entries.extend(more.entries.iter().map(|entry| Entry { from: entry.from + shift, ..*entry }));
    }

    /// Sorts them in byte order of their ids, and leaves out those that are named twice.
    pub(super) fn settle(&mut self) {
        let ids = &self.ids;
        self.entries.sort_unstable_by(|a, b| a.id(ids).cmp(b.id(ids)));
        self.entries.dedup_by(|later, first| later.id(ids) == first.id(ids));
        self.entries.shrink_to_fit();
        self.ids.shrink_to_fit();
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The id of the document at this place.
    pub(crate) fn id(&self, at: usize) -> Option<&str> {
        self.entries.get(at).map(|entry| entry.id(&self.ids))
    }

    /// All ids, sorted.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.id(&self.ids))
    }

    pub(crate) fn contains(&self, id: &str) -> bool {
        self.entries.binary_search_by(|entry| entry.id(&self.ids).cmp(id)).is_ok()
    }

    /// What the file of the document at this place was when it was found.
    pub(crate) fn stamp(&self, at: usize) -> Option<Stamp> {
        self.entries.get(at).and_then(|entry| entry.stamp)
    }

    /// The document at this place.
    pub(crate) fn get(&self, at: usize) -> Option<Document> {
        self.entries.get(at).map(|entry| Document {
            id: entry.id(&self.ids).to_owned(),
            root: Arc::clone(&self.root),
            framework: Arc::clone(&self.framework),
            kind: entry.kind,
            size_bytes: entry.size_bytes,
            stamp: entry.stamp,
        })
    }

    /// One after the other, each made when it is asked for.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Document> {
        (0..self.len()).filter_map(|at| self.get(at))
    }
}

impl Entry {
    fn id<'a>(&self, ids: &'a str) -> &'a str {
        ids.get(self.from..self.from + usize::from(self.length)).unwrap_or_default()
    }
}
