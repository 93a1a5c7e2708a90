//! Time and identities without chance: the same operations give the same bytes.

use std::io;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use siltstone::environment::{Clock, Entropy};

use crate::rng::mix3;

/// A clock that moves by one millisecond a reading.
#[derive(Debug)]
pub struct StepClock(AtomicI64);

impl StepClock {
    /// A clock whose first reading is `start_ms`.
    pub fn new(start_ms: i64) -> Self {
        Self(AtomicI64::new(start_ms))
    }
}

impl Default for StepClock {
    /// Starts at 2024-01-01 UTC.
    fn default() -> Self {
        Self::new(1_704_067_200_000)
    }
}

impl Clock for StepClock {
    fn now_ms(&self) -> i64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// Identities in a fixed sequence that its seed decides. Two sequences of different seeds share none.
#[derive(Debug, Default)]
pub struct SeqEntropy {
    seed: u64,
    given: AtomicU64,
}

impl SeqEntropy {
    /// The sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        Self { seed, given: AtomicU64::new(0) }
    }
}

impl Entropy for SeqEntropy {
    fn id(&self) -> io::Result<[u8; 16]> {
        let number = self.given.fetch_add(1, Ordering::Relaxed);
        let high = mix3(self.seed, number, 0).to_be_bytes();
        let low = mix3(self.seed, number, 1).to_be_bytes();
        let mut id = [0; 16];
        id.iter_mut().zip(high.into_iter().chain(low)).for_each(|(to, from)| *to = from);
        Ok(id)
    }
}
