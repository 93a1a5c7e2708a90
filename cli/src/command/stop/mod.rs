//! `siltstone stop`: asks whoever holds a lock of the store to finish its batch and end, and waits until it has. A signal
//! goes only to a process that is alive, runs on this machine, and is the siltstone command itself; anybody else is named
//! and left alone.

mod process;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;
use siltstone::{Collection, Holder, Store};

use super::context::Context;
use super::lock_wait::duration;
use crate::exit::{CliError, Exit};
use crate::render::plain::name;
use crate::render::units::listed;

pub(crate) use process::host_name;

#[derive(Debug, Args)]
pub(crate) struct StopArgs {
    /// Only whoever writes to this collection; may be repeated [default: all, hidden ones too]
    #[arg(long, value_name = "NAME")]
    pub(crate) collection: Vec<String>,
    /// How long to wait until the locks are free
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub(crate) timeout: Duration,
}

/// A process that holds locks.
#[derive(Debug, Serialize)]
struct Held {
    process: Option<u32>,
    command: Option<String>,
    since_ms: Option<i64>,
    collections: Vec<String>,
    /// `stopped`, `running` or `refused`.
    outcome: &'static str,
    reason: Option<String>,
}

#[derive(Debug, Serialize)]
struct Stopped {
    holders: Vec<Held>,
}

/// How long to leave a process alone before its locks are looked at again.
const PAUSE: Duration = Duration::from_millis(50);

pub(crate) fn run(args: &StopArgs, context: &Context) -> Result<Exit, CliError> {
    let store = context.open_store()?;
    let collections = collections(args, context, &store)?;
    let mut holders: BTreeMap<Option<u32>, Held> = BTreeMap::new();
    for collection in &collections {
        let (holder, held) = collection.writer_status();
        if held {
            let entry = holders.entry(holder.as_ref().map(|holder| holder.process));
            entry.or_insert_with(|| ask(holder.as_ref())).collections.push(collection.name().to_owned());
        }
    }
    let mut holders: Vec<Held> = holders.into_values().collect();
    let started = Instant::now();
    for held in holders.iter_mut().filter(|held| held.outcome == "running") {
        let names = held.collections.clone();
        let is_free = |held: &Held| {
            let own =
                collections.iter().filter(|collection| names.iter().any(|name| name == collection.name()));
            own.map(Collection::writer_status)
                .all(|(holder, locked)| !locked || holder.map(|holder| holder.process) != held.process)
        };
        while !is_free(held) {
            if started.elapsed() >= args.timeout {
                held.reason =
                    Some(format!("it was asked to stop and is still at work after {:?}", args.timeout));
                break;
            }
            if !context.cancel.sleep(PAUSE) {
                return Err(CliError::interrupted());
            }
        }
        if held.reason.is_none() {
            held.outcome = "stopped";
        }
    }
    print(context, holders)
}

fn collections(args: &StopArgs, context: &Context, store: &Store) -> Result<Vec<Collection>, CliError> {
    let names = match args.collection.is_empty() {
        true => store.all_names()?,
        false => context.names(store, &args.collection)?,
    };
    let mut collections = Vec::new();
    for name in &names {
        match store.collection(name) {
            Ok(collection) => collections.push(collection),
            // Nobody can write to it, and so nobody needs to be stopped.
            Err(error) if error.is_damage() => context.notices.warning(&format!("{name}: {error}")),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(collections)
}

/// Asks a process to stop, once.
fn ask(holder: Option<&Holder>) -> Held {
    let asked = match holder {
        None => Err("it has not said who it is; try again in a moment".to_owned()),
        Some(holder) => process::ask_to_stop(holder),
    };
    Held {
        process: holder.map(|holder| holder.process),
        command: holder.map(|holder| holder.program.clone()),
        since_ms: holder.map(|holder| holder.since_ms),
        collections: Vec::new(),
        outcome: if asked.is_ok() { "running" } else { "refused" },
        reason: asked.err(),
    }
}

fn print(context: &Context, holders: Vec<Held>) -> Result<Exit, CliError> {
    let exit = match &holders {
        holders if holders.iter().any(|held| held.outcome == "refused") => Exit::Failed,
        holders if holders.iter().any(|held| held.outcome == "running") => Exit::Locked,
        _ => Exit::Pass,
    };
    if context.json {
        context.print_json(&Stopped { holders })?;
        return Ok(exit);
    }
    if holders.is_empty() {
        context.output.line("nobody writes to the store")?;
    }
    for held in &holders {
        let who = match (held.process, &held.command) {
            (Some(process), Some(command)) => format!("process {process} ({})", name(command)),
            _ => "a process".to_owned(),
        };
        let collections: Vec<String> = held.collections.iter().map(|collection| name(collection)).collect();
        let of = listed(&collections, 3);
        context.output.line(match &held.reason {
            None => format!("{who} has stopped and let go of {of}"),
            Some(reason) => format!("{who} holds {of}: {reason}"),
        })?;
    }
    Ok(exit)
}
