//! Each module is a promise.

mod disk_errors;
mod golden;
mod harness_check;
mod linking;
mod model;
mod power_cut;
mod reader;
