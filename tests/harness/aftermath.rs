//! What must hold on a disk after an interruption, whatever interrupted it: what was acknowledged is there, what was
//! under way is wholly there or wholly not, nothing is called damage, and the store goes on.

use std::path::Path;
use std::sync::Arc;

use siltstone::{Depth, Environment, Error, Finding, Observer, Severity, Store, verify};

use crate::model::Stored;
use crate::sim_disk::SimDisk;
use crate::workload::{ROOT, Workload, environment};

/// A disk after an interruption, and what it may hold.
#[derive(Debug)]
pub struct Aftermath<'a> {
    /// The disk, working again.
    pub disk: &'a SimDisk,
    /// What it may hold: the acknowledged state, and the one that was under way. `None` is no store.
    pub allowed: &'a [Option<Stored>],
    /// Who counts what happens.
    pub observer: &'a Arc<dyn Observer>,
    /// Decides identities, so each stage of a trial needs its own.
    pub seed: u64,
}

impl Aftermath<'_> {
    fn environment(&self) -> Environment {
        environment(Arc::new(self.disk.clone()), Arc::clone(self.observer), self.seed)
    }

    /// Reads everything, and checks that it is one of the allowed states. Changes nothing.
    ///
    /// # Errors
    /// What is lost, half there, or called damage.
    pub fn look(&self) -> Result<Workload, String> {
        let environment = self.environment();
        let store = match Store::open_in(environment.clone(), ROOT) {
            Err(Error::NotAStore { .. }) if self.allowed.contains(&None) => {
                return Ok(Workload::new(environment, self.seed, (4, 8)));
            }
            store => store.map_err(|error| format!("open: {error}"))?,
        };
        let found = read_sound(&environment, &store)?;
        if !self.allowed.iter().flatten().any(|stored| *stored == found) {
            let differences: Vec<_> =
                self.allowed.iter().flatten().map(|stored| stored.difference(&found)).collect();
            return Err(format!("neither of the allowed states: {}", differences.join("; nor: ")));
        }
        Ok(Workload::resume(environment, self.seed, store, found))
    }

    /// As [`Aftermath::look`], where the power is still on: what is seen need not be durable, so the other allowed state
    /// may yet come back.
    ///
    /// # Errors
    /// As [`Aftermath::look`].
    pub fn look_at_live(&self) -> Result<Workload, String> {
        let mut workload = self.look()?;
        let mut others = self.allowed.to_vec();
        others.retain(|stored| stored.as_ref() != workload.acknowledged());
        workload.doubt(others);
        Ok(workload)
    }

    /// Looks, then goes on writing to all that is there, and looks again. Returns what is acknowledged then.
    ///
    /// # Errors
    /// As [`Aftermath::look`]; a store that cannot be written to.
    pub fn carry_on(&self) -> Result<Stored, String> {
        let mut workload = self.look()?;
        let before = workload.acknowledged().map_or(0, |stored| stored.0.len());
        workload.carry_on().map_err(|error| format!("carry on: {error}"))?;
        let stored = workload.acknowledged().cloned().unwrap_or_default();
        Aftermath { allowed: &[Some(stored.clone())], seed: self.seed + 1, ..*self }
            .look()
            .map_err(|error| format!("after going on: {error}"))?;
        if stored.0.len() > before {
            is_tidy(&self.environment())?;
        }
        Ok(stored)
    }
}

/// Nothing lies about that nobody owns, once every collection was written to and one was created: only the tails that
/// were cut, which are kept for people.
fn is_tidy(environment: &Environment) -> Result<(), String> {
    let report =
        verify(environment, Path::new(ROOT), Depth::Quick, None).map_err(|error| error.to_string())?;
    let is_litter = |finding: &&Finding| finding.severity == Severity::Note && finding.flaw.field != "aside";
    match report.findings.iter().find(is_litter) {
        Some(litter) => Err(format!("left behind: {} {}", litter.path.display(), litter.flaw)),
        None => Ok(()),
    }
}

/// Reads a store that must be without damage.
fn read_sound(environment: &Environment, store: &Store) -> Result<Stored, String> {
    let report = verify(environment, Path::new(ROOT), Depth::Deep, None)
        .map_err(|error| format!("verify: {error}"))?;
    if let Some(finding) = report.findings.iter().find(|finding| finding.severity == Severity::Damage) {
        return Err(format!("called damage: {} {}", finding.path.display(), finding.flaw));
    }
    Stored::read(store).map_err(|error| format!("read: {error}"))
}
