//! `siltstone status`: what is in the store, from structure alone. Reads no vectors and no text; metadata only to count
//! documents, when asked to.

mod history;
mod last_commit;
mod measure;
mod print;

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use siltstone::Store;

use super::context::Context;
use crate::exit::{CliError, Exit};
use crate::monitor::{self, Ages, Counts, Covered, Figures, Seen, State, seen};
use crate::render::file::replace;
use crate::render::output::Output;
use crate::render::plain::one_line;
use crate::runs::{self, RunRecord};
use crate::sources;
pub(crate) use measure::Measured;
pub(crate) use measure::files;
use measure::measure;

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Show only this collection; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) collection: Vec<String>,
    /// Count documents as well: reads the metadata of every passage
    #[arg(long)]
    pub(crate) documents: bool,
    /// Show hidden collections too, such as those in which `update` keeps what it paid for
    #[arg(long)]
    pub(crate) all: bool,
    /// Print one line for Nagios, and exit with 0 (ok), 1 (warning), 2 (critical) or 3 (unknown)
    #[arg(long, conflicts_with_all = ["collection", "documents", "all"])]
    pub(crate) check: bool,
    /// Write the figures to FILE as well, for the textfile collector of node_exporter
    #[arg(long, value_name = "FILE")]
    pub(crate) prometheus: Option<PathBuf>,
    /// Show the runs of update instead: rate, errors, cost and size of each, and how they develop
    #[arg(long, conflicts_with_all = ["collection", "documents", "all", "check", "prometheus"])]
    pub(crate) history: bool,
    /// How many runs --history shows
    #[arg(long, value_name = "N", default_value_t = 30, requires = "history")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) last: u32,
}

#[derive(Debug, Serialize)]
struct Status<'a> {
    store: &'a std::path::Path,
    totals: &'a Totals,
    collections: &'a [Measured],
    damaged: &'a [Damaged],
    updates: &'a Updates,
}

/// What the collections hold.
#[derive(Debug)]
pub(crate) struct Survey {
    totals: Totals,
    pub(crate) collections: Vec<Measured>,
    damaged: Vec<Damaged>,
}

/// What was done to the store, and what is being done.
#[derive(Debug, Serialize)]
struct Updates {
    /// Under way, or ended without a word.
    seen: Vec<Seen>,
    last_run: Option<RunRecord>,
    last_good_run_ms: Option<i64>,
    last_backup_ms: Option<i64>,
    last_verification_ms: Option<i64>,
    last_deep_scan_ms: Option<i64>,
}

#[derive(Debug, Default, Serialize)]
struct Totals {
    collections: u64,
    documents: Option<u64>,
    /// Of the collections of which it is known.
    coverage: Option<Covered>,
    chunks: u64,
    dead_rows: u64,
    dead_bytes: u64,
    held_bytes: u64,
    segments: u64,
    bytes: u64,
    snapshots: u64,
    writers: u64,
}

#[derive(Debug, Serialize)]
struct Damaged {
    collection: String,
    reason: String,
}

pub(crate) fn run(args: &StatusArgs, context: &Context) -> Result<Exit, CliError> {
    if args.history {
        return history::show(context, args.last as usize);
    }
    if !args.check {
        return show(args, context);
    }
    // Whoever asks every minute reads one line, also when there is nothing to look at.
    Ok(check(args, context).unwrap_or_else(|error| unknown(&error.message, context.json, &context.output)))
}

/// The line of a check that could not look, whatever kept it from that. Returns how it ends.
pub(crate) fn unknown(reason: &str, json: bool, output: &Output) -> Exit {
    let (words, exit) = monitor::UNKNOWN;
    let line = format!("{words} - {}", one_line(reason).replace('|', "/"));
    let text = match json {
        true => serde_json::json!({ "exit": exit.code(), "line": line }).to_string(),
        false => line,
    };
    // The exit code says it too, where nothing can be printed.
    let _ = output.line(text).and_then(|()| output.flush());
    exit
}

fn check(args: &StatusArgs, context: &Context) -> Result<Exit, CliError> {
    let store = context.open_store()?;
    let survey = survey(context, &store, &store.names()?, false)?;
    let figures = Figures::gather(context, &store, survey.counts(), survey.coverage())?;
    let verdict = monitor::check(&figures, &context.settings.monitor);
    if let Some(path) = &args.prometheus {
        publish(path, &figures, verdict.state)?;
    }
    let exit = verdict.state.exit();
    match context.json {
        true => context.print_json(&serde_json::json!({
            "exit": exit.code(),
            "state": verdict.state,
            "line": verdict.line,
            "problems": verdict.problems,
            "storage": figures.storage,
        }))?,
        false => context.output.line(&verdict.line)?,
    }
    Ok(exit)
}

fn show(args: &StatusArgs, context: &Context) -> Result<Exit, CliError> {
    let store = context.open_store()?;
    let names = match args.all && args.collection.is_empty() {
        true => store.all_names()?,
        false => context.names(&store, &args.collection)?,
    };
    let survey = survey(context, &store, &names, args.documents)?;
    if let Some(path) = &args.prometheus {
        let figures = Figures::gather(context, &store, survey.counts(), survey.coverage())?;
        let verdict = monitor::check(&figures, &context.settings.monitor);
        publish(path, &figures, verdict.state)?;
    }
    let updates = updates(context);
    match context.json {
        true => context.print_json(&Status {
            store: store.path(),
            totals: &survey.totals,
            collections: &survey.collections,
            damaged: &survey.damaged,
            updates: &updates,
        })?,
        false => print::print(context, &survey, &updates, args.documents)?,
    }
    Ok(if survey.damaged.is_empty() { Exit::Pass } else { Exit::Found })
}

/// The figures of all collections, hidden ones too, as `--json` has them.
pub(crate) fn look(context: &Context) -> Result<serde_json::Value, CliError> {
    let store = context.open_store()?;
    let survey = survey(context, &store, &store.all_names()?, false)?;
    let status = Status {
        store: store.path(),
        totals: &survey.totals,
        collections: &survey.collections,
        damaged: &survey.damaged,
        updates: &updates(context),
    };
    serde_json::to_value(&status).map_err(|error| CliError::failed(error, "run `siltstone status`"))
}

/// Opens the collections of these names; damaged ones are no error.
pub(crate) fn survey(
    context: &Context,
    store: &Store,
    names: &[String],
    with_documents: bool,
) -> Result<Survey, CliError> {
    let (mut collections, mut damaged) = (Vec::new(), Vec::new());
    // What cannot be read of it is for `health` to say.
    let sources = sources::load_all(store.path()).unwrap_or_default();
    for (collection, result) in measure(context, store, names, with_documents)? {
        match result {
            Ok(mut measured) => {
                if let Some(source) = sources.get(&measured.collection) {
                    measured.last_update_ms = source.finished_ms;
                    measured.is_unfinished = source.is_unfinished();
                    measured.coverage = source.coverage.and_then(Covered::of);
                }
                collections.push(measured);
            }
            Err(error) if error.exit == Exit::Found => {
                damaged.push(Damaged { collection, reason: error.message })
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Survey { totals: totals(&collections, with_documents), collections, damaged })
}

impl Survey {
    /// How much of its documents each collection holds, where that is known.
    pub(crate) fn coverage(&self) -> Vec<(String, Covered)> {
        let known = |one: &Measured| Some((one.collection.clone(), one.coverage?));
        self.collections.iter().filter_map(known).collect()
    }

    /// What the monitor counts.
    pub(crate) fn counts(&self) -> Counts {
        Counts {
            coverage_ratio: self.totals.coverage.map(|covered| covered.ratio),
            collections: self.totals.collections,
            chunks: self.totals.chunks,
            dead_rows: self.totals.dead_rows,
            damaged: self.damaged.len() as u64,
        }
    }
}

fn updates(context: &Context) -> Updates {
    let settings = &context.settings;
    let mut runs = runs::load(&settings.logs, &settings.store);
    let ages = Ages::gather(context, &runs);
    ages.troubles.iter().for_each(|trouble| context.notices.warning(trouble));
    Updates {
        seen: seen(&settings.logs, &settings.store),
        last_run: runs.pop(),
        last_good_run_ms: ages.update_ms,
        last_backup_ms: ages.backup_ms,
        last_verification_ms: ages.verification_ms,
        last_deep_scan_ms: ages.deep_scan_ms,
    }
}

fn publish(path: &std::path::Path, figures: &Figures, state: State) -> Result<(), CliError> {
    let text = monitor::prometheus(figures, state);
    replace(path, text.as_bytes()).map_err(|error| {
        CliError::failed(
            format!("cannot write {}: {error}", path.display()),
            "name a file in a folder that exists and may be written to",
        )
    })
}

fn totals(collections: &[Measured], with_documents: bool) -> Totals {
    let sum = |of: fn(&Measured) -> u64| collections.iter().map(of).sum();
    Totals {
        collections: collections.len() as u64,
        documents: with_documents.then(|| sum(|one| one.documents.unwrap_or(0))),
        coverage: Covered::all(collections.iter().filter_map(|one| one.coverage)),
        chunks: sum(|one| one.chunks),
        dead_rows: sum(|one| one.dead_rows),
        dead_bytes: sum(|one| one.dead_bytes),
        held_bytes: sum(|one| one.held_bytes),
        segments: sum(|one| one.segments),
        bytes: sum(|one| one.bytes),
        snapshots: sum(|one| one.snapshots.len() as u64),
        writers: sum(|one| u64::from(one.writer.is_some())),
    }
}
