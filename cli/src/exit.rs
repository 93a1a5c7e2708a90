//! How a command ends: exit codes that scripts can rely on, and errors of two lines: what and where, then what to do next.

use std::fmt::Display;

use siltstone::Error;

use crate::config::ConfigError;
use crate::ingest::embed::EmbedError;
use crate::ingest::sources::SourceError;
use crate::render::plain::one_line;

/// The exit codes. Their numbers never change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done; health is PASS or INFO.
    #[default]
    Pass,
    /// The command could not do what it was asked to do.
    Failed,
    /// The command line or the configuration makes no sense.
    Usage,
    /// The command ran, and what it found is damage or a failure.
    Found,
    /// There is no store.
    NoStore,
    /// Somebody else writes.
    Locked,
    /// Going on would have cost more than is allowed.
    CostLimit,
    /// Stopped by SIGINT or SIGTERM.
    Interrupted,
}

impl Exit {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Exit::Pass => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Found => 3,
            Exit::NoStore => 10,
            Exit::Locked => 11,
            Exit::CostLimit => 12,
            Exit::Interrupted => 130,
        }
    }
}

/// The table of exit codes, as `--help` prints it.
pub(crate) const TABLE: &str = "\
Exit codes:
    0  done; health: pass or info
    1  the command failed
    2  the command line or the configuration makes no sense
    3  damage or failures were found
   10  there is no store
   11  somebody else writes to it
   12  the cost limit was reached
  130  interrupted";

/// Why a command ends early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CliError {
    /// What went wrong, and where.
    pub(crate) message: String,
    /// What to do next.
    pub(crate) next_step: String,
    pub(crate) exit: Exit,
}

impl CliError {
    /// The two sentences may quote files and servers: neither can move the cursor or begin a third line.
    pub(crate) fn new(exit: Exit, message: impl Display, next_step: impl Display) -> CliError {
        let (message, next_step) = (one_line(&message.to_string()), one_line(&next_step.to_string()));
        CliError { message, next_step, exit }
    }

    pub(crate) fn failed(message: impl Display, next_step: impl Display) -> CliError {
        CliError::new(Exit::Failed, message, next_step)
    }

    pub(crate) fn usage(message: impl Display, next_step: impl Display) -> CliError {
        CliError::new(Exit::Usage, message, next_step)
    }

    pub(crate) fn interrupted() -> CliError {
        CliError::new(
            Exit::Interrupted,
            "interrupted",
            "nothing that was committed is lost; run the command again",
        )
    }
}

/// The exit code that an error of the engine stands for.
fn exit_of(error: &Error) -> Exit {
    match error {
        Error::NotAStore { .. } => Exit::NoStore,
        Error::Locked { .. } => Exit::Locked,
        Error::Damaged { .. } => Exit::Found,
        Error::NoSuchCollection { .. } | Error::NoSuchSnapshot { .. } | Error::Invalid { .. } => Exit::Usage,
        // The settings do not fit the store.
        Error::IdentityMismatch { .. } => Exit::Usage,
        _ => Exit::Failed,
    }
}

impl From<Error> for CliError {
    fn from(error: Error) -> CliError {
        match &error {
            // The engine draws a caret under the place, on a line of its own; here it is told by its number.
            Error::Filter(wrong) => CliError::new(
                Exit::Usage,
                format!(
                    "the filter cannot be read at character {}: expected {}, found {}, in: {}",
                    wrong.character() + 1,
                    wrong.expected(),
                    wrong.found(),
                    wrong.text()
                ),
                wrong.advice(),
            ),
            Error::IdentityMismatch { .. } => CliError::new(
                exit_of(&error),
                &error,
                "put the settings back that made the collection, or embed it anew beside what is there with \
                 `siltstone update --reembed`",
            ),
            _ => CliError::new(exit_of(&error), &error, error.next_step()),
        }
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> CliError {
        let next_step = match &error {
            ConfigError::Unreadable { path, .. } => {
                format!("make {} readable, or name another file", path.display())
            }
            ConfigError::Syntax { path, .. } | ConfigError::DotEnv { path, .. } => {
                format!("correct {}", path.display())
            }
            ConfigError::Value { from, .. } => format!("correct {from}"),
        };
        CliError::usage(&error, next_step)
    }
}

impl From<EmbedError> for CliError {
    fn from(error: EmbedError) -> CliError {
        match error {
            EmbedError::Cancelled => CliError::interrupted(),
            EmbedError::CostLimit { .. } => CliError::new(Exit::CostLimit, &error, error.next_step()),
            EmbedError::BadUrl { .. }
            | EmbedError::KeyOverPlainHttp { .. }
            | EmbedError::MissingKey { .. } => CliError::usage(&error, error.next_step()),
            error => CliError::failed(&error, error.next_step()),
        }
    }
}

impl From<SourceError> for CliError {
    fn from(error: SourceError) -> CliError {
        CliError::usage(&error, "`siltstone update --help` shows how documents are named")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_those_of_the_table() {
        let all = [
            Exit::Pass,
            Exit::Failed,
            Exit::Usage,
            Exit::Found,
            Exit::NoStore,
            Exit::Locked,
            Exit::CostLimit,
            Exit::Interrupted,
        ];
        let printed: Vec<u8> = TABLE
            .lines()
            .skip(1)
            .map(|line| line.split_whitespace().next().unwrap().parse().unwrap())
            .collect();
        assert_eq!(all.map(Exit::code).to_vec(), printed);
    }

    #[test]
    fn errors_stay_two_lines_whatever_they_quote() {
        let error = CliError::failed("bad name \"a\nb\u{1b}[31m\"", "look\there");
        assert!(!error.message.contains(['\n', '\u{1b}']), "{error:?}");
        assert!(!error.next_step.contains('\t'), "{error:?}");
    }
}
