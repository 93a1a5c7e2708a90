//! Search codes and the bases that they are made with.

use std::io::{Read, Seek};

use siltstone_format::checksum::to_hex;
use siltstone_format::codes::{check_block, decode_header};
use siltstone_format::layout::{BasisHeader, CodeHeader};
use siltstone_format::limits::MAX_BASIS_BYTES;
use siltstone_format::names::basis_of;
use siltstone_format::{Flaw, Seed, basis};

use super::derived::Checked;
use super::file::unreadable;
use super::part::Part;
use super::segment::Emit;
use super::source::Source;
use crate::exit::CliError;

/// A code file: its header, and every block against its checksum.
pub(super) fn parts<R: Read + Seek>(source: &mut Source<R>, emit: Emit<'_>) -> Result<(), CliError> {
    let bytes = match source.read(0, CodeHeader::BYTES as u64) {
        Ok(bytes) => bytes,
        Err(flaw) => return emit(unreadable(flaw)),
    };
    let part = Part::new("code header", 0, bytes.len() as u64);
    let seed = Seed::of_derived(&bytes);
    let (header, geometry) = match decode_header(&bytes, source.length, &seed) {
        // Without it nobody knows where a block begins.
        Err(flaw) => return emit(part.flaw(flaw)),
        Ok(found) => found,
    };
    let part = part.hex("collection", &header.collection).fact("segment", header.segment);
    let part = part.hex("segment_digest", &header.segment_digest).hex("basis", &header.basis);
    emit(part.fact("rows", header.rows).fact("dims", header.dims).fact("head", header.head))?;
    let (blocks, head, tail) =
        (geometry.blocks as u64, geometry.head_block as u64, geometry.tail_block as u64);
    let kinds = [
        ("head block", "head blocks", geometry.head_offset(0), head),
        ("tail block", "tail blocks", geometry.tail_offset(0), tail),
    ];
    for (one, all, from, length) in kinds {
        let mut checked = Checked::new(one);
        for number in 0..blocks {
            let offset = from + number * length;
            checked
                .block(source, (number, offset, length), emit, |bytes| check_block(bytes, &seed, offset))?;
        }
        checked.summary(all, from, blocks * length, emit)?;
    }
    Ok(())
}

/// A basis: its header, how much of the variance its directions have, and its digest.
pub(super) fn basis<R: Read + Seek>(
    source: &mut Source<R>,
    file_name: &str,
    emit: Emit<'_>,
) -> Result<(), CliError> {
    let length = source.length;
    let bytes = match source.read(0, MAX_BASIS_BYTES.min(length)) {
        Ok(bytes) => bytes,
        Err(flaw) => return emit(unreadable(flaw)),
    };
    let part = Part::new("basis header", 0, (BasisHeader::BYTES as u64).min(length));
    let found = match basis::decode(&bytes) {
        Err(flaw) => return emit(part.flaw(flaw)),
        Ok(found) => found,
    };
    let header = &found.header;
    let part = part.hex("space", &header.space).fact("dims", header.dims).fact("metric", header.metric);
    let part = part.fact("head", header.head).fact("sample_rows", header.sample_rows);
    let part = part.fact("rows", header.rows).fact("version", header.version);
    let part = part.fact("pass_share", f64::from_bits(header.pass_share));
    emit(part.fact("defect", f64::from_bits(header.defect)))?;
    let variance = f64::from_bits(header.variance);
    let along: f64 = found.spectrum.iter().map(|variance| f64::from(*variance)).sum();
    let part = Part::new("basis", BasisHeader::BYTES as u64, length - BasisHeader::BYTES as u64)
        .fact("variance", variance)
        .fact("share_along_directions", if variance > 0.0 { along / variance } else { 1.0 })
        .hex("blake3", &found.digest);
    let named = basis_of(file_name).filter(|named| *named != found.digest);
    emit(part.maybe_flaw(
        named.map(|named| {
            Flaw::new("basis", "blake3", 0, length.max(1), to_hex(&named), to_hex(&found.digest))
        }),
    ))
}
