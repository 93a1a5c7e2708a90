//! The search codes of a sealed segment: a few bytes a row from which the score of the row can be bounded. Derived: the
//! file can be deleted, and damage to one block is seen when that block is touched and answered from the segment itself.
//!
//! A file is a header, then the head blocks, which every search reads from front to back, then the tail blocks, of
//! which a search reads some rows. A block has 32 rows and ends with its CRC.

use crate::layout::CodeHeader;
use crate::limits::{CODE_BLOCK_ROWS, MAX_DIMS, MAX_HEAD, MAX_SEGMENT_ROWS, MIN_DIMS};
use crate::{Flaw, Seed};

/// Bytes at the end of a block: zeros, then the CRC. They keep blocks on a boundary of 64.
const END: usize = 64;
/// Values of four bytes that a head block has for each row.
pub const HEAD_VALUES: usize = 4;
/// Values of four bytes after the signs and half codes of a row of a tail block.
pub const TAIL_VALUES: usize = 6;
/// Values of four bytes after the second signs of a row of a tail block.
pub const SECOND_VALUES: usize = 2;

/// Where everything lies in the code file of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Number of blocks of each kind.
    pub blocks: usize,
    /// Bytes of half codes of a row: two elements a byte, rounded up to a multiple of four. As many in blocks of either
    /// kind.
    pub head_bytes: usize,
    /// Bytes of signs of a row: an eighth of the elements, rounded up to a multiple of eight.
    pub sign_bytes: usize,
    /// Where the second signs of a row of a tail block begin in it: after signs, half codes and values.
    pub second: usize,
    /// Where its upper half codes begin: after second signs and their values.
    pub upper: usize,
    /// Bytes of a row of a tail block: all that, the upper half codes once more, and the offset.
    pub tail_row: usize,
    /// Length of a head block.
    pub head_block: usize,
    /// Length of a tail block.
    pub tail_block: usize,
}

impl Geometry {
    /// The geometry for `rows` rows of `dims` elements with heads of `head`.
    pub fn new(rows: u64, dims: u32, head: u32) -> Self {
        let head_bytes = (head as usize).next_multiple_of(8) / 2;
        let sign_bytes = (dims as usize).div_ceil(8).next_multiple_of(8);
        let second = (sign_bytes + head_bytes + 4 * TAIL_VALUES).next_multiple_of(8);
        let upper = second + sign_bytes + 4 * SECOND_VALUES;
        let tail_row = (upper + head_bytes + 4).next_multiple_of(8);
        let block = |row_bytes: usize| (CODE_BLOCK_ROWS * row_bytes).next_multiple_of(END) + END;
        Self {
            blocks: rows.div_ceil(CODE_BLOCK_ROWS as u64) as usize,
            head_bytes,
            sign_bytes,
            second,
            upper,
            tail_row,
            head_block: block(head_bytes + 4 * HEAD_VALUES),
            tail_block: block(tail_row),
        }
    }

    /// Where head block `number` begins in the file.
    pub fn head_offset(&self, number: usize) -> u64 {
        CodeHeader::BYTES as u64 + number as u64 * self.head_block as u64
    }

    /// Where tail block `number` begins in the file.
    pub fn tail_offset(&self, number: usize) -> u64 {
        self.head_offset(self.blocks) + number as u64 * self.tail_block as u64
    }

    /// Length of the file.
    pub fn file_bytes(&self) -> u64 {
        self.tail_offset(self.blocks)
    }
}

/// The header of a code file, checked against the length of the file, and the geometry that follows from it.
///
/// # Errors
/// A [`Flaw`] in the header or the length.
pub fn decode_header(bytes: &[u8], file_bytes: u64, seed: &Seed) -> Result<(CodeHeader, Geometry), Flaw> {
    let header = CodeHeader::decode(bytes, seed, 0)?;
    let wrong = |field, expected: String, found: String| {
        Err(Flaw::new("code header", field, 0, CodeHeader::BYTES as u64, expected, found))
    };
    if !(MIN_DIMS..=MAX_DIMS).contains(&header.dims) {
        return wrong("dims", format!("{MIN_DIMS} to {MAX_DIMS}"), header.dims.to_string());
    }
    if !(1..=MAX_HEAD.min(header.dims)).contains(&header.head) {
        return wrong("head", format!("1 to {}", MAX_HEAD.min(header.dims)), header.head.to_string());
    }
    if header.rows > MAX_SEGMENT_ROWS {
        return wrong("rows", format!("at most {MAX_SEGMENT_ROWS}"), header.rows.to_string());
    }
    let geometry = Geometry::new(header.rows, header.dims, header.head);
    if geometry.file_bytes() != file_bytes {
        return wrong("rows", format!("{} bytes", geometry.file_bytes()), format!("{file_bytes} bytes"));
    }
    Ok((header, geometry))
}

/// Fills `block` to its length and ends it with its CRC, as the block that lies at `offset`.
pub fn finish_block(block: &mut Vec<u8>, length: usize, seed: &Seed, offset: u64) {
    block.resize(length.saturating_sub(4), 0);
    let crc = seed.crc(offset, block);
    block.extend_from_slice(&crc.to_le_bytes());
}

/// Checks a block that lies at `offset` in the file.
///
/// # Errors
/// A [`Flaw`] that spans the block.
pub fn check_block(block: &[u8], seed: &Seed, offset: u64) -> Result<(), Flaw> {
    let length = block.len() as u64;
    let Some((body, crc)) = block.split_last_chunk::<4>() else {
        return Err(Flaw::short("code block", offset, END as u64, length));
    };
    let (stored, computed) = (u32::from_le_bytes(*crc), seed.crc(offset, body));
    if stored == computed {
        return Ok(());
    }
    Err(Flaw::new("code block", "crc", offset, length, format!("{computed:08x}"), format!("{stored:08x}")))
}
