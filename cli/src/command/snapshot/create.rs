//! `snapshot create`: one instant of all collections, or of those that are named. Not of damaged ones: a snapshot is a way
//! back, and one that keeps damage would neither lead anywhere nor let the damage be mended.

use siltstone::{Depth, Severity, verify};
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
    refuse_damaged(context, &names)?;
    let only = (!args.collection.is_empty()).then_some(names.as_slice());
    let created = store.create_snapshot(&args.name, only)?;
    let done = created.into_iter().map(|(name, snapshot)| Done::created(name, snapshot.commit.0));
    print(context, &args.name, "created", None, done.collect())?;
    Ok(Exit::Pass)
}

/// Structure only, which takes milliseconds a collection: damage inside rows is for a deep scan to find.
fn refuse_damaged(context: &Context, names: &[String]) -> Result<(), CliError> {
    let report = verify(&context.environment, &context.settings.store, Depth::Quick, Some(names))?;
    let mut damage = report.findings.iter().filter(|finding| finding.severity == Severity::Damage);
    let Some(found) = damage.next() else { return Ok(()) };
    let message = format!("no snapshot was created: {} is damaged: {}", found.path.display(), found.flaw);
    let next_step = format!(
        "mend it with `{}`, or go back with `{}`; `--collection` names the collections that are whole",
        context.siltstone("health --deep-scan --fix"),
        context.siltstone("backup restore latest"),
    );
    Err(CliError::new(Exit::Found, message, next_step))
}
