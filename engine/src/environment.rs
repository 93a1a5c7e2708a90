//! What the engine takes from outside: a disk, a clock, entropy, and somebody to tell about progress. All four are
//! injected, so the same operations give the same bytes when tests fix them.

use std::fmt::Debug;
use std::io;
use std::sync::Arc;

use crate::disk::{Disk, RealDisk};
use crate::event::{Event, Observer};

/// Tells the time.
pub trait Clock: Debug + Send + Sync {
    /// Milliseconds since 1970-01-01 UTC.
    fn now_ms(&self) -> i64;
}

/// Gives random bytes, for the identities of stores and collections.
pub trait Entropy: Debug + Send + Sync {
    /// Sixteen bytes that no other store has.
    ///
    /// # Errors
    /// The system gives none.
    fn id(&self) -> io::Result<[u8; 16]>;
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// The random numbers of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn id(&self) -> io::Result<[u8; 16]> {
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(io::Error::other)?;
        Ok(id)
    }
}

/// What a store lives in. The default is the machine itself, with nobody listening.
#[derive(Debug, Clone)]
pub struct Environment {
    /// The file system.
    pub disk: Arc<dyn Disk>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The random numbers.
    pub entropy: Arc<dyn Entropy>,
    /// Who is told about progress.
    pub observer: Arc<dyn Observer>,
}

impl Default for Environment {
    fn default() -> Self {
        Self {
            disk: Arc::new(RealDisk),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            observer: Arc::new(Silent),
        }
    }
}

#[derive(Debug)]
struct Silent;

impl Observer for Silent {
    fn event(&self, _event: &Event) {}
}
