//! A key index: its header, and every block against its checksum.

use std::io::{Read, Seek};

use siltstone_format::key_index::{ENTRIES_PER_BLOCK, block_offset, check_block, decode_header};
use siltstone_format::layout::{KeyIndexEntry, KeyIndexHeader};
use siltstone_format::limits::KEY_INDEX_BLOCK_BYTES;
use siltstone_format::{Flaw, Seed};

use super::file::unreadable;
use super::part::Part;
use super::segment::Emit;
use super::source::Source;
use crate::exit::CliError;

const BLOCK: u64 = KEY_INDEX_BLOCK_BYTES as u64;

pub(super) fn parts<R: Read + Seek>(
    source: &mut Source<R>,
    keys: bool,
    emit: Emit<'_>,
) -> Result<(), CliError> {
    let bytes = match source.read(0, KeyIndexHeader::BYTES as u64) {
        Ok(bytes) => bytes,
        Err(flaw) => return emit(unreadable(flaw)),
    };
    let part = Part::new("key index header", 0, bytes.len() as u64);
    let seed = Seed::of_derived(&bytes);
    let entries = match decode_header(&bytes, source.length, &seed) {
        Err(flaw) => {
            emit(part.flaw(flaw))?;
            u64::MAX
        }
        Ok(header) => {
            let part = part.hex("collection", &header.collection).fact("segment", header.segment);
            emit(part.hex("segment_digest", &header.segment_digest).fact("entries", header.entries))?;
            header.entries
        }
    };
    let blocks = (source.length / BLOCK).saturating_sub(1);
    let mut flawed = 0u64;
    for block in 0..blocks {
        let number = usize::try_from(block).unwrap_or(usize::MAX);
        let left = entries.saturating_sub(block * ENTRIES_PER_BLOCK as u64);
        let part = self::block(source, number, left, &seed, keys);
        flawed += u64::from(!part.flaws.is_empty());
        // Good blocks say nothing that anybody asked for.
        if keys || !part.flaws.is_empty() {
            emit(part)?;
        }
    }
    let summary =
        Part::new("key index blocks", BLOCK, blocks * BLOCK).fact("blocks", blocks).fact("damaged", flawed);
    emit(summary)
}

fn block<R: Read + Seek>(source: &mut Source<R>, number: usize, left: u64, seed: &Seed, keys: bool) -> Part {
    let offset = block_offset(number);
    let part = Part::new("key index block", offset, BLOCK);
    let checked: Result<Vec<String>, Flaw> = source.read(offset, BLOCK).and_then(|bytes| {
        let entries = check_block(&bytes, number, seed)?;
        let entries = entries.chunks_exact(KeyIndexEntry::BYTES).filter_map(KeyIndexEntry::get);
        let shown = entries.take(usize::try_from(left).unwrap_or(usize::MAX)).filter(|_| keys);
        Ok(shown.map(|entry| format!("hash {:016x}: row {}", entry.hash, entry.row)).collect())
    });
    match checked {
        Ok(lines) => part.fact("number", number as u64).lines(lines),
        Err(flaw) => part.fact("number", number as u64).flaw(flaw),
    }
}
