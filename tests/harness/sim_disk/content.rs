//! The bytes of one file: what is durable, what processes see, and the changes between.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use super::fault::{Failure, Lost};
use super::image::{Data, image};

/// What a drive writes whole or not at all.
pub const SECTOR_BYTES: u64 = 512;

/// A change that no sync has made durable yet. `seq` orders the changes of the whole disk.
#[derive(Debug, Clone)]
pub(super) struct Op {
    pub(super) seq: u64,
    pub(super) change: Change,
}

#[derive(Debug, Clone)]
pub(super) enum Change {
    Write { offset: usize, bytes: Arc<[u8]> },
    Truncate(usize),
}

/// `live` is `durable` with the log applied, unless a failed sync lost some of it. Both are shared with other disks
/// until written to, so that a crash image costs only the files that it changes.
#[derive(Debug, Clone, Default)]
pub(super) struct Content {
    pub(super) durable: Arc<Vec<u8>>,
    pub(super) live: Arc<Vec<u8>>,
    pub(super) log: Vec<Op>,
    /// Sectors that the drive cannot read.
    pub(super) unreadable: BTreeSet<u64>,
}

impl Content {
    /// Bytes that are durable, with nothing pending.
    pub(super) fn settled(bytes: Arc<Vec<u8>>) -> Self {
        Self { durable: Arc::clone(&bytes), live: bytes, ..Self::default() }
    }

    pub(super) fn write(&mut self, seq: u64, offset: usize, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let change = Change::Write { offset, bytes: bytes.into() };
        apply(&change, Arc::make_mut(&mut self.live));
        self.log.push(Op { seq, change });
        let (first, end) = (offset as u64, (offset + bytes.len()) as u64);
        self.unreadable.retain(|&sector| first > sector * SECTOR_BYTES || end < (sector + 1) * SECTOR_BYTES);
    }

    pub(super) fn truncate(&mut self, seq: u64, length: usize) {
        let change = Change::Truncate(length);
        apply(&change, Arc::make_mut(&mut self.live));
        self.log.push(Op { seq, change });
    }

    /// Makes the logged changes durable, and the length. Bytes that a failed sync lost stay lost: nobody remembers
    /// that they were dirty. Where they would lie, the disk has what was there before, or zeros.
    pub(super) fn sync(&mut self) {
        if self.log.is_empty() && self.durable.len() == self.live.len() {
            return;
        }
        let durable = Arc::make_mut(&mut self.durable);
        self.log.drain(..).for_each(|op| apply(&op.change, durable));
        durable.resize(self.live.len(), 0);
    }

    /// What a failed sync does: the changes are forgotten, whatever part of them reached the disk.
    pub(super) fn fail_sync(&mut self, lost: Lost, seed: u64) {
        self.durable = match lost {
            Lost::Everything => Arc::clone(&self.durable),
            Lost::Some => image(self, Data::Subset, SECTOR_BYTES, seed),
            Lost::Nothing => image(self, Data::Everything, SECTOR_BYTES, seed),
        };
        self.log.clear();
    }

    pub(super) fn read(&self, offset: u64, length: u64) -> io::Result<&[u8]> {
        let end = offset.checked_add(length).filter(|&end| end <= self.live.len() as u64);
        let Some(end) = end else {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("{length} bytes at {offset} to read, the file has {}", self.live.len()),
            ));
        };
        let sectors = offset / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES);
        if length > 0 && self.unreadable.range(sectors).next().is_some() {
            return Err(Failure::Io.error());
        }
        Ok(&self.live[offset as usize..end as usize])
    }
}

fn apply(change: &Change, to: &mut Vec<u8>) {
    match change {
        Change::Truncate(length) => to.resize(*length, 0),
        Change::Write { offset, bytes } => {
            let end = offset + bytes.len();
            if to.len() < end {
                to.resize(end, 0);
            }
            to[*offset..end].copy_from_slice(bytes);
        }
    }
}
