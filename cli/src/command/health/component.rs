//! What health says of one thing that it looked at.

use serde::Serialize;

/// Examples shown of each kind of trouble.
pub(super) const MOST_EXAMPLES: usize = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    /// Looked at, and nothing found.
    Pass,
    /// Something to know; nothing is wrong.
    Info,
    /// Something needs attention.
    Fail,
}

impl Status {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Status::Pass => "PASS",
            Status::Info => "INFO",
            Status::Fail => "FAIL",
        }
    }
}

/// One component of the report.
#[derive(Debug, Serialize)]
pub(super) struct Component {
    pub(super) component: &'static str,
    pub(super) status: Status,
    /// One sentence.
    pub(super) summary: String,
    /// How many things are not as they should be.
    pub(super) count: u64,
    /// Share of the documents found that are in the store, for `missing`; `null` elsewhere, and where it is unknown.
    pub(super) coverage_percent: Option<f64>,
    pub(super) examples: Vec<String>,
    /// What could not be looked at, and why.
    pub(super) not_checked: Vec<String>,
    /// The command, or the edit, that puts it right.
    pub(super) fix: Option<String>,
}

impl Component {
    pub(super) fn new(component: &'static str) -> Component {
        Component {
            component,
            status: Status::Pass,
            summary: String::new(),
            count: 0,
            coverage_percent: None,
            examples: Vec::new(),
            not_checked: Vec::new(),
            fix: None,
        }
    }

    /// Raises the status, never lowers it.
    pub(super) fn at_least(&mut self, status: Status) {
        self.status = self.status.max(status);
    }

    pub(super) fn example(&mut self, text: impl FnOnce() -> String) {
        if self.examples.len() < MOST_EXAMPLES {
            self.examples.push(text());
        }
    }

    pub(super) fn skip(&mut self, what: String) {
        self.at_least(Status::Info);
        self.not_checked.push(what);
    }
}
