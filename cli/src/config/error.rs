//! What is wrong with a setting: where it stands, what it is, what to do.

use std::fmt;
use std::path::PathBuf;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ConfigError {
    Unreadable {
        path: PathBuf,
        message: String,
    },
    /// The file cannot be understood at this line.
    Syntax {
        path: PathBuf,
        line: usize,
        message: String,
        suggestion: Option<String>,
    },
    /// A value means nothing. `from` names the flag, the variable or the key of the file.
    Value {
        from: String,
        problem: String,
    },
    /// A line of `.env` cannot be understood. Its text may be a secret and is not quoted.
    DotEnv {
        path: PathBuf,
        line: usize,
        problem: &'static str,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::Unreadable { path, message } => {
                write!(f, "{} cannot be read: {message}", path.display())
            }
            ConfigError::Syntax { path, line, message, suggestion } => {
                write!(f, "{}, line {line}: {message}", path.display())?;
                match suggestion {
                    Some(suggestion) => write!(f, "; {suggestion}"),
                    None => Ok(()),
                }
            }
            ConfigError::Value { from, problem } => write!(f, "{from}: {problem}"),
            ConfigError::DotEnv { path, line, problem } => {
                write!(f, "{}, line {line}: {problem}", path.display())
            }
        }
    }
}

impl std::error::Error for ConfigError {}
