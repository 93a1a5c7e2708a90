//! `siltstone backup verify`.

use clap::Args;
use serde::Serialize;
use siltstone::backup;

use super::interruptible::{ended, environment};
use super::{PlaceArgs, Shown, find};
use crate::command::context::Context;
use crate::exit::{CliError, Exit};
use crate::render::units::{bytes, counted};

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The backup: its path, its name as `backup list` shows it, or `latest`
    #[arg(value_name = "FILE|latest")]
    pub(crate) file: String,
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
}

#[derive(Debug, Serialize)]
struct Verified<'a> {
    backup: Shown,
    sound: bool,
    files: u64,
    bytes: u64,
    rows: u64,
    damage: &'a [String],
}

pub(super) fn run(args: &VerifyArgs, context: &Context) -> Result<Exit, CliError> {
    let found = find(context, &args.place.place(context), &args.file)?;
    let report = backup::verify(&environment(context), &found);
    let report = report.map_err(|error| ended(context, error))?;
    let is_sound = report.damage.is_empty();
    let exit = if is_sound { Exit::Pass } else { Exit::Found };
    if context.json {
        let (files, bytes, rows) = (report.files, report.bytes, report.rows);
        let (backup, damage) = (Shown::from(&report.backup), report.damage.as_slice());
        context.print_json(&Verified { backup, sound: is_sound, files, bytes, rows, damage })?;
        return Ok(exit);
    }
    if is_sound {
        context.output.line(format!(
            "{}: {} in {} ({}) read, restored in a scratch directory and verified there",
            found.name,
            counted(report.rows, "row", "rows"),
            counted(report.files, "file", "files"),
            bytes(report.bytes)
        ))?;
        return Ok(exit);
    }
    context.output.line(format!("{}: {}", found.name, context.style.red("damaged")))?;
    for damage in report.damage.iter().take(20) {
        context.output.line(format!("    {damage}"))?;
    }
    context.notices.warning("`latest` passes it by from now on; `siltstone backup list` shows the others");
    Ok(exit)
}
