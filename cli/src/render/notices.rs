//! Everything that is not a result: notices, warnings and the events of the engine, on stderr. `--quiet` leaves errors
//! only, `--verbose` adds what usually interests nobody. A stderr that nobody reads stops nothing.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use siltstone::{Event, Observer};

use super::plain::one_line;
use super::style::Style;
use super::units::{bytes, count, counted};
use crate::exit::CliError;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verbosity {
    Quiet,
    Normal,
    Verbose,
}

/// How much of an event people want to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weight {
    /// Something an operator should know.
    Warning,
    /// Something was put right.
    Notice,
    /// Ordinary work.
    Detail,
}

/// Where notices go.
#[derive(Debug)]
pub(crate) struct Notices {
    verbosity: Verbosity,
    style: Style,
    /// Derived files that were named as unusable: each reader meets them again, and one line is enough.
    named: Mutex<BTreeSet<PathBuf>>,
}

impl Notices {
    pub(crate) fn new(verbosity: Verbosity) -> Notices {
        Notices { verbosity, style: Style::for_stderr(), named: Mutex::default() }
    }

    /// Whether people want to see how far a run is.
    pub(crate) fn shows_progress(&self) -> bool {
        self.verbosity >= Verbosity::Normal
    }

    /// Something was done or found that is worth a line.
    pub(crate) fn notice(&self, text: &str) {
        if self.verbosity >= Verbosity::Normal {
            put(&one_line(text));
        }
    }

    /// Something that the result does not show and that somebody should look at.
    pub(crate) fn warning(&self, text: &str) {
        if self.verbosity >= Verbosity::Normal {
            put(&format!("{} {}", self.style.yellow("warning:"), one_line(text)));
        }
    }

    /// A question on the same line as its answer. Shown whatever the verbosity.
    pub(crate) fn question(&self, text: &str) {
        let mut stderr = std::io::stderr().lock();
        // Without a listener there is no answer either.
        let _ = write!(stderr, "{} ", one_line(text)).and_then(|()| stderr.flush());
    }

    /// For `--verbose`.
    pub(crate) fn detail(&self, text: &str) {
        if self.verbosity >= Verbosity::Verbose {
            put(&self.style.faint(&one_line(text)));
        }
    }
}

/// An error in its two lines, or as one line of JSON. Shown whatever the verbosity.
pub(crate) fn error(error: &CliError, json: bool) {
    if json {
        put(&super::json::error(error));
        return;
    }
    let style = Style::for_stderr();
    put(&format!("{} {}", style.red("error:"), error.message));
    put(&format!("  next: {}", error.next_step));
}

fn put(line: &str) {
    // Nobody listens, or the disk behind it is full: neither is a reason to stop.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

impl Observer for Notices {
    fn event(&self, event: &Event) {
        if let Event::DerivedFileUnusable { path, .. } = event
            && !self.named.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone())
        {
            return;
        }
        let (weight, text) = describe(event);
        match weight {
            Weight::Warning => self.warning(&text),
            Weight::Notice => self.notice(&text),
            Weight::Detail => self.detail(&text),
        }
    }
}

fn describe(event: &Event) -> (Weight, String) {
    match event {
        Event::Committed { collection, commit, rows } => {
            (Weight::Detail, format!("{collection}: commit {commit}, {}", counted(*rows, "row", "rows")))
        }
        Event::Sealed { collection, segment, rows } => {
            (Weight::Detail, format!("{collection}: segment {segment} sealed with {} rows", count(*rows)))
        }
        Event::TornTailCut { path, offset, bytes: cut, kept } => (
            Weight::Notice,
            format!(
                "{}: an interrupted commit was cut off at byte {offset} ({}); it had not been acknowledged, its bytes are \
                 kept in {}",
                path.display(),
                bytes(*cut),
                kept.display()
            ),
        ),
        Event::DamageLeft { path, flaw } => (
            Weight::Warning,
            format!(
                "{} is damaged and is left as it is: {flaw}; `siltstone health --deep-scan --fix` mends it",
                path.display()
            ),
        ),
        Event::WitnessRewritten { path, flaw } => {
            (Weight::Notice, format!("{} was unreadable and was written anew: {flaw}", path.display()))
        }
        Event::CommitsConfirmed { path, bytes: confirmed } => (
            Weight::Notice,
            format!("{}: {} of an earlier run were made durable again", path.display(), bytes(*confirmed)),
        ),
        Event::Swept { path } => {
            (Weight::Detail, format!("{}: left behind by an interrupted command, removed", path.display()))
        }
        Event::DerivedFileUnusable { path, reason } => (
            Weight::Notice,
            format!("{} cannot be used ({reason}); answers come from the segment itself", path.display()),
        ),
        Event::BackedUp { path, bytes: read } => {
            (Weight::Detail, format!("{}: {} backed up", path.display(), bytes(*read)))
        }
        Event::Unpacked { path, bytes: written } => {
            (Weight::Detail, format!("{}: {} unpacked", path.display(), bytes(*written)))
        }
        Event::Compacted { collection, group } => (
            Weight::Detail,
            format!(
                "{collection}: {} became one, {} kept, {} dropped",
                counted(group.inputs.len() as u64, "segment", "segments"),
                counted(group.rows_kept, "row", "rows"),
                count(group.rows_dropped)
            ),
        ),
        Event::Verified { path, bytes: read } => {
            (Weight::Detail, format!("{}: {} read", path.display(), bytes(*read)))
        }
        other => (Weight::Detail, format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_one_line_and_name_their_file() {
        let event =
            Event::TornTailCut { path: "a/b.seg".into(), offset: 8192, bytes: 512, kept: "a/aside/x".into() };
        let (weight, text) = describe(&event);
        assert_eq!(weight, Weight::Notice);
        assert!(text.contains("a/b.seg") && text.contains("8192") && text.contains("aside/x"), "{text}");
    }
}
