//! Who is asked before a request is sent, and told afterwards what became of it.
//!
//! A request that is repeated may be paid for each time, so the client asks before every attempt and not once a batch.

use std::fmt::Debug;
use std::time::Duration;

use super::EmbedError;

/// Keeps the books of requests. Shared between threads that each have requests under way.
pub(crate) trait Meter: Debug + Send + Sync {
    /// Called before a request is sent, with its tokens by the estimate. Whoever gets an error sends nothing.
    fn reserve(&self, inputs: usize, tokens: u64) -> Result<Reservation, EmbedError>;

    /// Called when the request has ended, however it did.
    fn settle(&self, reservation: Reservation, settled: Settlement<'_>);

    /// Called when a request fails again and again, with the pause before the next attempt, if there will be one.
    fn trouble(&self, error: &EmbedError, pause: Option<Duration>);
}

/// The leave to send one request.
#[derive(Debug)]
pub(crate) struct Reservation {
    pub(crate) id: String,
    /// Its tokens by the client's estimate, and what is reserved for them.
    pub(crate) estimated_tokens: u64,
    pub(crate) tokens: u64,
    pub(crate) cost_usd: f64,
}

/// How a request ended.
#[derive(Clone, Debug)]
pub(crate) struct Settlement<'a> {
    pub(crate) paid: Paid,
    /// What went wrong.
    pub(crate) error: Option<&'a EmbedError>,
    /// The server's name for the request.
    pub(crate) request_id: Option<&'a str>,
    pub(crate) took: Duration,
}

/// What is known about who pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paid {
    /// So many tokens, as the server counted them.
    Counted(u64),
    /// Nothing: the server refused the request, or never got it.
    Nothing,
    /// Nobody knows: the request was sent, and no usable answer came back. Taken as paid in full.
    Unknown,
}
