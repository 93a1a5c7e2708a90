//! How much of a proof a run does, and what it says about it. A plain `cargo test` tries a sample; with
//! `SILTSTONE_PROOF=full` in the environment the same tests try everything, for minutes.

use std::fmt;
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Whether this run is to try everything.
pub fn is_full() -> bool {
    std::env::var_os("SILTSTONE_PROOF").is_some_and(|value| value == "full")
}

/// One of two amounts of work.
pub fn effort<T>(short: T, full: T) -> T {
    if is_full() { full } else { short }
}

/// Says what was tried, also when the test passes: the test runner swallows `println!`, but not this.
pub fn report(line: fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Does the same for each item, on all processors. Ends early when one fails, and returns the first failure that was
/// seen. The order of the results is not that of the items.
pub fn each<T: Sync, R: Send, E: Send>(
    items: &[T],
    act: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Ok(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = act(item);
                    let mut results = results.lock().unwrap();
                    match (result, &mut *results) {
                        (Ok(value), Ok(values)) => values.push(value),
                        (Err(error), Ok(_)) => *results = Err(error),
                        (_, Err(_)) => return,
                    }
                }
            });
        }
    });
    results.into_inner().unwrap()
}
