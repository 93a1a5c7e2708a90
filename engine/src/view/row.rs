//! One row of a view.

use serde_json::{Map, Value};

use super::View;
use crate::error::Result;
use crate::ids::{CommitSeq, RowPlace};
use crate::segment::parse_metadata;

/// The order in which rows come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// By the bytes of their keys.
    Key,
    /// As they lie on disk, segment after segment: by commit, but for compacted segments.
    Storage,
}

/// A row that was read and verified.
#[derive(Debug, Clone, PartialEq)]
pub struct Row<'a> {
    /// Its key.
    pub key: &'a str,
    /// Its vector, in the mapped file where it lies.
    pub vector: &'a [f32],
    /// Its metadata.
    pub metadata: Map<String, Value>,
    /// Its text.
    pub text: String,
    /// The commit that wrote it.
    pub commit: CommitSeq,
    /// Where it lies.
    pub place: RowPlace,
}

impl View {
    /// Reads and verifies a row of a part.
    pub(crate) fn row(&self, part: u32, row: u32) -> Result<Row<'_>> {
        let found = self.row_without_payload(part, row)?;
        let segment = &self.part(part)?.segment;
        let (number, at) = segment.frame_of(row).ok_or_else(|| segment.no_such_row(row))?;
        let (frame, missing) = (segment.frame(number)?, || segment.no_such_row(row));
        let damaged = |flaw| segment.damaged(flaw);
        let metadata = frame.metadata(at).ok_or_else(missing)?.map_err(damaged)?;
        let offset = segment.frames.get(number).ok_or_else(missing)?.offset;
        let metadata = parse_metadata(segment, offset, &metadata)?;
        Ok(Row { metadata, text: frame.text(at).ok_or_else(missing)?.map_err(damaged)?, ..found })
    }

    /// Reads and verifies a row of a part, but for its metadata and text.
    pub(crate) fn row_without_payload(&self, part: u32, row: u32) -> Result<Row<'_>> {
        let part = self.part(part)?;
        let segment = &part.segment;
        let (number, at) = segment.frame_of(row).ok_or_else(|| segment.no_such_row(row))?;
        let frame = segment.frame(number)?;
        let missing = || segment.no_such_row(row);
        let damaged = |flaw| segment.damaged(flaw);
        frame.row(at).ok_or_else(missing)?.map_err(damaged)?;
        let (entry, dims) = (segment.frames.get(number).ok_or_else(missing)?, segment.place.dims as usize);
        let from = at as usize * dims;
        let vector = segment.vectors(entry).get(from..from + dims).ok_or_else(missing)?;
        Ok(Row {
            key: frame.key(at).ok_or_else(missing)?.map_err(damaged)?,
            vector,
            metadata: Map::new(),
            text: String::new(),
            commit: CommitSeq(entry.commit),
            place: self.place(part, row),
        })
    }
}
