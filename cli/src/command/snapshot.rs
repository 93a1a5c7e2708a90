//! `siltstone snapshot`: moments of collections, kept under names. Each collection has its own moment; a command over all
//! of them takes one after the other and says what was done for each.

use clap::{Args, Subcommand};
use serde::Serialize;
use siltstone::{Collection, Error};

use super::context::Context;
use crate::exit::{CliError, Exit};
use crate::render::plain::name as plain;
use crate::render::table::Table;
use crate::render::units::{count, counted, moment};

#[derive(Debug, Subcommand)]
pub(crate) enum SnapshotCommand {
    /// Keep the last commit of each collection under a name
    Create(NamedArgs),
    /// Show the snapshots
    List(ListArgs),
    /// Let a snapshot go, in each collection that has it
    Drop(NamedArgs),
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

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only of this collection; may be repeated [default: all]
    #[arg(long, value_name = "NAME")]
    pub(crate) collection: Vec<String>,
}

/// What was done in one collection.
#[derive(Debug, Serialize)]
struct Done {
    collection: String,
    /// `created`, `dropped` or `failed`.
    outcome: &'static str,
    commit: Option<u64>,
    reason: Option<String>,
    next_step: Option<String>,
    #[serde(skip)]
    exit: Option<Exit>,
}

#[derive(Debug, Serialize)]
struct Results<'a> {
    snapshot: &'a str,
    collections: Vec<Done>,
}

#[derive(Debug, Serialize)]
struct Listed {
    name: String,
    collection: String,
    created_at_ms: i64,
    commit: u64,
    segments: usize,
}

pub(crate) fn run(command: &SnapshotCommand, context: &Context) -> Result<Exit, CliError> {
    match command {
        SnapshotCommand::Create(args) => create(args, context),
        SnapshotCommand::List(args) => list(args, context),
        SnapshotCommand::Drop(args) => remove(args, context),
    }
}

fn create(args: &NamedArgs, context: &Context) -> Result<Exit, CliError> {
    siltstone_format::names::check_name(&args.name).map_err(|reason| {
        CliError::usage(
            format!("the snapshot name {:?} is refused: {reason}", args.name),
            "choose another name",
        )
    })?;
    let store = context.open_store()?;
    let collections = context.collections(&store, &args.collection)?;
    each(context, &args.name, "created", collections, |collection| {
        collection.create_snapshot(&args.name).map(|snapshot| Some(snapshot.commit.0))
    })
}

fn remove(args: &NamedArgs, context: &Context) -> Result<Exit, CliError> {
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

/// Does the same in each collection; a failure in one stops none of the others.
fn each(
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

fn print(context: &Context, snapshot: &str, outcome: &str, done: Vec<Done>) -> Result<(), CliError> {
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

fn list(args: &ListArgs, context: &Context) -> Result<Exit, CliError> {
    let store = context.open_store()?;
    let mut listed = Vec::new();
    for collection in context.collections(&store, &args.collection)? {
        listed.extend(collection.snapshots()?.into_iter().map(|snapshot| Listed {
            name: snapshot.name,
            collection: collection.name().to_owned(),
            created_at_ms: snapshot.created_at_ms,
            commit: snapshot.commit.0,
            segments: snapshot.segments,
        }));
    }
    listed.sort_by(|a, b| (&a.name, &a.collection).cmp(&(&b.name, &b.collection)));
    if context.json {
        #[derive(Serialize)]
        struct Snapshots {
            snapshots: Vec<Listed>,
        }
        context.print_json(&Snapshots { snapshots: listed })?;
        return Ok(Exit::Pass);
    }
    if listed.is_empty() {
        context.notices.notice("no snapshots; `siltstone snapshot create NAME` makes one");
        return Ok(Exit::Pass);
    }
    let mut table = Table::new(&["snapshot", "collection", "commit", "segments", "created"], 2, 4);
    for one in &listed {
        let (snapshot, collection) = (plain(&one.name), plain(&one.collection));
        table.row(vec![
            snapshot,
            collection,
            count(one.commit),
            count(one.segments as u64),
            moment(one.created_at_ms),
        ]);
    }
    for line in table.lines() {
        context.output.line(line)?;
    }
    Ok(Exit::Pass)
}
