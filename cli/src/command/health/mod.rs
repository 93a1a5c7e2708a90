//! `siltstone health`: is the store whole, and does it hold what its documents say? Five components, each with a status,
//! a count, examples and the command that puts it right.
//!
//! ```text
//! structures, norms, metadata, folders [, every byte, every search] --> findings --> components --> text | JSON | page
//! ```
//!
//! What each finding means is in one table, [`kind`]. Nothing is changed without `--fix`.

mod check;
mod component;
mod findings;
mod fix;
mod folders;
mod history;
mod identity;
mod integrity;
mod kind;
mod metadata;
mod page;
mod privacy;
mod probe;
mod report;
mod scrub;
mod stored;
mod vectors;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::context::Context;
use super::lock_wait::duration;
use crate::exit::{CliError, Exit};
use crate::render::json;
use check::Asked;
pub(crate) use history::{LastHealth, last, last_deep_scan_ms};
pub(crate) use kind::Status;
pub(crate) use privacy::Names;
use probe::Probe;
use report::Report;

#[derive(Debug, Args)]
pub(crate) struct HealthArgs {
    /// Check only this collection; may be repeated; `all` is the default
    #[arg(long, value_name = "NAME|all")]
    pub(crate) collection: Vec<String>,
    /// Read and recompute every byte, compare searches with brute force, and search for every embedding
    #[arg(long)]
    pub(crate) deep_scan: bool,
    /// End a deep scan after this time (90s, 30m, 2h) and go on from there the next time
    #[arg(long, value_name = "TIME", requires = "deep_scan", value_parser = duration)]
    pub(crate) max_time: Option<Duration>,
    /// Check the moment that a snapshot keeps, instead of now; collections that lack it are left out
    #[arg(long, value_name = "NAME", conflicts_with_all = ["fix", "max_time"])]
    pub(crate) snapshot: Option<String>,
    /// Embed N stored texts again and compare; pays for it no more than --max-cost
    #[arg(long, value_name = "N", conflicts_with = "fix")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(crate) probe: Option<u64>,
    /// Write the report to this file as well: a page for a browser, or JSON
    #[arg(long, value_name = "FILE.json|FILE.html")]
    pub(crate) output: Option<PathBuf>,
    /// Hide paths and names, for a report that leaves the house
    #[arg(long)]
    pub(crate) privacy: bool,
    /// Print the table of everything that may be found, in Markdown, and look at nothing
    #[arg(long, exclusive = true)]
    pub(crate) findings: bool,
    #[command(flatten)]
    pub(crate) fixing: fix::FixArgs,
}

/// What `--help` says after the arguments: the JSON, and the table of findings.
pub(crate) fn help() -> String {
    format!("{}\n\nFindings:\n{}", json::HEALTH, kind::table())
}

pub(crate) fn run(args: &HealthArgs, context: &Context) -> Result<Exit, CliError> {
    if args.findings {
        context.output.line(kind::markdown().trim_end())?;
        return Ok(Exit::Pass);
    }
    let collections = match args.collection.iter().any(|name| name == "all") {
        true => Vec::new(),
        false => args.collection.clone(),
    };
    if let Some(path) = &args.output {
        check_ending(path)?;
    }
    let (deep, max_time, snapshot) = (args.deep_scan, args.max_time, args.snapshot.clone());
    let probe = args.probe.map(|samples| Probe { samples, max_cost_usd: args.fixing.max_cost });
    let asked = Asked { collections, deep, derived: args.fixing.fix, max_time, snapshot, probe };
    let names = Names::new(&context.settings.store, args.privacy);
    let is_fix = args.fixing.acts();
    if deep || is_fix {
        let command = match (deep, is_fix) {
            (true, true) => "health --deep-scan --fix",
            (true, false) => "health --deep-scan",
            (false, _) => "health --fix",
        };
        context.publish(command, 0);
    }
    let mut checked = check::check(context, &names, &asked)?;
    if let Some(snapshot) = args.snapshot.as_ref().filter(|_| checked.surveyed.is_empty()) {
        let message = format!("no collection has a snapshot named {snapshot:?}");
        return Err(CliError::usage(message, "`siltstone snapshot list` shows what there is"));
    }
    let mut fixed = None;
    if args.fixing.fix {
        let mut done = fix::fix(context, &names, &asked, &checked, &args.fixing)?;
        if done.has_changed() {
            // What is reported is what is left.
            checked = check::check(context, &names, &asked)?;
            done.note_lost(context, &names, &checked)?;
        }
        fixed = Some(done);
    }
    let exit = fixed.as_ref().map_or(Exit::Pass, |fixed| fixed.exit);
    let troubles = checked.probed.iter().flat_map(|probed| &probed.troubles);
    let unprobed = Context::worst(troubles.clone().map(|error| error.exit));
    if let Some(error) = troubles.clone().next() {
        let text = names.sentence(&format!("{}; {}", error.message, error.next_step));
        context.notices.warning(&format!("--probe did not do what was asked: {text}"));
    }
    let has_lost = fixed.as_ref().is_some_and(|fixed| !fixed.lost.is_empty());
    let mut report = Report::new(context, &names, &asked, checked);
    // A limit of cost, a lock or an interruption says more than that something is left to be done.
    let exit = match exit {
        Exit::Pass | Exit::Found if has_lost => Exit::Found,
        Exit::Pass | Exit::Found => report.status.exit(),
        exit => exit,
    };
    let exit = if exit == Exit::Pass { unprobed } else { exit };
    report.fixed(fixed, exit);
    report.history = history::load(context);
    if asked.collections.is_empty() && asked.snapshot.is_none() {
        let entry = history::Entry::of(&report);
        history::add(context, &mut report.history, entry);
    }
    history::shorten(&mut report.history);
    // What was found out is printed even when the file cannot be written: a deep scan may have taken hours.
    let written = args.output.as_ref().map(|path| report.write(path).map(|()| path)).transpose();
    report.print(context)?;
    if let Some(path) = written? {
        context.notices.notice(&format!("report written to {}", path.display()));
    }
    Ok(exit)
}

/// The report of a quick check of everything, as `--json` has it. It is not added to the history.
pub(crate) fn look(context: &Context, names: &Names) -> Result<serde_json::Value, CliError> {
    let asked = Asked {
        collections: Vec::new(),
        deep: false,
        derived: false,
        max_time: None,
        snapshot: None,
        probe: None,
    };
    let mut report = Report::new(context, names, &asked, check::check(context, names, &asked)?);
    report.history = history::load(context);
    history::shorten(&mut report.history);
    serde_json::to_value(&report).map_err(|error| CliError::failed(error, "run `siltstone health`"))
}

fn check_ending(path: &std::path::Path) -> Result<(), CliError> {
    let is_known =
        |ending: &std::ffi::OsStr| ["json", "html"].iter().any(|known| ending.eq_ignore_ascii_case(known));
    if path.extension().is_some_and(is_known) {
        return Ok(());
    }
    Err(CliError::usage(
        format!("{}: a report is JSON or a page", path.display()),
        "name a file that ends in .json or .html",
    ))
}
