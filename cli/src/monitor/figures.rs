//! The figures by which a store and its updates are watched.

use serde::Serialize;
use siltstone::Store;

use super::{Ages, Covered, Seen, Storage, machine, requests, seen};
use crate::command::context::Context;
use crate::command::health::{self, LastHealth};
use crate::exit::CliError;
use crate::ingest::ledger::{Ledger, Tally};
use crate::runs::{self, RunRecord};

/// What the collections hold, as whoever opened them counted it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Counts {
    pub(crate) collections: u64,
    pub(crate) chunks: u64,
    pub(crate) dead_rows: u64,
    pub(crate) damaged: u64,
    /// Share of the documents that are embedded, as the last updates counted them.
    pub(crate) coverage_ratio: Option<f64>,
}

/// What is known now. What cannot be known on this machine is `None`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) now_ms: i64,
    pub(crate) counts: Counts,
    /// Of each collection of which it is known.
    pub(crate) coverage: Vec<(String, Covered)>,
    pub(crate) storage: Storage,
    /// Spent since midnight UTC, requests under way included.
    pub(crate) cost_today_usd: f64,
    /// Of the last 24 hours; of these, put off with 429.
    pub(crate) requests: u64,
    pub(crate) rate_limited: u64,
    pub(crate) last_run: Option<RunRecord>,
    /// Updates that are under way, and those that ended without a word.
    pub(crate) seen: Vec<Seen>,
    pub(crate) ages: Ages,
    pub(crate) health: Option<LastHealth>,
    pub(crate) machine_memory_bytes: Option<u64>,
    pub(crate) machine_used_bytes: Option<u64>,
    pub(crate) store_free_bytes: Option<u64>,
    pub(crate) backups_free_bytes: Option<u64>,
}

impl Figures {
    pub(crate) fn gather(
        context: &Context,
        store: &Store,
        counts: Counts,
        coverage: Vec<(String, Covered)>,
    ) -> Result<Figures, CliError> {
        let settings = &context.settings;
        let now_ms = context.environment.clock.now_ms();
        let ledger = Ledger::new(&settings.logs);
        let mut tally = Tally::default();
        tally.catch_up(&ledger, now_ms).map_err(|error| {
            CliError::failed(
                format!("{} cannot be read: {error}", ledger.path().display()),
                "make the folder of logs readable, or name another one in siltstone.toml",
            )
        })?;
        let (requests, rate_limited) = requests::last_24_hours(context, now_ms)?;
        let mut runs = runs::load(&settings.logs, &settings.store);
        let free = |path| machine::free_bytes(&machine::existing(path)).ok();
        Ok(Figures {
            now_ms,
            counts,
            coverage,
            storage: Storage::survey(context, store)?,
            cost_today_usd: tally.spent_usd(),
            requests,
            rate_limited,
            ages: Ages::gather(context, &runs),
            last_run: runs.pop(),
            seen: seen(&settings.logs, &settings.store),
            health: health::last(context),
            machine_memory_bytes: machine::machine_memory_bytes(),
            machine_used_bytes: machine::machine_used_bytes(),
            store_free_bytes: free(&settings.store),
            backups_free_bytes: free(&settings.backups),
        })
    }

    /// So many bytes, in percent of the machine's memory.
    pub(crate) fn percent_of_memory(&self, bytes: Option<u64>) -> Option<f64> {
        let all = self.machine_memory_bytes.filter(|all| *all > 0)?;
        Some(bytes? as f64 * 100.0 / all as f64)
    }

    /// Share of the requests of the last 24 hours that were put off with 429.
    pub(crate) fn rate_limited_percent(&self) -> f64 {
        if self.requests == 0 { 0.0 } else { self.rate_limited as f64 * 100.0 / self.requests as f64 }
    }

    /// Seconds since a moment; none before it.
    pub(crate) fn age_s(&self, moment_ms: Option<i64>) -> Option<f64> {
        moment_ms.map(|moment_ms| self.now_ms.saturating_sub(moment_ms).max(0) as f64 / 1e3)
    }

    /// What the next backup needs on its disk: as much as the last archive, and where there is none, as much as the store.
    pub(crate) fn backup_needs_bytes(&self) -> u64 {
        self.ages.backup_bytes.unwrap_or(self.storage.total_bytes)
    }
}
