//! The best rows so far, and the rank that a row must reach to be one of them.

use std::cmp::Ordering;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering as Memory};

use crate::error::{Error, Result};

/// A row that may be among the best.
#[derive(Debug)]
pub(super) struct Candidate<'v> {
    /// Greater is closer.
    pub(super) rank: f64,
    pub(super) view: u32,
    pub(super) part: u32,
    pub(super) row: u32,
    pub(super) collection: &'v str,
    pub(super) key: &'v str,
    /// Why it cannot be returned, if its bytes are damaged.
    pub(super) error: Option<Error>,
}

impl Candidate<'_> {
    /// Best first: rank, then collection, then key.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        other
            .rank
            .partial_cmp(&self.rank)
            .unwrap_or(Ordering::Equal)
            .then_with(|| self.collection.cmp(other.collection))
            .then_with(|| self.key.as_bytes().cmp(other.key.as_bytes()))
    }
}

/// The best `limit` candidates of one query, fed by several threads.
#[derive(Debug)]
pub(super) struct Top<'v> {
    limit: usize,
    /// Bits of the rank that a row must reach; only ever rises.
    bar: AtomicU64,
    candidates: Mutex<Vec<Candidate<'v>>>,
}

/// How many more candidates than `limit` are gathered before the worst are thrown away: makes a candidate cost little
/// without letting the bar lag far behind.
const SLACK: usize = 64;

impl<'v> Top<'v> {
    pub(super) fn new(limit: usize, bar: f64) -> Self {
        Self { limit, bar: AtomicU64::new(bar.to_bits()), candidates: Mutex::default() }
    }

    /// A row with a lower rank cannot be among the best.
    pub(super) fn bar(&self) -> f64 {
        f64::from_bits(self.bar.load(Memory::Relaxed))
    }

    pub(super) fn offer(&self, candidate: Candidate<'v>) {
        let mut candidates = self.candidates.lock().unwrap_or_else(PoisonError::into_inner);
        candidates.push(candidate);
        if candidates.len() >= self.limit.saturating_mul(2).saturating_add(SLACK) {
            self.prune(&mut candidates);
        }
    }

    /// Raises the bar to what it is by all candidates so far.
    pub(super) fn settle(&self) {
        self.prune(&mut self.candidates.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn prune(&self, candidates: &mut Vec<Candidate<'v>>) {
        if self.limit == 0 {
            candidates.clear();
            self.bar.store(f64::INFINITY.to_bits(), Memory::Relaxed);
        } else if candidates.len() >= self.limit {
            let (_, worst, _) = candidates.select_nth_unstable_by(self.limit - 1, Candidate::order);
            // Under the mutex, so the bar never falls.
            self.bar.store(worst.rank.to_bits(), Memory::Relaxed);
            candidates.truncate(self.limit);
        }
    }

    /// The best, in order.
    ///
    /// # Errors
    /// One of them is damaged.
    pub(super) fn finish(self) -> Result<Vec<Candidate<'v>>> {
        let mut candidates =
            std::mem::take(&mut *self.candidates.lock().unwrap_or_else(PoisonError::into_inner));
        self.prune(&mut candidates);
        candidates.sort_unstable_by(Candidate::order);
        match candidates.iter_mut().find_map(|candidate| candidate.error.take()) {
            Some(error) => Err(error),
            None => Ok(candidates),
        }
    }
}
