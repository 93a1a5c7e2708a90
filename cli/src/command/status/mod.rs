//! `siltstone status`: what is in the store, from structure alone. Reads no vectors and no text; metadata only to count
//! documents, when asked to.

mod check;
mod figures;
mod last_commit;
mod measure;
mod prometheus;

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::context::Context;
use crate::exit::{CliError, Exit};
use crate::render::file::replace;
use crate::render::plain::name;
use crate::render::table::Table;
use crate::render::units::{bytes, count, counted, moment};
use figures::Figures;
pub(crate) use measure::files;
use measure::{Measured, Outcome, measure};

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
}

#[derive(Debug, Serialize)]
struct Status<'a> {
    store: &'a std::path::Path,
    totals: Totals,
    collections: &'a [Measured],
    damaged: Vec<Damaged>,
}

#[derive(Debug, Default, Serialize)]
struct Totals {
    collections: u64,
    documents: Option<u64>,
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
    if !args.check {
        return show(args, context);
    }
    // Whoever asks every minute reads one line, also when there is nothing to look at.
    show(args, context).or_else(|error| {
        let (words, exit) = check::UNKNOWN;
        context.output.line(format!("{words} - {}", error.message))?;
        Ok(exit)
    })
}

fn show(args: &StatusArgs, context: &Context) -> Result<Exit, CliError> {
    let store = context.open_store()?;
    let names = match args.all && args.collection.is_empty() {
        true => store.all_names()?,
        false => context.names(&store, &args.collection)?,
    };
    let (collections, damaged) = divided(measure(context, &store, &names, args.documents)?)?;
    let totals = totals(&collections, args.documents);
    if args.check || args.prometheus.is_some() {
        let figures = Figures::gather(context, &totals, damaged.len() as u64)?;
        if let Some(path) = &args.prometheus {
            publish(path, &figures, context)?;
        }
        if args.check {
            let (state, line) = check::check(&figures, &context.settings.monitor);
            match context.json {
                true => {
                    context.print_json(&serde_json::json!({ "exit": state.exit().code(), "line": line }))?
                }
                false => context.output.line(line)?,
            }
            return Ok(state.exit());
        }
    }
    let exit = if damaged.is_empty() { Exit::Pass } else { Exit::Found };
    if context.json {
        context.print_json(&Status { store: store.path(), totals, collections: &collections, damaged })?;
        return Ok(exit);
    }
    print(context, &totals, &collections, args.documents)?;
    for one in &damaged {
        context.output.line(format!(
            "{} {}: {}",
            context.style.red("DAMAGED"),
            name(&one.collection),
            one.reason
        ))?;
    }
    if !damaged.is_empty() {
        context.output.line("next: run `siltstone health --deep-scan` for the extent of the damage")?;
    }
    Ok(exit)
}

/// The figures of all collections, hidden ones too, as `--json` has them.
pub(crate) fn look(context: &Context) -> Result<serde_json::Value, CliError> {
    let store = context.open_store()?;
    let (collections, damaged) = divided(measure(context, &store, &store.all_names()?, false)?)?;
    let totals = totals(&collections, false);
    let status = Status { store: store.path(), totals, collections: &collections, damaged };
    serde_json::to_value(&status).map_err(|error| CliError::failed(error, "run `siltstone status`"))
}

/// Collections with their figures, and damaged ones.
fn divided(outcomes: Vec<Outcome>) -> Result<(Vec<Measured>, Vec<Damaged>), CliError> {
    let (mut collections, mut damaged) = (Vec::new(), Vec::new());
    for (collection, result) in outcomes {
        match result {
            Ok(measured) => collections.push(measured),
            Err(error) if error.exit == Exit::Found => {
                damaged.push(Damaged { collection, reason: error.message })
            }
            Err(error) => return Err(error),
        }
    }
    Ok((collections, damaged))
}

fn publish(path: &std::path::Path, figures: &Figures, context: &Context) -> Result<(), CliError> {
    let text = prometheus::render(figures, context.environment.clock.now_ms());
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

fn print(
    context: &Context,
    totals: &Totals,
    collections: &[Measured],
    with_documents: bool,
) -> Result<(), CliError> {
    let output = &context.output;
    output.line(format!("store {}", context.settings.store.display()))?;
    if collections.is_empty() {
        output.line("no collections yet")?;
        context.notices.notice("next: `siltstone update PATH` indexes a folder of documents");
        return Ok(());
    }
    let mut header =
        vec!["collection", "documents", "chunks", "dead", "segments", "on disk", "snapshots", "last commit"];
    if !with_documents {
        header.retain(|title| *title != "documents");
    }
    let last = header.len() - 1;
    let mut table = Table::new(&header, 1, last);
    let documents = |number: Option<u64>| number.map(count).into_iter().collect::<Vec<_>>();
    for one in collections {
        let mut cells = vec![name(&one.collection)];
        cells.extend(documents(one.documents));
        cells.extend([one.chunks, one.dead_rows, one.segments].map(count));
        cells.extend([bytes(one.bytes), count(one.snapshots.len() as u64)]);
        cells.push(one.last_commit_ms.map_or_else(String::new, moment));
        table.row(cells);
    }
    let mut cells = vec![counted(totals.collections, "collection", "collections")];
    cells.extend(documents(totals.documents));
    cells.extend([totals.chunks, totals.dead_rows, totals.segments].map(count));
    cells.extend([bytes(totals.bytes), count(totals.snapshots)]);
    table.row(cells);
    for line in table.lines() {
        output.line(line)?;
    }
    if totals.dead_bytes > 0 {
        let command = context.siltstone("compact");
        output.line(format!("dead rows take about {}; `{command}` rewrites", bytes(totals.dead_bytes)))?;
    }
    if totals.held_bytes > 0 {
        output.line(format!("snapshots alone keep {}", bytes(totals.held_bytes)))?;
    }
    for (one, writer) in collections.iter().filter_map(|one| Some((one, one.writer.as_ref()?))) {
        output.line(format!("{} is being written to by {writer}", name(&one.collection)))?;
    }
    Ok(())
}
