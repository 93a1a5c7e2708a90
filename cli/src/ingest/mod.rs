//! Documents to chunks to embeddings: everything of the main job that needs no store.
//!
//! ```text
//! PATHs --sources--> frameworks --scan--> documents --load--> text --chunk--> chunks --embed--> vectors
//! ```
//!
//! Each step is a plain function of its inputs: the same documents give the same chunks, in the same order, on every
//! machine. What could not be used is returned beside what could, as data; nothing here prints or stops a run because
//! of one bad file. The `update` command composes the steps and owns the store.

pub(crate) mod budget;
pub(crate) mod cancel;
pub(crate) mod chunk;
pub(crate) mod collection_name;
pub(crate) mod embed;
pub(crate) mod ledger;
pub(crate) mod price;
pub(crate) mod scan;
pub(crate) mod sources;
