use siltstone_format::key_index as format;
use siltstone_format::layout::KeyIndexEntry;

use crate::{mend, samples};

/// Key index files.
pub fn key_index(data: &[u8]) {
    decode(data);
    let (mut bytes, seed) = (data.to_vec(), samples::seed());
    mend::structure("key index header", &mut bytes, &seed, 0);
    mend::blocks(&mut bytes, &seed);
    decode(&bytes);
}

fn decode(bytes: &[u8]) {
    let seed = samples::seed();
    let header = match format::decode_header(bytes, bytes.len() as u64, &seed) {
        Ok(header) => header,
        Err(flaw) => return assert!(flaw.length > 0, "{flaw}"),
    };
    let room = (bytes.len() / 4096).saturating_sub(1) * format::ENTRIES_PER_BLOCK;
    assert!(header.entries <= room as u64, "entries lie within their file");
    for (number, block) in bytes.chunks(4096).skip(1).enumerate() {
        if let Ok(entries) = format::check_block(block, number, &seed) {
            let read = entries.chunks_exact(KeyIndexEntry::BYTES).filter_map(KeyIndexEntry::get).count();
            assert_eq!(read, format::ENTRIES_PER_BLOCK, "a block is full of entries");
        }
    }
}
