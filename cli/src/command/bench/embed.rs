//! How many texts a request should have, and how many requests should be in flight, for the configured server.
//!
//! First larger and larger requests, one at a time; then more and more of the best ones at once, because a server may do
//! several for the price of one; then the sizes beside the best once more, because what is best may have changed. Every
//! request goes through the same books and limits as those of `update`.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde::Serialize;
use siltstone::{OnDamage, Order};

use super::BenchArgs;
use super::choose::{Sample as Rate, choose, climb, doubling, refine};
use super::stopwatch::Latency;
use crate::command::context::Context;
use crate::exit::CliError;
use crate::ingest::embed::{EmbedError, Embedder, Outcome};
use crate::update::to_pay;

/// The smallest request that is tried.
const LEAST_BATCH: usize = 8;
/// Requests that each thread sends for one setting.
const ROUNDS: usize = 3;
/// Texts that are sent, again and again.
const TEXTS: usize = 2_048;
/// Tokens of one request, of which the API takes 300,000 by its own count.
const MOST_TOKENS: usize = 250_000;
/// Length of a text where the store has none.
const TEXT_BYTES: usize = 1_000;

#[derive(Debug, Serialize)]
pub(super) struct Embeddings {
    pub(super) model: String,
    pub(super) mean_tokens: u64,
    pub(super) samples: Vec<Sample>,
    pub(super) cost_usd: Option<f64>,
    pub(super) recommended: Option<Setting>,
}

/// Settings of `[embedder]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Setting {
    pub(super) batch_size: usize,
    pub(super) concurrency: usize,
}

#[derive(Debug, Serialize)]
pub(super) struct Sample {
    #[serde(flatten)]
    pub(super) setting: Setting,
    pub(super) inputs_per_second: f64,
    #[serde(flatten)]
    pub(super) latency: Latency,
    /// Requests that the server put off with 429.
    pub(super) rate_limited: u64,
}

/// Measures until it is known what is best, or a request cannot be sent: then what is known until then, and why.
pub(super) fn measure(
    args: &BenchArgs,
    context: &Context,
) -> Result<(Embeddings, Option<EmbedError>), CliError> {
    let mut settings = context.settings.embedder.clone();
    // Each call of this bench is one request.
    settings.batch_size = args.max_batch as usize;
    let embedder = settings.embedder()?;
    let texts = texts(context)?;
    let counter = settings.counter();
    let tokens: usize = texts.iter().map(|text| counter.count(text)).sum();
    let mean_tokens = (tokens / texts.len().max(1)).max(1);
    let most_batch = (args.max_batch as usize).min((MOST_TOKENS / mean_tokens).max(1));
    let batches = doubling(LEAST_BATCH, most_batch);
    let crowds = doubling(1, args.max_concurrency as usize);
    if let Some(budget) = &context.budget {
        let most = most_inputs(&batches, &crowds) as u64 * mean_tokens as u64;
        context.notices.notice(&format!("requests to {} ...", settings.base_url));
        to_pay(budget, args.force, context, || most)?;
        budget.framework("bench");
    }
    let bench = Bench { context, embedder: &*embedder, texts: &texts, samples: Mutex::default() };
    let (best, stopped) = match bench.search(&batches, &crowds) {
        Ok(best) => (best, None),
        Err(EmbedError::Cancelled) => return Err(CliError::interrupted()),
        Err(error) => (None, Some(error)),
    };
    let samples = bench.samples.into_inner().unwrap_or_default();
    let cost_usd = context.budget.as_deref().map(crate::ingest::budget::Budget::spent_usd);
    let mean_tokens = mean_tokens as u64;
    let model = settings.model;
    Ok((Embeddings { model, mean_tokens, samples, cost_usd, recommended: best }, stopped))
}

/// What all requests together can have, at most: every batch once alone, the largest with every number in flight and
/// once more between two of them, and three times beside the best.
fn most_inputs(batches: &[usize], crowds: &[usize]) -> usize {
    let largest = batches.iter().copied().max().unwrap_or(1);
    let crowd = crowds.iter().copied().max().unwrap_or(1);
    let alone: usize = batches.iter().sum();
    let together: usize = crowds.iter().sum();
    ROUNDS * (alone + largest * (together + 4 * crowd + 3 * crowd)) + LEAST_BATCH
}

/// Passages of the store, else words.
fn texts(context: &Context) -> Result<Vec<String>, CliError> {
    let mut texts = Vec::new();
    if let Ok(store) = context.open_store() {
        for name in store.names()? {
            let view = store.collection(&name)?.view_with(OnDamage::Skip)?;
            let wanted = TEXTS.saturating_sub(texts.len());
            for row in view.iter(Order::Storage)?.take(wanted) {
                let text = row?.text;
                if !text.trim().is_empty() {
                    texts.push(text);
                }
            }
        }
    }
    if texts.is_empty() {
        texts = (0..TEXTS).map(|at| format!("{at} {}", super::commit::text(TEXT_BYTES))).collect();
    }
    Ok(texts)
}

struct Bench<'a> {
    context: &'a Context,
    embedder: &'a dyn Embedder,
    texts: &'a [String],
    samples: Mutex<Vec<Sample>>,
}

impl Bench<'_> {
    fn search(&self, batches: &[usize], crowds: &[usize]) -> Result<Option<Setting>, EmbedError> {
        // The first request opens the connection, and shows whether the server answers at all.
        self.request(0, batches.first().copied().unwrap_or(1))?;
        let alone = climb(batches, |batch_size| self.measure(batch_size, 1))?;
        let Some(batch) = choose(&alone) else { return Ok(None) };
        let many = crowds.get(1..).unwrap_or_default();
        let one = alone.iter().find(|(size, _)| *size == batch).map_or(0.0, |(_, rate)| *rate);
        let mut crowded: Vec<Rate> = vec![(1, one)];
        crowded.extend(climb(many, |concurrency| self.measure(batch, concurrency))?);
        refine(&mut crowded, |concurrency| self.measure(batch, concurrency))?;
        let Some(concurrency) = choose(&crowded) else { return Ok(None) };
        let rate = crowded.iter().find(|(many, _)| *many == concurrency).map_or(0.0, |(_, rate)| *rate);
        let mut beside: Vec<Rate> = vec![(batch, rate)];
        let at = batches.iter().position(|size| *size == batch).unwrap_or(0);
        if concurrency > 1 {
            for place in [at.checked_sub(1), at.checked_add(1), at.checked_add(2)] {
                if let Some(&size) = place.and_then(|place| batches.get(place)) {
                    beside.push((size, self.measure(size, concurrency)?));
                }
            }
        }
        Ok(choose(&beside).map(|batch_size| Setting { batch_size, concurrency }))
    }

    /// Inputs a second.
    fn measure(&self, batch_size: usize, concurrency: usize) -> Result<f64, EmbedError> {
        let limited =
            || self.context.budget.as_deref().map_or(0, crate::ingest::budget::Budget::rate_limited);
        let (before, started) = (limited(), Instant::now());
        let results: Vec<Result<Vec<Duration>, EmbedError>> = std::thread::scope(|scope| {
            let worker = |at: usize| -> Result<Vec<Duration>, EmbedError> {
                (0..ROUNDS)
                    .map(|round| self.request((at * ROUNDS + round) * batch_size, batch_size))
                    .collect()
            };
            let workers: Vec<_> = (0..concurrency).map(|at| scope.spawn(move || worker(at))).collect();
            let lost = || Err(EmbedError::Client { message: "a thread of this bench ended".to_owned() });
            workers.into_iter().map(|worker| worker.join().unwrap_or_else(|_| lost())).collect()
        });
        let seconds = started.elapsed().as_secs_f64();
        let mut times = Vec::new();
        for result in results {
            times.extend(result?);
        }
        let inputs_per_second = (times.len() * batch_size) as f64 / seconds.max(1e-9);
        let setting = Setting { batch_size, concurrency };
        let rate_limited = limited().saturating_sub(before);
        let sample = Sample { setting, inputs_per_second, latency: Latency::of(&times), rate_limited };
        self.samples.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(sample);
        Ok(inputs_per_second)
    }

    /// One request of so many texts, taken in a circle.
    fn request(&self, from: usize, batch_size: usize) -> Result<Duration, EmbedError> {
        let texts: Vec<String> = self
            .texts
            .iter()
            .cycle()
            .skip(from % self.texts.len().max(1))
            .take(batch_size)
            .cloned()
            .collect();
        let started = Instant::now();
        let reply = self.embedder.embed(&texts, &self.context.cancel);
        let took = started.elapsed();
        match reply.stopped {
            Some(error) => Err(error),
            None if self.context.cancel.is_cancelled() => Err(EmbedError::Cancelled),
            None => match reply.outcomes.iter().all(|outcome| matches!(outcome, Outcome::Refused(_))) {
                true => Err(EmbedError::BadRequest { message: "every text was refused".to_owned() }),
                false => Ok(took),
            },
        }
    }
}
