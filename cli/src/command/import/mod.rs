//! `siltstone import`: reads what `export` wrote. Rows are committed in batches, each durable before the next is read; the
//! first line that is wrong ends it with its number, and says how far everything is stored. Importing the same file again
//! gives the same store, so whoever was interrupted simply starts over.

mod lines;

use std::collections::HashSet;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use siltstone::{Error, Record, Store, Writer};

use super::context::Context;
use crate::exit::{CliError, Exit};
use crate::render::plain::name as plain;
use crate::render::units::{count, counted};
use lines::{Begin, Line, Lines, Row};

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// File that `siltstone export` wrote; - is stdin
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Import into a collection of this name, when the file has only one
    #[arg(long, value_name = "NAME")]
    pub(crate) collection: Option<String>,
    /// Commit after this many rows [default: `commit_rows` of siltstone.toml, else 256]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) batch: Option<u64>,
}

/// What was imported into one collection.
#[derive(Debug, Serialize)]
struct Imported {
    collection: String,
    rows: u64,
    /// Rows that had been there, and were replaced.
    replaced: u64,
    commits: u64,
}

#[derive(Debug, Serialize)]
struct Report {
    lines: u64,
    collections: Vec<Imported>,
}

pub(crate) fn run(args: &ImportArgs, context: &Context) -> Result<Exit, CliError> {
    let store = context.open_store()?;
    let mut lines = Lines::open(&args.file)?;
    let mut collections = Vec::new();
    while let Some(line) = lines.next()? {
        let begin = match line {
            Line::Begin(begin) => begin,
            _ => return Err(lines.wrong("a row or an end before the line that begins a collection")),
        };
        if args.collection.is_some() && !collections.is_empty() {
            return Err(lines.wrong("a second collection begins, and --collection names only one"));
        }
        collections.push(one(args, context, &store, &mut lines, begin)?);
    }
    if collections.is_empty() {
        return Err(lines.wrong("nothing is there to import"));
    }
    let report = Report { lines: lines.number(), collections };
    if context.json {
        context.print_json(&report)?;
        return Ok(Exit::Pass);
    }
    for one in &report.collections {
        let rows = counted(one.rows, "row", "rows");
        context.output.line(format!(
            "{}: {rows} imported, {} of them in place of others",
            plain(&one.collection),
            count(one.replaced)
        ))?;
    }
    Ok(Exit::Pass)
}

/// Imports one collection, up to its last line.
fn one(
    args: &ImportArgs,
    context: &Context,
    store: &Store,
    lines: &mut Lines,
    begin: Begin,
) -> Result<Imported, CliError> {
    if !begin.vectors {
        return Err(lines.wrong("this was exported without vectors; export it again without --no-vectors"));
    }
    let name = args.collection.clone().unwrap_or_else(|| begin.collection.clone());
    let collection = store.open_or_create(&name, &begin.identity).map_err(|error| match &error {
        // The settings have no part in it.
        Error::IdentityMismatch { .. } => CliError::failed(
            &error,
            "import it into another collection with --collection NAME, or into another store",
        ),
        _ => error.into(),
    })?;
    let mut writer = collection.writer()?;
    let mut imported = Imported { collection: name, rows: 0, replaced: 0, commits: 0 };
    let batch = args.batch.unwrap_or(context.settings.update.commit_rows as u64);
    let mut seen = HashSet::new();
    let result = loop {
        match lines.next() {
            Ok(Some(Line::Row(row))) => {
                let step = add(&mut writer, lines, &row, begin.identity.dims, &mut seen);
                let step = step.and_then(|()| match u64::from(writer.batch_rows()) >= batch {
                    true => commit(&mut writer, &mut imported).and_then(|()| context.check_cancelled()),
                    false => Ok(()),
                });
                if let Err(error) = step {
                    break Err(error);
                }
            }
            Ok(Some(Line::End(end))) if end.end_of != begin.collection || end.rows != seen.len() as u64 => {
                let of = format!("{} rows of {:?}", seen.len(), begin.collection);
                break Err(lines
                    .wrong(&format!("{of} came, and the end is that of {} of {:?}", end.rows, end.end_of)));
            }
            Ok(Some(Line::End(_))) => break Ok(()),
            Ok(Some(Line::Begin(_))) => {
                break Err(lines.wrong("another collection begins before the end of this one"));
            }
            Ok(None) => break Err(lines.wrong("the file ends before the end of the collection")),
            Err(error) => break Err(error),
        }
    };
    // What was read before an error is good, and is stored too.
    let committed = commit(&mut writer, &mut imported);
    match result {
        Ok(()) => committed.map(|()| imported),
        Err(error) => {
            let stored = counted(imported.rows, "row", "rows");
            let next_step = format!(
                "{stored} of {:?} before it are stored; correct the file and import it again: rows that are there are replaced",
                imported.collection
            );
            committed.and(Err(CliError { next_step, ..error }))
        }
    }
}

fn add(
    writer: &mut Writer,
    lines: &Lines,
    row: &Row,
    dims: u32,
    seen: &mut HashSet<[u8; 32]>,
) -> Result<(), CliError> {
    let vector = row.vector(dims).map_err(|reason| lines.wrong(&reason))?;
    if seen.contains(blake3::hash(row.key.as_bytes()).as_bytes()) {
        return Err(lines.wrong(&format!("the key {:?} came before", row.key)));
    }
    let record = Record::new(&row.key, &vector).metadata(row.metadata.clone()).text(&row.text);
    match writer.upsert(record) {
        Ok(()) => {
            seen.insert(*blake3::hash(row.key.as_bytes()).as_bytes());
            Ok(())
        }
        Err(error @ (siltstone::Error::Invalid { .. } | siltstone::Error::Vector { .. })) => {
            Err(lines.wrong(&error.to_string()))
        }
        Err(error) => Err(error.into()),
    }
}

fn commit(writer: &mut Writer, imported: &mut Imported) -> Result<(), CliError> {
    let before = writer.last_commit();
    let receipt = writer.commit()?;
    imported.rows += receipt.rows;
    imported.replaced += receipt.superseded;
    imported.commits += u64::from(receipt.commit != before);
    Ok(())
}
