//! A line of the ledger.

use serde::{Deserialize, Serialize};

/// What a line says. Two lines make a request: one before it is sent, one when it has ended. A request without the second
/// was cut off by a kill or a crash, or is under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub(crate) enum Entry {
    Reserved(Reserved),
    Settled(Settled),
}

/// A request is about to be sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Reserved {
    pub(crate) id: String,
    pub(crate) time_ms: i64,
    pub(crate) command: String,
    pub(crate) process: u32,
    /// The key's fingerprint.
    pub(crate) key: Option<String>,
    pub(crate) provider: String,
    pub(crate) model: String,
    pub(crate) framework: String,
    pub(crate) inputs: u64,
    /// By the estimate, as is what they cost.
    pub(crate) tokens: u64,
    pub(crate) cost_usd: f64,
}

/// A request has ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Settled {
    pub(crate) id: String,
    pub(crate) time_ms: i64,
    /// The server's name for it.
    pub(crate) request_id: Option<String>,
    pub(crate) outcome: Outcome,
    /// Put off with 429.
    pub(crate) rate_limited: bool,
    /// Why there is no answer.
    pub(crate) reason: Option<String>,
    pub(crate) tokens: u64,
    pub(crate) cost_usd: f64,
    pub(crate) latency_ms: u64,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    /// Paid, by the server's count.
    #[default]
    Answered,
    /// Not paid.
    Refused,
    /// Taken as paid, by the estimate.
    Unanswered,
}
