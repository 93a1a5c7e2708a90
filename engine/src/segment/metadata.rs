//! The metadata of a frame, row by row.

use serde_json::{Map, Value};
use siltstone_format::Flaw;
use siltstone_format::frame::Frame;

use super::Segment;
use crate::bitmap::Bitmap;
use crate::error::Result;

impl Segment {
    /// Calls `each` with the metadata of every row of a frame, or of those that `mask` has.
    ///
    /// # Errors
    /// Damage to the frame's metadata, unless there are no such rows; what `each` returns.
    pub(crate) fn for_each_metadata(
        &self,
        number: usize,
        mask: Option<&Bitmap>,
        mut each: impl FnMut(u32, &Map<String, Value>) -> Result<()>,
    ) -> Result<()> {
        let Some(at) = self.frames.get(number) else { return Ok(()) };
        self.for_each_json(number, mask, |_, row, json| each(row, &parse_metadata(self, at.offset, json)?))
    }

    /// As [`Segment::for_each_metadata`], with the frame, and the JSON as it was stored: checked by its checksum and not
    /// parsed, empty where there is none.
    ///
    /// # Errors
    /// As [`Segment::for_each_metadata`], but for JSON that is none.
    pub(crate) fn for_each_json(
        &self,
        number: usize,
        mask: Option<&Bitmap>,
        mut each: impl FnMut(&Frame<'_>, u32, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let Some(at) = self.frames.get(number) else { return Ok(()) };
        let wanted = |row: u32| mask.is_none_or(|mask| mask.contains(row));
        let mut rows = (at.first_row..at.first_row + at.rows).filter(|row| wanted(*row)).peekable();
        if rows.peek().is_none() {
            return Ok(());
        }
        let frame = self.frame(number)?;
        let (raw, ends) = frame.all_metadata().map_err(|flaw| self.damaged(flaw))?;
        for row in rows {
            let local = (row - at.first_row) as usize;
            let from = local.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0);
            let to = ends.get(local).copied().unwrap_or(from);
            let bytes = raw.get(from as usize..to as usize).unwrap_or_default();
            each(&frame, row, bytes)?;
        }
        Ok(())
    }
}

/// The metadata in `bytes`; no bytes are no metadata.
pub(crate) fn parse_metadata(segment: &Segment, offset: u64, bytes: &[u8]) -> Result<Map<String, Value>> {
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_slice(bytes).map_err(|error| {
        let length = bytes.len() as u64;
        segment.damaged(Flaw::new("metadata", "JSON", offset, length, "a JSON object", error))
    })
}
