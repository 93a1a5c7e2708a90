//! Each module is a promise.

mod golden;
mod harness_check;
