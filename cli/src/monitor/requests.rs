//! What the ledger of requests says about the last hours and days.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use crate::command::context::Context;
use crate::exit::CliError;
use crate::ingest::ledger::{Entry, Ledger};
use crate::render::units::day;

pub(super) const DAY_MS: i64 = 86_400_000;

/// The requests of one day, UTC.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Day {
    pub(crate) day: String,
    pub(crate) requests: u64,
    /// Those that the server put off with 429.
    pub(crate) rate_limited: u64,
    pub(crate) tokens: u64,
    /// Those that are under way, or were cut off, count as they were reserved.
    pub(crate) cost_usd: f64,
}

/// The requests of the last 24 hours, and how many of them were put off with 429.
pub(super) fn last_24_hours(context: &Context, now_ms: i64) -> Result<(u64, u64), CliError> {
    let sums = sums(context, now_ms.saturating_sub(DAY_MS), |_| ())?;
    Ok(sums.into_values().next().map_or((0, 0), |sum| (sum.requests, sum.rate_limited)))
}

/// The last days, today included, oldest first; also those without a request.
pub(crate) fn last_days(context: &Context, now_ms: i64, days: u16) -> Result<Vec<Day>, CliError> {
    let midnight_ms = now_ms.div_euclid(DAY_MS) * DAY_MS;
    let first_ms = midnight_ms.saturating_sub(i64::from(days.saturating_sub(1)) * DAY_MS);
    let mut sums = sums(context, first_ms, day)?;
    let all = (0..i64::from(days)).map(|at| day(first_ms + at * DAY_MS));
    Ok(all.map(|day| Day { day: day.clone(), ..sums.remove(&day).unwrap_or_default() }).collect())
}

fn sums<K: Ord>(
    context: &Context,
    since_ms: i64,
    group: impl Fn(i64) -> K,
) -> Result<BTreeMap<K, Day>, CliError> {
    let ledger = Ledger::new(&context.settings.logs);
    let mut sums: BTreeMap<K, Day> = BTreeMap::new();
    let mut open = HashMap::new();
    let read = ledger.read_since(since_ms, |entry| match entry {
        Entry::Reserved(one) if one.time_ms >= since_ms => {
            let sum = sums.entry(group(one.time_ms)).or_default();
            sum.requests += 1;
            sum.tokens += one.tokens;
            sum.cost_usd += one.cost_usd;
            open.insert(one.id, (one.time_ms, one.tokens, one.cost_usd));
        }
        Entry::Reserved(_) => {}
        Entry::Settled(settled) => {
            if let Some((time_ms, tokens, cost_usd)) = open.remove(&settled.id) {
                let sum = sums.entry(group(time_ms)).or_default();
                sum.rate_limited += u64::from(settled.rate_limited);
                sum.tokens = (sum.tokens + settled.tokens).saturating_sub(tokens);
                sum.cost_usd = (sum.cost_usd + settled.cost_usd - cost_usd).max(0.0);
            }
        }
    });
    read.map_err(|failed| {
        CliError::failed(
            format!("{} cannot be read: {}", failed.path.display(), failed.error),
            "make the folder of logs readable, or name another one in siltstone.toml",
        )
    })?;
    Ok(sums)
}
