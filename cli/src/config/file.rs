//! `siltstone.toml` as it is written. Every key is optional; an unknown one is an error, because a misspelt setting that
//! is silently ignored costs more than a refusal.

use super::monitor::Monitor;
use super::{ConfigError, nearest};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct File {
    pub(crate) store: Option<PathBuf>,
    pub(crate) backups: Option<PathBuf>,
    pub(crate) logs: Option<PathBuf>,
    pub(crate) embedder: Embedder,
    pub(crate) chunks: Chunks,
    pub(crate) update: Update,
    pub(crate) search: Search,
    pub(crate) compact: Compact,
    pub(crate) budget: Budget,
    pub(crate) monitor: Monitor,
    pub(crate) framework: Vec<Framework>,
    pub(crate) tree: Vec<Tree>,
    /// For each collection, or `*` for all others: the fields that every chunk must have, with their types.
    pub(crate) metadata: BTreeMap<String, BTreeMap<String, FieldType>>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Embedder {
    pub(crate) provider: Option<String>,
    pub(crate) base_url: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) revision: Option<String>,
    pub(crate) dims: Option<i64>,
    pub(crate) send_dimensions: Option<bool>,
    pub(crate) api_key_file: Option<PathBuf>,
    pub(crate) allow_plain_http: Option<bool>,
    pub(crate) batch_size: Option<i64>,
    pub(crate) timeout_s: Option<i64>,
    pub(crate) usd_per_million_tokens: Option<f64>,
    pub(crate) concurrency: Option<i64>,
    pub(crate) requests_per_minute: Option<f64>,
    pub(crate) tokens_per_minute: Option<f64>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Budget {
    pub(crate) per_run_usd: Option<f64>,
    pub(crate) per_day_usd: Option<f64>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Chunks {
    pub(crate) target_tokens: Option<i64>,
    pub(crate) overlap_tokens: Option<i64>,
    pub(crate) max_tokens: Option<i64>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Update {
    pub(crate) collection_prefix: Option<String>,
    pub(crate) max_file_size_mb: Option<f64>,
    pub(crate) max_files: Option<i64>,
    pub(crate) max_removed_share: Option<f64>,
    pub(crate) commit_rows: Option<i64>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Search {
    pub(crate) threads: Option<i64>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Compact {
    pub(crate) after_update: Option<bool>,
    pub(crate) min_dead: Option<f64>,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Framework {
    pub(crate) path: PathBuf,
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) include: Vec<String>,
    #[serde(default)]
    pub(crate) exclude: Vec<String>,
    pub(crate) collection: Option<String>,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tree {
    pub(crate) path: PathBuf,
    #[serde(default)]
    pub(crate) include: Vec<String>,
    #[serde(default)]
    pub(crate) exclude: Vec<String>,
}

/// The type that a metadata field must have.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FieldType {
    String,
    Integer,
    Number,
    Boolean,
}

impl File {
    pub(crate) fn parse(path: &Path, text: &str) -> Result<File, ConfigError> {
        toml::from_str(text).map_err(|error| {
            let place = error.span().map_or(0, |span| span.start);
            let before = text.get(..place).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            // Only the message: the error's own display quotes the line, which may hold a misplaced key.
            let message = error.message().lines().next().unwrap_or_default().to_owned();
            let suggestion = suggestion(&message);
            ConfigError::Syntax { path: path.to_owned(), line, message: first_part(&message), suggestion }
        })
    }
}

/// `unknown field `x`, expected one of ...`: the list is long, the nearest of it is what helps.
fn first_part(message: &str) -> String {
    match message.split_once(", expected") {
        Some((first, _)) if message.starts_with("unknown") => first.to_owned(),
        _ => message.to_owned(),
    }
}

fn suggestion(message: &str) -> Option<String> {
    let (unknown, expected) = message.split_once(", expected")?;
    let word = unknown.split('`').nth(1)?;
    if word.contains("key") && !word.contains("file") {
        return Some(
            "a key does not belong in this file; use OPENAI_API_KEY, .env or api_key_file".to_owned(),
        );
    }
    let candidates: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    match nearest(word, candidates.iter().copied()) {
        Some(near) => Some(format!("did you mean `{near}`?")),
        None => Some(format!("known here: {}", candidates.join(", "))),
    }
}
