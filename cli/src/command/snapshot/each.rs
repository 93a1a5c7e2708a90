//! A step in each of several collections, and what came of it in each.

use serde::Serialize;
use siltstone::{Collection, Error};

use super::NamedArgs;
use crate::command::context::Context;
use crate::exit::{CliError, Exit};
use crate::render::plain::name as plain;
use crate::render::units::counted;

/// What was done in one collection.
#[derive(Debug, Serialize)]
pub(super) struct Done {
    pub(super) collection: String,
    /// `created`, `restored`, `dropped` or `failed`.
    outcome: &'static str,
    pub(super) commit: Option<u64>,
    reason: Option<String>,
    next_step: Option<String>,
    #[serde(skip)]
    exit: Option<Exit>,
}

impl Done {
    /// A snapshot that was created.
    pub(super) fn created(collection: String, commit: u64) -> Done {
        let (outcome, commit) = ("created", Some(commit));
        Done { collection, outcome, commit, reason: None, next_step: None, exit: None }
    }
}

#[derive(Debug, Serialize)]
struct Results<'a> {
    snapshot: &'a str,
    collections: Vec<Done>,
    /// The command that undoes a restore.
    undo: Option<&'a str>,
}

/// The collections that have the snapshot: each that was named, or at least one of all.
pub(super) fn having(args: &NamedArgs, context: &Context) -> Result<Vec<Collection>, CliError> {
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
    Ok(having)
}

/// Does the same in each collection; a failure in one stops none of the others. `undo` is the command that undoes it.
pub(super) fn each(
    context: &Context,
    name: &str,
    outcome: &'static str,
    undo: Option<&str>,
    collections: Vec<Collection>,
    mut act: impl FnMut(&Collection) -> siltstone::Result<Option<u64>>,
) -> Result<Exit, CliError> {
    if collections.is_empty() {
        let next_step = "`siltstone update PATH` makes the first one";
        return Err(CliError::failed("the store has no collections", next_step));
    }
    let mut done = Vec::new();
    let mut interrupted = None;
    for collection in &collections {
        if let Err(error) = context.check_cancelled() {
            interrupted = Some(error);
            break;
        }
        let collection_name = collection.name().to_owned();
        done.push(match act(collection) {
            Ok(commit) => Done {
                collection: collection_name,
                outcome,
                commit,
                reason: None,
                next_step: None,
                exit: None,
            },
            Err(error) => {
                let error = CliError::from(error);
                Done {
                    collection: collection_name,
                    outcome: "failed",
                    commit: None,
                    reason: Some(error.message),
                    next_step: Some(error.next_step),
                    exit: Some(error.exit),
                }
            }
        });
    }
    let exit = Context::worst(done.iter().filter_map(|one| one.exit));
    print(context, name, outcome, undo, done)?;
    interrupted.map_or(Ok(exit), Err)
}

pub(super) fn print(
    context: &Context,
    snapshot: &str,
    outcome: &str,
    undo: Option<&str>,
    done: Vec<Done>,
) -> Result<(), CliError> {
    let good = done.iter().filter(|one| one.reason.is_none()).count() as u64;
    let undo = undo.filter(|_| good > 0);
    if context.json {
        return context.print_json(&Results { snapshot, collections: done, undo });
    }
    for one in &done {
        let line = match (&one.reason, one.commit) {
            (Some(reason), _) => {
                let next_step = one.next_step.as_deref().unwrap_or_default();
                format!("{}: {} {reason}; {next_step}", plain(&one.collection), context.style.red("failed:"))
            }
            (None, Some(commit)) => format!("{}: {outcome} at commit {commit}", plain(&one.collection)),
            (None, None) => format!("{}: {outcome}", plain(&one.collection)),
        };
        context.output.line(line)?;
    }
    if let Some(undo) = undo {
        context.output.line(format!("to undo: {undo}"))?;
    }
    let of = counted(done.len() as u64, "collection", "collections");
    context.notices.notice(&format!("snapshot {snapshot:?} {outcome} in {good} of {of}"));
    Ok(())
}
