//! Who holds the locks of a store. A lock is looked at through the file that is there: none is made, and who comes for
//! the lock in that moment waits longer than the look takes.

use std::fs::{File, TryLockError};
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use siltstone::Holder;
use siltstone_format::names::{COLLECTIONS_DIR, LOCK_FILE};

use crate::command::context::Context;
use crate::command::health::Names;

const MAX_HOLDER_BYTES: u64 = 4096;

pub(super) fn locks(context: &Context, names: &Names) -> Value {
    let store = &context.settings.store;
    let mut paths = vec![store.join(LOCK_FILE)];
    paths.extend(directories(&store.join(COLLECTIONS_DIR)).into_iter().map(|one| one.join(LOCK_FILE)));
    let now_ms = context.environment.clock.now_ms();
    let locks: Vec<Value> = paths.iter().filter_map(|path| lock(path, now_ms, names)).collect();
    json!({ "locks": locks })
}

/// The directories in one, sorted; none when it cannot be listed, which other parts of a report say.
pub(super) fn directories(parent: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    found.sort();
    found
}

/// `None` when nobody ever took it.
fn lock(path: &Path, now_ms: i64, names: &Names) -> Option<Value> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => return Some(json!({ "path": names.path(path), "error": error.kind().to_string() })),
    };
    let held = match file.try_lock_shared() {
        Ok(()) => Some(false),
        Err(TryLockError::WouldBlock) => Some(true),
        Err(TryLockError::Error(_)) => None,
    };
    let mut text = Vec::new();
    let _ = (&file).take(MAX_HOLDER_BYTES).read_to_end(&mut text);
    let holder: Option<Holder> = serde_json::from_slice(&text).ok();
    let holder = holder.map(|holder| {
        json!({
            "process": holder.process, "command": holder.program, "since_ms": holder.since_ms,
            "age_ms": now_ms.saturating_sub(holder.since_ms).max(0),
            "host": holder.host.map(|host| names.show("host", &host)),
        })
    });
    Some(json!({ "path": names.path(path), "held": held, "last_holder": holder }))
}
