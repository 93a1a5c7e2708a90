//! What the engine tells, told on: to those who read stderr, and to those who look how far a run is.

use std::sync::{Arc, OnceLock, Weak};

use siltstone::{Event, Observer};

use super::Live;
use crate::render::notices::Notices;

/// Listens to the engine.
#[derive(Debug)]
pub(crate) struct Watcher {
    notices: Arc<Notices>,
    /// Weak: what is shown of a run knows the engine's surroundings, and so this.
    live: OnceLock<Weak<Live>>,
}

impl Watcher {
    pub(crate) fn new(notices: Arc<Notices>) -> Watcher {
        Watcher { notices, live: OnceLock::new() }
    }

    /// From now on the run's progress follows what the engine does.
    pub(crate) fn watch(&self, live: &Arc<Live>) {
        self.live.get_or_init(|| Arc::downgrade(live));
    }
}

impl Observer for Watcher {
    fn event(&self, event: &Event) {
        self.notices.event(event);
        let live = self.live.get().and_then(Weak::upgrade);
        if let (Event::Verified { .. } | Event::Compacted { .. }, Some(live)) = (event, live) {
            live.advance();
        }
    }
}
