//! Makes checksums good again over bytes that were changed, as an attacker or an unlucky writer could.

use siltstone_format::checksum::digest;
use siltstone_format::frame::Geometry;
use siltstone_format::layout::{self, Block, FrameHeader, FrameTrailer, Kill};
use siltstone_format::{Layout, Seed};

fn layout_of(name: &str) -> Option<Layout> {
    layout::all().into_iter().find(|layout| layout.name == name)
}

/// Gives a fixed structure at the start of `bytes`, which lie at `offset` in the file, its magic, zeros and CRC.
pub fn structure(name: &str, bytes: &mut [u8], seed: &Seed, offset: u64) {
    let Some(layout) = layout_of(name) else { return };
    let Some(bytes) = bytes.get_mut(..layout.bytes) else { return };
    let Some((body, tail)) = bytes.split_last_chunk_mut::<4>() else { return };
    if let (Some(magic), Some(head)) = (layout.magic, body.first_chunk_mut::<8>()) {
        *head = *magic;
    }
    let used = layout.fields.last().map_or(8, |field| field.offset + field.width);
    body.iter_mut().skip(used).for_each(|byte| *byte = 0);
    *tail = seed.crc(offset, body).to_le_bytes();
}

/// Gives the blocks of 4096 bytes after a header of as many their CRCs.
pub fn blocks(bytes: &mut [u8], seed: &Seed) {
    for (number, block) in bytes.chunks_exact_mut(4096).enumerate().skip(1) {
        if let Some((body, crc)) = block.split_last_chunk_mut::<4>() {
            *crc = seed.crc(number as u64 * 4096, body).to_le_bytes();
        }
    }
}

/// Writes `value` at `at`, if there is room.
pub fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at.saturating_add(value.len())) {
        place.copy_from_slice(value);
    }
}

fn word(bytes: &[u8], at: usize) -> usize {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk::<4>())
        .map_or(0, |word| u32::from_le_bytes(*word) as usize)
}

/// Gives a frame at `offset` good CRCs, digest and trailer, whatever its counts say. When `fit`, lengths that follow
/// from others are made to agree first, and the frame gets as many bytes as it then needs, up to 256 KiB.
pub fn frame(bytes: &mut Vec<u8>, dims: u32, seed: &Seed, offset: u64, fit: bool) {
    if bytes.len() < FrameHeader::BYTES {
        return;
    }
    structure("frame header", bytes, seed, offset);
    let Ok(mut header) = FrameHeader::decode(bytes, seed, offset) else { return };
    if fit {
        fit_header(&mut header, dims);
        put(bytes, 0, &header.encode(seed, offset));
    }
    let Ok(geometry) = Geometry::of(&header, dims, offset) else { return };
    let end = geometry.trailer + FrameTrailer::BYTES;
    if end > 1 << 18 {
        return;
    }
    bytes.resize(end, 0);
    table_crcs(bytes, &header, &geometry, seed, offset);
    let index = bytes.get(geometry.index..geometry.keys).unwrap_or_default();
    header.index_crc = seed.crc(offset + geometry.index as u64, index);
    put(bytes, 0, &header.encode(seed, offset));
    let chain = digest(bytes.get(..geometry.trailer).unwrap_or_default());
    let trailer =
        FrameTrailer { frame_bytes: header.frame_bytes, commit: header.commit, chain, part: header.part };
    put(bytes, geometry.trailer, &trailer.encode(seed, offset + geometry.trailer as u64));
}

fn fit_header(header: &mut FrameHeader, dims: u32) {
    let blocks = |raw: u32| raw.div_ceil(65536);
    header.rows %= 16;
    header.kills %= 16;
    header.keys = header.rows + (header.keys % (header.kills + 1));
    header.first_row %= 1 << 31;
    header.key_bytes %= 1 << 12;
    header.metadata_raw_bytes %= 1 << 18;
    header.text_raw_bytes %= 1 << 18;
    header.metadata_stored_bytes %= 1 << 12;
    header.text_stored_bytes %= 1 << 12;
    header.metadata_blocks = blocks(header.metadata_raw_bytes);
    header.text_blocks = blocks(header.text_raw_bytes);
    header.commit = header.commit.max(1);
    header.last %= 2;
    let bytes = 256
        + u64::from(header.rows) * (u64::from(dims) * 4 + 20)
        + u64::from(header.keys) * 8
        + u64::from(header.kills + header.metadata_blocks + header.text_blocks) * 16
        + u64::from(header.key_bytes)
        + u64::from(header.metadata_stored_bytes)
        + u64::from(header.text_stored_bytes)
        + 64;
    header.frame_bytes = bytes.next_multiple_of(512);
}

/// The CRCs of rows, keys and blocks, where they can be told.
fn table_crcs(bytes: &mut [u8], header: &FrameHeader, geometry: &Geometry, seed: &Seed, offset: u64) {
    let (rows, keys) = (header.rows as usize, header.keys as usize);
    for row in 0..rows {
        let from = Geometry::ROWS + row * geometry.row_bytes;
        crc_in(bytes, (from, geometry.row_bytes), geometry.index + row * 4, seed, offset);
    }
    let key_ends = geometry.index + rows * 20;
    let blocks = key_ends + keys * 8 + header.kills as usize * Kill::BYTES;
    let mut from = 0;
    for key in 0..keys {
        let end = word(bytes, key_ends + key * 4);
        let (at, length) = (geometry.keys + from, end.saturating_sub(from));
        crc_in(bytes, (at, length), key_ends + (keys + key) * 4, seed, offset);
        from = end;
    }
    let mut at = geometry.metadata;
    for block in 0..(header.metadata_blocks + header.text_blocks) as usize {
        if block == header.metadata_blocks as usize {
            at = geometry.text;
        }
        let entry = blocks + block * Block::BYTES;
        let stored = word(bytes, entry);
        crc_in(bytes, (at, stored), entry + 12, seed, offset);
        at = at.saturating_add(stored);
    }
}

fn crc_in(bytes: &mut [u8], (from, length): (usize, usize), at: usize, seed: &Seed, offset: u64) {
    let Some(covered) = bytes.get(from..from.saturating_add(length)) else { return };
    let crc = seed.crc(offset + from as u64, covered);
    put(bytes, at, &crc.to_le_bytes());
}

/// Gives the JSON text before the last 83 bytes, or all of it, the ending of a document.
pub fn document(bytes: &[u8]) -> Vec<u8> {
    let body = match bytes.len().checked_sub(83) {
        Some(length) if bytes.ends_with(b"\"\n}\n") => bytes.get(..length).unwrap_or_default(),
        _ => bytes,
    };
    let digest = siltstone_format::checksum::to_hex(&digest(body));
    [body, b",\n  \"blake3\": \"", digest.as_bytes(), b"\"\n}\n"].concat()
}
