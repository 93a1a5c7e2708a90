//! `siltstone search`: from a question to the passages that are closest to it.

mod find;
mod pick;
mod show;
mod snippet;

use clap::Args;
use siltstone::{Filter, Search};

use super::context::Context;
use super::embedder;
use crate::config::Overrides;
use crate::exit::{CliError, Exit};

#[derive(Debug, Args)]
pub(crate) struct SearchArgs {
    /// What to look for, in your own words
    #[arg(required = true, value_name = "QUERY")]
    pub(crate) query: Vec<String>,
    /// Search only this collection; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) collection: Vec<String>,
    /// Search only this framework; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) framework: Vec<String>,
    /// How many hits to print
    #[arg(long, short = 'k', value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) top_k: u32,
    /// Only passages whose metadata matches, such as: chunk_index = 0 and file_path prefix 'guide/'
    #[arg(long, value_name = "EXPR")]
    pub(crate) filter: Option<String>,
    /// Only the best passage of each document
    #[arg(long)]
    pub(crate) per_document: bool,
    /// Only hits with at least this score; for euclidean distance, at most
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true)]
    pub(crate) min_score: Option<f64>,
    /// Search the moment that a snapshot keeps, instead of now
    #[arg(long, value_name = "NAME")]
    pub(crate) snapshot: Option<String>,
    /// Say what the search took: rows, what passed each level of the search codes, bytes, time
    #[arg(long)]
    pub(crate) explain: bool,
    /// Leave out what is damaged, and say so, instead of failing
    #[arg(long)]
    pub(crate) skip_damaged: bool,
    /// Address of the embedding server that the collections were made with [default: from siltstone.toml]
    #[arg(long, value_name = "URL", help_heading = "Embedder")]
    pub(crate) base_url: Option<String>,
    /// Model that the collections were made with [default: from siltstone.toml]
    #[arg(long, value_name = "NAME", help_heading = "Embedder")]
    pub(crate) model: Option<String>,
    /// Elements of a vector of that model [default: from siltstone.toml]
    #[arg(long, value_name = "N", help_heading = "Embedder")]
    pub(crate) dims: Option<i64>,
}

impl SearchArgs {
    /// What these flags say about the settings.
    pub(crate) fn overrides(&self) -> Overrides {
        let (base_url, model) = (self.base_url.clone(), self.model.clone());
        Overrides { base_url, model, dims: self.dims, ..Overrides::default() }
    }
}

/// The metadata field by which passages belong to one document.
const DOCUMENT: &str = "file_path";

pub(crate) fn run(args: &SearchArgs, context: &Context) -> Result<Exit, CliError> {
    let query = args.query.join(" ");
    if query.trim().is_empty() {
        return Err(CliError::usage(
            "the query is empty",
            "say what to look for: siltstone search \"how do I ...\"",
        ));
    }
    let search = what_to_search_for(args)?;
    let store = context.open_store()?;
    let picked = pick::pick(args, context, &store)?;
    let found = match &picked.identity {
        Some(identity) => {
            let embedder = embedder::for_identity(identity, &context.settings.embedder)?;
            context.notices.detail(&format!("embedding the query with {}", embedder::described(identity)));
            let vector = embedder::embed_query(&*embedder, &query, &context.cancel)?;
            context.check_cancelled()?;
            in_threads(context, || {
                let start = std::time::Instant::now();
                let found = find::find(args, &store, picked, &vector, &search)?;
                let (seconds, threads) = (start.elapsed().as_secs_f64(), rayon::current_num_threads());
                Ok(find::Found { seconds, threads, ..found })
            })?
        }
        None => {
            context
                .notices
                .notice("there is nothing to search yet: `siltstone update PATH` indexes a folder");
            find::Found::default()
        }
    };
    show::show(context, &query, &found, args.explain)?;
    Ok(Exit::Pass)
}

/// Searches with as many threads as the settings say, else with one a processor.
fn in_threads<T: Send>(
    context: &Context,
    search: impl FnOnce() -> Result<T, CliError> + Send,
) -> Result<T, CliError> {
    let Some(threads) = context.settings.search.threads else { return search() };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(|error| {
        CliError::failed(
            format!("{threads} threads cannot be had: {error}"),
            "lower threads under [search] in siltstone.toml, or check the limits of this process",
        )
    })?;
    pool.install(search)
}

fn what_to_search_for(args: &SearchArgs) -> Result<Search, CliError> {
    let mut search = Search::new(args.top_k as usize);
    if let Some(text) = &args.filter {
        let filter = Filter::parse(text).map_err(siltstone::Error::from)?;
        search = search.filter(filter);
    }
    if let Some(score) = args.min_score {
        if !score.is_finite() {
            return Err(CliError::usage(
                format!("--min-score {score} is no score"),
                "give a number such as 0.3",
            ));
        }
        search = search.threshold(score);
    }
    Ok(if args.per_document { search.per_document(DOCUMENT) } else { search })
}
