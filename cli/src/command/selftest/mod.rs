//! `siltstone selftest`: does what siltstone promises hold on this machine, this processor and this disk? A store of its own is
//! made beside the configured one, on the same disk, and treated as badly as a store is ever treated; nothing of it is left.
//! It is for the day on which a machine, a file system or a version is new: a network file system that does not honour
//! locks, a disk that loses what it acknowledged.

mod checks;
mod scene;

use std::path::Path;
use std::time::Instant;

use clap::Args;
use serde::Serialize;

use super::bench::scratch::Scratch;
use super::context::Context;
use crate::exit::{CliError, Exit};
use checks::CHECKS;
use scene::Scene;

#[derive(Debug, Args)]
pub(crate) struct SelftestArgs {}

/// One promise that was tried.
#[derive(Debug, Serialize)]
struct Tried {
    check: &'static str,
    passed: bool,
    says: String,
    seconds: f64,
}

#[derive(Debug, Serialize)]
struct Report<'a> {
    passed: bool,
    folder: &'a Path,
    checks: &'a [Tried],
}

pub(crate) fn run(_args: &SelftestArgs, context: &Context) -> Result<Exit, CliError> {
    let scratch = Scratch::new(context)?;
    let scene = Scene::set(context, scratch.path())?;
    let mut tried = Vec::new();
    for (check, act) in CHECKS {
        context.check_cancelled()?;
        context.notices.detail(&format!("trying {check}"));
        let started = Instant::now();
        let (passed, says) = match act(&scene) {
            Ok(says) => (true, says),
            Err(reason) => (false, reason.to_string()),
        };
        let seconds = started.elapsed().as_secs_f64();
        if !context.json {
            let word = if passed { context.style.green("PASS") } else { context.style.red("FAIL") };
            context.output.line(format!("{word}  {check:<10} {says}"))?;
        }
        tried.push(Tried { check, passed, says, seconds });
    }
    let passed = tried.iter().all(|one| one.passed);
    if context.json {
        context.print_json(&Report { passed, folder: scratch.path(), checks: &tried })?;
    }
    if passed {
        return Ok(Exit::Pass);
    }
    context.notices.warning(
        "do not keep a store here before this is understood: another disk or file system, else this machine's memory",
    );
    Ok(Exit::Found)
}
