//! `snapshot drop`: lets a name go in each collection that has it. What only the snapshot kept cannot be had back, so it asks.

use clap::Args;

use super::NamedArgs;
use super::each::{each, having};
use crate::command::ask::confirm;
use crate::command::context::Context;
use crate::exit::{CliError, Exit};
use crate::render::units::counted;

#[derive(Debug, Args)]
pub(crate) struct DropArgs {
    #[command(flatten)]
    pub(crate) named: NamedArgs,
    /// Never ask; for cron
    #[arg(long)]
    pub(crate) force: bool,
}

pub(super) fn remove(args: &DropArgs, context: &Context) -> Result<Exit, CliError> {
    let DropArgs { named, force } = args;
    let collections = having(named, context)?;
    if !collections.is_empty() {
        let count = counted(collections.len() as u64, "collection", "collections");
        confirm(
            &format!("Drop the snapshot {:?} of {count}? There is no way back to it.", named.name),
            *force,
        )?;
    }
    each(context, &named.name, "dropped", None, collections, |collection| {
        collection.drop_snapshot(&named.name).map(|()| None)
    })
}
