//! A request to stop, shared by signal handlers, loops and sleeping retries.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Set once, seen by all clones. Signal handlers set it through [`Cancel::flag`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Cancel(Arc<AtomicBool>);

/// How long a sleeper may go on before it notices. Short enough to feel immediate, long enough to cost nothing.
const LOOK_EVERY: Duration = Duration::from_millis(25);

impl Cancel {
    pub(crate) fn new() -> Cancel {
        Cancel::default()
    }

    /// The flag itself, in the shape that `signal_hook::flag::register` takes.
    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }

    #[cfg(test)]
    pub(crate) fn cancel(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Sleeps for `time`, or less when cancelled. Returns whether the whole time passed.
    pub(crate) fn sleep(&self, time: Duration) -> bool {
        let started = Instant::now();
        while !self.is_cancelled() {
            let left = time.saturating_sub(started.elapsed());
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(LOOK_EVERY));
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleeper_wakes_soon_after_it_is_cancelled() {
        let cancel = Cancel::new();
        let other = cancel.clone();
        let waker = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            other.cancel();
        });
        let started = Instant::now();
        assert!(!cancel.sleep(Duration::from_secs(30)));
        assert!(started.elapsed() < Duration::from_secs(5));
        waker.join().unwrap();
    }

    #[test]
    fn an_undisturbed_sleep_lasts_its_time() {
        let started = Instant::now();
        assert!(Cancel::new().sleep(Duration::from_millis(60)));
        assert!(started.elapsed() >= Duration::from_millis(60));
    }
}
