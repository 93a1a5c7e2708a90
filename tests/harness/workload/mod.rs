//! A seeded sequence of everything that an application does to a store, with a record of what was acknowledged.
//!
//! At any moment two states are legal: the acknowledged one, and, while a call is under way that would change it, the
//! one that the call leads to. So whoever interrupts a workload knows what a disk may hold afterwards. A workload that goes
//! on after an interruption may see a state that a power cut undoes; then the other one stays legal until a call settles it.

mod changes;
pub mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use siltstone::disk::Disk;
use siltstone::{EmbeddingIdentity, Environment, Error, Observer, Result, Store, Writer};

use crate::clock::{SeqEntropy, StepClock};
use crate::model::{Rows, Stored};
use crate::rng::Rng;

/// Where the store is.
pub const ROOT: &str = "/store";

/// An environment that repeats itself: `seed` decides the identities.
pub fn environment(disk: Arc<dyn Disk>, observer: Arc<dyn Observer>, seed: u64) -> Environment {
    let (clock, entropy) = (Arc::new(StepClock::default()), Arc::new(SeqEntropy::new(seed)));
    Environment { disk, clock, entropy, observer, ..Environment::default() }
}

/// A store in use.
#[derive(Debug)]
pub struct Workload {
    /// What it lives in.
    pub environment: Environment,
    /// The store, once it was created.
    pub store: Option<Store>,
    rng: Rng,
    dims: (u32, u32),
    identity: Option<EmbeddingIdentity>,
    seats: BTreeMap<String, Seat>,
    acknowledged: Option<Stored>,
    /// What may be there instead: an interrupted call is seen, but was never acknowledged.
    undecided: Vec<Option<Stored>>,
    /// What these become by the call that is under way.
    in_flight: Vec<Stored>,
    busy: Option<String>,
    names_given: u64,
}

/// A collection that is open for writing.
#[derive(Debug)]
struct Seat {
    writer: Writer,
    /// The rows that a commit would make durable.
    working: Rows,
    upserted: BTreeSet<String>,
    deleted: BTreeSet<String>,
    /// What the receipt of the commit should say: rows, superseded, deleted.
    counts: (u64, u64, u64),
}

impl Workload {
    /// Nothing yet, not even a store.
    pub fn new(environment: Environment, seed: u64, dims: (u32, u32)) -> Self {
        Self {
            environment,
            store: None,
            rng: Rng::new(seed),
            dims,
            identity: None,
            seats: BTreeMap::new(),
            acknowledged: None,
            undecided: Vec::new(),
            in_flight: Vec::new(),
            busy: None,
            names_given: 0,
        }
    }

    /// Goes on with a store that holds `stored`.
    pub fn resume(environment: Environment, seed: u64, store: Store, stored: Stored) -> Self {
        let names_given = seed << 16;
        let new = Self::new(environment, seed, (4, 8));
        Self { store: Some(store), acknowledged: Some(stored), names_given, ..new }
    }

    /// What is seen was not acknowledged: a power cut may leave one of these instead.
    pub fn doubt(&mut self, undecided: Vec<Option<Stored>>) {
        self.undecided = undecided;
    }

    /// What the disk may hold.
    pub fn allowed(&self) -> Vec<Option<Stored>> {
        let in_flight = self.in_flight.iter().cloned().map(Some);
        [self.acknowledged.clone()].into_iter().chain(self.undecided.clone()).chain(in_flight).collect()
    }

    /// What was acknowledged, once there is a store.
    pub fn acknowledged(&self) -> Option<&Stored> {
        self.acknowledged.as_ref()
    }

    /// Does so many steps, and closes everything.
    ///
    /// # Errors
    /// The first of the engine's; nothing is done after it.
    pub fn run(&mut self, steps: usize) -> Result<()> {
        (0..steps).try_for_each(|_| self.step())?;
        self.close()
    }

    /// Does something.
    ///
    /// # Errors
    /// Those of the engine.
    pub fn step(&mut self) -> Result<()> {
        if self.store.is_none() {
            return self.create_store();
        }
        if self.collections() == 0 {
            return self.create_collection();
        }
        match self.rng.below(100) {
            0..34 => self.upsert_some(),
            34..45 => self.delete(),
            45..48 => self.delete_where(),
            48..68 => self.commit(),
            68..71 => self.rollback(),
            71..75 => self.seal(),
            75..80 => self.create_snapshot(),
            80..83 => self.drop_snapshot(),
            83..86 => self.restore_snapshot(),
            86..90 => self.reopen_writer(),
            90..92 if self.collections() < 3 => self.create_collection(),
            92..94 if self.collections() > 1 => self.drop_collection(),
            94..96 => self.reopen_store(),
            96..99 => self.compact(),
            _ => self.read(),
        }
    }

    /// What somebody does who finds the store after an interruption: writes to every collection, and often creates one
    /// first. Not always, because that makes the catalogue durable.
    ///
    /// # Errors
    /// Those of the engine.
    pub fn carry_on(&mut self) -> Result<()> {
        if self.store.is_none() {
            self.create_store()?;
        }
        if self.collections() == 0 || self.rng.chance(1, 2) {
            self.create_collection()?;
        }
        let names: Vec<String> = self.expected().0.keys().cloned().collect();
        for name in names {
            self.sit(&name)?;
            self.upsert(&name)?;
            self.commit_in(&name)?;
        }
        self.close()
    }

    /// After a call failed and the disk works again: every writer must either refuse to go on or have lost nothing of
    /// its batch. Those that go on commit it.
    ///
    /// # Errors
    /// What a writer did that it must not do.
    pub fn settle(&mut self) -> Result<u64, String> {
        let mut poisoned = 0;
        for (name, seat) in &mut self.seats {
            match seat.writer.commit() {
                Err(Error::Poisoned { .. }) => {
                    poisoned += 1;
                    let again = seat.writer.upsert(siltstone::Record::new("k", &[1.0])).err();
                    if !matches!(again, Some(Error::Poisoned { .. })) {
                        return Err(format!("a poisoned writer accepts a row: {again:?}"));
                    }
                }
                Err(error) => return Err(format!("{name}: {error}")),
                Ok(_) if self.busy.as_ref() == Some(name) => {
                    return Err(format!("{name}: a change failed, and the writer goes on"));
                }
                Ok(_) => {
                    for stored in self.acknowledged.iter_mut().chain(&mut self.in_flight) {
                        if let Some(kept) = stored.0.get_mut(name) {
                            kept.rows = seat.working.clone();
                        }
                    }
                }
            }
        }
        Ok(poisoned)
    }

    /// Lets go of every writer and of the store.
    pub fn abandon(&mut self) {
        self.seats.clear();
        self.store = None;
    }

    fn close(&mut self) -> Result<()> {
        self.seats.clear();
        Ok(())
    }

    fn collections(&self) -> usize {
        self.acknowledged.as_ref().map_or(0, |stored| stored.0.len())
    }

    fn expected(&self) -> &Stored {
        self.acknowledged.as_ref().unwrap()
    }

    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    /// Runs a call that changes what is stored to what `change` makes of it. Undecided states that it does not fit were
    /// not the ones.
    fn changing<T>(
        &mut self,
        busy: Option<&str>,
        change: impl Fn(&mut Stored) -> Option<()>,
        act: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let before = [Some(self.acknowledged.clone().unwrap_or_default())];
        let before = before.iter().chain(&self.undecided).flatten();
        self.in_flight = before
            .filter_map(|stored| {
                let mut after = stored.clone();
                change(&mut after).map(|()| after)
            })
            .collect();
        self.busy = busy.map(str::to_owned);
        let value = act(self)?;
        let mut after = std::mem::take(&mut self.in_flight).into_iter();
        (self.acknowledged, self.busy) = (after.next(), None);
        self.undecided = after.map(Some).collect();
        Ok(value)
    }
}
