//! `siltstone recover`: saves everything that is whole of a damaged store into a new one. The old store is only read.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use siltstone::{Damage, RecoveryReport};

use super::context::Context;
use crate::exit::{CliError, Exit};
use crate::render::plain::name;
use crate::render::units::{count, counted};

/// Damage shown for each collection; all of it is in the JSON.
const SHOWN: usize = 5;

#[derive(Debug, Args)]
pub(crate) struct RecoverArgs {
    /// Where the new store goes: a new or empty directory
    #[arg(long, value_name = "NEW_DIR")]
    pub(crate) to: PathBuf,
}

#[derive(Debug, Serialize)]
struct Recovered<'a> {
    from: &'a Path,
    to: &'a Path,
    rows: u64,
    collections: Vec<Saved<'a>>,
    lost: Vec<Lost>,
}

#[derive(Debug, Serialize)]
struct Saved<'a> {
    collection: &'a str,
    rows: u64,
    with_history: bool,
    manifest_rebuilt: bool,
    damage: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Lost {
    path: PathBuf,
    reason: String,
}

pub(crate) fn run(args: &RecoverArgs, context: &Context) -> Result<Exit, CliError> {
    let (from, to) = (context.settings.store.as_path(), args.to.as_path());
    if is_inside(to, from) {
        return Err(CliError::usage(
            format!("{} lies inside the store {}", to.display(), from.display()),
            "name a directory beside the store, best on another disk",
        ));
    }
    context.notices.notice(&format!("reading {}; nothing in it is changed", from.display()));
    let report = siltstone::recover(&context.environment, from, to)?;
    let exit = if is_whole(&report) { Exit::Pass } else { Exit::Found };
    let rows = report.collections.iter().map(|one| one.rows).sum();
    if context.json {
        let collections = report.collections.iter().map(|one| Saved {
            collection: &one.name,
            rows: one.rows,
            with_history: one.with_history,
            manifest_rebuilt: one.manifest_rebuilt,
            damage: one.damage.iter().map(described).collect(),
        });
        let lost =
            report.lost.iter().map(|(path, reason)| Lost { path: path.clone(), reason: reason.clone() });
        let (collections, lost) = (collections.collect(), lost.collect());
        context.print_json(&Recovered { from, to, rows, collections, lost })?;
        return Ok(exit);
    }
    print(context, &report)?;
    context.output.line(format!(
        "saved {} into {}",
        Context::rows_in(rows, report.collections.len()),
        to.display()
    ))?;
    context.notices.notice(&format!(
        "next: `siltstone --store {} health --deep-scan`, then `siltstone update` for what is missing; keep the old store \
         until then",
        to.display()
    ));
    Ok(exit)
}

fn print(context: &Context, report: &RecoveryReport) -> Result<(), CliError> {
    let (output, style) = (&context.output, context.style);
    for one in &report.collections {
        let history =
            if one.with_history { "with its history" } else { "row by row, without commits and snapshots" };
        let manifest = if one.manifest_rebuilt { ", manifest rebuilt" } else { "" };
        output.line(format!(
            "{}: {} {history}{manifest}",
            name(&one.name),
            counted(one.rows, "row", "rows")
        ))?;
        for damage in one.damage.iter().take(SHOWN) {
            output.line(format!("    {} {}", style.yellow("not saved:"), described(damage)))?;
        }
        if one.damage.len() > SHOWN {
            let more = count((one.damage.len() - SHOWN) as u64);
            output.line(format!("    and {more} more; --json shows all"))?;
        }
    }
    for (path, reason) in &report.lost {
        output.line(format!("{} {}: {reason}", style.red("lost:"), path.display()))?;
    }
    Ok(())
}

fn described(damage: &Damage) -> String {
    format!("{}: {}", damage.path.display(), damage.flaw)
}

fn is_whole(report: &RecoveryReport) -> bool {
    report.lost.is_empty() && report.collections.iter().all(|one| one.damage.is_empty())
}

/// Whether `path`, which need not exist, lies in `directory`.
fn is_inside(path: &Path, directory: &Path) -> bool {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let real = absolute.ancestors().find_map(|ancestor| {
        let rest = absolute.strip_prefix(ancestor).ok()?;
        ancestor.canonicalize().ok().map(|real| real.join(rest))
    });
    let directory = directory.canonicalize();
    match (real, directory) {
        (Some(real), Ok(directory)) => real.starts_with(directory),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_inside_the_store_is_recognised_through_links_too() {
        let scratch = tempfile::tempdir().unwrap();
        let store = scratch.path().join("store");
        std::fs::create_dir(&store).unwrap();
        assert!(is_inside(&store.join("new/deeper"), &store));
        assert!(is_inside(&store, &store));
        assert!(!is_inside(&scratch.path().join("store2"), &store));
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(&store, scratch.path().join("link")).unwrap();
            assert!(is_inside(&scratch.path().join("link/new"), &store));
        }
    }
}
