//! Reading an attribute index: fields by name, values by number, rows of a value. Total: whatever the content says, a
//! place that is not in it, or a row that the segment has not, is `None`, and whoever asked reads the rows instead.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::{AS_BITS, BLOCK_CONTENT, Value, block_offset, check_block, kind};
use crate::layout::{AttributeField, AttributeHeader, AttributeValue};
use crate::limits::ATTRIBUTE_BLOCK_BYTES;
use crate::{Flaw, Seed};

/// The content of an index file: where its blocks come from, and how often they are checked, is its owner's business.
pub trait Content {
    /// The content of a block that was checked; `None` when it is damaged or there is none.
    fn block(&self, number: u64) -> Option<&[u8]>;
}

/// The bytes of a whole file, each block checked whenever it is touched.
#[derive(Debug, Clone, Copy)]
pub struct Plain<'a> {
    /// The file, header included.
    pub bytes: &'a [u8],
    /// The seed of its checksums.
    pub seed: &'a Seed,
}

impl Content for Plain<'_> {
    fn block(&self, number: u64) -> Option<&[u8]> {
        let from = usize::try_from(block_offset(number)).ok()?;
        let block = self.bytes.get(from..from.checked_add(ATTRIBUTE_BLOCK_BYTES)?)?;
        check_block(block, number, self.seed).ok()
    }
}

/// What an index knows of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// Its entry.
    Listed(AttributeField),
    /// No row has it.
    Absent,
    /// Nothing: the index does not list all fields, or what it says cannot be read.
    Unknown,
}

/// An attribute index with a header that was checked.
#[derive(Debug, Clone)]
pub struct Index<C> {
    rows: u32,
    fields: u32,
    complete: bool,
    bytes: u64,
    content: C,
}

impl<C: Content> Index<C> {
    /// The index with this header, which [`decode_header`](super::decode_header) returned.
    pub fn new(header: &AttributeHeader, content: C) -> Self {
        Self {
            rows: u32::try_from(header.rows).unwrap_or(u32::MAX),
            fields: header.fields,
            complete: header.complete == 1,
            bytes: header.content_bytes,
            content,
        }
    }

    /// Where its content comes from.
    pub fn content(&self) -> &C {
        &self.content
    }

    /// Number of rows of its segment.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// Number of fields that it lists.
    pub fn fields(&self) -> u32 {
        self.fields
    }

    /// Some bytes of the content, borrowed when they lie in one block.
    fn read(&self, at: u64, length: u64) -> Option<Cow<'_, [u8]>> {
        if at.checked_add(length)? > self.bytes {
            return None;
        }
        let (mut number, from) = (at / BLOCK_CONTENT as u64, (at % BLOCK_CONTENT as u64) as usize);
        let length = usize::try_from(length).ok()?;
        if length == 0 {
            return Some(Cow::Borrowed(&[]));
        }
        let first = self.content.block(number)?;
        if let Some(bytes) = first.get(from..from + length) {
            return Some(Cow::Borrowed(bytes));
        }
        let mut bytes = Vec::with_capacity(length);
        bytes.extend_from_slice(first.get(from..)?);
        while bytes.len() < length {
            number += 1;
            let block = self.content.block(number)?;
            bytes.extend_from_slice(block.get(..(length - bytes.len()).min(block.len()))?);
        }
        Some(Cow::Owned(bytes))
    }

    /// Entry `number` of the table of fields, and the field's name.
    pub fn field_at(&self, number: u32) -> Option<(AttributeField, Cow<'_, [u8]>)> {
        let at = u64::from(number) * AttributeField::BYTES as u64;
        let bytes = self.read(at, AttributeField::BYTES as u64).filter(|_| number < self.fields)?;
        let entry = AttributeField::get(&bytes)?;
        Some((entry, self.read(entry.name, u64::from(entry.name_bytes))?))
    }

    /// What the index knows of the field of this name.
    pub fn field(&self, name: &str) -> Lookup {
        let (mut low, mut high) = (0, self.fields);
        while low < high {
            let middle = low + (high - low) / 2;
            let Some((entry, found)) = self.field_at(middle) else { return Lookup::Unknown };
            match (*found).cmp(name.as_bytes()) {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return Lookup::Listed(entry),
            }
        }
        if self.complete { Lookup::Absent } else { Lookup::Unknown }
    }

    /// Entry `number` of the table of values of a field.
    pub fn entry(&self, field: &AttributeField, number: u32) -> Option<AttributeValue> {
        let at = field.values.checked_add(u64::from(number) * AttributeValue::BYTES as u64)?;
        AttributeValue::get(&self.read(at, AttributeValue::BYTES as u64).filter(|_| number < field.count)?)
    }

    /// The value of an entry.
    pub fn value(&self, entry: &AttributeValue) -> Option<Value<Cow<'_, str>>> {
        let text = match entry.kind {
            kind::TEXT => self.read(entry.value, u64::from(entry.value_bytes))?,
            _ => Cow::Borrowed(&[][..]),
        };
        Value::of(entry, text)
    }

    /// Calls `each` with the runs of a set of rows, rising: the first row and the one after the last.
    pub fn runs(&self, (at, runs): (u64, u32), mut each: impl FnMut(u32, u32)) -> Option<()> {
        if runs == AS_BITS {
            let bits = self.read(at, u64::from(self.rows.div_ceil(8)))?;
            let mut run = (0, 0);
            for (number, byte) in (0u32..).zip(bits.iter()) {
                let mut byte = *byte;
                while byte != 0 {
                    let row = number * 8 + byte.trailing_zeros();
                    if row >= self.rows {
                        return None;
                    }
                    if row > run.1 {
                        if run.0 < run.1 {
                            each(run.0, run.1);
                        }
                        run.0 = row;
                    }
                    run.1 = row + 1;
                    byte &= byte - 1;
                }
            }
            if run.0 < run.1 {
                each(run.0, run.1);
            }
            return Some(());
        }
        let mut least = 0;
        // Piece by piece, so that nothing is allocated for runs that there cannot be.
        for piece in (0..u64::from(runs)).step_by(PIECE_RUNS as usize) {
            let count = PIECE_RUNS.min(u64::from(runs) - piece);
            let bytes = self.read(at.checked_add(8 * piece)?, 8 * count)?;
            for run in bytes.as_chunks::<8>().0 {
                let word = u64::from_le_bytes(*run);
                let (from, to) = (word as u32, (word >> 32) as u32);
                if from < least || to <= from || to > self.rows {
                    return None;
                }
                each(from, to);
                least = to;
            }
        }
        Some(())
    }

    /// Reads everything: what is wrong under good checksums.
    pub fn check(&self) -> Option<Flaw> {
        let mut before: Option<Vec<u8>> = None;
        for number in 0..self.fields {
            let wrong = |field, found: &str| {
                let offset = AttributeHeader::BYTES as u64;
                let expected = format!("field {number} that can be read");
                Some(Flaw::new("attribute field", field, offset, self.bytes.max(1), expected, found))
            };
            let Some((field, name)) = self.field_at(number) else { return wrong("name", "a place outside") };
            if std::str::from_utf8(&name).is_err() || before.is_some_and(|before| *before >= *name) {
                return wrong("name", "names that are not sorted texts");
            }
            before = Some(name.into_owned());
            let sets = [(field.present, field.present_runs), (field.arrays, field.arrays_runs)];
            if sets.into_iter().any(|set| self.runs(set, |_, _| ()).is_none()) {
                return wrong("present", "rows that there are not");
            }
            for number in 0..field.count {
                let Some(entry) = self.entry(&field, number) else {
                    return wrong("values", "a place outside");
                };
                if self.value(&entry).is_none() || self.runs((entry.rows, entry.runs), |_, _| ()).is_none() {
                    return wrong("values", "a value that is none, or rows that there are not");
                }
            }
        }
        None
    }
}

const PIECE_RUNS: u64 = 4096;
