//! Each module is a promise.

mod backup;
mod bad_input;
mod bit_flips;
mod compaction;
mod copied;
mod disk_errors;
mod golden;
mod harness_check;
mod linking;
mod misplaced;
mod model;
mod power_cut;
mod reader;
mod recovery;
mod repair;
mod replaced;
mod retained;
mod search_codes;
mod snapshots;
mod truncation;
