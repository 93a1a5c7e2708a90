//! `siltstone snapshot`: moments of collections, kept under names. A snapshot is created in all collections at one
//! instant; what else is done to it is done in one collection after the other.

mod create;
mod diff;
mod each;
mod list;
mod remove;
mod restore;

use clap::{Args, Subcommand};

use super::context::Context;
use crate::exit::{CliError, Exit};

#[derive(Debug, Subcommand)]
pub(crate) enum SnapshotCommand {
    /// Keep the last commit of each collection under a name, all at one instant
    Create(NamedArgs),
    /// Show the snapshots
    List(list::ListArgs),
    /// Show the keys that were added, changed and removed between two moments
    Diff(diff::DiffArgs),
    /// Go back to the moment of a snapshot, in each collection that has it; the moment before is kept
    Restore(NamedArgs),
    /// Let a snapshot go, in each collection that has it
    Drop(remove::DropArgs),
}

#[derive(Debug, Args)]
pub(crate) struct NamedArgs {
    /// Name of the snapshot: up to 128 of A-Z a-z 0-9 _ . -
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Only in this collection; may be repeated [default: all]
    #[arg(long, value_name = "NAME", id = "in_collection")]
    pub(crate) collection: Vec<String>,
}

/// What stands for the current moment where a snapshot is named.
const NOW: &str = "now";

pub(crate) fn run(command: &SnapshotCommand, context: &Context) -> Result<Exit, CliError> {
    match command {
        SnapshotCommand::Create(args) => create::create(args, context),
        SnapshotCommand::List(args) => list::list(args, context),
        SnapshotCommand::Diff(args) => diff::diff(args, context),
        SnapshotCommand::Restore(args) => restore::restore(args, context),
        SnapshotCommand::Drop(args) => remove::remove(args, context),
    }
}
