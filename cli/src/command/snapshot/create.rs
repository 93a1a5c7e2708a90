//! `snapshot create`: one instant of all collections, or of those that are named.

use siltstone_format::names::check_name;

use super::each::{Done, print};
use super::{NOW, NamedArgs};
use crate::command::context::Context;
use crate::exit::{CliError, Exit};

pub(super) fn create(args: &NamedArgs, context: &Context) -> Result<Exit, CliError> {
    let refused = match check_name(&args.name) {
        Err(reason) => Some(reason),
        Ok(()) if args.name == NOW => Some("it stands for the current moment".to_owned()),
        Ok(()) => None,
    };
    if let Some(reason) = refused {
        let message = format!("the snapshot name {:?} is refused: {reason}", args.name);
        return Err(CliError::usage(message, "choose another name"));
    }
    let store = context.open_store()?;
    let names = context.names(&store, &args.collection)?;
    if names.is_empty() {
        let next_step = "`siltstone update PATH` makes the first one";
        return Err(CliError::failed("the store has no collections", next_step));
    }
    let only = (!args.collection.is_empty()).then_some(names.as_slice());
    let created = store.create_snapshot(&args.name, only)?;
    let done = created.into_iter().map(|(name, snapshot)| Done::created(name, snapshot.commit.0));
    print(context, &args.name, "created", None, done.collect())?;
    Ok(Exit::Pass)
}
