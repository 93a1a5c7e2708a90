//! Reading back every batch after its commit: what was paid for is there, and it is what was paid for.

use siltstone::{Row, Writer};

use crate::exit::CliError;

use super::job::Job;

/// So many rows are read before the memory that they lie mapped in is let go of: a document may have very many.
const LET_GO_EVERY: usize = 1_024;

/// Reads the rows of documents that were just committed, and compares text and vector, bit for bit.
pub(super) fn read_back<'j>(
    jobs: impl Iterator<Item = &'j Job>,
    writer: &Writer,
    collection: &str,
) -> Result<(), CliError> {
    let mut view = None;
    let mut rows = 0usize;
    for job in jobs {
        let view = match &mut view {
            Some(view) => view,
            none => none.insert(writer.view()?),
        };
        for (chunk, vector) in job.chunks.iter().zip(&job.vectors) {
            let key = job.key(chunk.index);
            let row = view.get(&key)?;
            let same = |row: &Row<'_>| {
                row.text == chunk.text && vector.as_ref().is_some_and(|vector| is_same(row.vector, vector))
            };
            if !row.as_ref().is_some_and(same) {
                return Err(read_back_otherwise(&key, collection));
            }
            rows += 1;
            if rows.is_multiple_of(LET_GO_EVERY) {
                view.let_go();
            }
        }
    }
    if let Some(view) = view {
        view.let_go();
    }
    Ok(())
}

/// The error of a row that is not what was written.
pub(super) fn read_back_otherwise(key: &str, collection: &str) -> CliError {
    CliError::failed(
        format!("{key} was read back from {collection} other than it was written"),
        "check the disk and the memory of this machine, then run `siltstone health --deep-scan`",
    )
}

/// Bit for bit.
pub(super) fn is_same(one: &[f32], other: &[f32]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.to_bits() == other.to_bits())
}
