//! How far a run is: a bar on a terminal, a line now and then elsewhere, an event a second with `--json`, nothing with
//! `--quiet`.

use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::command::context::Context;
use crate::ingest::budget::Budget;
use crate::monitor::{Live, UPDATE};
use crate::render::notices::Notices;
use crate::render::units::count;

use super::report::Ended;

/// How often a line is printed where there is no terminal.
const EVERY: Duration = Duration::from_secs(15);
/// And for programs, where the result is for one.
const EVERY_EVENT: Duration = Duration::from_secs(1);

pub(super) struct Progress {
    bar: Option<ProgressBar>,
    /// Whether programs read.
    json: bool,
    notices: Arc<Notices>,
    budget: Option<Arc<Budget>>,
    state: Mutex<State>,
    /// For other processes, while anything is written.
    live: Option<Arc<Live>>,
}

struct State {
    collection: String,
    done: u64,
    total: u64,
    /// What was said of this collection so far.
    embedded: u64,
    reused: u64,
    processed: u64,
    started: Instant,
    said: Instant,
}

impl Progress {
    pub(super) fn new(context: &Context) -> Self {
        let notices = Arc::clone(&context.notices);
        let shown = !context.json && std::io::stderr().is_terminal() && notices.shows_progress();
        let bar = shown.then(|| {
            let bar = ProgressBar::new(0);
            let template = "{prefix} [{bar:30}] {pos}/{len} files {per_sec} eta {eta}  {msg}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("=> "));
            }
            bar
        });
        let now = Instant::now();
        let state = State {
            collection: String::new(),
            done: 0,
            total: 0,
            embedded: 0,
            reused: 0,
            processed: 0,
            started: now,
            said: now,
        };
        let (budget, live) = (context.budget.clone(), context.live().cloned());
        Progress { bar, json: context.json, notices, budget, state: Mutex::new(state), live }
    }

    /// From now on other processes see how far the run is.
    pub(super) fn publish(&mut self, context: &Context, frameworks: usize) {
        context.publish(UPDATE, frameworks);
        self.live = context.live().cloned();
    }

    /// What is being done, when it is not documents.
    pub(super) fn stage(&self, stage: &str) {
        if let Some(live) = &self.live {
            live.update(|now| stage.clone_into(&mut now.stage));
        }
    }

    /// The most memory that was in use on the machine since [`Progress::publish`].
    pub(super) fn machine_peak_bytes(&self) -> Option<u64> {
        self.live.as_ref().and_then(|live| live.machine_peak_bytes())
    }

    pub(super) fn begin(&self, collection: &str, files: u64) {
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = State {
            collection: collection.to_owned(),
            done: 0,
            total: files,
            embedded: 0,
            reused: 0,
            processed: 0,
            started: now,
            said: now,
        };
        if let Some(bar) = &self.bar {
            bar.reset();
            bar.set_length(files);
            bar.set_prefix(collection.to_owned());
        }
        if let Some(live) = &self.live {
            live.next(collection);
            live.step("embedding", "files", 0, files);
        }
    }

    pub(super) fn advance(&self, files: u64, ended: &Ended) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.done += files;
        let processed = ended.published + ended.failed.len() as u64;
        if let Some(live) = &self.live {
            live.update(|now| {
                now.files_done += files;
                now.files_done_in_all += files;
                now.files_processed += processed.saturating_sub(state.processed);
                now.chunks_embedded += ended.spent.embedded.saturating_sub(state.embedded);
                now.chunks_reused += ended.spent.reused.saturating_sub(state.reused);
            });
            (state.embedded, state.reused) = (ended.spent.embedded, ended.spent.reused);
        }
        state.processed = processed;
        let mut message =
            format!("{} chunks embedded, {} reused", count(ended.spent.embedded), count(ended.spent.reused));
        if let Some(money) = self.budget.as_deref().and_then(money) {
            message += &money;
        }
        if let Some(bar) = &self.bar {
            bar.set_position(state.done);
            bar.set_message(message);
        } else if self.json && state.said.elapsed() >= EVERY_EVENT {
            state.said = Instant::now();
            let budget = self.budget.as_deref();
            let event = serde_json::json!({
                "event": "progress", "collection": state.collection, "files_done": state.done, "files": state.total,
                "files_processed": processed, "chunks_embedded": ended.spent.embedded,
                "chunks_reused": ended.spent.reused, "spent_usd": budget.map(Budget::spent_usd),
            });
            self.notices.notice(&event.to_string());
        } else if !self.json && state.said.elapsed() >= EVERY {
            state.said = Instant::now();
            let minutes = state.started.elapsed().as_secs_f64() / 60.0;
            self.notices.notice(&format!(
                "{}: {} of {} files, {message}, {:.0} files/min processed",
                state.collection,
                count(state.done),
                count(state.total),
                processed as f64 / minutes.max(1e-9)
            ));
        }
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Spent and left, where anything costs.
fn money(budget: &Budget) -> Option<String> {
    budget.terms().usd_per_million_tokens.filter(|price| *price > 0.0)?;
    let (spent, limit) = (budget.spent_usd(), budget.terms().run_usd?);
    Some(format!(", ${spent:.4} spent, ${:.4} left", (limit - spent).max(0.0)))
}
