//! Siltstone: an embedded store for embedding vectors.
#![deny(missing_docs)]

pub use siltstone_format::Metric;
