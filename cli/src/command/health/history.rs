//! What earlier runs found: a line of JSON a run under `logs/`, from which the page draws its curves. It holds figures
//! only, no name and no path.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::kind::Status;
use super::report::Report;
use crate::command::context::Context;
use crate::render::file::replace;

/// Runs that are kept: two a day for two years.
const KEPT: usize = 1_500;
/// Runs that a report shows.
const SHOWN: usize = 90;

/// One run over the whole store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) checked_at_ms: i64,
    pub(super) status: String,
    pub(super) deep: bool,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) coverage_percent: Option<f64>,
    /// Failures of each component, in the order of the report.
    pub(super) failures: Vec<u64>,
}

impl Entry {
    pub(super) fn of(report: &Report) -> Entry {
        let failures = report.components.iter().map(|one| {
            let failed = one.findings.iter().filter(|finding| finding.status == Status::Fail);
            failed.map(|finding| finding.count).sum()
        });
        Entry {
            checked_at_ms: report.checked_at_ms,
            status: report.status.word().to_owned(),
            deep: report.deep,
            rows: report.surveyed.iter().map(|one| one.rows).sum(),
            bytes: report.bytes,
            coverage_percent: report.components.iter().find_map(|one| one.coverage_percent),
            failures: failures.collect(),
        }
    }
}

/// The history of a store; each store that shares a folder of logs has its own.
fn path(context: &Context) -> PathBuf {
    let store = crate::ingest::scan::real_path(&context.settings.store);
    let digest = blake3::hash(store.as_os_str().as_encoded_bytes()).to_hex();
    context.settings.logs.join(format!("health-{}.jsonl", digest.get(..8).unwrap_or_default()))
}

/// Earlier runs, oldest first. Lines that cannot be understood are passed over: they are no truth about the store.
pub(super) fn load(context: &Context) -> Vec<Entry> {
    let text = std::fs::read_to_string(path(context)).unwrap_or_default();
    parse(&text)
}

fn parse(text: &str) -> Vec<Entry> {
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Adds a run to the earlier ones, on disk too. A history that cannot be kept stops nobody.
pub(super) fn add(context: &Context, history: &mut Vec<Entry>, entry: Entry) {
    history.push(entry);
    let kept = history.iter().skip(history.len().saturating_sub(KEPT));
    let lines: Result<Vec<String>, _> = kept.map(serde_json::to_string).collect();
    let path = path(context);
    let written = lines.map_err(std::io::Error::other).and_then(|lines| {
        std::fs::create_dir_all(&context.settings.logs)?;
        replace(&path, (lines.join("\n") + "\n").as_bytes())
    });
    if let Err(error) = written {
        context.notices.detail(&format!("{}: {error}; this run is not in the history", path.display()));
    }
}

/// Leaves what a report shows.
pub(super) fn shorten(history: &mut Vec<Entry>) {
    let before = history.len().saturating_sub(SHOWN);
    drop(history.drain(..before));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_lines_are_read_and_others_passed_over() {
        let entry = Entry {
            checked_at_ms: 5,
            status: "PASS".into(),
            deep: true,
            rows: 7,
            bytes: 9,
            coverage_percent: Some(99.9),
            failures: vec![0, 1],
        };
        let line = serde_json::to_string(&entry).unwrap();
        assert_eq!(parse(&format!("{line}\n{{\nnonsense\n{line}")), [entry.clone(), entry]);
    }
}
