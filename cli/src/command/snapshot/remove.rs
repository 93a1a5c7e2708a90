//! `snapshot drop`: lets a name go in each collection that has it.

use super::NamedArgs;
use super::each::{each, having};
use crate::command::context::Context;
use crate::exit::{CliError, Exit};

pub(super) fn remove(args: &NamedArgs, context: &Context) -> Result<Exit, CliError> {
    each(context, &args.name, "dropped", None, having(args, context)?, |collection| {
        collection.drop_snapshot(&args.name).map(|()| None)
    })
}
