//! Vectors and their norms without the rest of a row: what an audit of embeddings reads. Metadata and text lie in
//! compressed blocks, and decompressing one for every row would cost more than everything that is looked at here.

use super::View;
use crate::error::Result;

/// The vector of a row, verified against its checksum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RowVector<'a> {
    /// Key of the row.
    pub key: &'a str,
    /// The vector, in the mapped file where it lies.
    pub vector: &'a [f32],
    /// Its squared norm as it is stored beside it.
    pub squared_norm: f64,
}

impl View {
    /// Key and stored squared norm of every row, in storage order. Reads keys and frame indexes, no vectors: some thirty
    /// bytes a row. That the norm is the vector's is for [`verify`](crate::verify) to say.
    ///
    /// # Errors
    /// Damage to an index or a key comes as an item.
    pub fn norms(&self) -> impl Iterator<Item = Result<(&str, f64)>> {
        self.live_places().map(|(part, row)| {
            let segment = &self.part(part)?.segment;
            let missing = || segment.no_such_row(row);
            let (number, at) = segment.frame_of(row).ok_or_else(missing)?;
            let squared_norm = segment.frame(number)?.squared_norm(at).ok_or_else(missing)?;
            Ok((segment.key(row)?, squared_norm))
        })
    }

    /// Key, vector and squared norm of every row, in storage order. Costs a checksum of the vector; rows that are
    /// skipped cost nothing.
    ///
    /// # Errors
    /// Damage to a row comes as an item.
    pub fn vectors(&self) -> impl Iterator<Item = Result<RowVector<'_>>> {
        let places: Vec<(u32, u32)> = self.live_places().collect();
        let mut next = 0;
        std::iter::from_fn(move || {
            let &(part, row) = places.get(next)?;
            next += 1;
            Some(self.row_vector(part, row))
        })
    }

    fn row_vector(&self, part: u32, row: u32) -> Result<RowVector<'_>> {
        let segment = &self.part(part)?.segment;
        let missing = || segment.no_such_row(row);
        let (number, at) = segment.frame_of(row).ok_or_else(missing)?;
        let frame = segment.frame(number)?;
        frame.row(at).ok_or_else(missing)?.map_err(|flaw| segment.damaged(flaw))?;
        let entry = segment.frames.get(number).ok_or_else(missing)?;
        let dims = segment.place.dims as usize;
        let from = at as usize * dims;
        Ok(RowVector {
            key: segment.key(row)?,
            vector: segment.vectors(entry).get(from..from + dims).ok_or_else(missing)?,
            squared_norm: frame.squared_norm(at).ok_or_else(missing)?,
        })
    }
}
