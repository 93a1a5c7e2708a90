//! What the runs of `update` left behind for those who look after them: a line of figures a run, for trends and alarms,
//! and a log that people read. Both lie under `logs/`; neither is truth about the store, and a run whose lines cannot
//! be written ends as it would have.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::render::units::stamp;

/// The log that people read.
pub(crate) const LOG_FILE: &str = "update.log";
/// A file that has grown to this is put aside, and a new one begun.
const MAX_BYTES: u64 = 4 << 20;
/// Files of each kind that are kept when they were put aside.
const KEPT: usize = 10;

/// The figures of one run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct RunRecord {
    pub(crate) started_ms: i64,
    pub(crate) finished_ms: i64,
    /// The exit code.
    pub(crate) exit: u8,
    pub(crate) frameworks: u64,
    /// Documents that were looked at.
    pub(crate) files: u64,
    /// Of these, as they were before, committed, failed, and removed.
    pub(crate) unchanged: u64,
    pub(crate) published: u64,
    pub(crate) failed: u64,
    pub(crate) removed: u64,
    pub(crate) chunks_embedded: u64,
    pub(crate) chunks_reused: u64,
    pub(crate) tokens: u64,
    pub(crate) requests: u64,
    pub(crate) cost_usd: f64,
    /// Collections that could not be brought up to date because they are damaged.
    pub(crate) damaged: u64,
    /// Requests that the server put off with 429.
    pub(crate) rate_limited: u64,
    /// Where the system says so: the most memory that the run had, and that was in use on the machine meanwhile.
    pub(crate) peak_memory_bytes: Option<u64>,
    pub(crate) machine_peak_bytes: Option<u64>,
    /// All files of the store afterwards.
    pub(crate) store_bytes: Option<u64>,
}

impl RunRecord {
    pub(crate) fn seconds(&self) -> f64 {
        self.finished_ms.saturating_sub(self.started_ms).max(0) as f64 / 1e3
    }

    /// Documents that were worked on: those that are as they were cost next to nothing, and say nothing about the pace.
    pub(crate) fn processed(&self) -> u64 {
        self.published + self.failed
    }

    /// Documents processed in a minute.
    pub(crate) fn files_per_minute(&self) -> f64 {
        self.processed() as f64 / (self.seconds() / 60.0).max(1e-6)
    }

    /// Share of the documents to be embedded that could not be, in percent.
    pub(crate) fn error_percent(&self) -> f64 {
        let tried = self.published + self.failed;
        if tried == 0 { 0.0 } else { self.failed as f64 * 100.0 / tried as f64 }
    }
}

/// What tells the files of a store under `logs/` from those of others that share the folder.
pub(crate) fn store_digest(store: &Path) -> String {
    let store = crate::ingest::scan::real_path(store);
    let digest = blake3::hash(store.as_os_str().as_encoded_bytes()).to_hex();
    digest.get(..8).unwrap_or_default().to_owned()
}

fn history(logs: &Path, store: &Path) -> PathBuf {
    logs.join(format!("runs-{}.jsonl", store_digest(store)))
}

/// Adds a run to the history.
pub(crate) fn add(logs: &Path, store: &Path, record: &RunRecord) -> io::Result<()> {
    let line = serde_json::to_string(record)?;
    append(&history(logs, store), &(line + "\n"), record.finished_ms)
}

/// The runs that the newest two files of the history hold, which is thousands; oldest first. Lines that cannot be
/// understood are passed over.
pub(crate) fn load(logs: &Path, store: &Path) -> Vec<RunRecord> {
    let current = history(logs, store);
    let before = put_aside(&current).pop();
    let texts = before.into_iter().chain([current]).filter_map(|path| std::fs::read(path).ok());
    let runs = |text: Vec<u8>| -> Vec<RunRecord> {
        String::from_utf8_lossy(&text).lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    };
    texts.flat_map(runs).collect()
}

/// Adds lines to the log.
pub(crate) fn write_log(logs: &Path, lines: &str, now_ms: i64) -> io::Result<()> {
    append(&logs.join(LOG_FILE), lines, now_ms)
}

/// The files of the log, oldest first.
pub(crate) fn log_files(logs: &Path) -> Vec<PathBuf> {
    let current = logs.join(LOG_FILE);
    let mut files = put_aside(&current);
    files.push(current);
    files
}

/// One write for all, so that processes that end at once do not mix their lines.
fn append(path: &Path, lines: &str, now_ms: i64) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    if std::fs::metadata(path).is_ok_and(|meta| meta.len() >= MAX_BYTES) {
        rotate(path, now_ms)?;
    }
    OpenOptions::new().append(true).create(true).open(path)?.write_all(lines.as_bytes())
}

fn rotate(path: &Path, now_ms: i64) -> io::Result<()> {
    let (stem, ending) = parts(path);
    std::fs::rename(path, path.with_file_name(format!("{stem}-{}.{ending}", stamp(now_ms))))?;
    let old = put_aside(path);
    for path in old.iter().take(old.len().saturating_sub(KEPT)) {
        std::fs::remove_file(path)?;
    }
    Ok(())
}

/// The files that were put aside for `path`, oldest first.
fn put_aside(path: &Path) -> Vec<PathBuf> {
    let (stem, ending) = parts(path);
    let is_one = |name: &str| {
        let middle =
            name.strip_prefix(&format!("{stem}-")).and_then(|rest| rest.strip_suffix(&format!(".{ending}")));
        middle.is_some_and(|middle| middle.chars().all(|c| c.is_ascii_digit() || c == '-'))
    };
    let entries = path.parent().and_then(|folder| std::fs::read_dir(folder).ok());
    let mut found: Vec<PathBuf> = entries
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| is_one(&entry.file_name().to_string_lossy()))
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found
}

fn parts(path: &Path) -> (String, String) {
    let text = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    (text(path.file_stem()), text(path.extension()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_added_and_read_in_order_each_store_by_itself() {
        let logs = tempfile::tempdir().unwrap();
        let logs = logs.path().join("logs");
        let run = |n: i64| RunRecord {
            started_ms: n,
            finished_ms: n + 60_000,
            published: 30,
            ..RunRecord::default()
        };
        (0..3).for_each(|n| add(&logs, Path::new("/one"), &run(n)).unwrap());
        add(&logs, Path::new("/two"), &run(9)).unwrap();
        assert_eq!(load(&logs, Path::new("/one")), [run(0), run(1), run(2)]);
        assert_eq!(load(&logs, Path::new("/two")).len(), 1);
        // A line that is no text hides itself alone.
        let mut bytes = std::fs::read(history(&logs, Path::new("/one"))).unwrap();
        bytes.splice(0..0, *b"\xff\0{\n");
        std::fs::write(history(&logs, Path::new("/one")), bytes).unwrap();
        assert_eq!(load(&logs, Path::new("/one")).len(), 3);
        assert_eq!(run(0).files_per_minute(), 30.0);
    }

    #[test]
    fn a_log_that_grows_is_put_aside_and_the_oldest_goes() {
        let logs = tempfile::tempdir().unwrap();
        let line = "x".repeat(MAX_BYTES as usize) + "\n";
        for n in 0..13 {
            write_log(logs.path(), &line, n * 1_000).unwrap();
        }
        let files = log_files(logs.path());
        assert_eq!(files.len(), KEPT + 1);
        assert!(files.first().unwrap().ends_with("update-19700101-000003.log"), "{files:?}");
    }
}
