//! A disk in memory that behaves as badly as a real one may, and never worse.
//!
//! Processes see the *live* files and names. Power loss leaves the *durable* ones, and whatever mixture it likes of
//! the changes since:
//! - Bytes become durable by `sync` of the file, names by `sync_dir` of the directory that holds them; neither does
//!   the work of the other. A rename is there or not, never half, and belongs to both directories.
//! - Of the other changes any subset survives: writes in any order, torn at sectors or blocks, lengths without bytes
//!   and bytes without lengths. A name never skips one of its own changes.
//! - What a failed `sync` was about stays readable until the power goes, is on no disk afterwards, and no later
//!   `sync` brings it back.
//!
//! Everything is decided by seeds. A disk shares its files with the disks made from it until one of them writes, so
//! thousands of images a second can be taken.

mod bytes;
mod calls;
mod content;
mod crash;
mod fault;
mod image;
mod outside;
mod state;
mod tree;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use content::SECTOR_BYTES;
pub use crash::Survivors;
pub use fault::{Call, Failure, Fault, Lost};

use content::Content;
use state::State;

/// A simulated disk. Clones are the same disk.
#[derive(Clone)]
pub struct SimDisk(Arc<Mutex<State>>);

impl SimDisk {
    /// An empty disk: a root directory, which absolute and relative paths start from.
    pub fn new() -> Self {
        Self::of(State::new())
    }

    fn of(state: State) -> Self {
        Self(Arc::new(Mutex::new(state)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many calls were made. Calls after a power cut do not count.
    pub fn calls(&self) -> u64 {
        self.state().faults.calls
    }

    /// The calls made, first to last: number `n` is what a fault armed for `n` strikes in a repeated run.
    pub fn trace(&self) -> Vec<Call> {
        self.state().faults.trace.clone()
    }

    /// Arms a fault for the call with the given number, counted from zero, or the next one that it can strike.
    /// Replaces a fault armed before.
    pub fn arm(&self, at: u64, fault: Fault) {
        let faults = &mut self.state().faults;
        (faults.armed, faults.fired) = (Some((at, fault)), false);
    }

    /// Ends a fault, a lasting one too. Power that is off stays off.
    pub fn disarm(&self) {
        self.state().faults.armed = None;
    }

    /// Whether the last fault armed has struck.
    pub fn fired(&self) -> bool {
        self.state().faults.fired
    }

    /// What failed syncs leave from now on.
    pub fn lose(&self, lost: Lost) {
        self.state().lost = lost;
    }

    /// Limits the sum of the lengths of all files; `None` takes the limit away. A write beyond writes what fits, and
    /// fails with ENOSPC.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().capacity = bytes;
    }

    /// The disk after the death of every process, with the power still on: what was seen is still seen, what was
    /// pending is still pending, nothing is open, locked or armed. This disk is not changed.
    pub fn kill(&self) -> Self {
        Self::of(self.state().fork())
    }

    /// A disk of its own with everything that processes see, all durable: the pristine copy for damage.
    pub fn clone_image(&self) -> Self {
        let state = self.state();
        Self::of(state.settled(&state.tree, |_, content| Content {
            unreadable: content.unreadable.clone(),
            ..Content::settled(Arc::clone(&content.live))
        }))
    }

    /// From now on, remembers the disk before each call that changes it, so that one run is enough to try a power cut
    /// at every call.
    pub fn keep_moments(&self) {
        self.state().moments = Some(Vec::new());
    }

    /// The moments so far, and the present one: how many calls had been made, and the disk as it then was, ready for
    /// [`SimDisk::crash`] and [`SimDisk::kill`]. Stops remembering.
    pub fn take_moments(&self) -> Vec<(u64, Self)> {
        let mut state = self.state();
        let mut moments = state.moments.take().unwrap_or_default();
        moments.push((state.faults.calls, state.fork()));
        moments.into_iter().map(|(calls, state)| (calls, Self::of(state))).collect()
    }
}

impl Default for SimDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimDisk").field("calls", &self.calls()).field("files", &self.files()).finish()
    }
}
