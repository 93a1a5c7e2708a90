//! Watching a store: the figures that operators look at, what is wrong with them, and the forms in which other programs
//! read them.
//!
//! ```text
//! store, logs, ledger, backups, disk, progress files --> Figures --> check | prometheus | dashboard
//! ```
//!
//! Nothing here takes a lock of the store or changes anything in it, so it may be asked every minute while an update
//! runs. What cannot be known on this machine is left out rather than guessed.

mod ages;
mod check;
mod coverage;
mod figures;
mod live;
mod machine;
mod prometheus;
mod requests;
mod storage;
mod watcher;

pub(crate) use ages::Ages;
pub(crate) use check::{State, UNKNOWN, Verdict, check};
pub(crate) use coverage::Covered;
pub(crate) use figures::{Counts, Figures};
pub(crate) use live::{Live, Now, Seen, UPDATE, seen};
pub(crate) use machine::{existing, free_bytes, machine_memory_bytes, peak_memory_bytes};
pub(crate) use prometheus::render as prometheus;
pub(crate) use requests::{Day, last_days};
pub(crate) use storage::{Storage, store_bytes};
pub(crate) use watcher::Watcher;
