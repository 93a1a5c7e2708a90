//! The figures by which a store and its updates are watched.

use std::path::Path;

use super::Totals;
use crate::command::context::Context;
use crate::exit::CliError;
use crate::ingest::ledger::{Ledger, Tally};
use crate::runs::{self, RunRecord};

/// What is known now. What cannot be known on this machine is `None`.
#[derive(Debug, Default)]
pub(super) struct Figures {
    pub(super) collections: u64,
    pub(super) chunks: u64,
    pub(super) dead_rows: u64,
    pub(super) damaged: u64,
    /// All files of the store's directory.
    pub(super) store_bytes: u64,
    /// Spent since midnight UTC, requests under way included.
    pub(super) cost_today_usd: f64,
    pub(super) last_run: Option<RunRecord>,
    /// Seconds since the last run that ended with 0.
    pub(super) success_age_s: Option<f64>,
    pub(super) machine_memory_bytes: Option<u64>,
}

impl Figures {
    pub(super) fn gather(context: &Context, totals: &Totals, damaged: u64) -> Result<Figures, CliError> {
        let now_ms = context.environment.clock.now_ms();
        let ledger = Ledger::new(&context.settings.logs);
        let mut tally = Tally::default();
        tally.catch_up(&ledger, now_ms).map_err(|error| {
            CliError::failed(
                format!("{} cannot be read: {error}", ledger.path().display()),
                "make the folder of logs readable, or name another one in siltstone.toml",
            )
        })?;
        let mut runs = runs::load(&context.settings.logs, &context.settings.store);
        let success = runs.iter().rev().find(|run| run.exit == 0).map(|run| run.finished_ms);
        Ok(Figures {
            collections: totals.collections,
            chunks: totals.chunks,
            dead_rows: totals.dead_rows,
            damaged,
            store_bytes: bytes_below(&context.settings.store),
            cost_today_usd: tally.spent_usd(),
            success_age_s: success.map(|finished_ms| now_ms.saturating_sub(finished_ms).max(0) as f64 / 1e3),
            last_run: runs.pop(),
            machine_memory_bytes: runs::machine_memory_bytes(),
        })
    }

    /// Peak memory of the last run, in percent of what the machine has.
    pub(super) fn memory_percent(&self) -> Option<f64> {
        let peak = self.last_run.as_ref()?.peak_memory_bytes?;
        Some(peak as f64 * 100.0 / self.machine_memory_bytes? as f64)
    }
}

/// Files that vanish meanwhile are not counted.
fn bytes_below(directory: &Path) -> u64 {
    let mut bytes = 0;
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.metadata() {
            Ok(meta) if meta.is_file() => bytes += meta.len(),
            Ok(meta) if meta.is_dir() => bytes += bytes_below(&entry.path()),
            _ => {}
        }
    }
    bytes
}
