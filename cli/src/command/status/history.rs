//! `status --history`: what the runs of update did, one a line, and how it develops. Needs no store, only its logs.

use serde::Serialize;

use crate::command::context::Context;
use crate::exit::{CliError, Exit};
use crate::render::plot::sparkline;
use crate::render::table::Table;
use crate::render::units::{bytes, count, moment};
use crate::runs::{self, RunRecord};

/// Columns of a plot where nobody says how wide a line may be.
const PLOT_COLUMNS: usize = 60;

/// A run with what follows from its figures.
#[derive(Debug, Serialize)]
struct Run<'a> {
    #[serde(flatten)]
    record: &'a RunRecord,
    seconds: f64,
    files_per_minute: f64,
    error_percent: f64,
}

pub(super) fn show(context: &Context, last: usize) -> Result<Exit, CliError> {
    let all = runs::load(&context.settings.logs, &context.settings.store);
    let shown = all.get(all.len().saturating_sub(last)..).unwrap_or_default();
    if context.json {
        let runs: Vec<Run<'_>> = shown.iter().map(Run::of).collect();
        context.print_json(&serde_json::json!({ "runs": runs }))?;
        return Ok(Exit::Pass);
    }
    if shown.is_empty() {
        context.output.line("no update has run yet")?;
        return Ok(Exit::Pass);
    }
    for line in table(shown).lines() {
        context.output.line(line)?;
    }
    if shown.len() > 1 {
        context.output.line("")?;
        // The figures beside a plot take about so many columns.
        let columns =
            context.output.width.map_or(PLOT_COLUMNS, |width| width.saturating_sub(45).clamp(8, 120));
        for line in plots(shown, columns).lines() {
            context.output.line(line)?;
        }
    }
    Ok(Exit::Pass)
}

impl Run<'_> {
    fn of(record: &RunRecord) -> Run<'_> {
        Run {
            record,
            seconds: record.seconds(),
            files_per_minute: record.files_per_minute(),
            error_percent: record.error_percent(),
        }
    }
}

fn table(runs: &[RunRecord]) -> Table {
    let header =
        ["ended", "exit", "time", "files", "processed", "files/min", "errors", "cost", "size", "memory"];
    let mut table = Table::new(&header, 1, header.len());
    let known = |size: Option<u64>| size.map_or_else(String::new, bytes);
    for run in runs {
        table.row(vec![
            moment(run.finished_ms),
            run.exit.to_string(),
            format!("{:.1} s", run.seconds()),
            count(run.files),
            count(run.processed()),
            count(run.files_per_minute() as u64),
            format!("{:.1} %", run.error_percent()),
            format!("${:.4}", run.cost_usd),
            known(run.store_bytes),
            known(run.peak_memory_bytes),
        ]);
    }
    table
}

/// What is plotted: its name, its value in a run, and how it is written.
type Series = (&'static str, fn(&RunRecord) -> Option<f64>, fn(f64) -> String);

const SERIES: [Series; 5] = [
    (
        "rate",
        |run| (run.processed() > 0).then(|| run.files_per_minute()),
        |value| format!("{value:.0} files/min"),
    ),
    ("errors", |run| Some(run.error_percent()), |value| format!("{value:.1} %")),
    ("cost", |run| Some(run.cost_usd), |value| format!("${value:.4}")),
    ("size", |run| run.store_bytes.map(|bytes| bytes as f64), |value| bytes(value as u64)),
    ("time", |run| Some(run.seconds()), |value| format!("{value:.1} s")),
];

/// One plot a line, with its least and its greatest value.
fn plots(runs: &[RunRecord], columns: usize) -> Table {
    let mut table = Table::new(&["", "oldest to newest", "least", "greatest"], 2, 4);
    for (name, of, shown) in SERIES {
        let values: Vec<Option<f64>> = runs.iter().map(of).collect();
        let known = || values.iter().flatten().copied();
        let Some(least) = known().reduce(f64::min) else { continue };
        let greatest = known().reduce(f64::max).unwrap_or(least);
        table.row(vec![name.to_owned(), sparkline(&values, columns), shown(least), shown(greatest)]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_run_has_a_line_and_each_figure_a_plot() {
        let run = |n: u64| RunRecord {
            finished_ms: 60_000,
            files: 10 * n,
            published: 9,
            failed: n,
            cost_usd: n as f64,
            store_bytes: Some(n * 1_000),
            ..RunRecord::default()
        };
        let runs: Vec<RunRecord> = (1..=8).map(run).collect();
        assert_eq!(table(&runs).lines().len(), 9);
        let lines = plots(&runs, 60).lines();
        assert!(lines[1].starts_with("rate") && lines[1].contains("▁▂▃▄▅▆▇█"), "{lines:?}");
        assert!(lines[3].contains("$1.0000") && lines[3].ends_with("$8.0000"), "{lines:?}");
        // Runs of which the size is not known have a gap.
        let old = [RunRecord::default(), RunRecord::default()];
        assert!(!plots(&old, 60).lines().iter().any(|line| line.starts_with("size")));
    }
}
