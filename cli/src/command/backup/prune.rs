//! `siltstone backup prune`.

use clap::Args;
use serde::Serialize;
use siltstone::backup::{self, BackupInfo, Keep};

use super::{PlaceArgs, Shown};
use crate::command::ask::confirm;
use crate::command::context::Context;
use crate::exit::{CliError, Exit};
use crate::render::units::{bytes, counted};

#[derive(Debug, Args)]
pub(crate) struct PruneArgs {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    /// Keep those of the last so many days
    #[arg(long, value_name = "DAYS", help_heading = "What stays; one that any of these keeps is kept")]
    pub(crate) keep_days: Option<u32>,
    /// Keep the last so many
    #[arg(long, value_name = "N", help_heading = "What stays; one that any of these keeps is kept")]
    pub(crate) keep_last: Option<u32>,
    /// Keep the newest of each of so many days
    #[arg(long, value_name = "N", help_heading = "What stays; one that any of these keeps is kept")]
    pub(crate) keep_daily: Option<u32>,
    /// Keep the newest of each of so many weeks
    #[arg(long, value_name = "N", help_heading = "What stays; one that any of these keeps is kept")]
    pub(crate) keep_weekly: Option<u32>,
    /// Keep the newest of each of so many months
    #[arg(long, value_name = "N", help_heading = "What stays; one that any of these keeps is kept")]
    pub(crate) keep_monthly: Option<u32>,
    /// Say what would go, and remove nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Never ask; for cron
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Serialize)]
struct Outcome {
    dry_run: bool,
    kept: Vec<Shown>,
    removed: Vec<Shown>,
    freed_bytes: u64,
}

pub(super) fn run(args: &PruneArgs, context: &Context) -> Result<Exit, CliError> {
    let keep = Keep {
        days: args.keep_days,
        last: args.keep_last,
        daily: args.keep_daily,
        weekly: args.keep_weekly,
        monthly: args.keep_monthly,
    };
    let (environment, store) = (&context.environment, &context.settings.store);
    let place = args.place.place(context);
    let backups = backup::list(environment, &place)?;
    let copies = backup::safety_copies(environment, store)?;
    let plan = backup::plan_prune(backups, copies, keep, environment.clock.now_ms())?;
    let freed_bytes = match plan.remove.is_empty() || args.dry_run {
        true => 0,
        false => {
            let count = counted(plan.remove.len() as u64, "backup", "backups");
            let names: Vec<&str> = plan.remove.iter().map(|info| info.name.as_str()).collect();
            confirm(&format!("Remove {count} ({})?", names.join(", ")), args.force)?;
            backup::prune(environment, &place, store, &plan)?.freed_bytes
        }
    };
    let shown = |all: &[BackupInfo]| all.iter().map(Shown::from).collect::<Vec<_>>();
    if context.json {
        let (kept, removed) = (shown(&plan.keep), shown(&plan.remove));
        context.print_json(&Outcome { dry_run: args.dry_run, kept, removed, freed_bytes })?;
        return Ok(Exit::Pass);
    }
    let word = if args.dry_run { "would remove" } else { "removed" };
    for info in &plan.remove {
        context.output.line(format!("{word} {}", info.path.display()))?;
    }
    let removed = counted(plan.remove.len() as u64, "backup", "backups");
    let freed = if args.dry_run { String::new() } else { format!(", {} freed", bytes(freed_bytes)) };
    context.output.line(format!("{word} {removed}, {} kept{freed}", plan.keep.len()))?;
    Ok(Exit::Pass)
}
