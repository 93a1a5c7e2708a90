//! What was spent today by all who share a ledger, kept up to date by reading only what is new.

use std::collections::HashMap;
use std::io;

use super::{Entry, Ledger, read_from};
use crate::render::units::stamp;

const DAY_MS: i64 = 86_400_000;

/// The money of one day. Days begin at midnight UTC; a request belongs to the day on which it was sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    day: Option<i64>,
    settled_usd: f64,
    /// Requests of the day that have not ended, or never will, and what they may cost.
    open: HashMap<String, f64>,
    /// How far the current file was read, and which file was the newest that had been put aside.
    read_bytes: u64,
    newest_rotated: Option<String>,
}

impl Tally {
    pub(crate) fn spent_usd(&self) -> f64 {
        self.settled_usd + self.open.values().sum::<f64>()
    }

    /// Takes in what was written since. To be called under the ledger's lock, or by whoever only reads.
    pub(crate) fn catch_up(&mut self, ledger: &Ledger, now_ms: i64) -> io::Result<()> {
        let day = now_ms.div_euclid(DAY_MS);
        let rotated = ledger.rotated()?;
        if self.day != Some(day) || self.newest_rotated.as_ref() != rotated.last() {
            *self = Tally { day: Some(day), newest_rotated: rotated.last().cloned(), ..Tally::default() };
            // A file that was put aside before midnight holds nothing of today.
            let midnight = format!("{}-{}", super::NAME, stamp(day * DAY_MS));
            for name in rotated.iter().filter(|name| **name >= midnight) {
                read_from(&ledger.folder.join(name), 0, &mut |entry| self.add(day, entry))?;
            }
        }
        let from = self.read_bytes;
        self.read_bytes = read_from(&ledger.path(), from, &mut |entry| self.add(day, entry))?;
        Ok(())
    }

    fn add(&mut self, day: i64, entry: Entry) {
        match entry {
            Entry::Reserved(one) if one.time_ms.div_euclid(DAY_MS) == day => {
                self.open.insert(one.id, one.cost_usd);
            }
            Entry::Settled(one) => {
                if self.open.remove(&one.id).is_some() {
                    self.settled_usd += one.cost_usd;
                }
            }
            Entry::Reserved(_) => {}
        }
    }
}
