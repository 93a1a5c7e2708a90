//! The figures as Prometheus reads them: a textfile for node_exporter, which is replaced by a rename, or the answer to
//! `/metrics`. Names follow Prometheus: a prefix, base units, a timestamp rather than an age.

use std::fmt::Write;

use super::check::State;
use super::{Covered, Figures, Now};

/// A metric: its name without the prefix, its help, and its samples, each with its label if it has one.
type Metric = (&'static str, &'static str, Vec<Sample>);
type Sample = (Option<(&'static str, String)>, f64);

/// The text, and the state that `status --check` would give as one of its metrics.
pub(crate) fn render(figures: &Figures, state: State) -> String {
    let mut out = String::new();
    for (name, help, samples) in metrics(figures, state) {
        // What is not known has no sample, but its name is always there for whoever looks for one. Writing to a String cannot fail.
        let _ = write!(out, "# HELP siltstone_{name} {help}\n# TYPE siltstone_{name} gauge\n");
        for (label, value) in samples {
            let label = label.map(|(key, value)| format!("{{{key}=\"{}\"}}", escaped(&value)));
            let _ = writeln!(out, "siltstone_{name}{} {value}", label.unwrap_or_default());
        }
    }
    out
}

/// As the text format wants the values of labels.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn metrics(figures: &Figures, state: State) -> Vec<Metric> {
    let mut metrics = of_the_store(figures, state);
    metrics.extend(of_the_last_run(figures));
    metrics.extend(of_running_updates(figures));
    metrics.extend(of_the_machine(figures));
    metrics
}

fn one(name: &'static str, help: &'static str, value: impl Into<Option<f64>>) -> Metric {
    (name, help, value.into().map(|value| (None, value)).into_iter().collect())
}

fn of_the_store(figures: &Figures, state: State) -> Vec<Metric> {
    let (counts, storage, ages) = (&figures.counts, &figures.storage, &figures.ages);
    let parts = storage.parts().map(|(part, bytes)| (Some(("part", part.to_owned())), bytes as f64));
    let moment = |ms: Option<i64>| ms.map(|ms| (ms / 1_000) as f64);
    let health = figures.health.as_ref();
    let covered = |value: fn(&Covered) -> f64| -> Vec<Sample> {
        let each = figures.coverage.iter();
        each.map(|(name, covered)| (Some(("collection", name.clone())), value(covered))).collect()
    };
    vec![
        (
            "coverage_ratio",
            "Share of the documents of a collection that are embedded, as its last update counted them.",
            covered(|covered| covered.ratio),
        ),
        (
            "coverage_documents",
            "Documents that can be embedded, as they were counted.",
            covered(|covered| covered.documents as f64),
        ),
        (
            "coverage_timestamp_seconds",
            "When they were counted.",
            covered(|covered| (covered.counted_ms / 1_000) as f64),
        ),
        one("check_state", "What status --check says: 0 ok, 1 warning, 2 critical.", state as u8 as f64),
        one("collections", "Collections of the store.", counts.collections as f64),
        one("chunks", "Live chunks.", counts.chunks as f64),
        one("dead_rows", "Rows that compaction would remove.", counts.dead_rows as f64),
        one("damaged_collections", "Collections that cannot be opened.", counts.damaged as f64),
        one("store_bytes", "Size of all files of the store.", storage.total_bytes as f64),
        ("storage_bytes", "Size of the store by what it is for.", parts.to_vec()),
        one("reclaimable_bytes", "What compaction would give back.", storage.reclaimable_bytes as f64),
        one("cost_today_usd", "Spent on embeddings since midnight UTC.", figures.cost_today_usd),
        one("requests_last_day", "Requests of the last 24 hours.", figures.requests as f64),
        one("rate_limited_last_day", "Of these, put off with 429.", figures.rate_limited as f64),
        one("last_success_timestamp_seconds", "When the last good update ended.", moment(ages.update_ms)),
        one("last_backup_timestamp_seconds", "When the last sound backup was made.", moment(ages.backup_ms)),
        one(
            "last_verification_timestamp_seconds",
            "When a backup was last verified.",
            moment(ages.verification_ms),
        ),
        one("last_deep_scan_timestamp_seconds", "When every byte was last read.", moment(ages.deep_scan_ms)),
        one(
            "last_health_timestamp_seconds",
            "When the store was last checked.",
            moment(health.map(|health| health.checked_at_ms)),
        ),
        one(
            "last_health_failed",
            "Whether that found failures.",
            health.map(|health| f64::from(u8::from(health.has_failed))),
        ),
        one(
            "last_health_damage",
            "Places of damage that it found.",
            health.map(|health| health.damage as f64),
        ),
        one("written_timestamp_seconds", "When these figures were taken.", moment(Some(figures.now_ms))),
    ]
}

fn of_the_last_run(figures: &Figures) -> Vec<Metric> {
    let run = figures.last_run.as_ref();
    let bytes = |bytes: Option<u64>| bytes.map(|bytes| bytes as f64);
    vec![
        one("last_run_exit_code", "Exit code of the last update.", run.map(|run| f64::from(run.exit))),
        one("last_run_seconds", "Duration of the last update.", run.map(|run| run.seconds())),
        one("last_run_files", "Documents that the last update looked at.", run.map(|run| run.files as f64)),
        one(
            "last_run_processed_files",
            "Documents that it committed, or that failed.",
            run.map(|run| run.processed() as f64),
        ),
        one(
            "last_run_damaged_collections",
            "Collections that it could not bring up to date because they are damaged.",
            run.map(|run| run.damaged as f64),
        ),
        one("last_run_failed_files", "Documents that it could not embed.", run.map(|run| run.failed as f64)),
        one("last_run_error_ratio", "Share of these.", run.map(|run| run.error_percent() / 100.0)),
        one(
            "last_run_files_per_minute",
            "Documents processed a minute.",
            run.map(|run| run.files_per_minute()),
        ),
        one("last_run_cost_usd", "What it spent.", run.map(|run| run.cost_usd)),
        one(
            "last_run_peak_memory_bytes",
            "Its most memory.",
            bytes(run.and_then(|run| run.peak_memory_bytes)),
        ),
        one(
            "last_run_machine_peak_bytes",
            "The most memory in use on the machine meanwhile.",
            bytes(run.and_then(|run| run.machine_peak_bytes)),
        ),
    ]
}

fn of_running_updates(figures: &Figures) -> Vec<Metric> {
    let of = |is_running: bool| {
        figures.seen.iter().filter(move |one| one.is_running == is_running && one.now.is_update())
    };
    let others = figures.seen.iter().filter(|one| one.is_running && !one.now.is_update());
    let others = others.map(|one| (Some(("command", one.now.command.clone())), 1.0));
    let others: std::collections::BTreeMap<_, _> = others.map(|sample| (sample.0.clone(), sample)).collect();
    let each = |value: fn(&Now, i64) -> f64| {
        let sample = |one: &super::Seen| {
            (Some(("process", one.now.process.to_string())), value(&one.now, figures.now_ms))
        };
        of(true).map(sample).collect::<Vec<_>>()
    };
    vec![
        one("updates_running", "Updates that are under way.", of(true).count() as f64),
        (
            "job_running",
            "Fixes, deep scans and compactions that are under way.",
            others.into_values().collect(),
        ),
        one("updates_died", "Updates that ended without a word.", of(false).count() as f64),
        ("running_seconds", "Time since it began.", each(|now, at| seconds(now.started_ms, at))),
        (
            "running_idle_seconds",
            "Time since anything last came of it.",
            each(|now, at| seconds(now.moved_ms, at)),
        ),
        ("running_files_done", "Documents looked at.", each(|now, _| now.files_done_in_all as f64)),
        ("running_cost_usd", "What it has spent.", each(|now, _| now.cost_usd)),
    ]
}

fn seconds(since_ms: i64, now_ms: i64) -> f64 {
    now_ms.saturating_sub(since_ms).max(0) as f64 / 1e3
}

fn of_the_machine(figures: &Figures) -> Vec<Metric> {
    let bytes = |bytes: Option<u64>| bytes.map(|bytes| bytes as f64);
    vec![
        one("machine_memory_bytes", "Memory of the machine.", bytes(figures.machine_memory_bytes)),
        one("machine_used_bytes", "Memory in use on the machine.", bytes(figures.machine_used_bytes)),
        one("store_free_bytes", "Room on the disk of the store.", bytes(figures.store_free_bytes)),
        one("backups_free_bytes", "Room on the disk of the backups.", bytes(figures.backups_free_bytes)),
        one(
            "compaction_needs_bytes",
            "Room that the next compaction needs.",
            figures.storage.compaction_needs_bytes as f64,
        ),
        one("backup_needs_bytes", "Room that the next backup needs.", figures.backup_needs_bytes() as f64),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::{Ages, Seen};
    use crate::runs::RunRecord;

    #[test]
    fn every_metric_has_its_help_its_type_and_numbers() {
        let now = Now { process: 5, command: "update".into(), ..Now::default() };
        let scan = Now { process: 6, command: "health --deep-scan".into(), ..Now::default() };
        let figures = Figures {
            now_ms: 5_000,
            last_run: Some(RunRecord::default()),
            seen: [now, scan].map(|now| Seen { is_running: true, now }).into(),
            ages: Ages { update_ms: Some(4_000), ..Ages::default() },
            coverage: vec![(
                "a\"b".to_owned(),
                Covered { documents: 4, embedded: 3, ratio: 0.75, counted_ms: 2_000 },
            )],
            ..Figures::default()
        };
        let text = render(&figures, State::Warning);
        let (mut name, mut samples) = ("", 0);
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                name = rest.split(' ').next().unwrap();
                assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                assert_eq!(rest, format!("{name} gauge"));
            } else {
                let (sample, value) = line.rsplit_once(' ').unwrap();
                assert_eq!(sample.split('{').next(), Some(name));
                value.parse::<f64>().unwrap();
                samples += 1;
            }
        }
        assert!(samples > 30 && text.ends_with('\n'));
        assert!(text.contains("siltstone_last_success_timestamp_seconds 4\n"));
        assert!(text.contains("siltstone_check_state 1\n"));
        assert!(text.contains("siltstone_coverage_ratio{collection=\"a\\\"b\"} 0.75\n"));
        assert!(text.contains("siltstone_coverage_timestamp_seconds{collection=\"a\\\"b\"} 2\n"));
        assert!(text.contains("siltstone_running_seconds{process=\"5\"} 5\n"));
        assert!(text.contains("siltstone_updates_running 1\n"));
        assert!(text.contains("siltstone_job_running{command=\"health --deep-scan\"} 1\n"));
        assert!(text.contains("siltstone_storage_bytes{part=\"live\"} 0\n"));
        assert!(!text.contains("\nsiltstone_last_backup"));
    }

    #[test]
    fn labels_are_escaped() {
        assert_eq!(escaped("a\"b\\c\n"), "a\\\"b\\\\c\\n");
    }
}
