//! What the page shows, taken anew when it is worth it: a store of hundreds of collections is not opened for every
//! browser every two seconds.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::command::context::Context;
use crate::command::log::recent_errors;
use crate::command::status::{Measured, survey};
use crate::exit::CliError;
use crate::monitor::{self, Day, Figures, Verdict};
use crate::runs::{self, RunRecord};

/// Runs and days that are drawn.
const RUNS: usize = 60;
const DAYS: u16 = 30;
/// Lines of the log that are shown.
const ERRORS: usize = 8;
/// What was taken is good for so long, and for so many times as long as taking it took.
const GOOD_FOR: Duration = Duration::from_millis(1_500);
const TIMES: u32 = 10;

/// Everything that the page shows.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) figures: Figures,
    pub(super) verdict: Verdict,
    pub(super) collections: Vec<Measured>,
    pub(super) runs: Vec<RunRecord>,
    pub(super) days: Vec<Day>,
    /// The newest last.
    pub(super) errors: Vec<String>,
}

/// The last that was taken.
#[derive(Default)]
pub(super) struct Gathered {
    last: Option<(Instant, Duration, Seen)>,
}

impl Gathered {
    pub(super) fn refresh(&mut self, context: &Context) -> Result<&Seen, CliError> {
        let is_good = |taken: &Instant, took: Duration| taken.elapsed() < GOOD_FOR + took * TIMES;
        let last = match self.last.take() {
            Some((taken, took, mut seen)) if is_good(&taken, took) => {
                // How far an update is costs nothing to look up.
                let settings = &context.settings;
                seen.figures.now_ms = context.environment.clock.now_ms();
                seen.figures.seen = monitor::seen(&settings.logs, &settings.store);
                seen.verdict = monitor::check(&seen.figures, &settings.monitor);
                (taken, took, seen)
            }
            _ => {
                let taken = Instant::now();
                let seen = Seen::take(context)?;
                (taken, taken.elapsed(), seen)
            }
        };
        Ok(&self.last.insert(last).2)
    }
}

impl Seen {
    fn take(context: &Context) -> Result<Seen, CliError> {
        let store = context.open_store()?;
        let surveyed = survey(context, &store, &store.names()?, false)?;
        let figures = Figures::gather(context, &store, surveyed.counts(), surveyed.coverage())?;
        let verdict = monitor::check(&figures, &context.settings.monitor);
        let mut runs = runs::load(&context.settings.logs, &context.settings.store);
        drop(runs.drain(..runs.len().saturating_sub(RUNS)));
        let days = monitor::last_days(context, figures.now_ms, DAYS)?;
        let errors = recent_errors(context, ERRORS);
        Ok(Seen { figures, verdict, collections: surveyed.collections, runs, days, errors })
    }

    /// The figures for programs.
    pub(super) fn json(&self) -> Value {
        let Figures { counts, storage, seen, health, ages, .. } = &self.figures;
        json!({
            "taken_ms": self.figures.now_ms,
            "state": self.verdict.state,
            "line": self.verdict.line,
            "problems": self.verdict.problems,
            "counts": counts,
            "storage": storage,
            "updates": seen,
            "health": health,
            "last_good_run_ms": ages.update_ms,
            "last_backup_ms": ages.backup_ms,
            "last_verification_ms": ages.verification_ms,
            "last_deep_scan_ms": ages.deep_scan_ms,
            "cost_today_usd": self.figures.cost_today_usd,
            "requests_last_day": self.figures.requests,
            "rate_limited_last_day": self.figures.rate_limited,
            "runs": self.runs,
            "days": self.days,
            "collections": self.collections,
        })
    }
}
