//! The attribute index: which rows of a sealed segment have which value in which field of their metadata, so that a filter
//! reads no metadata.
//!
//! ```text
//! metadata of a sealed segment --build--> index file of the segment --filter--> rows that pass, rows that may
//! ```
//!
//! Derived, like search codes, and made where they are made: named by the digest of its segment, checked block by block when
//! a block is first touched, and whatever it does not know (a field with too many values, a damaged block) is answered by
//! reading the metadata of the rows that may pass. So no answer depends on whether there is an index, or how good it is.
//!
//! Sets of rows are runs or bits rather than a general compressed bitmap: rows of a document lie side by side, so a value
//! is a few runs, and a value of many scattered rows is united with others as words.

mod answer;
mod build;
mod file;

#[cfg(test)]
mod tests;

pub(crate) use build::write;
pub(crate) use file::Attributes;
