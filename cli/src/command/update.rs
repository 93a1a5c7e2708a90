//! `siltstone update`: brings the store up to date with folders of documents.

use std::path::PathBuf;

use clap::Args;

use super::context::Context;
use crate::config::Overrides;
use crate::exit::{CliError, Exit};

#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    /// Folders or files of documents [default: those that siltstone.toml names]
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Name of the one framework that PATH holds; without a PATH, the one to update of those in siltstone.toml
    #[arg(long, value_name = "NAME")]
    pub(crate) framework: Option<String>,
    /// Pay without being asked; for cron. Lifts no limit
    #[arg(long)]
    pub(crate) force: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Remove documents even when a large part of a collection would go
    #[arg(long)]
    pub(crate) allow_mass_removal: bool,
    /// Where model, dims or chunk limits have changed, embed everything anew beside what is there, and switch when it is done
    #[arg(long)]
    pub(crate) reembed: bool,
    /// Read every file, also those whose size and times have not changed since they were read last
    #[arg(long)]
    pub(crate) verify_content: bool,
    /// Take each child folder of PATH as a framework
    #[arg(long, conflicts_with = "no_split")]
    pub(crate) split: bool,
    /// Take PATH as one framework, whatever is in it
    #[arg(long)]
    pub(crate) no_split: bool,
    /// What turns text into vectors: builtin, or openai for any server that speaks its API
    #[arg(long, value_name = "NAME", help_heading = "Embedder")]
    pub(crate) embedder: Option<String>,
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
    /// Texts in one request
    #[arg(long, value_name = "N", help_heading = "Embedder")]
    pub(crate) batch_size: Option<i64>,
    /// Requests in flight at once
    #[arg(long, value_name = "N", help_heading = "Embedder")]
    pub(crate) concurrency: Option<i64>,
    /// Seconds to wait for an answer
    #[arg(long, value_name = "SECONDS", help_heading = "Embedder")]
    pub(crate) timeout: Option<i64>,
    /// Pay at most so much in this run, in USD [default: MAX_EMBEDDING_COST, else 10]
    #[arg(long, value_name = "USD", help_heading = "Limits and names", allow_negative_numbers = true)]
    pub(crate) max_cost: Option<f64>,
    /// Begins the names of new collections
    #[arg(long, value_name = "PREFIX", help_heading = "Limits and names")]
    pub(crate) collection_prefix: Option<String>,
    /// Larger files are left out
    #[arg(long, value_name = "MB", help_heading = "Limits and names")]
    pub(crate) max_file_size_mb: Option<f64>,
    /// Most files to embed in this run
    #[arg(long, value_name = "N", help_heading = "Limits and names")]
    pub(crate) max_files: Option<i64>,
}

impl UpdateArgs {
    /// What these flags say about the settings.
    pub(crate) fn overrides(&self) -> Overrides {
        Overrides {
            store: None,
            provider: self.embedder.clone(),
            base_url: self.base_url.clone(),
            model: self.model.clone(),
            dims: self.dims,
            batch_size: self.batch_size,
            timeout_s: self.timeout,
            collection_prefix: self.collection_prefix.clone(),
            max_file_size_mb: self.max_file_size_mb,
            max_files: self.max_files,
            concurrency: self.concurrency,
            max_cost_usd: self.max_cost,
        }
    }
}

pub(crate) fn run(args: &UpdateArgs, context: &Context) -> Result<Exit, CliError> {
    crate::update::run(args, context)
}
