//! What changed from one moment of a collection to another, by key.
//!
//! A row that lies where it lay is the same row: nothing committed is ever changed in place. Of any other row the stored
//! bytes are compared, so one that compaction moved is unchanged, and one that was embedded again to the same vector is too.

use std::cmp::Ordering;

use super::{Part, View};
use crate::error::Result;

/// A key whose row is not the same in two moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change<'a> {
    /// The key.
    pub key: &'a str,
    /// What happened to its row.
    pub kind: ChangeKind,
}

/// What happened to the row of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// Only the later moment has it.
    Added,
    /// Only the earlier moment has it.
    Removed,
    /// Both have it, with other bytes.
    Changed {
        /// Whether an element of the vector has other bits.
        vector: bool,
        /// Whether the metadata has other bytes.
        metadata: bool,
        /// Whether the text is another.
        text: bool,
    },
}

/// How many keys two moments share, and how many not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Difference {
    /// Only in the later moment.
    pub added: u64,
    /// Only in the earlier moment.
    pub removed: u64,
    /// In both, with other bytes.
    pub changed: u64,
    /// The same in both.
    pub unchanged: u64,
}

impl View {
    /// Compares this moment with a later one, or with any other, and calls `each` with every change in the order of keys.
    ///
    /// Reads and sorts the keys of both (as [`View::iter`] by key); reads vectors, metadata and text only of rows that both
    /// have in different places.
    ///
    /// # Errors
    /// Damage to a key or to a row that is compared; what `each` returns.
    pub fn changes_until(
        &self,
        later: &Self,
        mut each: impl FnMut(Change<'_>) -> Result<()>,
    ) -> Result<Difference> {
        let (before, after) = (self.keyed_places()?, later.keyed_places()?);
        let (mut before, mut after) = (before.into_iter().peekable(), after.into_iter().peekable());
        let mut difference = Difference::default();
        loop {
            let order = match (before.peek(), after.peek()) {
                (None, None) => return Ok(difference),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((a, _)), Some((b, _))) => a.cmp(b),
            };
            let old = if order.is_le() { before.next() } else { None };
            let new = if order.is_ge() { after.next() } else { None };
            let (key, kind) = match (old, new) {
                (Some((key, old)), Some((_, new))) => match self.compare(old, later, new)? {
                    Some(kind) => (key, kind),
                    None => {
                        difference.unchanged += 1;
                        continue;
                    }
                },
                (Some((key, _)), None) => (key, ChangeKind::Removed),
                (None, Some((key, _))) => (key, ChangeKind::Added),
                (None, None) => continue,
            };
            match kind {
                ChangeKind::Added => difference.added += 1,
                ChangeKind::Removed => difference.removed += 1,
                ChangeKind::Changed { .. } => difference.changed += 1,
            }
            each(Change { key, kind })?;
        }
    }

    /// What differs between a row of this moment and one of another; `None` when they are the same.
    fn compare(&self, here: (u32, u32), other: &Self, there: (u32, u32)) -> Result<Option<ChangeKind>> {
        let (part, other_part) = (self.part(here.0)?, other.part(there.0)?);
        if part.is_of(other_part) && here.1 == there.1 {
            return Ok(None);
        }
        let (old, new) = (part.stored(here.1)?, other_part.stored(there.1)?);
        let (vector, metadata, text) =
            (old.vector != new.vector, old.metadata != new.metadata, old.text != new.text);
        Ok((vector || metadata || text).then_some(ChangeKind::Changed { vector, metadata, text }))
    }
}

/// A row as it is stored, every byte verified.
struct Stored<'a> {
    vector: &'a [u8],
    metadata: Vec<u8>,
    text: String,
}

impl Part {
    /// Whether both are parts of one segment.
    fn is_of(&self, other: &Self) -> bool {
        let (place, other) = (&self.segment.place, &other.segment.place);
        (place.collection, place.segment) == (other.collection, other.segment)
    }

    fn stored(&self, row: u32) -> Result<Stored<'_>> {
        let segment = &self.segment;
        let missing = || segment.no_such_row(row);
        let damaged = |flaw| segment.damaged(flaw);
        let (number, at) = segment.frame_of(row).ok_or_else(missing)?;
        let frame = segment.frame(number)?;
        Ok(Stored {
            vector: frame.row(at).ok_or_else(missing)?.map_err(damaged)?,
            metadata: frame.metadata(at).ok_or_else(missing)?.map_err(damaged)?,
            text: frame.text(at).ok_or_else(missing)?.map_err(damaged)?,
        })
    }
}
