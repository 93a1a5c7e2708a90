//! How far an update, a fix, a deep scan or a compaction is, for other processes: a file under `logs/` that is replaced every second, and a lock
//! beside it that is held for as long as the run lives.
//!
//! Whoever finds the lock free knows that the run ended without a word: a kill, a crash, a power cut. Its file stays until
//! the next run begins, so that it is known how far it had come. Nothing here is truth about the store, nothing is
//! synced, and a run whose file cannot be written goes on.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use siltstone::Environment;

use super::machine;
use crate::command::context::Context;
use crate::ingest::budget::Budget;
use crate::render::file::replace_unsynced;
use crate::render::plain::name;
use crate::render::units::count;
use crate::runs::store_digest;

/// The command that must be done by a certain time.
pub(crate) const UPDATE: &str = "update";
const FILES: &str = "files";

/// How often the file is replaced.
const EVERY: Duration = Duration::from_secs(1);

/// What a run says about itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Now {
    pub(crate) process: u32,
    pub(crate) host: Option<String>,
    pub(crate) command: String,
    pub(crate) started_ms: i64,
    pub(crate) written_ms: i64,
    /// When anything last came of it: a document looked at, a request answered.
    pub(crate) moved_ms: i64,
    /// What it is doing.
    pub(crate) stage: String,
    pub(crate) frameworks: u64,
    pub(crate) frameworks_begun: u64,
    pub(crate) collection: String,
    /// Of this collection, in `unit`.
    pub(crate) files_done: u64,
    pub(crate) files: u64,
    /// `files`, `rows`, `segments`, or `groups` of them.
    pub(crate) unit: String,
    /// Of all collections of the run so far.
    pub(crate) files_done_in_all: u64,
    /// Of these, committed or failed: the others are as they were.
    pub(crate) files_processed: u64,
    pub(crate) chunks_embedded: u64,
    pub(crate) chunks_reused: u64,
    pub(crate) requests_answered: u64,
    pub(crate) cost_usd: f64,
    pub(crate) limit_usd: Option<f64>,
    pub(crate) peak_memory_bytes: Option<u64>,
    /// The most memory that was in use on the machine meanwhile.
    pub(crate) machine_peak_bytes: Option<u64>,
}

impl Now {
    /// Whether it is an update, which has to be done by a certain time and must not stand still: others read for as long as
    /// it takes.
    pub(crate) fn is_update(&self) -> bool {
        self.command == UPDATE
    }

    /// `12 of 40 files of docs_x, collection 2 of 7`; as much of it as is known.
    pub(crate) fn done(&self) -> String {
        let (done, all) = (count(self.files_done), count(self.files));
        let mut parts = Vec::new();
        match self.collection.is_empty() {
            true if self.is_update() => parts.push(format!("{done} of {all} files of the first collection")),
            true => {}
            false if self.files > 0 || self.is_update() => {
                parts.push(format!("{done} of {all} {} of {}", self.unit, name(&self.collection)));
            }
            false => parts.push(name(&self.collection)),
        }
        if self.frameworks > 1 {
            parts.push(format!("collection {} of {}", count(self.frameworks_begun), count(self.frameworks)));
        }
        parts.join(", ")
    }

    /// Files processed in a minute.
    pub(crate) fn files_per_minute(&self) -> f64 {
        let minutes = self.written_ms.saturating_sub(self.started_ms).max(1) as f64 / 60_000.0;
        self.files_processed as f64 / minutes
    }
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").field("path", &self.shared.path).finish_non_exhaustive()
    }
}

/// The file of this run. It goes when this value is dropped.
pub(crate) struct Live {
    shared: Arc<Shared>,
    ticker: Option<JoinHandle<()>>,
    /// Held, and never read.
    _lock: Option<File>,
}

struct Shared {
    path: PathBuf,
    environment: Environment,
    budget: Option<Arc<Budget>>,
    now: Mutex<Now>,
    is_over: Mutex<bool>,
    over: Condvar,
}

impl Live {
    /// Begins to say how far this run is, and forgets runs that ended without a word.
    pub(crate) fn begin(context: &Context, command: &str, frameworks: usize) -> Live {
        let (logs, store) = (&context.settings.logs, &context.settings.store);
        // A compaction does not do what an update left undone.
        let is_same = |now: &Option<Now>| now.as_ref().is_none_or(|now| now.command == command);
        let dead = files(logs, store).into_iter().filter(|(path, now)| is_same(now) && !is_locked(path));
        for (path, _) in dead {
            let _ = std::fs::remove_file(&path).and_then(|()| std::fs::remove_file(lock_of(&path)));
        }
        let process = std::process::id();
        let now_ms = context.environment.clock.now_ms();
        let now = Now {
            process,
            host: context.environment.caller.host.clone(),
            command: command.to_owned(),
            started_ms: now_ms,
            moved_ms: now_ms,
            stage: "reading folders".to_owned(),
            unit: FILES.to_owned(),
            frameworks: frameworks as u64,
            limit_usd: context.budget.as_deref().and_then(|budget| budget.terms().run_usd),
            ..Now::default()
        };
        let shared = Arc::new(Shared {
            path: logs.join(format!("{}{process}.json", prefix(store))),
            environment: context.environment.clone(),
            budget: context.budget.clone(),
            now: Mutex::new(now),
            is_over: Mutex::new(false),
            over: Condvar::new(),
        });
        // The lock comes first: a file without one is a run that is dead.
        let lock = std::fs::create_dir_all(logs).and_then(|()| lock(&shared.path));
        if let Err(error) = &lock {
            context
                .notices
                .detail(&format!("{}: {error}; nobody can see how far this run is", shared.path.display()));
        }
        let ticker = lock.is_ok().then(|| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.tick())
        });
        Live { shared, ticker, _lock: lock.ok() }
    }

    /// Takes in what has come of the run.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Now)) {
        let mut now = held(&self.shared.now);
        let before = now.clone();
        change(&mut now);
        if *now != before {
            now.moved_ms = self.shared.environment.clock.now_ms();
        }
    }

    /// Begins with something that concerns so many collections.
    pub(crate) fn stage(&self, stage: &str, collections: usize) {
        self.update(|now| {
            stage.clone_into(&mut now.stage);
            (now.frameworks, now.frameworks_begun) = (collections as u64, 0);
            (now.files_done, now.files) = (0, 0);
            now.collection.clear();
        });
    }

    /// Comes to the next collection.
    pub(crate) fn next(&self, collection: &str) {
        self.update(|now| {
            now.frameworks_begun += 1;
            collection.clone_into(&mut now.collection);
            (now.files_done, now.files) = (0, 0);
        });
    }

    /// Is one further: a segment was read, or a group of them compacted.
    pub(crate) fn advance(&self) {
        self.update(|now| now.files_done = (now.files_done + 1).min(now.files));
    }

    /// Does something with all of a collection, and is so far.
    pub(crate) fn step(&self, stage: &str, unit: &str, done: u64, all: u64) {
        self.update(|now| {
            stage.clone_into(&mut now.stage);
            unit.clone_into(&mut now.unit);
            (now.files_done, now.files) = (done, all);
        });
    }

    /// The most memory that was in use on the machine so far.
    pub(crate) fn machine_peak_bytes(&self) -> Option<u64> {
        self.shared.look();
        held(&self.shared.now).machine_peak_bytes
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        *held(&self.shared.is_over) = true;
        self.shared.over.notify_all();
        if let Some(ticker) = self.ticker.take() {
            let _ = ticker.join();
            // What cannot be removed is taken for a run that died, and goes with the next.
            let _ = std::fs::remove_file(&self.shared.path);
            let _ = std::fs::remove_file(lock_of(&self.shared.path));
        }
    }
}

impl Shared {
    fn tick(&self) {
        let mut is_over = held(&self.is_over);
        while !*is_over {
            self.look();
            let now = held(&self.now).clone();
            if let Ok(bytes) = serde_json::to_vec(&now) {
                let _ = replace_unsynced(&self.path, &bytes);
            }
            is_over = self.over.wait_timeout(is_over, EVERY).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Takes in what is known without being told.
    fn look(&self) {
        let (now_ms, used) = (self.environment.clock.now_ms(), machine::machine_used_bytes());
        let mut now = held(&self.now);
        now.written_ms = now_ms;
        now.peak_memory_bytes = machine::peak_memory_bytes();
        now.machine_peak_bytes = now.machine_peak_bytes.max(used);
        if let Some(budget) = &self.budget {
            now.cost_usd = budget.spent_usd();
            let answered = budget.answered();
            if now.requests_answered != answered {
                (now.requests_answered, now.moved_ms) = (answered, now_ms);
            }
        }
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A run that has not said that it ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Seen {
    /// Whether its process lives; else it was killed, or crashed.
    pub(crate) is_running: bool,
    #[serde(flatten)]
    pub(crate) now: Now,
}

/// The runs that are under way, and those that ended without a word, the oldest first.
pub(crate) fn seen(logs: &Path, store: &Path) -> Vec<Seen> {
    let mut seen = Vec::new();
    for (path, now) in files(logs, store) {
        let is_running = is_locked(&path);
        // One that ended between the two looks has taken its file with it.
        if let Some(now) = now.filter(|_| is_running || path.exists()) {
            seen.push(Seen { is_running, now });
        }
    }
    seen.sort_by_key(|one| one.now.started_ms);
    seen
}

fn prefix(store: &Path) -> String {
    format!("running-{}-", store_digest(store))
}

/// The files of a store's runs, with what they say where that can be understood.
fn files(logs: &Path, store: &Path) -> Vec<(PathBuf, Option<Now>)> {
    let prefix = prefix(store);
    let entries = std::fs::read_dir(logs).into_iter().flatten().flatten();
    let ours = entries.filter(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        let process = name.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix(".json"));
        process.is_some_and(|process| process.parse::<u32>().is_ok())
    });
    let read = |path: &Path| serde_json::from_slice(&std::fs::read(path).ok()?).ok();
    ours.map(|entry| entry.path()).map(|path| (path.clone(), read(&path))).collect()
}

fn lock_of(path: &Path) -> PathBuf {
    path.with_extension("lock")
}

fn lock(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(lock_of(path))?;
    file.lock()?;
    Ok(file)
}

/// Whether the run that wrote this file lives. Readers share the lock, so that none takes another for the run.
fn is_locked(path: &Path) -> bool {
    let Ok(file) = File::open(lock_of(path)) else { return false };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_seen_while_its_lock_is_held_and_afterwards_as_one_that_died() {
        let logs = tempfile::tempdir().unwrap();
        let store = Path::new("/a/store");
        let path = logs.path().join(format!("{}77.json", prefix(store)));
        let held = lock(&path).unwrap();
        assert!(seen(logs.path(), store).is_empty());
        let now = Now { process: 77, collection: "docs".into(), ..Now::default() };
        replace_unsynced(&path, &serde_json::to_vec(&now).unwrap()).unwrap();
        assert_eq!(seen(logs.path(), store), [Seen { is_running: true, now: now.clone() }]);
        assert!(seen(logs.path(), Path::new("/another")).is_empty());
        drop(held);
        assert_eq!(seen(logs.path(), store), [Seen { is_running: false, now }]);
        std::fs::write(&path, "{").unwrap();
        assert!(seen(logs.path(), store).is_empty());
    }
}
