//! The figures of one collection, and of all of them on several threads: with hundreds of collections most of the time
//! is spent waiting for small reads.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Serialize;
use serde_json::Value;
use siltstone::format::names::FileKind;
use siltstone::{Collection, Holder, Store, View};

use super::last_commit::last_commit_ms;
use crate::command::context::Context;
use crate::exit::CliError;
use crate::monitor::Covered;
use crate::render::units::{age, moment};

/// What `status` shows of a collection.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    pub(crate) collection: String,
    provider: String,
    model: String,
    dims: u32,
    metric: &'static str,
    pub(crate) documents: Option<u64>,
    pub(crate) chunks: u64,
    pub(crate) dead_rows: u64,
    pub(crate) dead_bytes: u64,
    pub(crate) held_bytes: u64,
    pub(crate) segments: u64,
    pub(crate) bytes: u64,
    commit: u64,
    pub(crate) last_commit_ms: Option<i64>,
    /// When an update of it last came to its end.
    pub(crate) last_update_ms: Option<i64>,
    /// Whether one was interrupted since, or is under way.
    pub(crate) is_unfinished: bool,
    /// How much of its documents it held when an update last counted.
    pub(crate) coverage: Option<Covered>,
    pub(crate) snapshots: Vec<String>,
    /// Who writes to it now, as a sentence part.
    pub(crate) writer: Option<String>,
    holder: Option<Writing>,
}

/// Who writes, as they said themselves.
#[derive(Debug, Serialize)]
struct Writing {
    process: u32,
    command: String,
    host: Option<String>,
    since_ms: i64,
    age_ms: i64,
}

impl Writing {
    fn of(holder: Holder, now_ms: i64) -> Writing {
        let Holder { process, program, since_ms, host, .. } = holder;
        Writing { process, command: program, host, since_ms, age_ms: now_ms.saturating_sub(since_ms).max(0) }
    }
}

impl fmt::Display for Writing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (since, age) = (moment(self.since_ms), age(self.age_ms));
        write!(f, "process {} ({}) since {since}, for {age}", self.process, self.command)
    }
}

type Outcome = (String, Result<Measured, CliError>);

/// In the order of `names`.
pub(super) fn measure(
    context: &Context,
    store: &Store,
    names: &[String],
    with_documents: bool,
) -> Result<Vec<Outcome>, CliError> {
    // When all are whole they are opened at once, with one look at the catalogue; damage is met one by one.
    let opened: HashMap<String, Collection> = match store.collections() {
        Ok(opened) => opened.into_iter().map(|one| (one.name().to_owned(), one)).collect(),
        Err(_) => HashMap::new(),
    };
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Outcome)>> = Mutex::default();
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    std::thread::scope(|scope| {
        for _ in 0..threads.min(names.len()) {
            scope.spawn(|| {
                while let Some((at, name)) = take(&next, names)
                    && !context.cancel.is_cancelled()
                {
                    let outcome = (name.clone(), one(store, &opened, name, with_documents));
                    if let Ok(mut done) = done.lock() {
                        done.push((at, outcome));
                    }
                }
            });
        }
    });
    context.check_cancelled()?;
    let mut done = done.into_inner().unwrap_or_default();
    done.sort_by_key(|(at, _)| *at);
    Ok(done.into_iter().map(|(_, outcome)| outcome).collect())
}

fn take<'a>(next: &AtomicUsize, names: &'a [String]) -> Option<(usize, &'a String)> {
    let at = next.fetch_add(1, Ordering::Relaxed);
    names.get(at).map(|name| (at, name))
}

fn one(
    store: &Store,
    opened: &HashMap<String, Collection>,
    name: &str,
    with_documents: bool,
) -> Result<Measured, CliError> {
    let collection = match opened.get(name) {
        Some(collection) => collection.clone(),
        None => store.collection(name)?,
    };
    let view = collection.view()?;
    let snapshots = collection.snapshots()?.into_iter().map(|snapshot| snapshot.name).collect();
    let (segments, bytes) = files(collection.directory());
    let space = collection.space()?;
    let identity = collection.identity();
    let (holder, is_held) = collection.writer_status();
    let now_ms = store.environment().clock.now_ms();
    let holder = holder.filter(|_| is_held).map(|holder| Writing::of(holder, now_ms));
    let unknown = || "a process that has not said who it is yet".to_owned();
    let writer = is_held.then(|| holder.as_ref().map_or_else(unknown, ToString::to_string));
    Ok(Measured {
        collection: name.to_owned(),
        provider: identity.provider.clone(),
        model: identity.model.clone(),
        dims: identity.dims,
        metric: identity.metric.name(),
        documents: if with_documents { Some(documents(&view)?) } else { None },
        chunks: view.len(),
        dead_rows: view.dead_rows(),
        dead_bytes: space.dead_bytes,
        held_bytes: space.held_bytes,
        segments,
        bytes,
        commit: view.commit().0,
        last_commit_ms: last_commit_ms(collection.directory(), collection.id()),
        last_update_ms: None,
        is_unfinished: false,
        coverage: None,
        snapshots,
        writer,
        holder,
    })
}

/// How many different documents the passages come from. Rows without a `file_path` each count as one.
fn documents(view: &View) -> Result<u64, CliError> {
    let (mut seen, mut alone) = (HashSet::new(), 0);
    view.for_each_metadata(|_, metadata| {
        match metadata.get("file_path").and_then(Value::as_str) {
            None => alone += 1,
            Some(path) if seen.contains(path) => {}
            Some(path) => {
                seen.insert(path.to_owned());
            }
        }
        Ok(())
    })?;
    Ok(seen.len() as u64 + alone)
}

/// Number of segment files, and bytes of all files. A file that vanishes meanwhile is not counted.
pub(crate) fn files(directory: &Path) -> (u64, u64) {
    let (mut segments, mut bytes) = (0, 0);
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if let Some(FileKind::Segment(_)) = FileKind::of(&entry.file_name().to_string_lossy()) {
            segments += 1;
        }
        match entry.metadata() {
            Ok(meta) if meta.is_file() => bytes += meta.len(),
            Ok(meta) if meta.is_dir() => bytes += files(&entry.path()).1,
            _ => {}
        }
    }
    (segments, bytes)
}
