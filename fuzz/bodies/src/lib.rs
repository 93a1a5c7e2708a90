//! What the fuzz targets do, as plain functions: tests run them over mutated valid files, cargo-fuzz over everything.
//!
//! Each body takes any bytes. It decodes them as they are, then once more with the checksums mended, because a decoder
//! must survive wrong lengths under good checksums too. A body panics when a decoder does, or when what was decoded
//! does not hold together.
#![deny(missing_docs)]

mod attributes;
mod codes;
mod documents;
mod footer;
mod frame;
mod header_page;
mod key_index;
pub mod mend;
pub mod mutate;
pub mod samples;
mod witness;

pub use attributes::attributes;
pub use codes::{basis, codes};
pub use documents::documents;
pub use footer::footer;
pub use frame::frame;
pub use header_page::header_page;
pub use key_index::key_index;
pub use witness::witness;
