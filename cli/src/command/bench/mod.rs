//! `siltstone bench`: what this machine, this store and the configured embedding server can do, and which settings follow
//! from it.
//!
//! ```text
//! scratch store --> commits  |  this store, only read --> searches  |  server, within the budget --> embeddings
//!                                        |
//!                       tables, recommendations, JSON, --apply
//! ```
//!
//! Nothing of it stays: what is written goes to a folder beside the store that is removed at the end, after Ctrl-C too.
//! Figures are of this machine at this hour; the recommendation is the smallest setting that comes near the best, because
//! smaller batches lose less and answer sooner.

mod apply;
mod choose;
pub(super) mod commit;
mod embed;
mod report;
pub(super) mod scratch;
mod search;
mod stopwatch;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::context::Context;
use crate::config::{Overrides, Provider};
use crate::exit::{CliError, Exit};
use crate::render::{file, json};
use report::Report;

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// Measure only this; may be repeated [default: commit and search, and embed when a server is configured]
    #[arg(long, value_name = "WHAT")]
    pub(crate) only: Vec<Part>,
    /// Time for each setting of commits and searches, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, value_parser = seconds)]
    pub(crate) seconds: f64,
    /// Write the figures to this file as JSON
    #[arg(long, value_name = "FILE.json")]
    pub(crate) output: Option<PathBuf>,
    /// Write what is recommended into the configuration file; the rest of it stays as it is
    #[arg(long)]
    pub(crate) apply: bool,
    /// Pay for embeddings without being asked. Lifts no limit
    #[arg(long, help_heading = "Embedder")]
    pub(crate) force: bool,
    /// Pay at most so much, in USD [default: MAX_EMBEDDING_COST, else 10]
    #[arg(long, value_name = "USD", help_heading = "Embedder")]
    pub(crate) max_cost: Option<f64>,
    /// Most texts in one request
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=2_048))]
    #[arg(help_heading = "Embedder")]
    pub(crate) max_batch: u32,
    /// Most requests in flight at once
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=64))]
    #[arg(help_heading = "Embedder")]
    pub(crate) max_concurrency: u32,
    // A doc comment with an address in it is no good documentation to rustdoc.
    #[arg(long, value_name = "URL", help = "Address of the server, such as https://api.openai.com/v1")]
    #[arg(help_heading = "Embedder")]
    pub(crate) base_url: Option<String>,
    /// Model that the server is asked for
    #[arg(long, value_name = "NAME", help_heading = "Embedder")]
    pub(crate) model: Option<String>,
    /// Elements of a vector
    #[arg(long, value_name = "N", help_heading = "Embedder")]
    pub(crate) dims: Option<i64>,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Commits of so many rows, into a scratch store beside this one
    Commit,
    /// Searches of this store, by top_k and threads
    Search,
    /// Requests to the embedding server, by inputs and requests in flight; may cost money
    Embed,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "a number of seconds is expected".to_owned())?;
    match (0.01..=600.0).contains(&seconds) {
        true => Ok(seconds),
        false => Err("it must be 0.01 to 600".to_owned()),
    }
}

impl BenchArgs {
    /// What these flags say about the settings.
    pub(crate) fn overrides(&self) -> Overrides {
        Overrides {
            base_url: self.base_url.clone(),
            model: self.model.clone(),
            dims: self.dims,
            max_cost_usd: self.max_cost,
            ..Overrides::default()
        }
    }

    fn time(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}

pub(crate) fn run(args: &BenchArgs, context: &Context) -> Result<Exit, CliError> {
    let has_server = context.settings.embedder.provider == Provider::OpenAi;
    let wanted = |part: Part| match args.only.is_empty() {
        true => part != Part::Embed || has_server,
        false => args.only.contains(&part),
    };
    if wanted(Part::Embed) && !has_server {
        return Err(CliError::usage(
            "no embedding server is configured, and the built-in embedder has nothing to tune",
            "set base_url and model under [embedder] in siltstone.toml, or give --base-url and --model",
        ));
    }
    let mut report = Report::new(context);
    if wanted(Part::Commit) {
        context.notices.notice("commits into a scratch store ...");
        report.commit = Some(commit::measure(args.time(), context)?);
    }
    if wanted(Part::Search) {
        context.notices.notice("searches of this store ...");
        report.search = search::measure(args.time(), context)?;
    }
    let mut stopped = None;
    if wanted(Part::Embed) {
        let (embed, error) = embed::measure(args, context)?;
        (report.embed, stopped) = (Some(embed), error);
    }
    if let Some(path) = &args.output {
        let text = json::text(&report)? + "\n";
        file::replace(path, text.as_bytes()).map_err(|error| {
            CliError::failed(
                format!("cannot write {}: {error}", path.display()),
                "name a file in a folder that exists and may be written to",
            )
        })?;
    }
    report.print(context)?;
    if let Some(error) = stopped {
        // What was measured until then was paid for, and is told; it is not enough to write settings from.
        return Err(error.into());
    }
    if args.apply {
        apply::apply(context, &report.recommended())?;
    }
    Ok(Exit::Pass)
}
