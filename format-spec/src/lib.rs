//! The on-disk format of siltstone: bytes to values and back.
#![deny(missing_docs)]

mod metric;

pub use metric::Metric;
