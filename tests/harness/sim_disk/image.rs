//! What power loss leaves of one file.
//!
//! Each logged change has a fate. Bytes and lengths travel apart, as they do in a file system that journals only its
//! metadata: the bytes of a write may be there without its length, and the other way round, in which case the file
//! has zeros.

use std::sync::Arc;

use super::content::{Change, Content, Op};
use crate::rng::{Rng, mix3};

/// Which changes of a file survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Data {
    Nothing,
    Everything,
    /// Only the change with this number.
    Only(u64),
    /// All lengths, no bytes.
    Lengths,
    /// All changes before this number, and when `torn` parts of that one.
    Before {
        seq: u64,
        torn: bool,
    },
    /// Any of them, in any order, whole or torn.
    Subset,
    /// Each sector as it was at some moment since the last sync, as when a page cache is written back bit by bit.
    Moments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Gone,
    Whole,
    /// Each sector there or not, the length anything up to the end.
    Torn,
    /// The length without the bytes.
    Length,
}

/// The bytes of the file after a power loss that leaves `data`, torn at multiples of `unit` bytes.
pub(super) fn image(content: &Content, data: Data, unit: u64, seed: u64) -> Arc<Vec<u8>> {
    if content.log.is_empty() || data == Data::Nothing {
        return Arc::clone(&content.durable);
    }
    let mut torn = Tearing { data, unit, seed, moments: content.log.len() as u64 + 1 };
    let mut bytes = Vec::clone(&content.durable);
    let mut length = bytes.len();
    bytes.resize(content.log.iter().map(end_of).fold(length, usize::max), 0);
    for (place, op) in torn.order(&content.log) {
        let fate = torn.fate(place, op.seq);
        match &op.change {
            Change::Truncate(to) if fate != Fate::Gone => {
                length = *to;
                bytes[length..].fill(0);
            }
            Change::Truncate(_) => {}
            Change::Write { offset, bytes: new } => {
                length = length.max(torn.reach(fate, op.seq, *offset, new.len()));
                torn.copy(fate, (place, op.seq), *offset, new, &mut bytes);
            }
        }
    }
    bytes.truncate(length);
    Arc::new(bytes)
}

fn end_of(op: &Op) -> usize {
    match &op.change {
        Change::Truncate(length) => *length,
        Change::Write { offset, bytes } => offset + bytes.len(),
    }
}

struct Tearing {
    data: Data,
    unit: u64,
    seed: u64,
    /// The moments between the changes, the first and the last included.
    moments: u64,
}

impl Tearing {
    /// The changes with their places. A subset may come in any order, but no write passes a change of length: a
    /// file system keeps those in a journal, or a file would lose bytes that were durable long before.
    fn order<'a>(&mut self, log: &'a [Op]) -> Vec<(u64, &'a Op)> {
        let mut order: Vec<_> = (0..).zip(log).collect();
        let mut rng = Rng::new(self.seed);
        if self.data == Data::Subset && rng.chance(1, 2) {
            let is_write = |op: &Op| matches!(op.change, Change::Write { .. });
            for writes in order.chunk_by_mut(|a, b| is_write(a.1) && is_write(b.1)) {
                rng.shuffle(writes);
            }
        }
        order
    }

    fn fate(&self, place: u64, seq: u64) -> Fate {
        let whole_if = |whole| if whole { Fate::Whole } else { Fate::Gone };
        match self.data {
            Data::Nothing => Fate::Gone,
            Data::Everything => Fate::Whole,
            Data::Only(only) => whole_if(seq == only),
            Data::Lengths => Fate::Length,
            Data::Before { seq: end, torn: true } if seq == end => Fate::Torn,
            Data::Before { seq: end, .. } => whole_if(seq < end),
            Data::Subset => match mix3(self.seed, seq, 1) % 8 {
                0..3 => Fate::Gone,
                3..5 => Fate::Whole,
                5..7 => Fate::Torn,
                _ => Fate::Length,
            },
            // The length is that of one moment; the bytes are chosen by sector.
            Data::Moments => whole_if(place < mix3(self.seed, 0, 2) % self.moments),
        }
    }

    /// The length that the file needs to have for what survives of a write.
    fn reach(&self, fate: Fate, seq: u64, offset: usize, length: usize) -> usize {
        let random = mix3(self.seed, seq, 3);
        let part = (random >> 8) as usize % (length + 1);
        match fate {
            Fate::Gone => 0,
            Fate::Whole | Fate::Length => offset + length,
            Fate::Torn => match random % 8 {
                0 => offset + part,
                1..4 => (offset + part) / self.unit as usize * self.unit as usize,
                4 => 0,
                _ => offset + length,
            },
        }
    }

    fn copy(&self, fate: Fate, op: (u64, u64), offset: usize, new: &[u8], to: &mut [u8]) {
        let (place, seq) = op;
        let unit = self.unit as usize;
        let mut start = offset;
        let end = offset + new.len();
        while start < end {
            let stop = end.min((start / unit + 1) * unit);
            let sector = (start / unit) as u64;
            let survives = match (self.data, fate) {
                (Data::Moments, _) => place < mix3(self.seed, sector, 4) % self.moments,
                (_, Fate::Torn) => mix3(self.seed, seq, sector.wrapping_add(5)) & 1 == 1,
                (_, fate) => fate == Fate::Whole,
            };
            if survives {
                to[start..stop].copy_from_slice(&new[start - offset..stop - offset]);
            }
            start = stop;
        }
    }
}
