//! Making the code file of a sealed segment.

use rayon::prelude::*;
use siltstone_format::Seed;
use siltstone_format::codes::{Geometry, finish_block};
use siltstone_format::layout::CodeHeader;
use siltstone_format::names::FileKind;

use super::bases::Basis;
use super::rows::{Code, encode};
use crate::disk::{Disk, Stream, durable};
use crate::distance::head::BLOCK_ROWS;
use crate::error::{Error, Result};
use crate::segment::Segment;

/// Blocks that one thread encodes together: enough rows that the matrix product is not held up by reading the basis.
const TOGETHER: usize = 8;
/// Such groups that are in memory at once.
const GROUPS: usize = 16;

/// Writes the code file of a sealed segment. Costs two multiplications and additions a row for each element and
/// direction, on all threads; memory stays at some megabytes. Rows that cannot be read get a code that never drops them.
///
/// # Errors
/// A disk that refuses. The old file, if there was one, is then still there.
pub(crate) fn write(segment: &Segment, disk: &dyn Disk, basis: &Basis) -> Result<()> {
    let Some(segment_digest) = segment.digest else { return Ok(()) };
    let place = &segment.place;
    let (seed, head) = (place.seed(), basis.head() as u32);
    let geometry = Geometry::new(u64::from(segment.rows), place.dims, head);
    let header = CodeHeader {
        collection: place.collection,
        segment: place.segment,
        segment_digest,
        basis: basis.digest(),
        rows: u64::from(segment.rows),
        dims: place.dims,
        head,
    };
    let name = FileKind::Codes(place.segment).file_name();
    durable::publish_with(disk, &place.directory, &name, |file, path| {
        let failed = |error| Error::io("write", path)(error);
        let mut of_heads = Stream::at(file, 0);
        let mut of_tails = Stream::at(file, geometry.tail_offset(0));
        of_heads.put(&header.encode(&seed, 0)).map_err(failed)?;
        let groups: Vec<usize> = (0..geometry.blocks).step_by(TOGETHER).collect();
        for some in groups.chunks(GROUPS) {
            let encoded = some.par_iter().map(|&block| {
                let rows = encode_rows(segment, basis, block * BLOCK_ROWS, TOGETHER * BLOCK_ROWS);
                blocks(&rows, &geometry, &seed, block)
            });
            let encoded: Vec<(Vec<u8>, Vec<u8>)> = encoded.collect();
            for (heads, tails) in encoded {
                of_heads.put(&heads).map_err(failed)?;
                of_tails.put(&tails).map_err(failed)?;
            }
            // Each row is read once: memory must not grow to the size of the segment.
            segment.let_go();
        }
        of_heads.flush().and_then(|()| of_tails.flush()).map_err(failed)
    })
}

/// The codes of up to `count` rows from `from` on.
fn encode_rows(segment: &Segment, basis: &Basis, from: usize, count: usize) -> Vec<Code> {
    let to = (from + count).min(segment.rows as usize);
    let rows: Vec<Option<(&[f32], f64)>> =
        (from..to).map(|row| segment.vector_and_norm(u32::try_from(row).unwrap_or(u32::MAX))).collect();
    let readable: Vec<(&[f32], f64)> = rows.iter().flatten().copied().collect();
    let mut codes = encode(basis, &readable).into_iter();
    let code = |row: &Option<_>| row.as_ref().and_then(|_| codes.next());
    rows.iter().map(code).map(|code| code.unwrap_or_else(|| Code::always(basis))).collect()
}

/// The head blocks and the tail blocks of some rows, of which the first is the first of a block.
fn blocks(rows: &[Code], geometry: &Geometry, seed: &Seed, first: usize) -> (Vec<u8>, Vec<u8>) {
    let (mut heads, mut tails) = (Vec::new(), Vec::new());
    for (number, rows) in (first..).zip(rows.chunks(BLOCK_ROWS)) {
        let mut block = Vec::with_capacity(geometry.head_block);
        for group in (0..2 * geometry.head_bytes).step_by(8) {
            for row in 0..BLOCK_ROWS {
                let head = rows.get(row).map(|code| code.head.as_slice()).unwrap_or_default();
                let half = |at: usize| head.get(group + at).map_or(0, |code| code >> 4);
                block.extend([0, 1, 2, 3].map(|at| half(at) | half(at + 4) << 4));
            }
        }
        put_values(&mut block, rows, |code| code.scale);
        put_values(&mut block, rows, |code| code.head_error);
        put_values(&mut block, rows, |code| code.tail_norm);
        put_values(&mut block, rows, |code| code.offset);
        finish_block(&mut block, geometry.head_block, seed, geometry.head_offset(number));
        heads.append(&mut block);

        for row in 0..BLOCK_ROWS {
            let start = block.len();
            if let Some(code) = rows.get(row) {
                put_tail(&mut block, code, geometry);
            }
            block.resize(start + geometry.tail_row, 0);
        }
        finish_block(&mut block, geometry.tail_block, seed, geometry.tail_offset(number));
        tails.append(&mut block);
    }
    (heads, tails)
}

/// A row of a tail block.
fn put_tail(block: &mut Vec<u8>, code: &Code, geometry: &Geometry) {
    let start = block.len();
    for word in &code.signs {
        block.extend_from_slice(&word.to_le_bytes());
    }
    block.resize(start + geometry.sign_bytes, 0);
    let half = |at: usize| code.head.get(at).map_or(0, |code| code & 15);
    block.extend((0..geometry.head_bytes).map(|at| half(at) | half(at + geometry.head_bytes) << 4));
    // What the head block has too is repeated, so that a row's bound is sharpened from one place.
    let Code { scale, head_error, tail_norm, fine_error, sign_scale, sign_error, .. } = *code;
    for value in [scale, head_error, tail_norm, fine_error, sign_scale, sign_error] {
        block.extend_from_slice(&value.to_le_bytes());
    }
    block.resize(start + geometry.second, 0);
    for word in &code.second_signs {
        block.extend_from_slice(&word.to_le_bytes());
    }
    block.resize(start + geometry.second + geometry.sign_bytes, 0);
    for value in [code.second_scale, code.second_error] {
        block.extend_from_slice(&value.to_le_bytes());
    }
    let half = |at: usize| code.head.get(at).map_or(0, |code| code >> 4);
    block.extend((0..geometry.head_bytes).map(|at| half(at) | half(at + geometry.head_bytes) << 4));
    block.extend_from_slice(&code.offset.to_le_bytes());
}

/// One value for each row of a block; zero for rows that there are not.
fn put_values(block: &mut Vec<u8>, rows: &[Code], value: impl Fn(&Code) -> f32) {
    for row in 0..BLOCK_ROWS {
        block.extend_from_slice(&rows.get(row).map_or(0.0, &value).to_le_bytes());
    }
}
