//! Settings: from flags, the environment, `.env`, `siltstone.toml` and defaults, in that order of precedence.
//!
//! Every value remembers where it came from, so that nonsense is refused with the name of its source; nothing is read
//! twice and nothing global is consulted after [`Inputs::gather`].

mod dotenv;
mod error;
mod file;
mod monitor;
mod nearest;
mod settings;
mod sources;

pub(crate) use error::ConfigError;
pub(crate) use file::{FieldType, File};
pub(crate) use monitor::MonitorSettings;
pub(crate) use nearest::nearest;
pub(crate) use settings::{EmbedderSettings, Overrides, Provider, Settings};
pub(crate) use sources::Inputs;

/// The name of the configuration file in the working directory.
pub(crate) const FILE_NAME: &str = "siltstone.toml";

#[cfg(test)]
mod tests;
