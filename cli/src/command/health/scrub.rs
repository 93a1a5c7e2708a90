//! A deep scan in several sittings: how long this one may last, and what earlier ones have done.
//!
//! What is done is kept in a file under `logs/`, replaced as a whole after each collection. A collection counts as done
//! at the commit that was scanned, and only when nothing was wrong with it; whatever has changed or failed is scanned
//! again. A file that cannot be understood means starting over: it costs time, never a finding.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::command::context::Context;
use crate::render::file::replace;

const FORMAT: &str = "siltstone deep scan";
const VERSION: u32 = 1;

/// What is done of one collection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// The commit that was scanned.
    commit: u64,
    /// Every byte was read.
    pub(super) is_read: bool,
    /// Its texts and its vectors were compared with each other, and sampled searches with brute force.
    #[serde(default)]
    pub(super) is_compared: bool,
    /// So many rows were searched for.
    pub(super) rows: u64,
    pub(super) is_done: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct State {
    format: String,
    version: u32,
    store: PathBuf,
    collections: BTreeMap<String, Progress>,
}

/// One sitting.
#[derive(Debug)]
pub(super) struct Scrub {
    until: Option<Instant>,
    /// `None` without `--max-time`: then everything is scanned in one sitting, and nothing is remembered.
    file: Option<PathBuf>,
    store: PathBuf,
    collections: BTreeMap<String, Progress>,
    /// Whether this sitting has done something.
    pub(super) has_worked: bool,
}

impl Scrub {
    pub(super) fn begin(context: &Context, max_time: Option<Duration>) -> Scrub {
        let store = crate::ingest::scan::real_path(&context.settings.store);
        let digest = blake3::hash(store.as_os_str().as_encoded_bytes()).to_hex();
        let name = format!("deep-scan-{}.json", digest.get(..8).unwrap_or_default());
        let file = max_time.map(|_| context.settings.logs.join(name));
        let collections = file.as_deref().and_then(|file| load(file, &store)).unwrap_or_default();
        let until = max_time.and_then(|time| Instant::now().checked_add(time));
        Scrub { until, file, store, collections, has_worked: false }
    }

    pub(super) fn is_over(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until)
    }

    /// What is done of a collection at this commit.
    pub(super) fn progress(&self, collection: &str, commit: u64) -> Progress {
        let before = self.collections.get(collection).filter(|before| before.commit == commit).copied();
        before.unwrap_or(Progress { commit, ..Progress::default() })
    }

    /// Remembers what is done now; nothing of a collection in which something is wrong.
    pub(super) fn record(&mut self, context: &Context, collection: &str, progress: Progress, is_whole: bool) {
        match is_whole {
            true => drop(self.collections.insert(collection.to_owned(), progress)),
            false => drop(self.collections.remove(collection)),
        }
        self.save(context);
    }

    /// Ends a round in which everything was scanned: the next one begins with the first collection.
    pub(super) fn round_done(&mut self, context: &Context) {
        if self.collections.is_empty() {
            return;
        }
        self.collections.clear();
        self.save(context);
    }

    fn save(&self, context: &Context) {
        let Some(file) = &self.file else { return };
        let state = State {
            format: FORMAT.to_owned(),
            version: VERSION,
            store: self.store.clone(),
            collections: self.collections.clone(),
        };
        let written = serde_json::to_vec_pretty(&state).map_err(std::io::Error::other).and_then(|bytes| {
            std::fs::create_dir_all(&context.settings.logs)?;
            replace(file, &bytes)
        });
        if let Err(error) = written {
            let file = file.display();
            context
                .notices
                .warning(&format!("{file} cannot be written ({error}): the next scan starts over"));
        }
    }
}

fn load(file: &Path, store: &Path) -> Option<BTreeMap<String, Progress>> {
    let state: State = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    let is_ours = state.format == FORMAT && state.version == VERSION && state.store == store;
    is_ours.then_some(state.collections)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_that_is_not_ours_starts_over() {
        let directory = tempfile::tempdir().unwrap();
        let (file, store) = (directory.path().join("state.json"), Path::new("/store"));
        assert!(load(&file, store).is_none());
        for bad in ["", "{", "[]", r#"{"format":"x","version":1,"store":"/store","collections":{}}"#] {
            std::fs::write(&file, bad).unwrap();
            assert!(load(&file, store).is_none(), "{bad}");
        }
        let good = format!(r#"{{"format":"{FORMAT}","version":1,"store":"/store","collections":{{}}}}"#);
        std::fs::write(&file, good).unwrap();
        assert!(load(&file, store).is_some() && load(&file, Path::new("/other")).is_none());
    }
}
