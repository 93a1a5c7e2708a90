//! A view is one moment of a collection: all that a reader ever holds. Whatever a writer does afterwards, a view goes
//! on showing the same rows.

mod diff;
mod load;
mod matching;
mod norms;
mod row;

use std::sync::Arc;

use rayon::prelude::*;
use serde_json::{Map, Value};
use siltstone_format::Flaw;
use siltstone_format::identity::EmbeddingIdentity;

use crate::bitmap::Bitmap;
use crate::collection::Shared;
use crate::error::{Error, Result};
use crate::ids::{CommitSeq, RowPlace, SegmentId};
use crate::segment::Segment;

pub use diff::{Change, ChangeKind, Difference};
pub(crate) use load::{At, build, load, open_parts, reach, sealed_promise};
pub use norms::RowVector;
pub use row::{Order, Row};

/// How a view meets damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnDamage {
    /// With an error that names it: what is returned is whole.
    #[default]
    Fail,
    /// By leaving out what is damaged and listing it in [`View::damage`]. Rows that a lost frame had deleted or
    /// replaced may show again; of several rows with one key only the newest shows.
    Skip,
}

/// One moment of a collection. Cheap to clone; holds the segment files mapped, and needs no lock.
#[derive(Debug, Clone)]
pub struct View {
    pub(crate) shared: Arc<Shared>,
    pub(crate) parts: Vec<Part>,
    pub(crate) commit: u64,
    pub(crate) on_damage: OnDamage,
    pub(crate) damage: Arc<Vec<Damage>>,
}

/// A segment, as far as it counts in a moment.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) segment: Arc<Segment>,
    /// How many of its frames count.
    pub(crate) frames: usize,
    /// Which of its rows count.
    pub(crate) live: Bitmap,
}

/// A damaged place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub path: std::path::PathBuf,
    /// What is wrong, and where.
    pub flaw: Flaw,
}

/// So many rows, or one frame, are folded together; some megabytes with what lies between their metadata.
const FOLDED_TOGETHER: u32 = 1_024;

impl View {
    /// Name of the collection.
    pub fn collection(&self) -> &str {
        &self.shared.name
    }

    /// What made the vectors.
    pub fn identity(&self) -> &EmbeddingIdentity {
        &self.shared.identity
    }

    /// The last commit that the view shows.
    pub fn commit(&self) -> CommitSeq {
        CommitSeq(self.commit)
    }

    /// Number of rows. Costs nothing but a count of bits.
    pub fn len(&self) -> u64 {
        self.parts.iter().map(|part| part.live.count()).sum()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of rows in the segments of this moment that no longer count: space that compaction would win.
    pub fn dead_rows(&self) -> u64 {
        self.parts.iter().map(|part| u64::from(part.counted_rows())).sum::<u64>() - self.len()
    }

    /// What was left out, when the view was opened with [`OnDamage::Skip`].
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// Whether a row has this key.
    ///
    /// # Errors
    /// Damage to the keys that were looked at, or a disk that cannot be read.
    pub fn contains(&self, key: &str) -> Result<bool> {
        Ok(self.place_of(key)?.is_some())
    }

    /// The row with this key. Vector, key, metadata and text are verified against their checksums.
    ///
    /// Costs a lookup in the key index of each segment and the decompression of one or two blocks.
    ///
    /// # Errors
    /// Damage to the row, or a disk that cannot be read.
    pub fn get(&self, key: &str) -> Result<Option<Row<'_>>> {
        match self.place_of(key)? {
            Some((part, row)) => self.row(part, row).map(Some),
            None => Ok(None),
        }
    }

    /// The row at a place that this view, or an earlier one of the collection, said; `None` when it does not count any more,
    /// or its segment is no part of this moment. Verified as by [`View::get`], without a lookup.
    ///
    /// # Errors
    /// As [`View::get`].
    pub fn at(&self, place: RowPlace) -> Result<Option<Row<'_>>> {
        let is_it = |part: &Part| part.segment.place.segment == place.segment.0;
        let found = self.parts.iter().position(is_it).and_then(|at| u32::try_from(at).ok());
        match found {
            Some(at) if self.part(at)?.live.contains(place.row.0) => self.row(at, place.row.0).map(Some),
            _ => Ok(None),
        }
    }

    /// Lets go of the memory in which rows that were read lie mapped. They are mapped again when they are touched, from
    /// the system's cache as a rule. For jobs that read much, once, and are to stay small beside others; the rest need
    /// not care, because the system takes such memory back by itself. Costs a call a segment; never fails.
    pub fn let_go(&self) {
        self.parts.iter().for_each(|part| part.segment.let_go());
    }

    /// Every row, one after the other. [`Order::Key`] first reads and sorts all keys (twelve bytes a row of memory and
    /// the keys themselves); [`Order::Storage`] reads front to back.
    ///
    /// # Errors
    /// Damage to a key, for [`Order::Key`]. Damage to a row comes as an item of the iterator.
    pub fn iter(&self, order: Order) -> Result<impl Iterator<Item = Result<Row<'_>>>> {
        let mut places: Vec<(u32, u32)> = self.live_places().collect();
        if order == Order::Key {
            places = self.keyed_places()?.into_iter().map(|(_, place)| place).collect();
        }
        Ok(places.into_iter().map(|(part, row)| self.row(part, row)))
    }

    /// Every key with the place of its row, in byte order. Reads keys only.
    fn keyed_places(&self) -> Result<Vec<(&str, (u32, u32))>> {
        let mut keyed = Vec::with_capacity(self.len() as usize);
        for (part, row) in self.live_places() {
            match self.part(part).and_then(|part| part.segment.key(row)) {
                Ok(key) => keyed.push((key, (part, row))),
                Err(error) if self.on_damage == OnDamage::Fail || !error.is_damage() => return Err(error),
                Err(_) => {}
            }
        }
        keyed.sort_unstable();
        Ok(keyed)
    }

    /// Every key, in byte order. Reads keys only.
    ///
    /// # Errors
    /// Damage to a key.
    pub fn keys(&self) -> Result<Vec<&str>> {
        Ok(self.keyed_places()?.into_iter().map(|(key, _)| key).collect())
    }

    /// Calls `each` with every row's key and metadata, in storage order. Reads no vectors and no text.
    ///
    /// # Errors
    /// Damage to a key or to metadata, or what `each` returns.
    pub fn for_each_metadata(
        &self,
        mut each: impl FnMut(&str, &Map<String, Value>) -> Result<()>,
    ) -> Result<()> {
        for part in &self.parts {
            for number in 0..part.frames {
                let segment = &part.segment;
                self.pass_over(segment.for_each_metadata(number, Some(&part.live), |row, metadata| {
                    each(segment.key(row)?, metadata)
                }))?;
            }
        }
        Ok(())
    }

    /// Folds every row's key, its place for [`View::at`], and its metadata as the JSON text that is stored (empty where there
    /// is none) into values that begin as their default: one for each group of about a thousand rows, on all threads of the
    /// current rayon pool. They come in storage order. Reads no vectors and no text, and parses nothing: for who needs a
    /// field or two of very many rows, parsing takes most of the time of [`View::for_each_metadata`]. What was read does
    /// not stay in memory.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = siltstone::Store::create(dir.path().join("store"))?;
    /// # let identity = siltstone::EmbeddingIdentity { dims: 2, ..Default::default() };
    /// # let collection = store.create_collection("docs", identity)?;
    /// # let mut writer = collection.writer()?;
    /// # writer.upsert(siltstone::Record::new("a", &[1.0, 0.0]))?;
    /// # writer.commit()?;
    /// let groups = collection.view()?.fold_json(|keys: &mut Vec<String>, key, _place, _json| keys.push(key.to_owned()))?;
    /// assert_eq!(groups.concat(), ["a"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Damage to a key or to metadata.
    pub fn fold_json<T: Default + Send>(
        &self,
        each: impl Fn(&mut T, &str, RowPlace, &[u8]) + Sync,
    ) -> Result<Vec<T>> {
        let mut groups: Vec<Vec<(&Part, usize)>> = vec![Vec::new()];
        let mut rows = 0;
        for part in &self.parts {
            for (number, frame) in part.segment.frames.iter().enumerate().take(part.frames) {
                if rows >= FOLDED_TOGETHER {
                    groups.push(Vec::new());
                    rows = 0;
                }
                rows += frame.rows;
                if let Some(last) = groups.last_mut() {
                    last.push((part, number));
                }
            }
        }
        let fold = |group: &Vec<(&Part, usize)>| {
            let mut value = T::default();
            for (part, number) in group {
                let segment = &part.segment;
                let first_row = segment.frames.get(*number).map_or(0, |frame| frame.first_row);
                self.pass_over(segment.for_each_json(*number, Some(&part.live), |frame, row, json| {
                    each(
                        &mut value,
                        segment.key_in(frame, row - first_row, row)?,
                        self.place(part, row),
                        json,
                    );
                    Ok(())
                }))?;
            }
            self.let_go();
            Ok(value)
        };
        groups.par_iter().map(fold).collect()
    }

    /// Turns damage into nothing when the view passes over it.
    pub(crate) fn pass_over(&self, result: Result<()>) -> Result<()> {
        match result {
            Err(error) if self.on_damage == OnDamage::Skip && error.is_damage() => Ok(()),
            result => result,
        }
    }

    pub(crate) fn live_places(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        (0u32..).zip(&self.parts).flat_map(|(at, part)| part.live.iter(0, u32::MAX).map(move |row| (at, row)))
    }

    pub(crate) fn part(&self, part: u32) -> Result<&Part> {
        self.parts.get(part as usize).ok_or_else(|| Error::invalid("segment", "not in this view"))
    }

    /// Which part and row has this key.
    pub(crate) fn place_of(&self, key: &str) -> Result<Option<(u32, u32)>> {
        let disk = &*self.shared.environment.disk;
        for (at, part) in (0u32..).zip(&self.parts).collect::<Vec<_>>().into_iter().rev() {
            if let Some(row) = part.segment.find(key, &part.live, disk, self.on_damage == OnDamage::Skip)? {
                return Ok(Some((at, row)));
            }
        }
        Ok(None)
    }

    /// The place of a row on disk.
    pub(crate) fn place(&self, part: &Part, row: u32) -> RowPlace {
        let _ = self;
        RowPlace { segment: SegmentId(part.segment.place.segment), row: crate::ids::RowIndex(row) }
    }
}

impl Part {
    /// How many rows its counted frames have.
    pub(crate) fn counted_rows(&self) -> u32 {
        let frames = self.segment.frames.get(..self.frames).unwrap_or_default();
        frames.iter().map(|frame| frame.rows).sum()
    }
}
