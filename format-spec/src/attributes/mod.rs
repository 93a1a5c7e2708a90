//! The attribute index of a sealed segment: which of its rows have which value in which field of their metadata, so that
//! a filter is answered without reading metadata. Derived: it can be deleted, and damage to one block is seen when that
//! block is touched and answered from the segment itself.
//!
//! A file is a header, then the *content* in blocks of 4096 bytes that end with their CRC. Inside the content everything
//! is found by its place in it: a table of fields, for each field a sorted table of its values, and for each value the
//! rows that have it, as runs or as bits, whichever is shorter.

mod read;
mod write;

use std::borrow::Cow;

use crate::layout::{AttributeField, AttributeHeader, AttributeValue};
use crate::limits::{ATTRIBUTE_BLOCK_BYTES, MAX_ATTRIBUTE_BYTES, MAX_ATTRIBUTE_FIELDS, MAX_SEGMENT_ROWS};
use crate::{Flaw, Seed};

pub use read::{Content, Index, Lookup, Plain};
pub use write::{FieldRows, encode};

/// Bytes of content in a block.
pub const BLOCK_CONTENT: usize = ATTRIBUTE_BLOCK_BYTES - 4;
/// Number of runs of a set of rows that is written as bits.
pub const AS_BITS: u32 = u32::MAX;

/// A value without parts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<T> {
    /// `null`.
    Null,
    /// `false` or `true`.
    Bool(bool),
    /// A whole number from -2^63 to 2^64 - 1, also when it was written as a float.
    Integer(i128),
    /// Any other number; never NaN.
    Float(f64),
    /// A text.
    Text(T),
}

/// The kinds of values in a table of values.
pub mod kind {
    /// `null`.
    pub const NULL: u32 = 1;
    /// `false`.
    pub const FALSE: u32 = 2;
    /// `true`.
    pub const TRUE: u32 = 3;
    /// A negative whole number, as an i64.
    pub const NEGATIVE: u32 = 4;
    /// Any other whole number, as a u64.
    pub const NATURAL: u32 = 5;
    /// A number that is not whole or beyond 64 bits, as the bits of an f64.
    pub const FLOAT: u32 = 6;
    /// A text: the place of its bytes.
    pub const TEXT: u32 = 7;
}

/// Number of blocks of `bytes` bytes of content.
pub fn blocks(bytes: u64) -> u64 {
    bytes.div_ceil(BLOCK_CONTENT as u64)
}

/// Where block `number` begins in the file, in bytes.
pub fn block_offset(number: u64) -> u64 {
    AttributeHeader::BYTES as u64 + number * ATTRIBUTE_BLOCK_BYTES as u64
}

/// The header of an index file, checked against the length of the file.
///
/// # Errors
/// A [`Flaw`] in the header or the length.
pub fn decode_header(bytes: &[u8], file_bytes: u64, seed: &Seed) -> Result<AttributeHeader, Flaw> {
    let header = AttributeHeader::decode(bytes, seed, 0)?;
    let wrong = |field, expected: String, found: String| {
        Err(Flaw::new("attribute header", field, 0, AttributeHeader::BYTES as u64, expected, found))
    };
    if header.rows > MAX_SEGMENT_ROWS {
        return wrong("rows", format!("at most {MAX_SEGMENT_ROWS}"), header.rows.to_string());
    }
    if header.complete > 1 {
        return wrong("complete", "0 or 1".into(), header.complete.to_string());
    }
    if header.fields > MAX_ATTRIBUTE_FIELDS {
        return wrong("fields", format!("at most {MAX_ATTRIBUTE_FIELDS}"), header.fields.to_string());
    }
    let least = u64::from(header.fields) * AttributeField::BYTES as u64;
    if !(least..=MAX_ATTRIBUTE_BYTES).contains(&header.content_bytes) {
        let expected = format!("{least} to {MAX_ATTRIBUTE_BYTES}");
        return wrong("content_bytes", expected, header.content_bytes.to_string());
    }
    let expected = block_offset(blocks(header.content_bytes));
    if expected != file_bytes {
        return wrong("content_bytes", format!("{expected} bytes"), format!("{file_bytes} bytes"));
    }
    Ok(header)
}

/// Checks a block, and returns its content (that of the last block is followed by zeros).
///
/// # Errors
/// A [`Flaw`] that spans the block.
pub fn check_block<'a>(block: &'a [u8], number: u64, seed: &Seed) -> Result<&'a [u8], Flaw> {
    let (offset, length) = (block_offset(number), ATTRIBUTE_BLOCK_BYTES as u64);
    let Some((content, crc)) = block.split_at_checked(BLOCK_CONTENT) else {
        return Err(Flaw::short("attribute block", offset, length, block.len() as u64));
    };
    let stored = crc.first_chunk::<4>().map_or(0, |crc| u32::from_le_bytes(*crc));
    let computed = seed.crc(offset, content);
    if stored == computed {
        return Ok(content);
    }
    Err(Flaw::new(
        "attribute block",
        "crc",
        offset,
        length,
        format!("{computed:08x}"),
        format!("{stored:08x}"),
    ))
}

impl<'a> Value<Cow<'a, str>> {
    /// The value of an entry, whose text is in `text`; `None` when it is not one.
    fn of(entry: &AttributeValue, text: Cow<'a, [u8]>) -> Option<Self> {
        Some(match entry.kind {
            kind::NULL => Self::Null,
            kind::FALSE => Self::Bool(false),
            kind::TRUE => Self::Bool(true),
            kind::NEGATIVE => {
                Self::Integer(Some(entry.value as i64).filter(|value| *value < 0).map(i128::from)?)
            }
            kind::NATURAL => Self::Integer(i128::from(entry.value)),
            kind::FLOAT => Self::Float(Some(f64::from_bits(entry.value)).filter(|value| !value.is_nan())?),
            kind::TEXT => Self::Text(match text {
                Cow::Borrowed(bytes) => Cow::Borrowed(std::str::from_utf8(bytes).ok()?),
                Cow::Owned(bytes) => Cow::Owned(String::from_utf8(bytes).ok()?),
            }),
            _ => return None,
        })
    }
}
