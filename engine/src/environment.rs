//! What the engine takes from outside: a disk, a clock, entropy, somebody to tell about progress, and the manners of
//! whoever meets others at a lock. All are injected, so the same operations give the same bytes when tests fix them.

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::disk::{Disk, RealDisk};
use crate::event::{Event, Observer};
use crate::lock::Holder;

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

/// What to do about a lock that somebody else holds.
pub trait Patience: Debug + Send + Sync {
    /// Waits a little and returns true to have the lock at `path` tried again, or returns false to give up. `tries` counts
    /// from 0 for each lock; `holder` is who has it, if they said so.
    fn wait(&self, path: &Path, holder: Option<&Holder>, tries: u32) -> bool;
}

/// How this process calls itself in the locks that it holds, for whoever finds them held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Program, and what it is doing.
    pub program: String,
    /// Name of the machine, if it is known.
    pub host: Option<String>,
}

impl Default for Caller {
    /// The file name of the program, as it was called.
    fn default() -> Self {
        let program = std::env::args_os().next().unwrap_or_default();
        let name = Path::new(&program).file_name().unwrap_or_default();
        Self { program: name.to_string_lossy().into_owned(), host: None }
    }
}

/// What a store lives in. The default is the machine itself, with nobody listening and no patience.
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
    /// How long to wait for a lock.
    pub patience: Arc<dyn Patience>,
    /// Who holds the locks that are taken.
    pub caller: Caller,
}

impl Default for Environment {
    fn default() -> Self {
        Self {
            disk: Arc::new(RealDisk),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            observer: Arc::new(Silent),
            patience: Arc::new(Impatient),
            caller: Caller::default(),
        }
    }
}

#[derive(Debug)]
struct Silent;

impl Observer for Silent {
    fn event(&self, _event: &Event) {}
}

#[derive(Debug)]
struct Impatient;

impl Patience for Impatient {
    fn wait(&self, _path: &Path, _holder: Option<&Holder>, _tries: u32) -> bool {
        false
    }
}
