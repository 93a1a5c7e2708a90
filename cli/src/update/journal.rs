//! What a run leaves under `logs/`: lines for people, figures for alarms and trends.

use std::io::IsTerminal;

use crate::command::context::Context;
use crate::exit::{CliError, Exit};
use crate::ingest::budget::Budget;
use crate::monitor::{peak_memory_bytes, store_bytes};
use crate::render::plain::one_line;
use crate::render::units::count;
use crate::runs::{self, RunRecord};

use super::report::{Line, Report};

/// Files of each kind that one run puts into the log.
const LOGGED: usize = 1_000;

/// A run's part of the log, gathered and written at once.
#[derive(Debug, Default)]
pub(super) struct Journal {
    lines: Vec<(&'static str, String)>,
}

impl Journal {
    pub(super) fn info(&mut self, text: impl Into<String>) {
        self.lines.push(("INFO", text.into()));
    }

    pub(super) fn warning(&mut self, text: impl Into<String>) {
        self.lines.push(("WARN", text.into()));
    }

    pub(super) fn error(&mut self, text: impl Into<String>) {
        self.lines.push(("ERROR", text.into()));
    }

    /// Adds the lines to the log. One that cannot be written is said once and stops nothing.
    pub(super) fn write(self, context: &Context) {
        let now_ms = context.environment.clock.now_ms();
        let time = match jiff::Timestamp::from_millisecond(now_ms) {
            Ok(time) => time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            Err(_) => return,
        };
        let lines: String =
            self.lines.iter().map(|(level, text)| format!("{time} {level} {}\n", one_line(text))).collect();
        if let Err(error) = runs::write_log(&context.settings.logs, &lines, now_ms) {
            let logs = context.settings.logs.display();
            context.notices.warning(&format!("{logs}: {error}; this run is not in the log"));
        }
    }
}

/// Writes down that a run began: one that never ends is seen by the missing end.
pub(super) fn began(context: &Context, frameworks: usize) {
    let mut journal = Journal::default();
    journal.info(format!("update of {frameworks} frameworks began, process {}", std::process::id()));
    journal.write(context);
}

/// Writes down that a run could not begin. `counts`: it belongs into the history, as one that failed.
pub(super) fn refused(context: &Context, error: &CliError, counts: bool) {
    let mut journal = Journal::default();
    journal.error(format!("{}; next: {}", error.message, error.next_step));
    journal.write(context);
    if !counts || std::io::stderr().is_terminal() {
        // Whoever made a mistake has seen it; only what nobody saw belongs into the history.
        return;
    }
    let now_ms = context.environment.clock.now_ms();
    let exit = error.exit.code();
    remember(context, &RunRecord { started_ms: now_ms, finished_ms: now_ms, exit, ..RunRecord::default() });
}

/// Writes down how a run ended, and says how fast it was.
pub(super) fn ended(context: &Context, report: &Report, started_ms: i64, machine_peak_bytes: Option<u64>) {
    let record = RunRecord {
        started_ms,
        finished_ms: context.environment.clock.now_ms(),
        rate_limited: context.budget.as_deref().map_or(0, Budget::rate_limited),
        machine_peak_bytes,
        store_bytes: Some(store_bytes(&context.settings.store)),
        ..report.record()
    };
    let mut journal = report.journal();
    let rate = format!(
        "Processing rate: {:.0} files/min ({} processed, {} unchanged)",
        record.files_per_minute(),
        count(record.processed()),
        count(record.unchanged)
    );
    context.notices.notice(&rate);
    journal.info(rate);
    let text = format!("ended with exit code {} after {:.1} s", record.exit, record.seconds());
    let text = match record.cost_usd {
        0.0 => text,
        cost_usd => format!("{text}, spent ${cost_usd:.4}"),
    };
    if record.exit == 0 {
        journal.info(text)
    } else {
        journal.error(text)
    }
    journal.write(context);
    // Where somebody else was writing everywhere, theirs is the last update; a slip of the pen is none.
    if !report.is_no_run() {
        remember(context, &record);
    }
}

fn remember(context: &Context, record: &RunRecord) {
    if let Err(error) = runs::add(&context.settings.logs, &context.settings.store, record) {
        let logs = context.settings.logs.display();
        context.notices.warning(&format!("{logs}: {error}; this run is not in the history"));
    }
}

impl Report {
    /// Whether nothing was run: every framework was refused because somebody else writes to it, or because the command line
    /// makes no sense.
    fn is_no_run(&self) -> bool {
        let is_locked = |line: &Line| line.ended.as_ref().is_err_and(|error| error.exit == Exit::Locked);
        !self.lines.is_empty() && self.lines.iter().all(|line| line.is_mistaken || is_locked(line))
    }

    /// The figures of the run, with nothing of how it began and ended.
    fn record(&self) -> RunRecord {
        let mut record = RunRecord {
            exit: self.exit().code(),
            frameworks: self.lines.len() as u64,
            cost_usd: self.cost.map_or(0.0, |cost| cost.spent_usd),
            peak_memory_bytes: peak_memory_bytes(),
            ..RunRecord::default()
        };
        let is_damage = |line: &&Line| line.ended.as_ref().is_err_and(|error| error.exit == Exit::Found);
        record.damaged = self.lines.iter().filter(is_damage).count() as u64;
        for ended in self.lines.iter().filter_map(|line| line.ended.as_ref().ok()) {
            record.files += ended.new + ended.changed + ended.unchanged;
            record.unchanged += ended.unchanged;
            record.published += ended.published;
            record.failed += ended.failed.len() as u64;
            record.removed += ended.removed.len() as u64;
            record.chunks_embedded += ended.spent.embedded;
            record.chunks_reused += ended.spent.reused;
            record.tokens += ended.spent.tokens;
            record.requests += ended.spent.requests;
        }
        record
    }

    /// What the log keeps of the run.
    fn journal(&self) -> Journal {
        let mut journal = Journal::default();
        for line in &self.lines {
            let name = &line.collection;
            let ended = match &line.ended {
                Ok(ended) => ended,
                Err(error) => {
                    journal.error(format!("{name}: {}; next: {}", error.message, error.next_step));
                    continue;
                }
            };
            journal.info(self.summary(line, ended));
            for (path, reason) in ended.problems().take(LOGGED) {
                journal.warning(format!("{name}: left out {path}: {reason}"));
            }
            for (path, reason) in ended.failed.iter().take(LOGGED) {
                journal.warning(format!("{name}: not embedded {path}: {reason}"));
            }
            if let Some(reason) = &ended.held_back {
                journal.warning(format!("{name}: {reason}"));
            }
            if let Some(error) = &ended.stopped {
                journal.error(format!("{name}: stopped: {error}"));
            }
        }
        journal
    }
}
