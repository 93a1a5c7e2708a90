//! `status --check`: one line and an exit code for Nagios and whoever speaks its language.
//!
//! A threshold that is exceeded is a warning: nothing is broken, somebody should look. Damage, a run that hangs, a last
//! run that could not do its work and a full disk are critical.

mod probes;

use serde::Serialize;

use super::{Figures, Now};
use crate::config::MonitorSettings;
use crate::exit::Exit;
use crate::render::units::counted;
use probes::{Probe, probes};

/// States in the order of their gravity, as Nagios numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Ok,
    Warning,
    Critical,
}

impl State {
    pub(crate) fn word(self) -> &'static str {
        match self {
            State::Ok => "OK",
            State::Warning => "WARNING",
            State::Critical => "CRITICAL",
        }
    }

    /// The exit codes of this command follow Nagios; their numbers are those of others in the table of all commands.
    pub(crate) fn exit(self) -> Exit {
        match self {
            State::Ok => Exit::Pass,
            State::Warning => Exit::Failed,
            State::Critical => Exit::Usage,
        }
    }
}

/// What a plugin that could not look says, with its exit code.
pub(crate) const UNKNOWN: (&str, Exit) = ("SILTSTONE UNKNOWN", Exit::Found);

/// Something that somebody should look at.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Problem {
    pub(crate) state: State,
    /// Which figure it is about: the name of its performance data, or of what has none.
    pub(crate) what: &'static str,
    pub(crate) text: String,
}

/// What the figures come to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) state: State,
    pub(crate) problems: Vec<Problem>,
    /// Everything on one line, with performance data.
    pub(crate) line: String,
}

/// Compares the figures with the thresholds.
pub(crate) fn check(figures: &Figures, thresholds: &MonitorSettings) -> Verdict {
    let probes = probes(figures, thresholds);
    let mut problems = events(figures);
    let exceeded = probes.iter().filter(|probe| probe.is_exceeded());
    problems.extend(exceeded.map(|probe| Problem {
        state: probe.gravity,
        what: probe.name,
        text: probe.what.clone(),
    }));
    // The gravest first, otherwise in order.
    problems.sort_by_key(|problem| std::cmp::Reverse(problem.state));
    let state = problems.iter().map(|problem| problem.state).max().unwrap_or(State::Ok);
    let mut said: Vec<&str> = problems.iter().map(|problem| problem.text.as_str()).collect();
    let counts = &figures.counts;
    let fine = format!("{} chunks in {} collections", counts.chunks, counts.collections);
    if said.is_empty() {
        said.push(&fine);
    }
    if figures.last_run.is_none() {
        said.push("no update has run yet");
    }
    let data: Vec<String> = probes.iter().map(Probe::data).collect();
    // A bar would begin the performance data.
    let said = said.join(", ").replace('|', "/");
    let line = format!("SILTSTONE {} - {said} | {}", state.word(), data.join(" "));
    Verdict { state, problems, line }
}

/// What is wrong without a threshold.
fn events(figures: &Figures) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut note =
        |state: State, what: &'static str, text: String| problems.push(Problem { state, what, text });
    if figures.counts.damaged > 0 {
        note(State::Critical, "damage", format!("{} collections are damaged", figures.counts.damaged));
    }
    match &figures.last_run {
        Some(run) if run.damaged > 0 => {
            note(
                State::Critical,
                "last_run",
                format!("the last update met {} damaged collections", run.damaged),
            );
        }
        // Interrupted on request, or kept from some collections by another writer, is nobody's fault.
        Some(run) if !matches!(run.exit, 0 | 11 | 130) => {
            let gravity = if matches!(run.exit, 3 | 12) { State::Warning } else { State::Critical };
            let failed = match run.failed {
                0 => String::new(),
                failed => format!(", {}", counted(failed, "document failed", "documents failed")),
            };
            let text = format!(
                "the last update ended with exit code {}{failed} (see siltstone log --errors)",
                run.exit
            );
            note(gravity, "last_run", text);
        }
        _ => {}
    }
    for dead in figures.seen.iter().filter(|one| !one.is_running) {
        let Now { command, process, .. } = &dead.now;
        let text = format!("the {command} of process {process} ended without a word");
        note(State::Warning, "died", text);
    }
    match &figures.health {
        Some(health) if health.damage > 0 => {
            note(State::Critical, "health", "the last health check found damage".to_owned());
        }
        Some(health) if health.has_failed => {
            note(State::Warning, "health", "the last health check found failures".to_owned());
        }
        _ => {}
    }
    for trouble in &figures.ages.troubles {
        note(State::Warning, "backups", trouble.clone());
    }
    problems
}

#[cfg(test)]
mod tests;
