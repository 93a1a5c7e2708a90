//! `siltstone health`: is the store whole, and does it hold what its documents say? Four components, each with a status,
//! a count, examples and the command that puts it right. Nothing is changed.

mod collate;
mod component;
mod integrity;
mod metadata;
mod report;
mod survey;

use std::path::PathBuf;

use clap::Args;

use super::context::Context;
use crate::exit::{CliError, Exit};
use component::Status;
use report::Report;

#[derive(Debug, Args)]
pub(crate) struct HealthArgs {
    /// Check only this collection; may be repeated; `all` is the default
    #[arg(long, value_name = "NAME|all")]
    pub(crate) collection: Vec<String>,
    /// Read and recompute every byte, instead of structures and headers only
    #[arg(long)]
    pub(crate) deep_scan: bool,
    /// Write the report to this file as well, as JSON
    #[arg(long, value_name = "FILE.json")]
    pub(crate) output: Option<PathBuf>,
}

pub(crate) fn run(args: &HealthArgs, context: &Context) -> Result<Exit, CliError> {
    if let Some(path) =
        args.output.as_deref().filter(|path| path.extension().is_some_and(|ending| ending == "html"))
    {
        return Err(CliError::usage(
            format!("{}: reports are written as JSON only", path.display()),
            "name a file that ends in .json",
        ));
    }
    let given: Vec<String> = match args.collection.iter().any(|name| name == "all") {
        true => Vec::new(),
        false => args.collection.clone(),
    };
    let only = if given.is_empty() { None } else { Some(given.as_slice()) };
    let (integrity, read) = integrity::check(context, args.deep_scan, only)?;
    let contents = collate::check(context, &given)?;
    let mut components = vec![integrity];
    components.extend(contents);
    let report = Report::new(context, args.deep_scan, read, components);
    if let Some(path) = &args.output {
        report.write(path)?;
        context.notices.notice(&format!("report written to {}", path.display()));
    }
    report.print(context)?;
    Ok(if report.status() == Status::Fail { Exit::Found } else { Exit::Pass })
}
