//! `status --prometheus FILE`: the figures as a textfile for node_exporter, which reads it at any moment: it is replaced
//! by a rename. Names follow Prometheus: a prefix, base units, `_total` for what only grows.

use std::fmt::Write;

use super::figures::Figures;

/// The text of the file.
pub(super) fn render(figures: &Figures, now_ms: i64) -> String {
    let mut out = String::new();
    let mut gauge = |name: &str, help: &str, value: Option<f64>| {
        if let Some(value) = value {
            // Writing to a String cannot fail.
            let _ = write!(
                out,
                "# HELP siltstone_{name} {help}\n# TYPE siltstone_{name} gauge\nsiltstone_{name} {value}\n"
            );
        }
    };
    let run = figures.last_run.as_ref();
    gauge("collections", "Collections of the store.", Some(figures.collections as f64));
    gauge("chunks", "Live chunks.", Some(figures.chunks as f64));
    gauge("dead_rows", "Rows that compaction would remove.", Some(figures.dead_rows as f64));
    gauge("damaged_collections", "Collections that cannot be opened.", Some(figures.damaged as f64));
    gauge("store_bytes", "Size of all files of the store.", Some(figures.store_bytes as f64));
    gauge("cost_today_usd", "Spent on embeddings since midnight UTC.", Some(figures.cost_today_usd));
    gauge("last_run_exit_code", "Exit code of the last update.", run.map(|run| f64::from(run.exit)));
    gauge("last_run_seconds", "Duration of the last update.", run.map(|run| run.seconds()));
    gauge("last_run_files", "Documents that the last update looked at.", run.map(|run| run.files as f64));
    gauge("last_run_failed_files", "Documents that it could not embed.", run.map(|run| run.failed as f64));
    gauge("last_run_files_per_minute", "Its processing rate.", run.map(|run| run.files_per_minute()));
    gauge("last_run_cost_usd", "What it spent.", run.map(|run| run.cost_usd));
    let peak = run.and_then(|run| run.peak_memory_bytes);
    gauge("last_run_peak_memory_bytes", "Its most memory.", peak.map(|bytes| bytes as f64));
    let success = figures.success_age_s.map(|age| (now_ms as f64 / 1e3 - age).round());
    gauge("last_success_timestamp_seconds", "When the last good update ended.", success);
    gauge("written_timestamp_seconds", "When this file was written.", Some((now_ms / 1_000) as f64));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::RunRecord;

    #[test]
    fn every_metric_has_its_help_its_type_and_a_number() {
        let figures =
            Figures { last_run: Some(RunRecord::default()), success_age_s: Some(1.0), ..Figures::default() };
        let text = render(&figures, 5_000);
        let lines: Vec<&str> = text.lines().collect();
        assert!(text.ends_with('\n') && lines.len().is_multiple_of(3));
        for metric in lines.chunks(3) {
            let (name, value) = metric.last().unwrap().split_once(' ').unwrap();
            assert!(metric.first().unwrap().starts_with(&format!("# HELP {name} ")), "{metric:?}");
            assert_eq!(metric.get(1).unwrap(), &format!("# TYPE {name} gauge"));
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
            value.parse::<f64>().unwrap();
        }
        assert!(text.contains("siltstone_last_success_timestamp_seconds 4\n"));
    }
}
