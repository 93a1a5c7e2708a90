//! Each module is a promise.

mod bit_flips;
mod disk_errors;
mod golden;
mod harness_check;
mod model;
mod power_cut;
mod reader;
mod truncation;
