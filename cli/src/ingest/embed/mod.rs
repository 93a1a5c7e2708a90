//! Texts to vectors: one trait, a built-in lexical embedder that needs nothing, and a client for servers that speak the
//! OpenAI embeddings API.

mod builtin;
mod error;
mod key;
mod meter;
mod openai;
#[cfg(test)]
mod scripted;

pub(crate) use builtin::Builtin;
pub(crate) use error::EmbedError;
pub(crate) use key::{ApiKey, HIDDEN};
pub(crate) use meter::{Meter, Paid, Reservation, Settlement};
pub(crate) use openai::{OpenAi, OpenAiOptions, Patience, model_and_revision, place, without_secrets};

use super::cancel::Cancel;
use std::time::Duration;

/// Where vectors come from. Vectors of different identities must never meet in one collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// `builtin`, `openai`, or the host name of another server.
    pub(crate) provider: String,
    pub(crate) model: String,
    pub(crate) dims: usize,
    /// Every vector has unit length.
    pub(crate) normalised: bool,
}

/// What became of one input.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// Finite, of the right width, not zero.
    Vector(Vec<f32>),
    /// This input cannot be embedded, with the reason; the others can.
    Refused(String),
    /// The call stopped before it was this input's turn.
    NotTried,
}

/// One request that the server answered, for the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestRecord {
    /// The server's name for it, by which its operator can find it.
    pub(crate) request_id: Option<String>,
    pub(crate) inputs: usize,
    pub(crate) tokens: u64,
    /// How often it was sent before it was answered.
    pub(crate) attempts: u32,
    pub(crate) took: Duration,
    /// What the server says is left before it refuses, when it says so.
    pub(crate) remaining_requests: Option<u64>,
    pub(crate) remaining_tokens: Option<u64>,
}

/// What a call did. Vectors that were paid for are here even when the call stopped early.
#[derive(Clone, Debug, Default)]
pub(crate) struct EmbedReply {
    /// One for each input, in order.
    pub(crate) outcomes: Vec<Outcome>,
    /// Tokens that the server counted. Zero when nothing is counted.
    pub(crate) tokens: u64,
    pub(crate) requests: Vec<RequestRecord>,
    /// Why the call stopped early: keep what is there, then report this.
    pub(crate) stopped: Option<EmbedError>,
}

/// Turns texts into vectors. Shared between threads that each have a call of their own under way.
pub(crate) trait Embedder: Send + Sync {
    fn identity(&self) -> &Identity;

    /// How many inputs to hand over at once. More are accepted, and sent in several requests.
    fn max_inputs(&self) -> usize;

    /// Embeds `texts`. Blocks; returns soon after `cancel` is set.
    fn embed(&self, texts: &[String], cancel: &Cancel) -> EmbedReply;
}
