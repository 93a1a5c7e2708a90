//! Siltstone: an embedded store for embedding vectors. Exact search, durable commits, every byte checked.
//!
//! ```text
//!  Record --upsert--> batch --commit--> frame in the open segment --seal--> sealed segment
//!                             one sync         |                               |
//!                                              +------------> View <-----------+
//!                                                              |  one moment, no lock
//!                            get, iter, search, snapshot <-----+
//! ```
//!
//! - A [`Store`] is a directory of [`Collection`]s; a collection has vectors of one [`EmbeddingIdentity`] under string
//!   keys, with JSON metadata and text.
//! - One [`Writer`] a collection, in any process. [`Writer::commit`] returns when the batch is on disk, all of it or
//!   nothing, at the price of one sync.
//! - Any number of [`View`]s, in any processes. A view shows one moment for as long as it lives; [`View::search`]
//!   returns what a brute-force scan in float64 would, bit for bit, on every processor.
//! - [`Store::encode`] makes search codes, from which the scores of most rows are bounded without reading them: the
//!   same answers, sooner.
//! - Every byte on disk lies under a checksum, and what is returned was checked. [`verify`] reports damage by file and
//!   byte, [`repair`] puts single flipped bits right, [`recover`] saves what is whole.
//!
//! What it assumes of the disk, and what it does not protect from (drives that lie about a flush, an attacker who
//! rewrites checksums, another program that truncates a mapped file, which raises SIGBUS), is stated in `SPEC.md` of
//! [`siltstone_format`](mod@format) and in [`disk`].
//!
//! ```
//! use siltstone::{EmbeddingIdentity, Filter, Record, Search, Store};
//!
//! # fn main() -> siltstone::Result<()> {
//! # let scratch = tempfile::tempdir().expect("a directory");
//! # let path = scratch.path().join("vectorstore");
//! let store = Store::create(&path)?;
//! let identity = EmbeddingIdentity { dims: 3, model: "my-model".into(), ..EmbeddingIdentity::default() };
//! let pages = store.create_collection("docs_SwiftUI", identity)?;
//!
//! let mut writer = pages.writer()?;
//! let metadata = serde_json::json!({ "file_path": "view.md", "chunk_index": 0 });
//! let metadata = metadata.as_object().cloned().unwrap_or_default();
//! writer.upsert(Record::new("view.md#0", &[0.1, 0.9, 0.2]).metadata(metadata).text("A view is ..."))?;
//! writer.upsert(Record::new("list.md#0", &[0.9, 0.1, 0.0]).text("A list is ..."))?;
//! writer.commit()?; // durable
//!
//! let search = Search::new(5).filter(Filter::parse("file_path prefix 'view'")?);
//! let answer = pages.view()?.search(&[0.0, 1.0, 0.0], &search)?;
//! assert_eq!(answer.hits.len(), 1);
//! assert_eq!(answer.hits[0].key, "view.md#0");
//! # Ok(())
//! # }
//! ```
#![deny(missing_docs)]

#[cfg(not(target_endian = "little"))]
compile_error!(
    "rows are used as they lie on disk, in little-endian order: this machine's order is not supported"
);

mod append;
mod attributes;
pub mod backup;
mod bitmap;
mod catalogue;
mod codes;
mod collection;
mod compact;
mod derived;
pub mod disk;
pub mod distance;
mod encode;
pub mod environment;
mod error;
mod event;
mod filter;
mod ids;
mod lock;
mod manifest;
mod recover;
mod repair;
mod replace;
mod restore;
mod safety;
mod search;
mod segment;
mod snapshot;
mod stamp;
mod store;
mod sweep;
mod tree;
mod verify;
mod view;
mod witness;

pub use append::{Commit, Record, Writer, WriterOptions};
pub use collection::Collection;
pub use compact::{
    CompactOptions, CompactPlan, CompactReport, CompactedGroup, PlannedGroup, SegmentShape, Space,
};
pub use encode::{Encoded, LEAST_ROWS};
pub use environment::{Caller, Environment, Patience};
pub use error::{Error, Result};
pub use event::{Event, Observer};
pub use filter::{Filter, FilterBound, FilterError, FilterValue};
pub use ids::{CommitSeq, Generation, RowIndex, RowPlace, SegmentId};
pub use lock::Holder;
pub use recover::{RecoveredCollection, RecoveryReport, recover};
pub use repair::{
    LostRow, PassedOver, Remedy, RepairItem, RepairOptions, RepairPlan, RepairReport, Returned, plan_repair,
    repair,
};
pub use search::{Answer, Hit, Scope, Search, StoreView, Work};
pub use siltstone_format as format;
pub use siltstone_format::identity::{self, EmbeddingIdentity};
pub use siltstone_format::payload::Compression;
pub use siltstone_format::{Flaw, Metric};
pub use snapshot::{Restored, SnapshotInfo};
pub use store::Store;
pub use verify::{Depth, Finding, Report, Severity, verify, verify_codes, verify_derived};
pub use view::{Change, ChangeKind, Damage, Difference, OnDamage, Order, Row, RowVector, View};
