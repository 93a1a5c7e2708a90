//! An attribute index: its header, its fields, and every block against its checksum.

use std::io::{Read, Seek};

use siltstone_format::Seed;
use siltstone_format::attributes::{Index, Plain, block_offset, blocks, check_block, decode_header};
use siltstone_format::layout::AttributeHeader;
use siltstone_format::limits::ATTRIBUTE_BLOCK_BYTES;

use super::derived::Checked;
use super::file::unreadable;
use super::part::Part;
use super::segment::Emit;
use super::source::Source;
use crate::exit::CliError;

/// Longest file whose fields are listed: they are read all at once.
const LISTED_BYTES: u64 = 1 << 30;

pub(super) fn parts<R: Read + Seek>(
    source: &mut Source<R>,
    keys: bool,
    emit: Emit<'_>,
) -> Result<(), CliError> {
    let bytes = match source.read(0, AttributeHeader::BYTES as u64) {
        Ok(bytes) => bytes,
        Err(flaw) => return emit(unreadable(flaw)),
    };
    let part = Part::new("attribute header", 0, bytes.len() as u64);
    let seed = Seed::of_derived(&bytes);
    let header = match decode_header(&bytes, source.length, &seed) {
        Err(flaw) => {
            emit(part.flaw(flaw))?;
            None
        }
        Ok(header) => {
            let part = part.hex("collection", &header.collection).fact("segment", header.segment);
            let part = part.hex("segment_digest", &header.segment_digest).fact("rows", header.rows);
            let part = part.fact("fields", header.fields).fact("complete", header.complete == 1);
            emit(part.fact("content_bytes", header.content_bytes))?;
            Some(header)
        }
    };
    let content = source.length.saturating_sub(AttributeHeader::BYTES as u64);
    let count =
        header.as_ref().map_or(content / ATTRIBUTE_BLOCK_BYTES as u64, |header| blocks(header.content_bytes));
    let mut checked = Checked::new("attribute block");
    for number in 0..count {
        let (offset, length) = (block_offset(number), ATTRIBUTE_BLOCK_BYTES as u64);
        checked.block(source, (number, offset, length), emit, |bytes| {
            check_block(bytes, number, &seed).map(|_| ())
        })?;
    }
    checked.summary("attribute blocks", block_offset(0), content, emit)?;
    let Some(header) = header.filter(|_| source.length <= LISTED_BYTES) else { return Ok(()) };
    let bytes = match source.read(0, source.length) {
        Ok(bytes) => bytes,
        Err(flaw) => return emit(unreadable(flaw)),
    };
    let index = Index::new(&header, Plain { bytes: &bytes, seed: &seed });
    for number in 0..index.fields() {
        // What cannot be read lies in a block that was named above.
        let Some((field, name)) = index.field_at(number) else { continue };
        let mut rows = 0u64;
        let _ = index.runs((field.present, field.present_runs), |from, to| rows += u64::from(to - from));
        let part = Part::new("attribute field", block_offset(0) + field.name, u64::from(field.name_bytes))
            .fact("name", String::from_utf8_lossy(&name).into_owned())
            .fact("rows", rows);
        let part = match field.listed {
            1 => part.fact("values", field.count),
            _ => part.fact("values", "not listed"),
        };
        let values = (0..field.count).filter(|_| keys).filter_map(|number| index.entry(&field, number));
        let lines = values.filter_map(|entry| Some(format!("{:?}", index.value(&entry)?))).collect();
        emit(part.lines(lines))?;
    }
    emit(Part::new("attribute fields", block_offset(0), content).maybe_flaw(index.check()))
}
