//! `--lock-wait`: what to do when another command holds a lock. Jobs that meet wait for each other as long as they were
//! told to, say so once, and stop waiting at the first signal.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use siltstone::{Holder, Patience};

use crate::ingest::cancel::Cancel;
use crate::render::notices::Notices;

/// How long a lock is left alone before it is tried again.
const PAUSE: Duration = Duration::from_millis(100);

/// Waits for each lock for a given time.
#[derive(Debug)]
pub(crate) struct LockWait {
    pub(crate) time: Duration,
    pub(crate) cancel: Cancel,
    pub(crate) notices: Arc<Notices>,
}

impl Patience for LockWait {
    fn wait(&self, path: &Path, holder: Option<&Holder>, tries: u32) -> bool {
        let left = self.time.saturating_sub(PAUSE * tries);
        if left.is_zero() {
            return false;
        }
        if tries == 0 {
            let who = match holder {
                Some(holder) => holder.to_string(),
                None => "a process that has not said who it is yet".to_owned(),
            };
            self.notices.notice(&format!("waiting for {}, which is held by {who}", path.display()));
        }
        self.cancel.sleep(left.min(PAUSE))
    }
}

/// A time as people write it: `30s`, `10m`, `1h30m`, or a number of seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<u32>() {
        return Ok(Duration::from_secs(u64::from(seconds)));
    }
    let parsed = text.parse::<jiff::SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok());
    parsed.ok_or_else(|| "a time such as 30s, 10m or 1h is expected".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, seconds) in
            [("0", 0), ("90", 90), ("30s", 30), ("10m", 600), ("1h30m", 5400), ("2 min", 120)]
        {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "x", "-1s", "-5", "10 parsecs", "1e9"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
