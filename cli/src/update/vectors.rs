//! Where the vectors of new chunks come from: rows of the same text, the staging collection, the embedder.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};

use rayon::prelude::*;
use siltstone::View;

use crate::exit::CliError;
use crate::ingest::cancel::Cancel;
use crate::ingest::embed::{EmbedError, EmbedReply, Embedder, Outcome};

use super::job::Job;
use super::staging::{Staging, is_paid};
use super::stored::Stored;

/// Texts of one call to an embedder that runs on this machine.
const LOCAL_BATCH: usize = 32;

/// What embedding cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Spent {
    pub(super) embedded: u64,
    pub(super) reused: u64,
    pub(super) tokens: u64,
    pub(super) requests: u64,
}

/// Gives the jobs the vectors that are there already.
pub(super) fn reuse(
    jobs: &mut [Job],
    stored: &Stored,
    view: &View,
    staging: Option<&Staging<'_>>,
    spent: &mut Spent,
) -> Result<(), CliError> {
    for job in jobs {
        for (vector, hash) in job.vectors.iter_mut().zip(&job.hashes) {
            let key = stored.chunks.get(hash).filter(|_| !job.afresh);
            *vector = match key.map(|key| view.get(key)) {
                Some(Ok(row)) => row.map(|row| row.vector.to_vec()),
                // A damaged row is embedded again, which heals it.
                Some(Err(error)) if error.is_damage() => None,
                Some(Err(error)) => return Err(error.into()),
                None => None,
            };
            if vector.is_none() {
                *vector = staging.map_or(Ok(None), |staging| staging.get(hash))?;
            }
            spent.reused += u64::from(vector.is_some());
        }
    }
    Ok(())
}

/// Embeds what is still missing. Paid vectors are durable before the next request is sent. Returns why it stopped early,
/// if it did: what arrived before is with the jobs.
pub(super) fn embed(
    jobs: &mut [Job],
    embedder: &dyn Embedder,
    concurrency: usize,
    staging: &mut Option<Staging<'_>>,
    cancel: &Cancel,
    spent: &mut Spent,
) -> Result<Option<EmbedError>, CliError> {
    // Each text once, however many chunks have it.
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut hashes: Vec<String> = Vec::new();
    let mut texts: Vec<String> = Vec::new();
    for job in jobs.iter() {
        for ((vector, hash), chunk) in job.vectors.iter().zip(&job.hashes).zip(&job.chunks) {
            if vector.is_none() && !places.contains_key(hash.as_str()) {
                places.insert(hash, texts.len());
                hashes.push(hash.clone());
                texts.push(chunk.embedded_text());
            }
        }
    }
    let (outcomes, stopped) = match is_paid(embedder.identity()) {
        true => sent(embedder, concurrency, &texts, &hashes, staging, cancel, spent)?,
        false => {
            let reply = local(embedder, &texts, cancel);
            (reply.outcomes, reply.stopped)
        }
    };
    let places: HashMap<String, usize> = hashes.into_iter().zip(0..).collect();
    for job in jobs {
        let (hashes, vectors) = (&job.hashes, &mut job.vectors);
        for (vector, hash) in vectors.iter_mut().zip(hashes).filter(|(vector, _)| vector.is_none()) {
            match places.get(hash).and_then(|at| outcomes.get(*at)) {
                Some(Outcome::Vector(found)) => {
                    *vector = Some(found.clone());
                    spent.embedded += 1;
                }
                Some(Outcome::Refused(reason)) => job.refused = Some(reason.clone()),
                Some(Outcome::NotTried) | None => {}
            }
        }
    }
    Ok(stopped)
}

/// What became of texts, and why some were not tried.
type Sent = (Vec<Outcome>, Option<EmbedError>);

/// Sends texts to a server, several requests at once. What arrives is staged at once, in the order of arrival; the first
/// that stops lets those in flight come to their end, because they are paid for.
fn sent(
    embedder: &dyn Embedder,
    concurrency: usize,
    texts: &[String],
    hashes: &[String],
    staging: &mut Option<Staging<'_>>,
    cancel: &Cancel,
    spent: &mut Spent,
) -> Result<Sent, CliError> {
    let batch = embedder.max_inputs().max(1);
    let batches = texts.len().div_ceil(batch);
    let (next, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (sender, receiver) = channel();
    let mut outcomes = vec![Outcome::NotTried; texts.len()];
    let (mut stopped, mut failed) = (None, None);
    let work = |sender: Sender<(usize, EmbedReply)>| {
        while !is_over.load(Ordering::SeqCst) && !cancel.is_cancelled() {
            let at = next.fetch_add(1, Ordering::SeqCst);
            let Some(texts) = texts.chunks(batch).nth(at) else { return };
            let reply = embedder.embed(texts, cancel);
            if reply.stopped.is_some() {
                is_over.store(true, Ordering::SeqCst);
            }
            if sender.send((at * batch, reply)).is_err() {
                return;
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..concurrency.min(batches) {
            let sender = sender.clone();
            scope.spawn(|| work(sender));
        }
        drop(sender);
        for (from, reply) in receiver {
            spent.tokens += reply.tokens;
            spent.requests += reply.requests.len() as u64;
            if let Err(error) = stage(staging, &reply, hashes.get(from..).unwrap_or_default()) {
                is_over.store(true, Ordering::SeqCst);
                failed = failed.take().or(Some(error));
            }
            for (slot, outcome) in outcomes.iter_mut().skip(from).zip(reply.outcomes) {
                *slot = outcome;
            }
            stopped = graver(stopped.take(), reply.stopped);
        }
    });
    match failed {
        Some(error) => Err(error),
        None if stopped.is_none() && cancel.is_cancelled() => Ok((outcomes, Some(EmbedError::Cancelled))),
        None => Ok((outcomes, stopped)),
    }
}

/// Of two reasons to stop the one that somebody has to do something about; else the first.
fn graver(one: Option<EmbedError>, other: Option<EmbedError>) -> Option<EmbedError> {
    let is_expected =
        |error: &EmbedError| matches!(error, EmbedError::Cancelled | EmbedError::CostLimit { .. });
    match (one, other) {
        (Some(one), Some(other)) if is_expected(&one) && !is_expected(&other) => Some(other),
        (one, other) => one.or(other),
    }
}

/// Makes the vectors of a reply durable.
fn stage(staging: &mut Option<Staging<'_>>, reply: &EmbedReply, hashes: &[String]) -> Result<(), CliError> {
    let Some(staging) = staging else { return Ok(()) };
    let vectors = reply.outcomes.iter().zip(hashes).filter_map(|(outcome, hash)| match outcome {
        Outcome::Vector(vector) => Some((hash.as_str(), vector.as_slice())),
        _ => None,
    });
    staging.keep(vectors)
}

/// Embeds on all processors.
fn local(embedder: &dyn Embedder, texts: &[String], cancel: &Cancel) -> EmbedReply {
    let replies: Vec<EmbedReply> =
        texts.par_chunks(LOCAL_BATCH).map(|texts| embedder.embed(texts, cancel)).collect();
    let mut all = EmbedReply::default();
    for reply in replies {
        all.outcomes.extend(reply.outcomes);
        all.tokens += reply.tokens;
        all.stopped = all.stopped.or(reply.stopped);
    }
    all
}
