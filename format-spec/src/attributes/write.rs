//! Writing an attribute index.

use super::{AS_BITS, BLOCK_CONTENT, Value, kind};
use crate::layout::{AttributeField, AttributeHeader, AttributeValue};
use crate::{Id, Seed};

/// The rows of a field, all lists rising and without repeats.
#[derive(Debug, Clone)]
pub struct FieldRows<'a> {
    /// Its name, or its path.
    pub name: &'a str,
    /// Rows that have it, whatever the value.
    pub present: &'a [u32],
    /// Rows in which it is an array.
    pub arrays: &'a [u32],
    /// Its values, sorted, each with the rows that have it, also as an element of an array; `None` when they are too many
    /// or too long to be listed.
    pub values: Option<Vec<(Value<&'a str>, &'a [u32])>>,
}

/// The bytes of the index of a segment. `header` tells the segment; what follows from the fields, which are sorted by
/// name, is filled in here.
pub fn encode(mut header: AttributeHeader, fields: &[FieldRows<'_>]) -> Vec<u8> {
    let (collection, segment): (Id, u64) = (header.collection, header.segment);
    let rows = u32::try_from(header.rows).unwrap_or(u32::MAX);
    let mut content = vec![0; fields.len() * AttributeField::BYTES];
    let mut table = Vec::with_capacity(content.len());
    for field in fields {
        let name = content.len() as u64;
        content.extend_from_slice(field.name.as_bytes());
        let (present, present_runs) = put_rows(&mut content, field.present, rows);
        let (arrays, arrays_runs) = put_rows(&mut content, field.arrays, rows);
        let mut entries = Vec::new();
        for (value, with_it) in field.values.iter().flatten() {
            let (kind, number, text) = parts(*value);
            let value = if kind == kind::TEXT { content.len() as u64 } else { number };
            content.extend_from_slice(text.as_bytes());
            let (rows, runs) = put_rows(&mut content, with_it, rows);
            AttributeValue { value, rows, value_bytes: text.len() as u32, kind, runs }.put(&mut entries);
        }
        let values = content.len() as u64;
        content.append(&mut entries);
        AttributeField {
            name,
            values,
            present,
            arrays,
            name_bytes: field.name.len() as u32,
            count: field.values.as_ref().map_or(0, Vec::len) as u32,
            present_runs,
            arrays_runs,
            listed: u32::from(field.values.is_some()),
        }
        .put(&mut table);
    }
    if let Some(place) = content.get_mut(..table.len()) {
        place.copy_from_slice(&table);
    }
    header.fields = fields.len() as u32;
    header.content_bytes = content.len() as u64;
    let seed = Seed::new(&collection, segment);
    let mut out = header.encode(&seed, 0);
    for block in content.chunks(BLOCK_CONTENT) {
        let start = out.len();
        out.extend_from_slice(block);
        out.resize(start + BLOCK_CONTENT, 0);
        let crc = seed.crc(start as u64, out.get(start..).unwrap_or_default());
        out.extend_from_slice(&crc.to_le_bytes());
    }
    out
}

/// Kind, number and text of a value.
fn parts(value: Value<&str>) -> (u32, u64, &str) {
    match value {
        Value::Null => (kind::NULL, 0, ""),
        Value::Bool(false) => (kind::FALSE, 0, ""),
        Value::Bool(true) => (kind::TRUE, 0, ""),
        Value::Integer(value) if value < 0 => (kind::NEGATIVE, value as i64 as u64, ""),
        Value::Integer(value) => (kind::NATURAL, value as u64, ""),
        Value::Float(value) => (kind::FLOAT, value.to_bits(), ""),
        Value::Text(text) => (kind::TEXT, 0, text),
    }
}

/// Appends a set of rows; its place, and its number of runs.
fn put_rows(content: &mut Vec<u8>, with_it: &[u32], rows: u32) -> (u64, u32) {
    let at = content.len() as u64;
    let follow = |pair: &u32, next: &u32| pair.checked_add(1) == Some(*next);
    let runs = with_it.chunk_by(follow).count();
    let bytes = rows.div_ceil(8) as usize;
    if runs * 8 > bytes {
        let mut bits = vec![0u8; bytes];
        for row in with_it {
            if let Some(byte) = bits.get_mut(*row as usize / 8) {
                *byte |= 1 << (row % 8);
            }
        }
        content.append(&mut bits);
        return (at, AS_BITS);
    }
    for run in with_it.chunk_by(follow) {
        if let (Some(first), Some(last)) = (run.first(), run.last()) {
            content.extend_from_slice(&first.to_le_bytes());
            content.extend_from_slice(&(last + 1).to_le_bytes());
        }
    }
    (at, runs as u32)
}
