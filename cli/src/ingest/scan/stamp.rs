//! What the file system says about a file without its being read: when nothing of it has changed, neither has the
//! content, as far as times can tell.
//!
//! A change that falls into the same tick of the file system's clock as an earlier one leaves no trace. So nobody may
//! rely on a stamp that was taken within [`TICK`] of the change that it shows; git calls such files racily clean.

use std::fs::Metadata;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The coarsest clock that file systems in use have: that of FAT.
const TICK: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) size_bytes: u64,
    pub(crate) modified_ns: i64,
    /// When anything about the file changed, its times and its name included: nobody can set this one. As `modified_ns`
    /// where there is no such time.
    pub(crate) changed_ns: i64,
    /// Tells files apart that took each other's name; 0 where there is no such number.
    pub(crate) file_number: u64,
}

impl Stamp {
    /// `None` where the file system keeps no time.
    pub(crate) fn of(meta: &Metadata) -> Option<Stamp> {
        let modified_ns = nanoseconds(meta.modified().ok()?)?;
        let (changed_ns, file_number) = of_system(meta).unwrap_or((modified_ns, 0));
        Some(Stamp { size_bytes: meta.len(), modified_ns, changed_ns, file_number })
    }

    /// Whether a change after `moment` would show.
    pub(crate) fn is_settled_at(&self, moment: SystemTime) -> bool {
        let last = self.modified_ns.max(self.changed_ns);
        let tick = i64::try_from(TICK.as_nanos()).unwrap_or(i64::MAX);
        nanoseconds(moment).is_some_and(|moment| last.saturating_add(tick) < moment)
    }
}

fn nanoseconds(time: SystemTime) -> Option<i64> {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_nanos()).ok(),
        Err(before) => i64::try_from(before.duration().as_nanos()).ok().map(|before| -before),
    }
}

#[cfg(unix)]
fn of_system(meta: &Metadata) -> Option<(i64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let changed_ns = meta.ctime().checked_mul(1_000_000_000)?.checked_add(meta.ctime_nsec())?;
    Some((changed_ns, meta.ino()))
}

#[cfg(not(unix))]
fn of_system(_meta: &Metadata) -> Option<(i64, u64)> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_just_written_is_not_settled_and_an_old_one_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page.md");
        std::fs::write(&path, "text").unwrap();
        let stamp = Stamp::of(&std::fs::metadata(&path).unwrap()).unwrap();
        assert!(!stamp.is_settled_at(SystemTime::now()));
        assert!(stamp.is_settled_at(SystemTime::now() + TICK * 2));
        // A time that somebody set does not make it older than it is.
        let old = SystemTime::now() - Duration::from_secs(3_600);
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
        let touched = Stamp::of(&std::fs::metadata(&path).unwrap()).unwrap();
        assert!(touched != stamp);
        assert!(cfg!(not(unix)) || !touched.is_settled_at(SystemTime::now()));
    }
}
