//! Search codes: a few bytes a row from which the score of the row is bounded, so that an exact search reads few rows.
//!
//! ```text
//! rows of all collections --train--> basis --encode--> code file of each sealed segment
//!                                      |                        |
//!                              query --+--> level 1: heads of all rows --> level 2: signs of some --> rows of few
//! ```
//!
//! Everything here is derived: made from segments, named by their digests, and checked when it is first touched. What
//! is missing or damaged is answered from the rows themselves. `bound.rs` has the proof that no answer changes.

mod bases;
mod bound;
mod drift;
mod file;
mod query;
mod rotation;
mod round;
mod rows;
mod sample;
mod subspace;
mod train;
mod write;

#[cfg(test)]
mod bound_tests;

pub(crate) use bases::{Bases, Basis, digests, load as load_basis};
pub(crate) use drift::{has_drifted, held_back};
pub(crate) use file::Codes;
pub(crate) use query::{CodeQuery, Sharpened};
pub(crate) use sample::Sample;
pub(crate) use train::{sample_rows, train};
pub(crate) use write::write;
