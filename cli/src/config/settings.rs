//! The settings of a run, checked.

use super::monitor::{MonitorSettings, monitor};
use super::sources::{Sourced, read};
use super::{ConfigError, FieldType, Inputs, nearest};
use crate::ingest::chunk::{ChunkLimits, Counter};
use crate::ingest::collection_name::is_legal;
use crate::ingest::embed::{ApiKey, Builtin, EmbedError, Embedder, Meter, OpenAi, OpenAiOptions, Patience};
use crate::ingest::price;
use crate::ingest::scan::ScanOptions;
use crate::ingest::sources::{Declared, DeclaredTree, SourceRules};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What flags say. `None` leaves it to the other sources.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overrides {
    pub(crate) store: Option<PathBuf>,
    pub(crate) provider: Option<String>,
    pub(crate) base_url: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) dims: Option<i64>,
    pub(crate) batch_size: Option<i64>,
    pub(crate) timeout_s: Option<i64>,
    pub(crate) collection_prefix: Option<String>,
    pub(crate) max_file_size_mb: Option<f64>,
    pub(crate) max_files: Option<i64>,
    pub(crate) concurrency: Option<i64>,
    pub(crate) max_cost_usd: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Provider {
    Builtin,
    OpenAi,
}

#[derive(Clone, Debug)]
pub(crate) struct EmbedderSettings {
    pub(crate) provider: Provider,
    pub(crate) base_url: String,
    pub(crate) model: String,
    /// Tells vectors of a model apart from those that it gave under the same name before.
    pub(crate) revision: Option<String>,
    pub(crate) dims: usize,
    pub(crate) send_dimensions: bool,
    /// Shows itself to nobody; absent with the built-in embedder, which would have no use for it.
    pub(crate) key: Option<ApiKey>,
    /// Where the key was found.
    pub(crate) key_from: Option<String>,
    pub(crate) allow_plain_http: bool,
    pub(crate) batch_size: usize,
    pub(crate) timeout: Duration,
    /// What a million tokens cost; `None` when nobody knows. Nothing with the built-in embedder.
    pub(crate) usd_per_million_tokens: Option<f64>,
    /// How many requests may be in flight at once.
    pub(crate) concurrency: usize,
    pub(crate) requests_per_minute: Option<f64>,
    pub(crate) tokens_per_minute: Option<f64>,
    /// Who is asked before every request, once it is known which command sends them.
    pub(crate) meter: Option<Arc<dyn Meter>>,
}

/// What may be spent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BudgetSettings {
    pub(crate) per_run_usd: f64,
    pub(crate) per_day_usd: Option<f64>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct UpdateSettings {
    pub(crate) collection_prefix: String,
    pub(crate) max_file_size_bytes: u64,
    /// How many files one run embeds at most.
    pub(crate) max_files: usize,
    /// A run that would remove a larger share of a collection's documents removes nothing.
    pub(crate) max_removed_share: f64,
    /// Rows after which documents are committed; none is divided.
    pub(crate) commit_rows: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SearchSettings {
    /// Threads of a search; `None` takes all processors.
    pub(crate) threads: Option<usize>,
}

/// When space is given back.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CompactSettings {
    /// Whether an update compacts what it was about.
    pub(crate) after_update: bool,
    /// From which share of dead bytes a segment is rewritten.
    pub(crate) min_dead: f64,
}

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) store: PathBuf,
    pub(crate) backups: PathBuf,
    pub(crate) logs: PathBuf,
    pub(crate) embedder: EmbedderSettings,
    pub(crate) chunks: ChunkLimits,
    pub(crate) update: UpdateSettings,
    pub(crate) search: SearchSettings,
    pub(crate) compact: CompactSettings,
    pub(crate) budget: BudgetSettings,
    pub(crate) monitor: MonitorSettings,
    pub(crate) frameworks: Vec<Declared>,
    pub(crate) trees: Vec<DeclaredTree>,
    metadata: BTreeMap<String, BTreeMap<String, FieldType>>,
}

/// The fields that every chunk has had since the old system.
const DEFAULT_METADATA: [(&str, FieldType); 7] = [
    ("framework", FieldType::String),
    ("api_name", FieldType::String),
    ("file_path", FieldType::String),
    ("file_size", FieldType::Integer),
    ("chunk_index", FieldType::Integer),
    ("total_chunks", FieldType::Integer),
    ("chunk_hash", FieldType::String),
];

impl Settings {
    /// Flag before environment before `.env` before file before default; refuses what makes no sense.
    pub(crate) fn resolve(overrides: &Overrides, inputs: &Inputs) -> Result<Settings, ConfigError> {
        let place =
            |given: Option<PathBuf>, name: &str| inputs.base.join(given.unwrap_or_else(|| name.into()));
        let file = &inputs.file;
        let embedder = embedder(overrides, inputs)?;
        Ok(Settings {
            // A flag is typed where the user stands, the file speaks from where it lies.
            store: overrides.store.clone().unwrap_or_else(|| place(file.store.clone(), "vectorstore")),
            backups: place(file.backups.clone(), "backups"),
            logs: place(file.logs.clone(), "logs"),
            chunks: chunks(inputs, embedder.counter())?,
            embedder,
            update: update(overrides, inputs)?,
            search: search(inputs)?,
            compact: compact(inputs)?,
            budget: budget(overrides, inputs)?,
            monitor: monitor(inputs)?,
            frameworks: frameworks(inputs)?,
            trees: trees(inputs),
            metadata: file.metadata.clone(),
        })
    }

    /// The fields that chunks of `collection` must have.
    pub(crate) fn required_metadata(&self, collection: &str) -> BTreeMap<String, FieldType> {
        let declared = self.metadata.get(collection).or_else(|| self.metadata.get("*"));
        let default = || DEFAULT_METADATA.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
        declared.cloned().unwrap_or_else(default)
    }

    /// What a scan needs to know.
    pub(crate) fn scan_options(&self) -> ScanOptions {
        ScanOptions { max_file_size_bytes: self.update.max_file_size_bytes, never_enter: self.never_enter() }
    }

    /// What decides which PATH is which framework, besides flags and what the store remembers.
    pub(crate) fn source_rules(&self) -> SourceRules {
        SourceRules {
            prefix: self.update.collection_prefix.clone(),
            declared: self.frameworks.clone(),
            trees: self.trees.clone(),
            never_enter: self.never_enter(),
            ..SourceRules::default()
        }
    }

    /// Folders that no scan may enter.
    fn never_enter(&self) -> Vec<PathBuf> {
        vec![self.store.clone(), self.backups.clone(), self.logs.clone()]
    }
}

impl EmbedderSettings {
    /// Who counts the tokens of a text.
    pub(crate) fn counter(&self) -> Counter {
        match self.provider {
            Provider::Builtin => Counter::Estimate,
            Provider::OpenAi => Counter::of_model(&self.model),
        }
    }

    /// The embedder that these settings describe. Nothing is sent yet.
    pub(crate) fn embedder(&self) -> Result<Box<dyn Embedder>, EmbedError> {
        match self.provider {
            Provider::Builtin => Ok(Box::new(Builtin::new(self.dims))),
            Provider::OpenAi => Ok(Box::new(OpenAi::new(OpenAiOptions {
                base_url: self.base_url.clone(),
                model: self.model.clone(),
                revision: self.revision.clone(),
                dims: self.dims,
                send_dimensions: self.send_dimensions,
                key: self.key.clone(),
                batch_size: self.batch_size,
                timeout: self.timeout,
                allow_plain_http: self.allow_plain_http,
                patience: Patience::default(),
                requests_per_minute: self.requests_per_minute,
                tokens_per_minute: self.tokens_per_minute,
                counter: self.counter(),
                meter: self.meter.clone(),
            })?)),
        }
    }
}

fn embedder(overrides: &Overrides, inputs: &Inputs) -> Result<EmbedderSettings, ConfigError> {
    let file = &inputs.file.embedder;
    let provider = provider(overrides, inputs)?;
    let base_url = Sourced::flag("--base-url", overrides.base_url.clone())
        .or_else(|| inputs.variable("OPENAI_BASE_URL"))
        .or_else(|| inputs.key("embedder.base_url", file.base_url.clone()));
    let model = Sourced::flag("--model", overrides.model.clone())
        .or_else(|| inputs.key("embedder.model", file.model.clone()));
    if let Some(model) =
        model.as_ref().filter(|model| model.value.trim().is_empty() || model.value.len() > 200)
    {
        return Err(model.refused("a model's name has 1 to 200 characters"));
    }
    let revision = inputs.key("embedder.revision", file.revision.clone());
    if let Some(revision) =
        revision.as_ref().filter(|one| one.value.trim().is_empty() || one.value.len() > 32)
    {
        return Err(revision.refused("a revision has 1 to 32 characters"));
    }
    let dims = Sourced::flag("--dims", overrides.dims).or_else(|| inputs.key("embedder.dims", file.dims));
    let batch_size = Sourced::flag("--batch-size", overrides.batch_size)
        .map_or_else(|| inputs.number("EMBEDDING_BATCH_SIZE"), |flag| Ok(Some(flag)))?
        .or_else(|| inputs.key("embedder.batch_size", file.batch_size));
    let timeout = Sourced::flag("--timeout", overrides.timeout_s)
        .or_else(|| inputs.key("embedder.timeout_s", file.timeout_s));
    let timeout_s = timeout.map_or(Ok(60), |seconds| seconds.within(1, 3_600))?;
    let model = model.map_or_else(|| "text-embedding-3-small".to_owned(), |model| model.value);
    let price = inputs.key("embedder.usd_per_million_tokens", file.usd_per_million_tokens);
    if let Some(price) = price.as_ref().filter(|price| !(0.0..=10_000.0).contains(&price.value)) {
        return Err(price.refused(format!("{} is no price; it must be 0 to 10000", price.value)));
    }
    let usd_per_million_tokens = match provider {
        Provider::Builtin => Some(0.0),
        Provider::OpenAi => price.map(|price| price.value).or_else(|| price::usd_per_million_tokens(&model)),
    };
    let found = if provider == Provider::OpenAi { api_key(inputs)? } else { None };
    let (key, key_from) = found.unzip();
    let concurrency = Sourced::flag("--concurrency", overrides.concurrency)
        .or_else(|| inputs.key("embedder.concurrency", file.concurrency));
    let requests_per_minute = inputs
        .number("OPENAI_RPM")?
        .or_else(|| inputs.key("embedder.requests_per_minute", file.requests_per_minute));
    let tokens_per_minute = inputs.key("embedder.tokens_per_minute", file.tokens_per_minute);
    let pace = |cap: Option<Sourced<f64>>| cap.map(|cap| cap.between(1.0, 1e9)).transpose();
    Ok(EmbedderSettings {
        provider,
        base_url: base_url.map_or_else(|| "https://api.openai.com/v1".to_owned(), |url| url.value),
        model,
        revision: revision.map(|revision| revision.value),
        dims: dims.map_or(Ok(1_536), |dims| dims.within(1, 8_192))?,
        send_dimensions: file.send_dimensions.unwrap_or(false),
        key,
        key_from,
        allow_plain_http: file.allow_plain_http.unwrap_or(false),
        batch_size: batch_size.map_or(Ok(100), |size| size.within(1, 2_048))?,
        timeout: Duration::from_secs(timeout_s as u64),
        usd_per_million_tokens,
        concurrency: concurrency.map_or(Ok(4), |number| number.within(1, 64))?,
        requests_per_minute: pace(requests_per_minute)?,
        tokens_per_minute: pace(tokens_per_minute)?,
        meter: None,
    })
}

fn budget(overrides: &Overrides, inputs: &Inputs) -> Result<BudgetSettings, ConfigError> {
    let file = &inputs.file.budget;
    let run = Sourced::flag("--max-cost", overrides.max_cost_usd)
        .map_or_else(|| inputs.number("MAX_EMBEDDING_COST"), |flag| Ok(Some(flag)))?
        .or_else(|| inputs.key("budget.per_run_usd", file.per_run_usd));
    let day = inputs.key("budget.per_day_usd", file.per_day_usd);
    Ok(BudgetSettings {
        per_run_usd: run.map_or(Ok(10.0), |limit| limit.between(0.0, 1e6))?,
        per_day_usd: day.map(|limit| limit.between(0.0, 1e6)).transpose()?,
    })
}

/// Without a word about it, a server that is named is meant to be used; a key alone is not, because it may lie in the
/// environment for other programs, and documents do not leave the machine by accident.
fn provider(overrides: &Overrides, inputs: &Inputs) -> Result<Provider, ConfigError> {
    let file = &inputs.file.embedder;
    let flags_name_a_server = overrides.base_url.is_some() || overrides.model.is_some();
    let named = Sourced::flag("--embedder", overrides.provider.clone())
        .or_else(|| Sourced::flag("--base-url", flags_name_a_server.then(|| "openai".to_owned())))
        .or_else(|| inputs.key("embedder.provider", file.provider.clone()));
    let Some(named) = named else {
        let file_names_a_server = file.base_url.is_some() || file.model.is_some();
        return Ok(if file_names_a_server { Provider::OpenAi } else { Provider::Builtin });
    };
    match named.value.as_str() {
        "builtin" if flags_name_a_server => {
            Err(named.refused("the built-in embedder takes no --base-url and no --model"))
        }
        "builtin" => Ok(Provider::Builtin),
        "openai" => Ok(Provider::OpenAi),
        other => {
            let hint = nearest(other, ["builtin", "openai"]).map(|near| format!("; did you mean {near}?"));
            let hint = hint.unwrap_or_default();
            Err(named.refused(format!("{other:?} is no embedder; there are builtin and openai{hint}")))
        }
    }
}

/// The key, and where it was found.
fn api_key(inputs: &Inputs) -> Result<Option<(ApiKey, String)>, ConfigError> {
    let file = inputs.file.embedder.api_key_file.clone();
    let found = match (inputs.variable("OPENAI_API_KEY"), inputs.key("embedder.api_key_file", file)) {
        (Some(variable), _) => variable,
        (None, Some(named)) => {
            let path = inputs.base.join(&named.value);
            let text = read(&path)?;
            let value = text.ok_or_else(|| named.refused(format!("there is no file {}", path.display())))?;
            Sourced { value, from: named.from }
        }
        (None, None) => return Ok(None),
    };
    // The value itself is never part of a message.
    let key = ApiKey::new(&found.value).map_err(|bad| found.refused(bad.to_string()))?;
    Ok(Some((key, found.from)))
}

fn chunks(inputs: &Inputs, counter: Counter) -> Result<ChunkLimits, ConfigError> {
    let file = &inputs.file.chunks;
    let default = ChunkLimits::default();
    let max =
        inputs.number("MAX_TOKENS_PER_DOC")?.or_else(|| inputs.key("chunks.max_tokens", file.max_tokens));
    let max_tokens = max.map_or(Ok(default.max_tokens), |max| max.within(64, 8_192))?;
    let target = inputs.key("chunks.target_tokens", file.target_tokens);
    // Headings take up to a quarter of the maximum.
    let most = (max_tokens - max_tokens / 4) as i64;
    let target_tokens =
        target.map_or(Ok(default.target_tokens.min(most as usize)), |one| one.within(16, most))?;
    let overlap = inputs.key("chunks.overlap_tokens", file.overlap_tokens);
    let half = target_tokens / 2;
    let overlap_tokens =
        overlap.map_or(Ok(default.overlap_tokens.min(half)), |one| one.within(0, half as i64))?;
    Ok(ChunkLimits { target_tokens, overlap_tokens, max_tokens, counter })
}

fn update(overrides: &Overrides, inputs: &Inputs) -> Result<UpdateSettings, ConfigError> {
    let file = &inputs.file.update;
    let prefix = Sourced::flag("--collection-prefix", overrides.collection_prefix.clone())
        .or_else(|| inputs.key("update.collection_prefix", file.collection_prefix.clone()));
    if let Some(prefix) = prefix
        .as_ref()
        .filter(|prefix| !prefix.value.is_empty() && (!is_legal(&prefix.value) || prefix.value.len() > 64))
    {
        return Err(prefix
            .refused("a prefix has up to 64 of A-Z a-z 0-9 _ . - and begins with a letter, a digit or _"));
    }
    let size = Sourced::flag("--max-file-size-mb", overrides.max_file_size_mb)
        .map_or_else(|| inputs.number("MAX_FILE_SIZE_MB"), |flag| Ok(Some(flag)))?
        .or_else(|| inputs.key("update.max_file_size_mb", file.max_file_size_mb));
    let megabytes = match size {
        Some(size) if !(size.value > 0.0 && size.value <= 1_024.0) => {
            return Err(
                size.refused(format!("{} is out of range; it must be above 0 and at most 1024", size.value))
            );
        }
        size => size.map_or(10.0, |size| size.value),
    };
    let share = inputs.key("update.max_removed_share", file.max_removed_share);
    if let Some(share) = share.as_ref().filter(|share| !(0.0..=1.0).contains(&share.value)) {
        return Err(share.refused(format!("{} is no share; it must be 0 to 1", share.value)));
    }
    let files = Sourced::flag("--max-files", overrides.max_files)
        .map_or_else(|| inputs.number("MAX_FILES_TO_EMBED"), |flag| Ok(Some(flag)))?
        .or_else(|| inputs.key("update.max_files", file.max_files));
    Ok(UpdateSettings {
        collection_prefix: prefix.map_or_else(|| "docs".to_owned(), |prefix| prefix.value),
        max_file_size_bytes: (megabytes * 1_048_576.0) as u64,
        max_files: files.map_or(Ok(300_000), |files| files.within(1, 1_000_000_000))?,
        max_removed_share: share.map_or(0.2, |share| share.value),
        commit_rows: inputs
            .key("update.commit_rows", file.commit_rows)
            .map_or(Ok(256), |rows| rows.within(1, 100_000))?,
    })
}

fn search(inputs: &Inputs) -> Result<SearchSettings, ConfigError> {
    let threads = inputs.key("search.threads", inputs.file.search.threads);
    Ok(SearchSettings { threads: threads.map(|threads| threads.within(1, 1_024)).transpose()? })
}

fn compact(inputs: &Inputs) -> Result<CompactSettings, ConfigError> {
    let file = &inputs.file.compact;
    let share = inputs.key("compact.min_dead", file.min_dead);
    if let Some(share) = share.as_ref().filter(|share| !(0.0..=1.0).contains(&share.value)) {
        return Err(share.refused(format!("{} is no share; it must be 0 to 1", share.value)));
    }
    let min_dead = share.map_or(0.3, |share| share.value);
    Ok(CompactSettings { after_update: file.after_update.unwrap_or(true), min_dead })
}

fn frameworks(inputs: &Inputs) -> Result<Vec<Declared>, ConfigError> {
    let mut found = Vec::new();
    for entry in &inputs.file.framework {
        let collection = inputs.key("framework.collection", entry.collection.clone());
        if let Some(name) = collection.as_ref().filter(|name| !is_legal(&name.value)) {
            return Err(name.refused(format!(
                "{:?} is no collection name: up to 128 of A-Z a-z 0-9 _ . - that begin with a letter, a digit or _",
                name.value
            )));
        }
        found.push(Declared {
            name: entry.name.clone(),
            path: inputs.base.join(&entry.path),
            include: entry.include.clone(),
            exclude: entry.exclude.clone(),
            collection: entry.collection.clone(),
        });
    }
    Ok(found)
}

fn trees(inputs: &Inputs) -> Vec<DeclaredTree> {
    let tree = |entry: &super::file::Tree| DeclaredTree {
        path: inputs.base.join(&entry.path),
        include: entry.include.clone(),
        exclude: entry.exclude.clone(),
    };
    inputs.file.tree.iter().map(tree).collect()
}
