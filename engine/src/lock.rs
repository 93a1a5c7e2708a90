//! Locks: one writer a collection, one at a time for the catalogue. The lock is the operating system's and dies with
//! its holder; the file's content only tells people who that is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::disk::DiskFile;
use crate::environment::Environment;
use crate::error::{Error, Result};

/// Who holds a lock, as they wrote it down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Process number.
    pub process: u32,
    /// Program, and what it is doing.
    pub program: String,
    /// Since when, in milliseconds since 1970-01-01 UTC.
    pub since_ms: i64,
    /// The number of the lock file in its file system: a copy of the file has another.
    pub file_number: Option<u64>,
    /// The machine that the process runs on, if it said so.
    #[serde(default)]
    pub host: Option<String>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} ({}) since {}", self.process, self.program, utc(self.since_ms))
    }
}

/// A held lock; dropping the last clone of it lets go.
#[derive(Debug, Clone)]
pub(crate) struct Lock {
    _file: Arc<dyn DiskFile>,
}

const MAX_HOLDER_BYTES: u64 = 4096;

/// How often, and how far apart, a lock is tried before anybody is said to hold it: who only looks whether it is held
/// has it for microseconds.
const GLANCES: u32 = 5;
const GLANCE: Duration = Duration::from_millis(4);

/// Takes the lock at `path` if it is free before the environment's patience ends, or says who has it.
pub(crate) fn acquire(environment: &Environment, path: PathBuf) -> Result<Lock> {
    for _ in 1..GLANCES {
        match acquire_now(environment, &path) {
            Err(Error::Locked { .. }) => std::thread::sleep(GLANCE),
            result => return result,
        }
    }
    let mut tries = 0;
    loop {
        match acquire_now(environment, &path) {
            Err(Error::Locked { path, holder })
                if environment.patience.wait(&path, holder.as_ref(), tries) =>
            {
                tries += 1;
            }
            result => return result,
        }
    }
}

/// Takes the lock at `path` if nobody has it, whatever the patience.
pub(crate) fn acquire_now(environment: &Environment, path: &Path) -> Result<Lock> {
    let Some(file) = environment.disk.lock(path).map_err(Error::io("lock", path))? else {
        let holder = holder(environment, path);
        return Err(Error::Locked { path: path.to_owned(), holder });
    };
    let holder = Holder {
        process: std::process::id(),
        program: environment.caller.program.clone(),
        since_ms: environment.clock.now_ms(),
        file_number: file.file_number(),
        host: environment.caller.host.clone(),
    };
    if let Ok(text) = serde_json::to_vec(&holder) {
        // For people only: a lock without a name is still a lock.
        let _ = file.truncate(0).and_then(|()| file.write_at(&text, 0));
    }
    Ok(Lock { _file: file })
}

/// Takes a lock that others hold for moments only: waits up to ten seconds for it, and then as long as the environment's
/// patience allows.
pub(crate) fn acquire_soon(environment: &Environment, path: &Path) -> Result<Lock> {
    for _ in 0..1000 {
        match acquire_now(environment, path) {
            Err(Error::Locked { .. }) => std::thread::sleep(Duration::from_millis(10)),
            result => return result,
        }
    }
    acquire(environment, path.to_owned())
}

/// Who wrote their name into the lock file last.
pub(crate) fn holder(environment: &Environment, path: &Path) -> Option<Holder> {
    let bytes = crate::disk::durable::read_whole(&*environment.disk, path, MAX_HOLDER_BYTES).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Whether the lock file was copied here from elsewhere: it remembers another number than it has.
pub(crate) fn was_copied(environment: &Environment, path: &Path) -> bool {
    let Some(remembered) = holder(environment, path).and_then(|holder| holder.file_number) else {
        return false;
    };
    let file = environment.disk.open(path, crate::disk::Mode::Read);
    file.ok().and_then(|file| file.file_number()).is_some_and(|number| number != remembered)
}

/// A moment as people write it: `2026-01-31 23:59:58 UTC`. Days to dates as in Howard Hinnant's "chrono-compatible
/// low-level date algorithms" (civil_from_days).
pub(crate) fn utc(ms: i64) -> String {
    let (days, seconds) = (ms.div_euclid(86_400_000), ms.div_euclid(1000).rem_euclid(86_400));
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_shifted + 2) / 5 + 1;
    let month = if month_shifted < 10 { month_shifted + 3 } else { month_shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::utc;

    #[test]
    fn moments_read_like_dates() {
        assert_eq!(utc(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(utc(951_782_400_000), "2000-02-29 00:00:00 UTC");
        assert_eq!(utc(1_735_689_599_999), "2024-12-31 23:59:59 UTC");
        assert_eq!(utc(-1), "1969-12-31 23:59:59 UTC");
    }
}
