//! A folder beside the store, on the same disk, that is gone afterwards. Its lock tells one that is in use from one that a
//! kill left behind, which the next bench removes.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use crate::command::context::Context;
use crate::exit::CliError;
use crate::monitor::existing;

const PREFIX: &str = ".siltstone-bench-";
const LOCK: &str = "lock";

/// Removed when it is dropped.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
    /// Held, and never read.
    _lock: File,
}

impl Scratch {
    pub(crate) fn new(context: &Context) -> Result<Scratch, CliError> {
        let parent = context.settings.store.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = existing(parent.unwrap_or(Path::new(".")));
        sweep(&parent);
        let path = parent.join(format!("{PREFIX}{}", std::process::id()));
        let made = std::fs::create_dir(&path).and_then(|()| {
            let lock = OpenOptions::new().write(true).create_new(true).open(path.join(LOCK))?;
            lock.lock()?;
            Ok(lock)
        });
        let lock = made.map_err(|error| {
            CliError::failed(
                format!("cannot use {} for a while: {error}", path.display()),
                "give this user the right to write there, or name a store elsewhere with --store",
            )
        })?;
        Ok(Scratch { path, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next bench.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Removes what a kill left behind.
fn sweep(parent: &Path) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let is_ours =
            entry.file_name().to_string_lossy().strip_prefix(PREFIX).is_some_and(|process| {
                !process.is_empty() && process.bytes().all(|byte| byte.is_ascii_digit())
            });
        let path = entry.path();
        // One without a lock has only just been made.
        let is_left = is_ours && File::open(path.join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok());
        if is_left {
            let _ = std::fs::remove_dir_all(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_behind_goes_and_what_is_in_use_or_not_ours_stays() {
        let parent = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            let path = parent.path().join(name);
            std::fs::create_dir(&path).unwrap();
            File::create(path.join(LOCK)).unwrap()
        };
        drop(folder(".siltstone-bench-17"));
        let used = folder(".siltstone-bench-18");
        used.lock().unwrap();
        drop(folder(".siltstone-bench-notes"));
        sweep(parent.path());
        let mut left: Vec<_> =
            std::fs::read_dir(parent.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".siltstone-bench-18", ".siltstone-bench-notes"]);
    }
}
