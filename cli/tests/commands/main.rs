//! The binary as its users meet it: what it prints where, and how it ends.

// Here a panic is how a test fails, in helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, unreachable_pub)]

mod backup;
mod bench;
mod codes;
mod compact;
mod contrib;
mod damage;
mod dashboard;
mod doctor;
mod exchange;
mod exits;
mod explain;
mod fix;
mod fix_backup;
mod flat;
mod harness;
mod health;
mod itself;
mod journey;
mod locks;
mod manners;
mod next_steps;
mod paid;
mod progress;
mod real;
mod reembed;
mod report;
mod reuse;
mod selftest;
#[path = "../server/mod.rs"]
mod server;
mod shapes;
mod shortcut;
mod snapshots;
mod surroundings;
mod together;
mod updates;
mod vanished;
mod watched;
