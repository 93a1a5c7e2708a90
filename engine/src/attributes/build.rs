//! From the metadata of a segment to its attribute index.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde_json::{Map, Value};
use siltstone_format::attributes::{self, FieldRows, encode};
use siltstone_format::layout::{AttributeHeader, AttributeValue};
use siltstone_format::limits::{MAX_ATTRIBUTE_FIELDS, MAX_ATTRIBUTE_TEXT_BYTES};
use siltstone_format::names::FileKind;

use crate::disk::{Disk, durable};
use crate::error::Result;
use crate::filter::{Literal, Number, Scalar};
use crate::segment::Segment;

/// What the values of a field may take in the index, whatever the number of rows, and for each row of the segment. A field
/// that needs more is not listed: its tests are answered from the metadata of the rows that have it.
const FIELD_BYTES: u64 = 64 << 10;
const FIELD_ROW_BYTES: u64 = 128;
/// A run of rows.
const RUN_BYTES: u64 = 8;
/// Frames that are read before the memory that they lie mapped in is let go of.
const TOGETHER: usize = 8;

/// The fields of some rows.
#[derive(Debug, Default)]
struct Fields {
    by_name: BTreeMap<String, Field>,
    /// Whether some field was left out.
    cut: bool,
}

/// A field, with lists of rows that rise.
#[derive(Debug, Default)]
struct Field {
    present: Vec<u32>,
    arrays: Vec<u32>,
    values: BTreeMap<Literal, Vec<u32>>,
    bytes: u64,
    /// Its values are too many or too long to be listed.
    cut: bool,
}

/// Writes the attribute index of a sealed segment. Reads all of its metadata, on all threads; memory is about that of the
/// file.
///
/// # Errors
/// Metadata that is damaged; a disk that refuses. The old file, if there was one, is then still there.
pub(crate) fn write(segment: &Segment, disk: &dyn Disk) -> Result<()> {
    let Some(segment_digest) = segment.digest else { return Ok(()) };
    let (place, rows) = (&segment.place, u64::from(segment.rows));
    let most = FIELD_BYTES + FIELD_ROW_BYTES * rows;
    let mut fields = Fields::default();
    let frames: Vec<usize> = (0..segment.frames.len()).collect();
    for some in frames.chunks(TOGETHER) {
        let read = |&number: &usize| {
            let mut fields = Fields::default();
            segment.for_each_metadata(number, None, |row, metadata| {
                fields.add(row, metadata, most);
                Ok(())
            })?;
            Ok(fields)
        };
        let of_frames: Vec<Fields> = some.par_iter().map(read).collect::<Result<_>>()?;
        fields = of_frames.into_iter().fold(fields, |all, more| all.with(more, most));
        segment.let_go();
    }
    let header = AttributeHeader {
        collection: place.collection,
        segment: place.segment,
        segment_digest,
        rows,
        content_bytes: 0,
        fields: 0,
        complete: u32::from(!fields.cut),
    };
    let listed: Vec<FieldRows<'_>> = fields.by_name.iter().map(|(name, field)| field.rows(name)).collect();
    let name = FileKind::Attributes(place.segment).file_name();
    durable::publish(disk, &place.directory, &name, &encode(header, &listed))
}

impl Fields {
    /// Adds a row: its members, and those of objects among them by their paths.
    fn add(&mut self, row: u32, metadata: &Map<String, Value>, most: u64) {
        for (name, value) in metadata {
            self.add_value(row, name, value, most);
            if let Value::Object(members) = value
                && !name.contains('.')
            {
                self.add_members(row, &mut name.clone(), members, metadata, most);
            }
        }
    }

    fn add_members(
        &mut self,
        row: u32,
        path: &mut String,
        members: &Map<String, Value>,
        metadata: &Map<String, Value>,
        most: u64,
    ) {
        let length = path.len();
        for (name, value) in members.iter().filter(|(name, _)| !name.contains('.')) {
            path.push('.');
            path.push_str(name);
            // A member of the metadata itself with this name is looked up first.
            if !metadata.contains_key(path.as_str()) {
                self.add_value(row, path, value, most);
            }
            if let Value::Object(members) = value {
                self.add_members(row, path, members, metadata, most);
            }
            path.truncate(length);
        }
    }

    fn add_value(&mut self, row: u32, name: &str, value: &Value, most: u64) {
        let Some(field) = self.field(name) else { return };
        field.present.push(row);
        match value {
            Value::Array(elements) => {
                field.arrays.push(row);
                elements.iter().filter_map(Scalar::of).for_each(|value| field.add(row, value, most));
            }
            value => {
                if let Some(value) = Scalar::of(value) {
                    field.add(row, value, most);
                }
            }
        }
    }

    /// The field of this name, made when there is room for one.
    fn field(&mut self, name: &str) -> Option<&mut Field> {
        if !self.by_name.contains_key(name) {
            let room = self.by_name.len() < MAX_ATTRIBUTE_FIELDS as usize;
            if !room || name.len() > MAX_ATTRIBUTE_TEXT_BYTES {
                self.cut = true;
                return None;
            }
            self.by_name.insert(name.to_owned(), Field::default());
        }
        self.by_name.get_mut(name)
    }

    /// Adds the fields of later rows.
    fn with(mut self, later: Self, most: u64) -> Self {
        self.cut |= later.cut;
        for (name, more) in later.by_name {
            let Some(field) = self.field(&name) else { continue };
            field.present.extend(more.present);
            field.arrays.extend(more.arrays);
            if more.cut {
                field.give_up();
            }
            for (value, rows) in more.values {
                field.put(value, &rows, most);
            }
        }
        self
    }
}

impl Field {
    fn add(&mut self, row: u32, value: Scalar<&str>, most: u64) {
        if !self.cut {
            self.put(value.to_owned(), &[row], most);
        }
    }

    fn put(&mut self, value: Literal, rows: &[u32], most: u64) {
        if self.cut {
            return;
        }
        let text_bytes = if let Scalar::Text(text) = &value { text.len() } else { 0 };
        let known = self.values.entry(value).or_insert_with(|| {
            self.bytes += AttributeValue::BYTES as u64 + RUN_BYTES + text_bytes as u64;
            Vec::new()
        });
        // An array may have an element twice.
        known.extend(rows.iter().skip_while(|row| known.last() == Some(row)).copied().collect::<Vec<_>>());
        if text_bytes > MAX_ATTRIBUTE_TEXT_BYTES || self.bytes > most {
            self.give_up();
        }
    }

    fn give_up(&mut self) {
        self.cut = true;
        self.values = BTreeMap::new();
    }

    fn rows<'a>(&'a self, name: &'a str) -> FieldRows<'a> {
        let values = self.values.iter().map(|(value, rows)| (of_scalar(value.borrow()), rows.as_slice()));
        let values = (!self.cut).then(|| values.collect());
        FieldRows { name, present: &self.present, arrays: &self.arrays, values }
    }
}

fn of_scalar(value: Scalar<&str>) -> attributes::Value<&str> {
    match value {
        Scalar::Null => attributes::Value::Null,
        Scalar::Bool(value) => attributes::Value::Bool(value),
        Scalar::Number(Number::Integer(value)) => attributes::Value::Integer(value),
        Scalar::Number(Number::Float(value)) => attributes::Value::Float(value),
        Scalar::Text(text) => attributes::Value::Text(text),
    }
}
