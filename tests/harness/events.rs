//! Counts what the engine tells an observer, so that a proof can say how often it met what it is about.

use std::sync::atomic::{AtomicU64, Ordering};

use siltstone::{Event, Observer};

/// How often each thing happened.
#[derive(Debug, Default)]
pub struct Tally {
    /// Commits that became durable.
    pub commits: AtomicU64,
    /// Segments sealed.
    pub seals: AtomicU64,
    /// Tails of interrupted commits and seals cut off.
    pub tears: AtomicU64,
    /// Commits that were made durable once more.
    pub confirmations: AtomicU64,
    /// Files swept away.
    pub swept: AtomicU64,
    /// Groups of segments that became one.
    pub compactions: AtomicU64,
    /// Derived files that could not be used.
    pub derived: AtomicU64,
    /// Damage met while opening for writing. An ordinary interruption never leaves any.
    pub damage: AtomicU64,
}

impl Observer for Tally {
    fn event(&self, event: &Event) {
        let count = match event {
            Event::Committed { .. } => &self.commits,
            Event::Sealed { .. } => &self.seals,
            Event::TornTailCut { .. } => &self.tears,
            Event::CommitsConfirmed { .. } => &self.confirmations,
            Event::Swept { .. } => &self.swept,
            Event::Compacted { .. } => &self.compactions,
            Event::DerivedFileUnusable { .. } => &self.derived,
            Event::DamageLeft { .. } | Event::WitnessRewritten { .. } => &self.damage,
            _ => return,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        write!(
            f,
            "{} commits, {} seals, {} compactions, {} tails cut, {} times confirmed, {} files swept, {} derived files given up",
            count(&self.commits),
            count(&self.seals),
            count(&self.compactions),
            count(&self.tears),
            count(&self.confirmations),
            count(&self.swept),
            count(&self.derived),
        )
    }
}
