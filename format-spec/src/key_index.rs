//! The key index of a sealed segment: the hashes of its keys, sorted, each with its row. Derived: it can be deleted, and
//! damage to one block is seen when that block is touched and answered from the segment itself.

use crate::checksum::Digest;
use crate::layout::{KeyIndexEntry, KeyIndexHeader};
use crate::limits::{KEY_INDEX_BLOCK_BYTES, MAX_SEGMENT_ROWS};
use crate::{Flaw, Id, Seed};

/// Entries of a block.
pub const ENTRIES_PER_BLOCK: usize = (KEY_INDEX_BLOCK_BYTES - 4) / KeyIndexEntry::BYTES;

/// The bytes of the index of a segment, from its entries sorted by hash, then row.
pub fn encode(collection: &Id, segment: u64, segment_digest: Digest, sorted: &[KeyIndexEntry]) -> Vec<u8> {
    let seed = Seed::new(collection, segment);
    let entries = sorted.len() as u64;
    let mut out =
        KeyIndexHeader { collection: *collection, segment, segment_digest, entries }.encode(&seed, 0);
    for block in sorted.chunks(ENTRIES_PER_BLOCK) {
        let start = out.len();
        block.iter().for_each(|entry| entry.put(&mut out));
        out.resize(start + KEY_INDEX_BLOCK_BYTES - 4, 0);
        let crc = seed.crc(start as u64, out.get(start..).unwrap_or_default());
        out.extend_from_slice(&crc.to_le_bytes());
    }
    out
}

/// The header of an index file, checked against the length of the file.
///
/// # Errors
/// A [`Flaw`] in the header or the length.
pub fn decode_header(bytes: &[u8], file_bytes: u64, seed: &Seed) -> Result<KeyIndexHeader, Flaw> {
    let header = KeyIndexHeader::decode(bytes, seed, 0)?;
    let block = KEY_INDEX_BLOCK_BYTES as u64;
    let expected = (header.entries <= MAX_SEGMENT_ROWS)
        .then(|| block + header.entries.div_ceil(ENTRIES_PER_BLOCK as u64) * block);
    if expected != Some(file_bytes) {
        let found = format!("{} entries in {file_bytes} bytes", header.entries);
        return Err(Flaw::new("key index header", "entries", 0, block, "as many as the file holds", found));
    }
    Ok(header)
}

/// Where block `number` lies in the file, in bytes.
pub fn block_offset(number: usize) -> u64 {
    ((number + 1) * KEY_INDEX_BLOCK_BYTES) as u64
}

/// Checks a block, and returns the bytes of its entries (those of the last block are followed by zeros).
///
/// # Errors
/// A [`Flaw`] that spans the block.
pub fn check_block<'a>(bytes: &'a [u8], number: usize, seed: &Seed) -> Result<&'a [u8], Flaw> {
    let offset = block_offset(number);
    let Some((entries, crc)) = bytes.split_at_checked(KEY_INDEX_BLOCK_BYTES - 4) else {
        return Err(Flaw::short("key index block", offset, KEY_INDEX_BLOCK_BYTES as u64, bytes.len() as u64));
    };
    let stored = crc.first_chunk::<4>().map_or(0, |crc| u32::from_le_bytes(*crc));
    let computed = seed.crc(offset, entries);
    if computed == stored {
        return Ok(entries);
    }
    let (expected, found) = (format!("{computed:08x}"), format!("{stored:08x}"));
    Err(Flaw::new("key index block", "crc", offset, KEY_INDEX_BLOCK_BYTES as u64, expected, found))
}
