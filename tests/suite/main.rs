//! Each module is a promise.
