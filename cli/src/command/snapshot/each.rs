//! A step in each of several collections, and what came of it in each.

use serde::Serialize;
use siltstone::Collection;

use crate::command::context::Context;
use crate::exit::{CliError, Exit};
use crate::render::plain::name as plain;
use crate::render::units::counted;

/// What was done in one collection.
#[derive(Debug, Serialize)]
pub(super) struct Done {
    pub(super) collection: String,
    /// `created`, `dropped` or `failed`.
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
}

/// Does the same in each collection; a failure in one stops none of the others.
pub(super) fn each(
    context: &Context,
    name: &str,
    outcome: &'static str,
    collections: Vec<Collection>,
    act: impl Fn(&Collection) -> siltstone::Result<Option<u64>>,
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
    print(context, name, outcome, done)?;
    interrupted.map_or(Ok(exit), Err)
}

pub(super) fn print(
    context: &Context,
    snapshot: &str,
    outcome: &str,
    done: Vec<Done>,
) -> Result<(), CliError> {
    if context.json {
        return context.print_json(&Results { snapshot, collections: done });
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
    let good = done.iter().filter(|one| one.reason.is_none()).count() as u64;
    let of = counted(done.len() as u64, "collection", "collections");
    context.notices.notice(&format!("snapshot {snapshot:?} {outcome} in {good} of {of}"));
    Ok(())
}
