//! What the machine must give: rights to write, room, a clock that does not run backwards, secrets that stay secret.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use super::Check;
use crate::command::context::Context;
use crate::command::health::Status;
use crate::command::status::files;
use crate::monitor::{existing, free_bytes};
use crate::render::units::{bytes, moment};

/// Less room than this, and the next update may not come to its end.
const LEAST_FREE_BYTES: u64 = 100_000_000;
/// 2024-01-01: nobody's clock is right before that.
const EARLIEST_MS: i64 = 1_704_067_200_000;
/// Clocks of a file server and of this machine may differ by so much.
const CLOCK_SLACK_MS: i64 = 60_000;

/// Whether files can be written where they will be.
pub(super) fn rights(context: &Context) -> Vec<Check> {
    let settings = &context.settings;
    let places = [("store", &settings.store), ("backups", &settings.backups), ("logs", &settings.logs)];
    let bad = places.iter().filter_map(|(name, path)| {
        let folder = existing(path);
        let error = try_to_write(&folder).err()?;
        let says = format!("{name}: nothing can be written in {}: {error}", folder.display());
        let is_full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        Some(Check::new("rights", Status::Fail, says).next(match is_full {
            true => "free some space there, or name another place in siltstone.toml",
            false => "give this user the right to write there, or name another place in siltstone.toml",
        }))
    });
    let bad: Vec<Check> = bad.collect();
    match bad.is_empty() {
        true => vec![Check::new(
            "rights",
            Status::Pass,
            "files in store, backups and logs can be written and synced",
        )],
        false => bad,
    }
}

/// Writes a file, waits until it is on disk, and removes it: on a full disk a name can still be had, and nothing behind it.
/// Its ending makes it nobody's should it stay: the next writer removes it.
fn try_to_write(folder: &Path) -> io::Result<()> {
    let path = folder.join(format!("doctor-{}.tmp", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).open(&path)?;
    let written = file.write_all(&[0x5a; 64 << 10]).and_then(|()| file.sync_all());
    drop(file);
    let removed = std::fs::remove_file(path);
    written.and(removed)
}

/// Room on the disks of store and backups.
pub(super) fn space(context: &Context) -> Check {
    let settings = &context.settings;
    let needed = files(&settings.store).1;
    let mut said = Vec::new();
    let mut status = Status::Pass;
    for (name, path) in [("store", &settings.store), ("backups", &settings.backups)] {
        match free_bytes(&existing(path)) {
            Ok(free) => {
                said.push(format!("{} free for {name}", bytes(free)));
                status = status.max(match free {
                    free if free < LEAST_FREE_BYTES => Status::Fail,
                    free if free < needed => Status::Info,
                    _ => Status::Pass,
                });
            }
            Err(error) => {
                said.push(format!("room for {name} is not known: {error}"));
                status = status.max(Status::Info);
            }
        }
    }
    let check = Check::new("space", status, format!("{}; the store has {}", said.join(", "), bytes(needed)));
    match status {
        Status::Pass => check,
        _ => check.next("free some space: a repair and a backup need about as much again as the store has"),
    }
}

/// A clock behind the files of the store would date new snapshots and backups before old ones.
pub(super) fn clock(context: &Context) -> Check {
    let now = context.environment.clock.now_ms();
    let newest = newest_ms(&context.settings.store).unwrap_or(i64::MIN);
    let check = |status, says| Check::new("clock", status, says);
    if now < EARLIEST_MS {
        return check(Status::Fail, format!("it says {}, which cannot be", moment(now)))
            .next("set it, best by NTP");
    }
    if now.saturating_add(CLOCK_SLACK_MS) < newest {
        let says = format!("it says {}, and a file of the store is of {}", moment(now), moment(newest));
        return check(Status::Fail, says)
            .next("set it, best by NTP; new backups would look older than old ones");
    }
    check(Status::Pass, format!("it says {}", moment(now)))
}

fn newest_ms(folder: &Path) -> Option<i64> {
    let times =
        std::fs::read_dir(folder).ok()?.flatten().filter_map(|entry| entry.metadata().ok()?.modified().ok());
    let since = times.max()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok()
}

/// A `.env` that everybody on the machine can read.
pub(super) fn secrets(context: &Context) -> Option<Check> {
    let from = context.settings.embedder.key_from.as_deref().filter(|from| from.ends_with(".env"))?;
    let readable = is_readable_by_others(Path::new(".env"))?;
    readable.then(|| {
        Check::new("key", Status::Info, format!("{from} can be read by everybody on this machine"))
            .next("chmod 600 .env")
    })
}

#[cfg(unix)]
fn is_readable_by_others(path: &Path) -> Option<bool> {
    use std::os::unix::fs::PermissionsExt;
    Some(std::fs::metadata(path).ok()?.permissions().mode() & 0o004 != 0)
}

#[cfg(not(unix))]
fn is_readable_by_others(_path: &Path) -> Option<bool> {
    None
}
