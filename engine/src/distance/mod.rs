//! How close two vectors are: the score that defines the answer, and the cheap bound that saves computing it.
//!
//! Search here is exact: the engine returns what comparing the query with every row in float64 would return, on every
//! processor the same bits. Two ideas make that affordable.
//!
//! 1. **One canonical score** (`canonical.rs`). The order of additions is fixed by definition, so that a wider
//!    processor computes the same number sooner. `dispatch.rs` compiles one body for several instruction sets.
//! 2. **A bound that is proven, not hoped for** (`slack.rs`). A scan runs an f32 kernel (`kernel.rs`) at the speed of
//!    memory and adds the most that rounding, underflow and overflow can have cost. Only rows whose bound reaches the
//!    k-th best score are scored canonically; all others cannot be among the answer.
//!
//! [`Query`] puts both behind one value, and [`check_vector`] refuses at the door what has no score.

mod canonical;
mod dispatch;
pub(crate) mod hadamard;
pub(crate) mod head;
mod kernel;
pub(crate) mod prefetch;
pub(crate) mod product;
mod query;
mod refused;
pub(crate) mod signs;
mod slack;
pub(crate) mod wide;

#[cfg(test)]
mod bound_tests;
#[cfg(test)]
mod canonical_tests;
#[cfg(test)]
mod inputs;
#[cfg(test)]
mod query_tests;

pub use query::Query;
pub use refused::{Refused, check_vector};
