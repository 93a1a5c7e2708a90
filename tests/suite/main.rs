//! Each module is a promise.

mod harness_check;
