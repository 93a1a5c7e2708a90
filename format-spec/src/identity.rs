//! Where the vectors of a collection come from: vectors of different identities must never be mixed.

use serde::{Deserialize, Serialize};

use crate::Metric;
use crate::limits::{MAX_DIMS, MAX_IDENTITY_FIELD_BYTES, MIN_DIMS};

/// What made the vectors, and how they are compared: fixed when a collection is created.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EmbeddingIdentity {
    /// Who runs the model: `openai`, `builtin`, a host name.
    pub provider: String,
    /// The model: `text-embedding-3-small`.
    pub model: String,
    /// Elements of a vector.
    pub dims: u32,
    /// How closeness is measured.
    pub metric: Metric,
    /// Whether every vector is scaled to unit length before it is stored.
    pub normalised: bool,
    /// How documents were cut into chunks, with a version; empty when that does not apply.
    pub chunker: String,
}

impl Default for EmbeddingIdentity {
    /// Vectors of 1536 dims compared by cosine, of a model that is not named.
    fn default() -> Self {
        Self {
            provider: String::new(),
            model: String::new(),
            dims: 1536,
            metric: Metric::Cosine,
            normalised: false,
            chunker: String::new(),
        }
    }
}

impl EmbeddingIdentity {
    /// Whether vectors of both may be compared with each other. The chunker does not matter for that.
    pub fn same_space(&self, other: &Self) -> bool {
        self.provider == other.provider
            && self.model == other.model
            && self.dims == other.dims
            && self.metric == other.metric
            && self.normalised == other.normalised
    }

    /// The first difference from `other`, as a sentence part, if there is one.
    pub fn difference(&self, other: &Self) -> Option<String> {
        let text = |name: &str, a: &str, b: &str| (a != b).then(|| format!("{name} {a:?} against {b:?}"));
        text("provider", &self.provider, &other.provider)
            .or_else(|| text("model", &self.model, &other.model))
            .or_else(|| {
                (self.dims != other.dims).then(|| format!("dims {} against {}", self.dims, other.dims))
            })
            .or_else(|| text("metric", self.metric.name(), other.metric.name()))
            .or_else(|| {
                (self.normalised != other.normalised)
                    .then(|| format!("normalised {} against {}", self.normalised, other.normalised))
            })
            .or_else(|| text("chunker", &self.chunker, &other.chunker))
    }

    /// Checks every field against its limits.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub fn check(&self) -> Result<(), String> {
        if !(MIN_DIMS..=MAX_DIMS).contains(&self.dims) {
            return Err(format!("dims is {}; it must be {MIN_DIMS} to {MAX_DIMS}", self.dims));
        }
        for (name, value) in
            [("provider", &self.provider), ("model", &self.model), ("chunker", &self.chunker)]
        {
            if value.len() > MAX_IDENTITY_FIELD_BYTES {
                return Err(format!(
                    "{name} is {} bytes long; at most {MAX_IDENTITY_FIELD_BYTES}",
                    value.len()
                ));
            }
        }
        Ok(())
    }
}
