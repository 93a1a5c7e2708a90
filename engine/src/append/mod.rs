//! Writing: rows go into a frame, a commit makes it durable with one sync, and a full segment is sealed.

mod commit;
mod compacted;
mod moment;
mod open;
mod record;
mod seal;

use std::collections::HashMap;
use std::sync::Arc;

use siltstone_format::Seed;
use siltstone_format::frame_builder::{FrameBuilder, NewRow};
use siltstone_format::layout::FooterFrame;
use siltstone_format::manifest::Manifest;
use siltstone_format::payload::Compression;

use crate::bitmap::Bitmap;
use crate::collection::Shared;
use crate::disk::DiskFile;
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::lock::Lock;
use crate::segment::{OpenFile, Segment};
use crate::snapshot::{self, Restored, SnapshotInfo};
use crate::view::View;
use crate::witness::WitnessFile;

pub use commit::Commit;
pub(crate) use open::lock_of;
pub use record::Record;
pub(crate) use seal::free_number;

/// How a writer behaves.
#[derive(Debug, Clone, Copy)]
pub struct WriterOptions {
    /// A segment that is longer than this is sealed before the next commit. 256 MiB.
    pub seal_bytes: u64,
    /// A commit that is longer than this is written in several frames, so that memory stays bounded. 16 MiB.
    pub frame_bytes: usize,
    /// Whether metadata and text are compressed. Yes.
    pub compression: Compression,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self { seal_bytes: 256 << 20, frame_bytes: 16 << 20, compression: Compression::Zstd }
    }
}

/// The one writer of a collection. Nothing is stored before [`Writer::commit`] returns; then all of it is durable.
///
/// Memory: the keys of the open segment, and the rows since the last frame. Dropping a writer forgets what was not
/// committed and lets go of the lock.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    options: WriterOptions,
    manifest: Manifest,
    /// Segments before the open one, with the rows that count after the last commit.
    sealed: Vec<SealedPart>,
    open: Option<OpenPart>,
    witness: WitnessFile,
    last_commit: u64,
    batch: Batch,
    poisoned: Option<String>,
    /// Damaged segments are written beside, whatever their state: they are about to be taken out.
    skips_damage: bool,
    /// Last, so that it is let go of when everything else is closed.
    _lock: Lock,
}

#[derive(Debug)]
struct SealedPart {
    segment: Arc<Segment>,
    live: Bitmap,
}

/// The segment that grows.
#[derive(Debug)]
struct OpenPart {
    file: Arc<dyn DiskFile>,
    state: OpenFile,
    seed: Seed,
    /// The newest row of every key in it, live or not.
    keys: HashMap<Box<str>, u32>,
    live: Bitmap,
}

/// What will be committed together.
#[derive(Debug)]
struct Batch {
    frame: FrameBuilder,
    /// Frames of this commit that were written already, not yet synced.
    staged: Vec<FooterFrame>,
    staged_end: u64,
    staged_chain: siltstone_format::Digest,
    keys: HashMap<Box<str>, Pending>,
    /// Rows that stop counting, of earlier commits and of this one, in the order in which the frames name them.
    kills: Vec<(u64, u32)>,
    rows: u32,
    deleted: u64,
    superseded: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pending {
    Upserted(u32),
    Deleted,
}

impl Batch {
    fn new(dims: u32, compression: Compression) -> Self {
        Self {
            frame: FrameBuilder::new(dims, compression),
            staged: Vec::new(),
            staged_end: 0,
            staged_chain: [0; 32],
            keys: HashMap::new(),
            kills: Vec::new(),
            rows: 0,
            deleted: 0,
            superseded: 0,
        }
    }

    fn is_empty(&self) -> bool {
        self.frame.is_empty() && self.staged.is_empty()
    }
}

impl Writer {
    /// Adds a row to the batch; the row that has this key now is replaced. Nothing is durable before the commit.
    ///
    /// # Errors
    /// A vector, key, metadata or text that cannot be stored, or a key that is in this batch already: the batch stays
    /// as it was. A disk that refuses, when a large batch is written ahead: the writer is poisoned.
    pub fn upsert(&mut self, record: Record<'_>) -> Result<()> {
        self.check_usable()?;
        let checked = record.check(self.shared.identity.metric, self.shared.identity.dims)?;
        let before = self.batch.keys.get(checked.key).copied();
        if let Some(Pending::Upserted(_)) = before {
            let reason =
                format!("{:?} is in this batch already; commit first, or leave one of them out", checked.key);
            return Err(Error::invalid("duplicate key", reason));
        }
        let superseded = match before {
            None => self.find(checked.key)?,
            Some(_) => None,
        };
        self.make_room()?;
        let place = self.batch.frame.push_row(NewRow {
            key: checked.key,
            vector: checked.vector,
            squared_norm: checked.squared_norm,
            metadata: &checked.metadata,
            text: checked.text,
        });
        if let Some((segment, row)) = superseded {
            self.batch.frame.push_superseded(segment, row, place);
            self.batch.kills.push((segment, row));
            self.batch.superseded += 1;
        }
        let row = self.next_row();
        self.batch.rows += 1;
        self.batch.keys.insert(checked.key.into(), Pending::Upserted(row));
        Ok(())
    }

    /// Adds several rows to the batch, one after the other.
    ///
    /// # Errors
    /// As [`Writer::upsert`]; the rows before the refused one stay in the batch.
    pub fn upsert_all<'a>(&mut self, records: impl IntoIterator<Item = Record<'a>>) -> Result<()> {
        records.into_iter().try_for_each(|record| self.upsert(record))
    }

    /// Deletes the row with this key, of earlier commits or of this batch. Says whether there was one.
    ///
    /// # Errors
    /// A key that cannot be; damage to the keys that were looked at; a disk that refuses.
    pub fn delete(&mut self, key: &str) -> Result<bool> {
        self.check_usable()?;
        record::check_key(key)?;
        match self.batch.keys.get(key).copied() {
            Some(Pending::Deleted) => return Ok(false),
            Some(Pending::Upserted(row)) => {
                self.make_room()?;
                // A kill names a row of an earlier frame, so the row's own is written first.
                if row >= self.next_row() - self.batch.frame.rows() {
                    self.poisoning(|writer| writer.write_frame(false))?;
                }
                let segment = self.open_number();
                self.batch.frame.push_deleted(segment, row, key);
                self.batch.kills.push((segment, row));
            }
            None => {
                let Some((segment, row)) = self.find(key)? else { return Ok(false) };
                self.make_room()?;
                self.batch.frame.push_deleted(segment, row, key);
                self.batch.kills.push((segment, row));
            }
        }
        self.batch.keys.insert(key.into(), Pending::Deleted);
        self.batch.deleted += 1;
        Ok(true)
    }

    /// Deletes the row at a place of an earlier commit, whose key is `key`. Other rows with this key stay: after damage
    /// there may be some.
    pub(crate) fn delete_at(&mut self, segment: u64, row: u32, key: &str) -> Result<()> {
        self.check_usable()?;
        self.make_room()?;
        self.batch.frame.push_deleted(segment, row, key);
        self.batch.kills.push((segment, row));
        self.batch.deleted += 1;
        Ok(())
    }

    /// Deletes the rows whose metadata matches, as they were at the last commit: rows of this batch stay. Returns how
    /// many. Reads the metadata of the whole collection.
    ///
    /// # Errors
    /// Damage to metadata or keys; a disk that refuses.
    pub fn delete_where(&mut self, filter: &Filter) -> Result<u64> {
        self.check_usable()?;
        let view = self.view()?;
        let masks = view.matching(filter, false)?.masks;
        let mut deleted = 0;
        for (part, mask) in view.parts.iter().zip(&masks) {
            for row in mask.iter(0, u32::MAX) {
                let key = part.segment.key(row)?;
                if !self.batch.keys.contains_key(key) {
                    deleted += u64::from(self.delete(key)?);
                }
            }
        }
        Ok(deleted)
    }

    /// The last commit, as this writer left it. Rows of the batch are not in it.
    ///
    /// # Errors
    /// As [`crate::Collection::view`].
    pub fn view(&self) -> Result<View> {
        crate::view::load(&self.shared, crate::view::At::Now, crate::view::OnDamage::Skip)
    }

    /// Number of the last commit.
    pub fn last_commit(&self) -> crate::ids::CommitSeq {
        crate::ids::CommitSeq(self.last_commit)
    }

    /// How many rows the batch has.
    pub fn batch_rows(&self) -> u32 {
        self.batch.rows
    }

    /// Keeps the last commit under a name.
    ///
    /// # Errors
    /// [`Error::SnapshotExists`]; a name that cannot be; a batch that is not committed; a disk that refuses.
    pub fn create_snapshot(&mut self, name: &str) -> Result<SnapshotInfo> {
        self.check_between_batches("create a snapshot")?;
        self.poisoning(|writer| snapshot::create(writer, name))
    }

    /// Lets a snapshot go.
    ///
    /// # Errors
    /// [`Error::NoSuchSnapshot`]; a disk that refuses.
    pub fn drop_snapshot(&mut self, name: &str) -> Result<()> {
        self.check_usable()?;
        self.poisoning(|writer| snapshot::drop(writer, name))
    }

    /// Goes back to the moment of a snapshot. Its segments count again as far as they did, what was committed since no longer
    /// does, and the moment until now is kept as the snapshot `keep_as`, so that restoring that one undoes this. Commit
    /// numbers go on rising.
    ///
    /// Durable when it returns, all of it or nothing: one manifest. Costs a footer when the open segment has rows, and a new
    /// segment; no row is read or copied.
    ///
    /// # Errors
    /// [`Error::NoSuchSnapshot`]; [`Error::SnapshotExists`] for `keep_as`; a batch that is not committed; damage to the
    /// snapshot or to what it names; a disk that refuses, which poisons the writer.
    pub fn restore_snapshot(&mut self, name: &str, keep_as: &str) -> Result<Restored> {
        self.check_between_batches("restore a snapshot")?;
        self.poisoning(|writer| snapshot::restore(writer, name, keep_as))
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The segments before the open one.
    pub(crate) fn sealed_segments(&self) -> impl Iterator<Item = &Arc<Segment>> {
        self.sealed.iter().map(|part| &part.segment)
    }

    pub(crate) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    pub(crate) fn set_manifest(&mut self, manifest: Manifest) {
        self.manifest = manifest;
    }

    fn check_usable(&self) -> Result<()> {
        match &self.poisoned {
            None => Ok(()),
            Some(reason) => {
                Err(Error::Poisoned { collection: self.shared.name.clone(), reason: reason.clone() })
            }
        }
    }

    fn check_between_batches(&self, action: &str) -> Result<()> {
        self.check_usable()?;
        match self.batch.is_empty() {
            true => Ok(()),
            false => Err(Error::invalid("batch", format!("commit or roll back before you {action}"))),
        }
    }

    /// Runs a step that touches the disk. When the disk refuses, or what it returns is damaged, its state is unknown
    /// and the writer is poisoned.
    pub(crate) fn poisoning<T>(&mut self, step: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let result = step(self);
        if let Err(error @ (Error::Io { .. } | Error::Damaged { .. })) = &result {
            self.poisoned = Some(error.to_string());
        }
        result
    }

    /// The row that has this key after the last commit.
    fn find(&self, key: &str) -> Result<Option<(u64, u32)>> {
        if let Some(open) = &self.open
            && let Some(&row) = open.keys.get(key)
            && open.live.contains(row)
        {
            return Ok(Some((open.state.place.segment, row)));
        }
        for part in self.sealed.iter().rev() {
            // A segment that was left alone for its damage does not keep anybody from writing.
            let skips_damage = self.skips_damage || part.segment.digest.is_none();
            let disk = &*self.shared.environment.disk;
            if let Some(row) = part.segment.find(key, &part.live, disk, skips_damage)? {
                return Ok(Some((part.segment.place.segment, row)));
            }
        }
        Ok(None)
    }

    fn open_number(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| open.state.place.segment)
    }

    /// The index in the open segment of the next row.
    fn next_row(&self) -> u32 {
        self.open.as_ref().map_or(0, |open| open.state.walk.rows) + self.batch.rows
    }
}
