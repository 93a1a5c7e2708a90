//! `siltstone backup restore`.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use siltstone::backup::{RestoreOptions, restore};

use super::beside;
use super::interruptible::{ended, environment};
use super::{Found, PassedOver, PlaceArgs, Shown, find, note_network};
use crate::command::ask::confirm;
use crate::command::context::{Context, quoted};
use crate::exit::{CliError, Exit};

#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// The backup: its path, its name as `backup list` shows it, or `latest`
    #[arg(value_name = "FILE|latest")]
    pub(crate) file: String,
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    /// A new store in this directory, instead of the one in place
    #[arg(long, value_name = "DIR")]
    pub(crate) to: Option<PathBuf>,
    /// Only this collection; the others stay as they are
    #[arg(long, value_name = "NAME")]
    pub(crate) collection: Option<String>,
    /// Never ask; for cron
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Serialize)]
struct Restored<'a> {
    backup: Shown,
    store: &'a std::path::Path,
    collections: &'a [String],
    rows: u64,
    files: u64,
    bytes: u64,
    safety_copy: Option<&'a std::path::Path>,
    damage: &'a [String],
    beside: &'a [PathBuf],
    left: &'a [String],
    passed_over: &'a [PassedOver],
}

pub(super) fn run(args: &RestoreArgs, context: &Context) -> Result<Exit, CliError> {
    let Found { backup: found, passed_over, .. } = find(context, &args.place.place(context), &args.file)?;
    let store = &context.settings.store;
    if args.to.is_none() && store.exists() {
        let what = match &args.collection {
            Some(name) => format!("the collection {name:?} of {}", store.display()),
            None => format!("the store {}", store.display()),
        };
        confirm(
            &format!("Replace {what} by {}? The state now is kept as a safety copy.", found.name),
            args.force,
        )?;
    }
    let options = RestoreOptions { to: args.to.clone(), collection: args.collection.clone() };
    let restored = restore(&environment(context), &found, store, &options);
    let restored = restored.map_err(|error| ended(context, error))?;
    let beside = beside::put_back(context, &found, &restored, args.to.as_deref())?;
    note_network(context, &restored.store);
    let exit = if restored.damage.is_empty() { Exit::Pass } else { Exit::Found };
    if context.json {
        context.print_json(&Restored {
            backup: Shown::from(&found),
            store: &restored.store,
            collections: &restored.collections,
            rows: restored.rows,
            files: restored.files,
            bytes: restored.bytes,
            safety_copy: restored.safety_copy.as_deref(),
            damage: &restored.damage,
            beside: &beside.put_back,
            left: &beside.left,
            passed_over: &passed_over,
        })?;
        return Ok(exit);
    }
    let rows = Context::rows_in(restored.rows, restored.collections.len());
    context.output.line(format!("{}: {rows} restored from {}", restored.store.display(), found.name))?;
    for damage in restored.damage.iter().take(5) {
        context.output.line(format!("    {} {damage}", context.style.red("damaged:")))?;
    }
    if let Some(copy) = &restored.safety_copy {
        let name = copy.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let undo = context.siltstone(&format!("backup restore {} --force", quoted(name.as_ref())));
        context.notices.notice(&format!("the state before is kept; to undo: {undo}"));
    }
    for path in &beside.put_back {
        context.notices.notice(&format!("put back: {}", path.display()));
    }
    if !beside.left.is_empty() {
        let left = beside.left.join(", ");
        context.notices.notice(&format!("there already, and left as it is: {left}"));
    }
    Ok(exit)
}
