//! Figures that have a threshold.

use super::{Figures, State};
use crate::config::MonitorSettings;
use crate::render::units::bytes;

/// On which side of its threshold a figure is good.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Limit {
    Most(f64),
    Least(f64),
}

/// A figure, its unit as Nagios writes it, and its threshold.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Probe {
    pub(super) name: &'static str,
    pub(super) value: f64,
    unit: &'static str,
    pub(super) limit: Limit,
    pub(super) gravity: State,
    /// What is said when it is exceeded.
    pub(super) what: String,
}

impl Probe {
    fn most(name: &'static str, value: f64, unit: &'static str, most: f64, what: String) -> Probe {
        Probe { name, value, unit, limit: Limit::Most(most), gravity: State::Warning, what }
    }

    pub(super) fn is_exceeded(&self) -> bool {
        match self.limit {
            Limit::Most(most) => self.value > most,
            Limit::Least(least) => self.value < least,
        }
    }

    /// As performance data: `name=value[unit];warn`, where `warn` is a range.
    pub(super) fn data(&self) -> String {
        let warn = match self.limit {
            Limit::Most(most) => shown(most),
            Limit::Least(least) => format!("{}:", shown(least)),
        };
        let (warning, critical) = match self.gravity {
            State::Critical => ("", warn.as_str()),
            _ => (warn.as_str(), ""),
        };
        let range = format!("{warning};{critical}");
        format!("{}={}{};{}", self.name, shown(self.value), self.unit, range.trim_end_matches(';'))
    }
}

/// Without an exponent, which plugins do not understand.
fn shown(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// All figures that are known, each with its threshold.
pub(super) fn probes(figures: &Figures, thresholds: &MonitorSettings) -> Vec<Probe> {
    let mut probes = money_and_storage(figures, thresholds);
    probes.extend(runs(figures, thresholds));
    probes.extend(memory(figures, thresholds));
    probes.extend(ages(figures, thresholds));
    probes.extend(room(figures, thresholds));
    probes
}

fn money_and_storage(figures: &Figures, thresholds: &MonitorSettings) -> Vec<Probe> {
    let storage = &figures.storage;
    let parts = storage.parts().map(|(name, size)| format!("{name} {}", bytes(size)));
    let total = Probe::most(
        "storage",
        storage.total_bytes as f64,
        "B",
        thresholds.max_storage_gb * 1e9,
        format!(
            "storage is {:.1} GB ({}; compaction would give back {}, dropping snapshots {})",
            storage.total_bytes as f64 / 1e9,
            parts.join(", "),
            bytes(storage.reclaimable_bytes),
            bytes(storage.snapshot_bytes)
        ),
    );
    let cost = Probe::most(
        "cost_today",
        figures.cost_today_usd,
        "",
        thresholds.max_cost_per_day_usd,
        format!("${:.2} was spent today", figures.cost_today_usd),
    );
    let share = figures.rate_limited_percent();
    let limited = Probe::most(
        "rate_limited",
        share,
        "%",
        thresholds.max_rate_limited_percent,
        format!("{share:.1} % of the requests of the last 24 hours were put off with 429"),
    );
    vec![total, cost, limited]
}

fn runs(figures: &Figures, thresholds: &MonitorSettings) -> Vec<Probe> {
    let mut probes = Vec::new();
    let most_seconds = thresholds.max_run_hours * 3_600.0;
    if let Some(run) = &figures.last_run {
        let (errors, seconds) = (run.error_percent(), run.seconds());
        let text = format!("{errors:.1} % of the documents of the last update failed");
        probes.push(Probe::most("errors", errors, "%", thresholds.max_error_percent, text));
        let text = format!("the last update took {:.1} h", seconds / 3_600.0);
        probes.push(Probe::most("run_time", seconds, "s", most_seconds, text));
    }
    let alive =
        || figures.seen.iter().filter(|one| one.is_running && one.now.is_update()).map(|one| &one.now);
    let age = |moment_ms: i64| figures.age_s(Some(moment_ms)).unwrap_or(0.0);
    if let Some(longest) = alive().max_by(|a, b| age(a.started_ms).total_cmp(&age(b.started_ms))) {
        let seconds = age(longest.started_ms);
        let text =
            format!("the update of process {} is under way for {:.1} h", longest.process, seconds / 3_600.0);
        probes.push(Probe::most("running_time", seconds, "s", most_seconds, text));
    }
    if let Some(slowest) = alive().max_by(|a, b| age(a.moved_ms).total_cmp(&age(b.moved_ms))) {
        let seconds = age(slowest.moved_ms);
        let text = format!(
            "the update of process {} hangs: nothing has moved for {:.0} min",
            slowest.process,
            seconds / 60.0
        );
        let most = thresholds.max_stall_minutes * 60.0;
        let probe = Probe::most("stalled", seconds, "s", most, text);
        probes.push(Probe { gravity: State::Critical, ..probe });
    }
    probes
}

fn memory(figures: &Figures, thresholds: &MonitorSettings) -> Vec<Probe> {
    let run = figures.last_run.as_ref();
    let known = [
        (
            "memory",
            run.and_then(|run| run.peak_memory_bytes),
            "the last update took {} % of the machine's memory",
        ),
        (
            "machine_peak",
            run.and_then(|run| run.machine_peak_bytes),
            "{} % of the machine's memory was in use during the last update",
        ),
        ("machine_memory", figures.machine_used_bytes, "{} % of the machine's memory is in use"),
    ];
    let probe = |(name, bytes, text): (&'static str, Option<u64>, &str)| {
        let percent = figures.percent_of_memory(bytes)?;
        let text = text.replace("{}", &format!("{percent:.0}"));
        Some(Probe::most(name, percent, "%", thresholds.max_memory_percent, text))
    };
    known.into_iter().filter_map(probe).collect()
}

fn ages(figures: &Figures, thresholds: &MonitorSettings) -> Vec<Probe> {
    let ages = &figures.ages;
    let days = 86_400.0;
    let due = [
        ("update_age", ages.update_ms, thresholds.max_update_age_hours * 3_600.0, "good update"),
        ("backup_age", ages.backup_ms, thresholds.max_backup_age_hours * 3_600.0, "sound backup"),
        (
            "verification_age",
            ages.verification_ms,
            thresholds.max_verification_age_days * days,
            "verification of a backup",
        ),
        ("deep_scan_age", ages.deep_scan_ms, thresholds.max_deep_scan_age_days * days, "whole deep scan"),
    ];
    let probe = |(name, last, most, what): (&'static str, Option<i64>, f64, &str)| {
        // What was never done is due as if it had been done when the store was made.
        let seconds = figures.age_s(last.or(ages.born_ms))?;
        let ago = match seconds {
            seconds if seconds < 3.0 * days => format!("{:.0} h", seconds / 3_600.0),
            seconds => format!("{:.0} days", seconds / days),
        };
        let text = match last {
            Some(_) => format!("the last {what} was {ago} ago"),
            None => format!("no {what} in the {ago} since the store was made"),
        };
        Some(Probe::most(name, seconds, "s", most, text))
    };
    due.into_iter().filter_map(probe).collect()
}

fn room(figures: &Figures, thresholds: &MonitorSettings) -> Vec<Probe> {
    let (compaction, backup) = (figures.storage.compaction_needs_bytes, figures.backup_needs_bytes());
    let disks = [
        ("free_store", figures.store_free_bytes, compaction, "compaction"),
        ("free_backups", figures.backups_free_bytes, backup, "backup"),
    ];
    let mut probes = Vec::new();
    for (name, free, needs, what) in disks {
        let Some(free) = free else { continue };
        let least = thresholds.min_free_gb * 1e9;
        let needed = needs as f64 * thresholds.min_free_ratio;
        let is_full = (free as f64) < least;
        let text = match is_full {
            true => format!("only {} are free where the {what} goes", bytes(free)),
            false => format!("{} are free, and the next {what} needs {}", bytes(free), bytes(needs)),
        };
        probes.push(Probe {
            name,
            value: free as f64,
            unit: "B",
            limit: Limit::Least(if is_full { least } else { needed.max(least) }),
            gravity: if is_full { State::Critical } else { State::Warning },
            what: text,
        });
    }
    probes
}
