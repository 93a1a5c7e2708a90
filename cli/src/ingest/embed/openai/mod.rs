//! A client for the OpenAI embeddings API and for the many servers that speak it.
//!
//! One call goes out as one or more requests, each within the limits of the API. A request is tried again when that can
//! help (429, 5xx, time-outs, lost connections, garbled replies), with growing and jittered pauses or as long as the
//! server asks. A batch that is refused for its content is halved until the input at fault stands alone; that
//! one is reported and the others go on; a batch that takes longer than the time-out is halved too, and later ones start
//! at that size, because sending the same again would be as slow, and may be paid for again. Nothing wrong enters: the width, finiteness and length of every vector
//! are checked here, and it is scaled to unit length if the server has not done so.

mod address;
mod exchange;
mod pace;
mod reply;
mod retry;

pub(crate) use address::without_secrets;
pub(crate) use retry::Patience;

use super::key::ApiKey;
use super::{EmbedError, EmbedReply, Embedder, Identity, Meter, Outcome, Paid, RequestRecord, Settlement};
use crate::ingest::cancel::Cancel;
use crate::ingest::chunk::Counter;
use exchange::{Answer, Exchange, Failure, Remedy};
use pace::Pacer;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The API's own limits.
const MOST_INPUTS: usize = 2_048;
const MOST_TOKENS_A_REQUEST: usize = 300_000;
const MOST_TOKENS_AN_INPUT: usize = 8_192;
/// When this many inputs of a batch were refused alone and none was taken, the fault is not with the inputs.
const REFUSALS_BEFORE_GIVING_UP: usize = 3;

/// From this failure on of one request, or when a pause is this long, people are told why nothing seems to happen.
const WORTH_A_WORD: u32 = 3;
/// Between a model's name and its revision, in identities.
const REVISION: &str = ", revision ";
const LONG_PAUSE: Duration = Duration::from_secs(2);

/// What to ask the server for, and the revision, of a model as identities name it.
pub(crate) fn model_and_revision(model: &str) -> (&str, Option<&str>) {
    model.split_once(REVISION).map_or((model, None), |(model, revision)| (model, Some(revision)))
}

/// Who a server is: the name of its provider, and whether it is this machine.
pub(crate) fn place(base_url: &str) -> Result<(String, bool), EmbedError> {
    address::Address::new(base_url).map(|address| (address.provider, address.is_loopback))
}

/// How to reach a server and what to ask of it.
#[derive(Clone, Debug)]
pub(crate) struct OpenAiOptions {
    pub(crate) base_url: String,
    pub(crate) model: String,
    /// Part of the model's name in identities, and never sent.
    pub(crate) revision: Option<String>,
    pub(crate) dims: usize,
    /// Whether `dimensions` is sent: models that can shorten their vectors need it, others refuse it.
    pub(crate) send_dimensions: bool,
    pub(crate) key: Option<ApiKey>,
    pub(crate) batch_size: usize,
    pub(crate) timeout: Duration,
    /// Whether a key may go over plain HTTP to another machine.
    pub(crate) allow_plain_http: bool,
    pub(crate) patience: Patience,
    /// Caps of this end, kept whatever the server says.
    pub(crate) requests_per_minute: Option<f64>,
    pub(crate) tokens_per_minute: Option<f64>,
    /// Who counts the tokens of a text.
    pub(crate) counter: Counter,
    /// Who is asked before every request.
    pub(crate) meter: Option<Arc<dyn Meter>>,
}

pub(crate) struct OpenAi {
    options: OpenAiOptions,
    identity: Identity,
    exchange: Exchange,
    pacer: Pacer,
    /// The server was found to refuse base64; plain numbers are asked for since.
    plain_numbers: AtomicBool,
    /// How many inputs the server can deal with in time, as far as is known.
    batch: AtomicUsize,
}

impl std::fmt::Debug for OpenAi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenAi").field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl OpenAi {
    /// Checks address and key, and sends nothing.
    pub(crate) fn new(options: OpenAiOptions) -> Result<OpenAi, EmbedError> {
        let address = address::Address::new(&options.base_url)?;
        match &options.key {
            None if address.is_openai => return Err(EmbedError::MissingKey { url: options.base_url }),
            Some(_) if !address.is_private_to_key() && !options.allow_plain_http => {
                return Err(EmbedError::KeyOverPlainHttp { url: options.base_url });
            }
            _ => {}
        }
        let identity = Identity {
            provider: address.provider.clone(),
            model: match &options.revision {
                Some(revision) => format!("{}{REVISION}{revision}", options.model),
                None => options.model.clone(),
            },
            dims: options.dims,
            normalised: true,
        };
        let exchange = Exchange::new(address, &options)?;
        let batch = AtomicUsize::new(options.batch_size.clamp(1, MOST_INPUTS));
        let pacer = Pacer::new(options.requests_per_minute, options.tokens_per_minute);
        Ok(OpenAi { options, identity, exchange, pacer, plain_numbers: AtomicBool::new(false), batch })
    }

    /// Whether it was the server that refused a text, and not its length.
    fn is_refusal(&self, outcome: &Outcome, text: &str) -> bool {
        matches!(outcome, Outcome::Refused(_)) && self.options.counter.count(text) <= MOST_TOKENS_AN_INPUT
    }

    fn batch(&self) -> usize {
        self.batch.load(Ordering::Relaxed)
    }

    /// Consecutive inputs that fit into one request each. What can never fit is refused here, unsent.
    fn plan(&self, texts: &[String], outcomes: &mut [Outcome]) -> VecDeque<Vec<usize>> {
        let mut plan = VecDeque::new();
        let mut open: Vec<usize> = Vec::new();
        let mut tokens = 0;
        for (at, (text, outcome)) in texts.iter().zip(outcomes).enumerate() {
            let cost = self.options.counter.count(text);
            if text.trim().is_empty() {
                *outcome = Outcome::Refused("the text is empty".into());
                continue;
            }
            if cost > MOST_TOKENS_AN_INPUT {
                let why =
                    format!("about {cost} tokens; the API takes at most {MOST_TOKENS_AN_INPUT} an input");
                *outcome = Outcome::Refused(why);
                continue;
            }
            if open.len() == self.batch() || tokens + cost > MOST_TOKENS_A_REQUEST {
                plan.push_back(std::mem::take(&mut open));
                tokens = 0;
            }
            open.push(at);
            tokens += cost;
        }
        if !open.is_empty() {
            plan.push_back(open);
        }
        plan
    }

    /// Sends one batch until it is answered or there is no point in going on.
    fn request(&self, batch: &[&str], cancel: &Cancel) -> Result<(reply::Vectors, RequestRecord), Failure> {
        let started = Instant::now();
        let tokens: usize = batch.iter().map(|text| self.options.counter.count(text)).sum();
        let mut attempts = 0;
        loop {
            if cancel.is_cancelled() || !self.pacer.wait(tokens as u64, cancel) {
                return Err(not_begun());
            }
            attempts += 1;
            let plain = self.plain_numbers.load(Ordering::Relaxed);
            let failure = match self.attempt(batch, tokens as u64, plain, cancel) {
                Ok((vectors, answer)) => {
                    self.pacer.heard(&answer.left, tokens as u64);
                    let record = RequestRecord {
                        inputs: batch.len(),
                        tokens: vectors.tokens,
                        attempts,
                        took: started.elapsed(),
                        ..answer.record
                    };
                    return Ok((vectors, record));
                }
                Err(failure) => failure,
            };
            if failure.is_about_encoding() && !plain {
                self.plain_numbers.store(true, Ordering::Relaxed);
                continue;
            }
            let halve = failure.is_too_slow() && batch.len() > 1;
            let pause = self.options.patience.pause_after(&failure, attempts).filter(|_| !halve);
            let failure = failure.after(attempts);
            let is_long = attempts >= WORTH_A_WORD || failure.is_too_slow() || pause >= Some(LONG_PAUSE);
            // Where nothing is tried again, the error itself is told.
            let goes_on = pause.is_some() || halve;
            if let Some(meter) = self.options.meter.as_ref().filter(|_| is_long && goes_on) {
                meter.trouble(&failure.error, pause);
            }
            let Some(pause) = pause else {
                return Err(failure);
            };
            if matches!(failure.error, EmbedError::RateLimited { .. }) {
                // It holds for the requests of the other threads as well.
                self.pacer.hold(pause);
            }
            if !cancel.sleep(pause) {
                return Err(not_begun());
            }
        }
    }

    /// Sends one batch once, with the meter's leave.
    fn attempt(
        &self,
        batch: &[&str],
        tokens: u64,
        plain: bool,
        cancel: &Cancel,
    ) -> Result<(reply::Vectors, Answer), Failure> {
        let reservation = match &self.options.meter {
            Some(meter) => {
                let leave = meter.reserve(batch.len(), tokens);
                Some((meter, leave.map_err(|error| Failure::new(error, Remedy::None))?))
            }
            None => None,
        };
        let sent = Instant::now();
        let body = reply::request_body(&self.options, batch, plain);
        let answer =
            self.exchange.post(body, batch.len() * self.options.dims, cancel, &self.options.patience);
        let result = answer.and_then(|answer| {
            let vectors = reply::vectors(&answer.body, batch.len(), self.options.dims)?;
            Ok((vectors, answer))
        });
        if let Some((meter, reservation)) = reservation {
            let took = sent.elapsed();
            let settlement = match &result {
                Ok((vectors, answer)) => Settlement {
                    // A server that counts nothing is taken to have counted what was estimated.
                    paid: Paid::Counted(if vectors.tokens > 0 { vectors.tokens } else { tokens }),
                    error: None,
                    request_id: answer.record.request_id.as_deref(),
                    took,
                },
                Err(failure) => {
                    Settlement { paid: failure.paid(), error: Some(&failure.error), request_id: None, took }
                }
            };
            meter.settle(reservation, settlement);
        }
        result
    }
}

/// Cancelled before anything was sent.
fn not_begun() -> Failure {
    Failure { unsent: true, ..Failure::cancelled() }
}

impl Embedder for OpenAi {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn max_inputs(&self) -> usize {
        self.batch()
    }

    fn embed(&self, texts: &[String], cancel: &Cancel) -> EmbedReply {
        let mut reply =
            EmbedReply { outcomes: vec![Outcome::NotTried; texts.len()], ..EmbedReply::default() };
        let mut plan = self.plan(texts, &mut reply.outcomes);
        let mut taken = 0;
        let mut refused = 0;
        while let Some(places) = plan.pop_front() {
            let batch: Vec<&str> =
                places.iter().filter_map(|at| texts.get(*at)).map(String::as_str).collect();
            match self.request(&batch, cancel) {
                Ok((vectors, record)) => {
                    taken += places.len();
                    reply.tokens += record.tokens;
                    reply.requests.push(record);
                    for (at, outcome) in places.iter().zip(vectors.outcomes) {
                        set(&mut reply.outcomes, *at, outcome);
                    }
                }
                Err(failure) if (failure.is_about_content() || failure.is_too_slow()) && places.len() > 1 => {
                    if failure.is_too_slow() {
                        self.batch.fetch_min(places.len().div_ceil(2), Ordering::Relaxed);
                    }
                    let (first, second) = halves(0..places.len());
                    // In front, so that the order of sending stays the order of the inputs.
                    plan.push_front(places.get(second).unwrap_or_default().to_vec());
                    plan.push_front(places.get(first).unwrap_or_default().to_vec());
                }
                Err(failure) if failure.is_about_content() => {
                    refused += 1;
                    if taken == 0 && refused >= REFUSALS_BEFORE_GIVING_UP {
                        reply.stopped = Some(failure.error);
                        break;
                    }
                    if let Some(at) = places.first() {
                        set(&mut reply.outcomes, *at, Outcome::Refused(failure.error.to_string()));
                    }
                }
                Err(failure) => {
                    reply.stopped = Some(failure.error);
                    break;
                }
            }
        }
        if reply.stopped.is_some() && taken == 0 {
            // Refused one by one before it turned out that none would be taken: not the inputs' fault.
            let refused = reply.outcomes.iter_mut().zip(texts).filter(|(_, text)| !text.trim().is_empty());
            for (outcome, _) in refused.filter(|(outcome, text)| self.is_refusal(outcome, text)) {
                *outcome = Outcome::NotTried;
            }
        }
        reply
    }
}

fn set(outcomes: &mut [Outcome], at: usize, outcome: Outcome) {
    if let Some(slot) = outcomes.get_mut(at) {
        *slot = outcome;
    }
}

fn halves(range: Range<usize>) -> (Range<usize>, Range<usize>) {
    let middle = range.start + range.len() / 2;
    (range.start..middle, middle..range.end)
}

#[cfg(test)]
mod tests;
