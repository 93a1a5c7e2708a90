//! What was measured, as tables and as JSON.

use serde::Serialize;

use super::apply::Recommended;
use super::commit::Commits;
use super::embed::Embeddings;
use super::search::Searches;
use crate::command::context::Context;
use crate::exit::CliError;
use crate::render::plain::one_line;
use crate::render::table::Table;
use crate::render::units::{count, counted};

#[derive(Debug, Serialize)]
pub(super) struct Report {
    measured_at_ms: i64,
    processors: usize,
    pub(super) commit: Option<Commits>,
    pub(super) search: Option<Searches>,
    pub(super) embed: Option<Embeddings>,
}

impl Report {
    pub(super) fn new(context: &Context) -> Report {
        Report {
            measured_at_ms: context.environment.clock.now_ms(),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            commit: None,
            search: None,
            embed: None,
        }
    }

    /// The settings that are recommended: section, key and value.
    pub(super) fn recommended(&self) -> Vec<Recommended> {
        let rows = self.commit.as_ref().and_then(|commit| commit.recommended);
        let threads = self.search.as_ref().and_then(|search| search.recommended_threads);
        let best = self.embed.as_ref().and_then(|embed| embed.recommended);
        let all = [
            ("embedder", "batch_size", best.map(|best| best.batch_size)),
            ("embedder", "concurrency", best.map(|best| best.concurrency)),
            ("update", "commit_rows", rows),
            ("search", "threads", threads),
        ];
        let known = all.into_iter().filter_map(|(section, key, value)| Some((section, key, value?)));
        known.map(|(section, key, value)| Recommended { section, key, value }).collect()
    }

    pub(super) fn print(&self, context: &Context) -> Result<(), CliError> {
        if context.json {
            return context.print_json(self);
        }
        if let Some(commit) = &self.commit {
            commits(context, commit)?;
        }
        if let Some(search) = &self.search {
            searches(context, search)?;
        }
        if let Some(embed) = &self.embed {
            embeddings(context, embed)?;
        }
        Ok(())
    }
}

fn print(context: &Context, title: &str, table: &Table, says: Option<String>) -> Result<(), CliError> {
    context.output.line(context.style.bold(title))?;
    for line in table.lines() {
        context.output.line(format!("  {line}"))?;
    }
    if let Some(says) = says {
        context.output.line(format!("  recommended: {says}"))?;
    }
    context.output.line("")
}

fn ms(value: f64) -> String {
    format!("{value:.2} ms")
}

fn commits(context: &Context, commit: &Commits) -> Result<(), CliError> {
    let mut table = Table::new(&["rows a commit", "rows/s", "median", "95 %"], 0, 4);
    for one in &commit.samples {
        let rate = count(one.rows_per_second as u64);
        table.row(vec![count(one.rows as u64), rate, ms(one.latency.median_ms), ms(one.latency.p95_ms)]);
    }
    let says =
        commit.recommended.map(|rows| format!("commit_rows = {rows} under [update] (--apply writes it)"));
    print(context, &format!("commits, {} dimensions", commit.dims), &table, says)
}

fn searches(context: &Context, search: &Searches) -> Result<(), CliError> {
    let mut table = Table::new(&["threads", "top_k", "median", "95 %"], 0, 4);
    for one in &search.samples {
        let (threads, top_k) = (count(one.threads as u64), count(one.top_k as u64));
        table.row(vec![threads, top_k, ms(one.latency.median_ms), ms(one.latency.p95_ms)]);
    }
    let title = format!(
        "searches of {} in {}",
        counted(search.rows, "row", "rows"),
        counted(search.collections as u64, "collection", "collections")
    );
    let says = search
        .recommended_threads
        .map(|threads| format!("threads = {threads} under [search] (--apply writes it)"));
    print(context, &title, &table, says)
}

fn embeddings(context: &Context, embed: &Embeddings) -> Result<(), CliError> {
    let mut table = Table::new(&["texts", "in flight", "texts/s", "median", "95 %", "429s"], 0, 6);
    for one in &embed.samples {
        table.row(vec![
            count(one.setting.batch_size as u64),
            count(one.setting.concurrency as u64),
            format!("{:.1}", one.inputs_per_second),
            ms(one.latency.median_ms),
            ms(one.latency.p95_ms),
            count(one.rate_limited),
        ]);
    }
    let money = embed.cost_usd.filter(|cost| *cost > 0.0);
    let money = money.map_or_else(String::new, |cost| format!(", ${cost:.4} spent"));
    let title = format!(
        "requests to {}, {} a text{money}",
        one_line(&embed.model),
        counted(embed.mean_tokens, "token", "tokens")
    );
    let says = embed.recommended.map(|best| {
        format!(
            "batch_size = {}, concurrency = {} under [embedder] (--apply writes them)",
            best.batch_size, best.concurrency
        )
    });
    print(context, &title, &table, says)
}
