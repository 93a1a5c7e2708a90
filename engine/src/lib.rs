//! Siltstone: an embedded store for embedding vectors. Exact search, durable commits, every byte checked.
#![deny(missing_docs)]

#[cfg(not(target_endian = "little"))]
compile_error!(
    "rows are used as they lie on disk, in little-endian order: this machine's order is not supported"
);

mod append;
mod bitmap;
mod catalogue;
mod collection;
pub mod disk;
pub mod distance;
pub mod environment;
mod error;
mod event;
mod filter;
mod ids;
mod lock;
mod manifest;
mod recover;
mod search;
mod segment;
mod snapshot;
mod store;
mod sweep;
mod verify;
mod view;
mod witness;

pub use append::{Commit, Record, Writer, WriterOptions};
pub use collection::Collection;
pub use environment::Environment;
pub use error::{Error, Result};
pub use event::{Event, Observer};
pub use filter::{Filter, FilterBound, FilterError, FilterValue};
pub use ids::{CommitSeq, Generation, RowIndex, RowPlace, SegmentId};
pub use lock::Holder;
pub use recover::{RecoveredCollection, RecoveryReport, recover};
pub use search::{Answer, Hit, Scope, Search, StoreView};
pub use siltstone_format as format;
pub use siltstone_format::identity::{self, EmbeddingIdentity};
pub use siltstone_format::payload::Compression;
pub use siltstone_format::{Flaw, Metric};
pub use snapshot::SnapshotInfo;
pub use store::Store;
pub use verify::{Depth, Finding, Report, Severity, verify};
pub use view::{Damage, OnDamage, Order, Row, View};
