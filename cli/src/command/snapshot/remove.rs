//! `snapshot drop`: lets a name go in each collection that has it.

use siltstone::Error;

use super::NamedArgs;
use super::each::each;
use crate::command::context::Context;
use crate::exit::{CliError, Exit};

pub(super) fn remove(args: &NamedArgs, context: &Context) -> Result<Exit, CliError> {
    let store = context.open_store()?;
    let mut having = Vec::new();
    let mut missing = None;
    for collection in context.collections(&store, &args.collection)? {
        let snapshots = collection.snapshots()?;
        if snapshots.iter().any(|snapshot| snapshot.name == args.name) {
            having.push(collection);
        } else if missing.is_none() || !args.collection.is_empty() {
            let existing = snapshots.into_iter().map(|snapshot| snapshot.name).collect();
            let (collection, name) = (collection.name().to_owned(), args.name.clone());
            missing = Some(Error::NoSuchSnapshot { collection, name, existing });
        }
    }
    match missing {
        // A collection that was named must have it; otherwise at least one.
        Some(error) if !args.collection.is_empty() => return Err(error.into()),
        Some(_) if having.is_empty() => {
            let message = format!("no collection has a snapshot named {:?}", args.name);
            return Err(CliError::usage(message, "`siltstone snapshot list` shows what there is"));
        }
        _ => {}
    }
    each(context, &args.name, "dropped", having, |collection| {
        collection.drop_snapshot(&args.name).map(|()| None)
    })
}
