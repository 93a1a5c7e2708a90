//! The texts that the store has vectors of, so that no text is paid for twice: in whichever collection it was embedded
//! first, by the same model. From the digest of a text to the place of a row, sixteen bytes a text, and a view that keeps
//! the row where it is. Read anew in each run, from the rows themselves: there is nothing that could be stale.
//!
//! The built-in embedder's vectors cost less to make than to look for, so only what the collection itself holds is reused
//! then.

use std::collections::HashSet;

use serde_json::Value;
use siltstone::{EmbeddingIdentity, OnDamage, RowPlace, Store, View};

use crate::exit::CliError;
use crate::render::notices::Notices;
use crate::render::units::count;

use super::stored::Stored;

/// More texts than this are not kept in memory: 64 MB of them.
const MOST_TEXTS: usize = 4 << 20;

/// The texts of one moment of a collection.
#[derive(Debug)]
pub(super) struct Known {
    view: View,
    /// The beginning of each text's digest, with the segment and the row; sorted.
    entries: Vec<Entry>,
}

type Entry = (u64, u32, u32);

/// Where the vector of a text is. Segments are numbered from 1, as they come: one beyond four thousand millions is left
/// out.
pub(super) fn entry(hash: &str, place: RowPlace) -> Option<Entry> {
    let segment = u32::try_from(place.segment.0).ok()?;
    beginning(hash).map(|short| (short, segment, place.row.0))
}

impl Known {
    pub(super) fn new(view: &View) -> Known {
        Known { view: view.clone(), entries: Vec::new() }
    }

    pub(super) fn append(&mut self, entries: Vec<Entry>) {
        self.entries.extend(entries);
    }

    pub(super) fn settle(&mut self) {
        self.entries.sort_unstable();
        self.entries.dedup_by_key(|entry| entry.0);
        self.entries.shrink_to_fit();
    }

    fn may_have(&self, short: u64) -> Option<RowPlace> {
        let at = self.entries.binary_search_by_key(&short, |entry| entry.0).ok()?;
        let (_, segment, row) = self.entries.get(at)?;
        Some(RowPlace { segment: siltstone::SegmentId(u64::from(*segment)), row: siltstone::RowIndex(*row) })
    }

    /// The vector of the text with this digest. A row that is damaged is none, and neither is one of another text.
    fn find(&self, hash: &str) -> Result<Option<Vec<f32>>, CliError> {
        let Some(place) = beginning(hash).and_then(|short| self.may_have(short)) else { return Ok(None) };
        let row = match self.view.at(place) {
            Err(error) if error.is_damage() => return Ok(None),
            row => row?,
        };
        let is_it = |row: &siltstone::Row<'_>| {
            row.key == hash || row.metadata.get("chunk_hash").and_then(Value::as_str) == Some(hash)
        };
        Ok(row.filter(is_it).map(|row| row.vector.to_vec()))
    }
}

/// The first eight bytes of a digest in hex.
fn beginning(hash: &str) -> Option<u64> {
    hash.get(..16).filter(|_| hash.len() == 64).and_then(|part| u64::from_str_radix(part, 16).ok())
}

/// The texts of a run.
#[derive(Debug, Default)]
pub(super) struct Texts {
    /// By the name of the collection that is being updated.
    own: Option<(String, Known)>,
    others: Vec<(String, Known)>,
    /// Whether `others` were read.
    is_read: bool,
    /// What a dry run counted already as to be sent.
    counted: HashSet<u64>,
}

impl Texts {
    /// An update of this collection begins, which holds these texts.
    pub(super) fn begin(&mut self, collection: &str, known: Known) {
        self.own = Some((collection.to_owned(), known));
    }

    /// The update ended: what the collection holds now may be of use to the next.
    pub(super) fn end(&mut self, store: &Store, identity: &EmbeddingIdentity) {
        let Some((name, _)) = self.own.take() else { return };
        if self.is_read {
            self.others.retain(|(other, _)| *other != name);
            if let Ok(Some(known)) = read(store, identity, &name) {
                self.others.push((name, known));
            }
        }
    }

    /// Reads what all other collections of the same vector space hold, once a run.
    pub(super) fn read_others(
        &mut self,
        store: &Store,
        identity: &EmbeddingIdentity,
        notices: &Notices,
    ) -> Result<(), CliError> {
        if std::mem::replace(&mut self.is_read, true) {
            return Ok(());
        }
        let mut texts = 0;
        for name in store.all_names()? {
            if self.own.as_ref().is_some_and(|(own, _)| *own == name) {
                continue;
            }
            if texts > MOST_TEXTS {
                notices.notice(&format!(
                    "more than {} texts are stored: those of {name} and what follows are not looked at for reuse",
                    count(MOST_TEXTS as u64)
                ));
                break;
            }
            match read(store, identity, &name) {
                Ok(Some(known)) => {
                    texts += known.entries.len();
                    self.others.push((name, known));
                }
                Ok(None) => {}
                // It costs its texts once more, and is found by `health`.
                Err(error) => notices.warning(&format!("the texts of {name} cannot be reused: {error}")),
            }
        }
        Ok(())
    }

    /// The vector of a text that the collection itself holds.
    pub(super) fn own(&self, hash: &str) -> Result<Option<Vec<f32>>, CliError> {
        self.own.as_ref().map_or(Ok(None), |(_, known)| known.find(hash))
    }

    /// The vector of a text that another collection holds.
    pub(super) fn elsewhere(&self, hash: &str) -> Result<Option<Vec<f32>>, CliError> {
        for (_, known) in &self.others {
            if let Some(vector) = known.find(hash)? {
                return Ok(Some(vector));
            }
        }
        Ok(None)
    }

    /// Whether a dry run counts this text for the first time.
    pub(super) fn counts(&mut self, hash: &str) -> bool {
        beginning(hash).is_none_or(|short| self.counted.insert(short))
    }

    /// Lets go of the memory of what was read.
    pub(super) fn let_go(&self) {
        self.own.iter().chain(&self.others).for_each(|(_, known)| known.view.let_go());
    }
}

/// The texts of a collection; `None` when its vectors are of another space.
fn read(store: &Store, identity: &EmbeddingIdentity, name: &str) -> siltstone::Result<Option<Known>> {
    let collection = store.collection(name)?;
    if !collection.identity().same_space(identity) {
        return Ok(None);
    }
    let (_, known) = Stored::read(&collection.view_with(OnDamage::Skip)?)?;
    Ok(Some(known))
}
