//! Where values come from: what is gathered once, and values that know their origin.

use super::{ConfigError, FILE_NAME, File, dotenv};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Variables that mean something to siltstone. No others are read.
const VARIABLES: [&str; 8] = [
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "OPENAI_RPM",
    "MAX_EMBEDDING_COST",
    "MAX_FILE_SIZE_MB",
    "EMBEDDING_BATCH_SIZE",
    "MAX_FILES_TO_EMBED",
    "MAX_TOKENS_PER_DOC",
];

/// Everything that settings are made of, besides flags.
#[derive(Clone, Default)]
pub(crate) struct Inputs {
    /// Where relative paths begin: the working directory.
    pub(crate) base: PathBuf,
    /// The configuration file that was read.
    pub(crate) file_path: Option<PathBuf>,
    pub(crate) file: File,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) dotenv: BTreeMap<String, String>,
}

impl std::fmt::Debug for Inputs {
    /// Without the variables: one of them is a key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inputs").field("base", &self.base).field("file", &self.file).finish_non_exhaustive()
    }
}

impl Inputs {
    /// Reads the environment, `.env` and the configuration file of `base`, or the file named by `--config`, which must
    /// exist and is then where its relative paths begin.
    pub(crate) fn gather(base: &Path, config: Option<&Path>) -> Result<Inputs, ConfigError> {
        let named = config.map(|path| base.join(path));
        let path = named.clone().unwrap_or_else(|| base.join(FILE_NAME));
        let text = read(&path)?;
        if named.is_some() && text.is_none() {
            return Err(ConfigError::Unreadable { path, message: "there is no such file".to_owned() });
        }
        let dotenv_path = base.join(".env");
        let dotenv = match read(&dotenv_path)? {
            Some(text) => dotenv::parse(&dotenv_path, &text)?,
            None => BTreeMap::new(),
        };
        let environment = VARIABLES
            .iter()
            .filter_map(|name| std::env::var(name).ok().map(|value| ((*name).to_owned(), value)))
            .collect();
        let file_base = named.as_deref().and_then(Path::parent).unwrap_or(base).to_owned();
        let file = text.as_deref().map(|text| File::parse(&path, text)).transpose()?.unwrap_or_default();
        Ok(Inputs { base: file_base, file_path: text.map(|_| path), file, environment, dotenv })
    }

    /// A variable from the environment or `.env`, unless it is empty.
    pub(super) fn variable(&self, name: &str) -> Option<Sourced<String>> {
        let found = |map: &BTreeMap<String, String>, place: &str| {
            let value = map.get(name).filter(|value| !value.trim().is_empty())?;
            Some(Sourced { value: value.clone(), from: format!("{name} in {place}") })
        };
        found(&self.environment, "the environment").or_else(|| found(&self.dotenv, ".env"))
    }

    /// A variable that holds a number.
    pub(super) fn number<T: FromStr>(&self, name: &str) -> Result<Option<Sourced<T>>, ConfigError> {
        let Some(text) = self.variable(name) else { return Ok(None) };
        match text.value.trim().replace('_', "").parse() {
            Ok(value) => Ok(Some(Sourced { value, from: text.from })),
            Err(_) => Err(text.refused("it must be a number")),
        }
    }

    /// A key of the configuration file.
    pub(super) fn key<T>(&self, name: &str, value: Option<T>) -> Option<Sourced<T>> {
        let path = self.file_path.as_deref().unwrap_or(Path::new(FILE_NAME));
        value.map(|value| Sourced { value, from: format!("{name} in {}", path.display()) })
    }
}

/// The text of a file; `None` when there is none.
pub(super) fn read(path: &Path) -> Result<Option<String>, ConfigError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ConfigError::Unreadable { path: path.to_owned(), message: error.to_string() }),
    }
}

/// A value and what to blame for it.
#[derive(Clone, Debug)]
pub(super) struct Sourced<T> {
    pub(super) value: T,
    pub(super) from: String,
}

impl<T> Sourced<T> {
    pub(super) fn flag(name: &str, value: Option<T>) -> Option<Sourced<T>> {
        value.map(|value| Sourced { value, from: name.to_owned() })
    }

    pub(super) fn refused(&self, problem: impl Into<String>) -> ConfigError {
        ConfigError::Value { from: self.from.clone(), problem: problem.into() }
    }
}

impl Sourced<f64> {
    pub(super) fn between(&self, least: f64, most: f64) -> Result<f64, ConfigError> {
        match (least..=most).contains(&self.value) {
            true => Ok(self.value),
            false => {
                Err(self.refused(format!("{} is out of range; it must be {least} to {most}", self.value)))
            }
        }
    }
}

impl Sourced<i64> {
    pub(super) fn within(&self, least: i64, most: i64) -> Result<usize, ConfigError> {
        let fits = usize::try_from(self.value).ok().filter(|_| (least..=most).contains(&self.value));
        fits.ok_or_else(|| {
            self.refused(format!("{} is out of range; it must be {least} to {most}", self.value))
        })
    }
}
