//! What earlier runs found: a line of JSON a run under `logs/`, from which the page draws its curves. It holds figures
//! only, no name and no path.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::kind::{Part, Status};
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
    /// Whether that came to its end.
    #[serde(default)]
    pub(super) deep_complete: bool,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) coverage_percent: Option<f64>,
    /// Failures of each component, in the order of the report.
    pub(super) failures: Vec<u64>,
    /// Of these, places of damage.
    #[serde(default)]
    pub(super) damage: u64,
}

impl Entry {
    pub(super) fn of(report: &Report) -> Entry {
        let failures = report.components.iter().map(|one| {
            let failed = one.findings.iter().filter(|finding| finding.status == Status::Fail);
            failed.map(|finding| finding.count).sum()
        });
        let damage = report.components.iter().flat_map(|one| &one.findings).filter(|one| one.is_damage);
        Entry {
            damage: damage.map(|finding| finding.count).sum(),
            checked_at_ms: report.checked_at_ms,
            status: report.status.word().to_owned(),
            deep: report.deep,
            deep_complete: report.deep && report.is_complete(),
            rows: report.surveyed.iter().map(|one| one.rows).sum(),
            bytes: report.bytes,
            coverage_percent: report.components.iter().find_map(|one| one.coverage_percent),
            failures: failures.collect(),
        }
    }
}

/// The history of a store; each store that shares a folder of logs has its own.
fn path(context: &Context) -> PathBuf {
    let digest = crate::runs::store_digest(&context.settings.store);
    context.settings.logs.join(format!("health-{digest}.jsonl"))
}

/// Earlier runs, oldest first. Lines that cannot be understood are passed over: they are no truth about the store.
pub(super) fn load(context: &Context) -> Vec<Entry> {
    let text = std::fs::read_to_string(path(context)).unwrap_or_default();
    parse(&text)
}

/// What the last run over the whole store found.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct LastHealth {
    pub(crate) checked_at_ms: i64,
    pub(crate) status: String,
    pub(crate) has_failed: bool,
    /// Places of damage.
    pub(crate) damage: u64,
    pub(crate) deep: bool,
    pub(crate) coverage_percent: Option<f64>,
    /// Failures of each component.
    pub(crate) failures: BTreeMap<&'static str, u64>,
}

/// The last run, if there was one.
pub(crate) fn last(context: &Context) -> Option<LastHealth> {
    let Entry { checked_at_ms, status, damage, deep, coverage_percent, failures, .. } =
        load(context).pop()?;
    let failures = Part::ALL.map(Part::word).into_iter().zip(failures).collect();
    let has_failed = status == Status::Fail.word();
    Some(LastHealth { checked_at_ms, status, has_failed, damage, deep, coverage_percent, failures })
}

/// When a deep scan last came to its end, whatever it found.
pub(crate) fn last_deep_scan_ms(context: &Context) -> Option<i64> {
    load(context).iter().rev().find(|entry| entry.deep_complete).map(|entry| entry.checked_at_ms)
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
            deep_complete: true,
            rows: 7,
            bytes: 9,
            coverage_percent: Some(99.9),
            failures: vec![0, 1],
            damage: 1,
        };
        let line = serde_json::to_string(&entry).unwrap();
        assert_eq!(parse(&format!("{line}\n{{\nnonsense\n{line}")), [entry.clone(), entry]);
    }
}
