//! Committing: one frame, or several, and one sync.

use siltstone_format::frame::Geometry;
use siltstone_format::frame_builder::{Place, Surroundings};
use siltstone_format::layout::{FooterFrame, FooterKill};
use siltstone_format::limits::MAX_SEGMENT_ROWS;

use super::{Batch, Pending, Writer};
use crate::error::{Error, Result};
use crate::event::Event;
use crate::ids::CommitSeq;

/// The receipt of a commit: what it says is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commit {
    /// Number of the commit. When the batch was empty, the number of the commit before: nothing was written.
    pub commit: CommitSeq,
    /// Rows that were added, whether new or in place of others.
    pub rows: u64,
    /// Rows of earlier commits that were replaced.
    pub superseded: u64,
    /// Rows that were deleted.
    pub deleted: u64,
    /// Bytes that were appended.
    pub bytes: u64,
}

/// From this many bytes of rows on, they are written while another thread compresses, checksums and hashes: both take
/// about as long, and so a large commit costs little more than writing its bytes.
const WORTH_A_THREAD_BYTES: usize = 256 << 10;

impl Writer {
    /// Makes the batch durable with one sync, all of it or nothing, and returns its receipt. A row of it is found by
    /// every view that is opened afterwards, in any process. An empty batch costs nothing.
    ///
    /// # Errors
    /// A disk that refuses. The batch is then not acknowledged, earlier commits are whole, and the writer is poisoned.
    pub fn commit(&mut self) -> Result<Commit> {
        self.check_usable()?;
        if self.batch.is_empty() {
            let commit = CommitSeq(self.last_commit);
            self.forget_batch();
            return Ok(Commit { commit, rows: 0, superseded: 0, deleted: 0, bytes: 0 });
        }
        self.poisoning(Self::write_commit)
    }

    /// Forgets the batch. Earlier commits are untouched.
    ///
    /// # Errors
    /// A disk that refuses to cut off the part of a large batch that was written ahead; the writer is poisoned.
    pub fn rollback(&mut self) -> Result<()> {
        self.check_usable()?;
        let written_ahead = !self.batch.staged.is_empty();
        self.forget_batch();
        match written_ahead {
            false => Ok(()),
            true => self.poisoning(|writer| match &writer.open {
                Some(open) => {
                    let path = open.state.place.path();
                    open.file.truncate(open.state.walk.end).map_err(Error::io("truncate", &path))
                }
                None => Ok(()),
            }),
        }
    }

    pub(super) fn forget_batch(&mut self) {
        self.batch = Batch::new(self.shared.identity.dims, self.options.compression);
    }

    /// Before something is added to the batch: rolls a full segment, and writes a full frame ahead.
    pub(super) fn make_room(&mut self) -> Result<()> {
        if self.batch.is_empty() {
            self.poisoning(Self::ensure_open)?;
        }
        let rows = u64::from(self.next_row()) + 1;
        if rows > MAX_SEGMENT_ROWS {
            return Err(Error::invalid(
                "batch",
                format!("more than {MAX_SEGMENT_ROWS} rows; commit in between"),
            ));
        }
        if self.batch.frame.approximate_bytes() >= self.options.frame_bytes || !self.batch.frame.has_room() {
            self.poisoning(|writer| writer.write_frame(false))?;
        }
        Ok(())
    }

    /// Writes the frame of the batch after what was written of it before: rows, what follows them, header. Not synced, so
    /// the order means nothing to whoever reads it after a power cut.
    pub(super) fn write_frame(&mut self, last: bool) -> Result<()> {
        let Some(open) = &self.open else { return Ok(()) };
        let walk = &open.state.walk;
        let (offset, previous_chain) = match self.batch.staged.is_empty() {
            true => (walk.end, walk.chain),
            false => (self.batch.staged_end, self.batch.staged_chain),
        };
        let place = Place {
            offset,
            first_row: walk.rows + self.batch.rows - self.batch.frame.rows(),
            commit: self.last_commit + 1,
            committed_at_ms: self.shared.environment.clock.now_ms(),
            previous_chain,
            part: self.batch.staged.len() as u32,
            last,
        };
        let path = open.state.place.path();
        let frame = &self.batch.frame;
        let write = |bytes: &[u8], at: u64| open.file.write_at(bytes, at).map_err(Error::io("write", &path));
        let rows_at = offset + Geometry::ROWS as u64;
        let tail_at = rows_at + frame.elements().len() as u64;
        let write_rows = || write(frame.elements(), rows_at);
        let surround = || frame.surround(&open.seed, &place).map_err(|flaw| Error::invalid("batch", flaw));
        let (rows_written, surroundings) = match frame.elements().len() >= WORTH_A_THREAD_BYTES {
            true => rayon::join(write_rows, surround),
            false => (write_rows(), surround()),
        };
        let Surroundings { header, head, tail, chain } = surroundings?;
        rows_written?;
        write(&tail, tail_at)?;
        write(&head, offset)?;
        self.batch.frame.clear();
        self.batch.staged_end = offset + header.frame_bytes;
        self.batch.staged_chain = chain;
        self.batch.staged.push(FooterFrame {
            offset,
            commit: header.commit,
            first_row: header.first_row,
            rows: header.rows,
            kills: header.kills,
            last: header.last,
        });
        Ok(())
    }

    fn write_commit(&mut self) -> Result<Commit> {
        self.write_frame(true)?;
        let Some(open) = &mut self.open else {
            return Err(Error::invalid("batch", "no open segment"));
        };
        let path = open.state.place.path();
        open.file.sync().map_err(Error::io("sync", &path))?;

        // Durable from here on. The witness is only a note of it, but a disk that refuses it is not to be trusted.
        let batch = std::mem::replace(
            &mut self.batch,
            Batch::new(self.shared.identity.dims, self.options.compression),
        );
        // Empty, with memory that the next batch can use.
        self.batch.frame = batch.frame;
        let commit = self.last_commit + 1;
        self.last_commit = commit;
        let walk = &mut open.state.walk;
        let bytes = batch.staged_end - walk.end;
        walk.frames.extend(batch.staged);
        (walk.end, walk.chain) = (batch.staged_end, batch.staged_chain);
        (walk.last_commit, walk.greatest_commit) = (commit, commit);
        walk.rows += batch.rows;
        open.live.grow_full(walk.rows);
        for (key, pending) in batch.keys {
            if let Pending::Upserted(row) = pending {
                open.keys.insert(key, row);
            }
        }
        let own = open.state.place.segment;
        for (segment, row) in batch.kills {
            walk.kills.push(FooterKill { segment, commit, row, reserved: 0 });
            match segment == own {
                true => open.live.remove(row),
                false => {
                    let part = self.sealed.iter_mut().find(|part| part.segment.place.segment == segment);
                    part.into_iter().for_each(|part| part.live.remove(row));
                }
            }
        }
        self.witness.record(own, commit, walk.end, walk.chain)?;
        let rows = u64::from(batch.rows);
        let collection = self.shared.name.clone();
        self.shared.environment.observer.event(&Event::Committed { collection, commit, rows });
        let (superseded, deleted) = (batch.superseded, batch.deleted);
        Ok(Commit { commit: CommitSeq(commit), rows, superseded, deleted, bytes })
    }
}

impl Drop for Writer {
    /// A clean close syncs the witness, so that the next open need not read what it names. A failure costs time only.
    fn drop(&mut self) {
        if self.poisoned.is_none() {
            if !self.batch.staged.is_empty() {
                let _ = self.rollback();
            }
            let _ = self.witness.sync();
        }
    }
}
