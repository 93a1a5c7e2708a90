//! Where the vectors of new chunks come from: rows of the same text in this collection or another one, the staging
//! collection, the embedder.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

use rayon::prelude::*;
use siltstone::{EmbeddingIdentity, Store};

use crate::exit::CliError;
use crate::ingest::cancel::Cancel;
use crate::ingest::chunk::Chunk;
use crate::ingest::embed::{EmbedError, EmbedReply, Embedder, Outcome};
use crate::render::notices::Notices;

use super::job::Job;
use super::staging::{Staging, is_paid};
use super::texts::Texts;

/// Texts of one call to an embedder that runs on this machine.
const LOCAL_BATCH: usize = 32;

/// What embedding cost, and what it did not cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Spent {
    /// Texts that were embedded.
    pub(super) embedded: u64,
    /// Chunks whose text had a vector already, and their tokens by the estimate.
    pub(super) reused: u64,
    pub(super) reused_tokens: u64,
    pub(super) tokens: u64,
    pub(super) requests: u64,
}

impl Spent {
    fn reuses(&mut self, chunk: &Chunk) {
        self.reused += 1;
        self.reused_tokens += chunk.tokens as u64;
    }
}

/// Where vectors may be that are there already.
pub(super) struct Sources<'a, 's> {
    pub(super) texts: &'a mut Texts,
    pub(super) staging: &'a mut Option<Staging<'s>>,
    /// Where other collections are looked at: their store, the vector space, and who is told what cannot be read.
    pub(super) others: Option<(&'a Store, &'a EmbeddingIdentity, &'a Notices)>,
}

impl Sources<'_, '_> {
    /// The vector of a text, if the store has one that can be trusted.
    fn find(&mut self, hash: &str, afresh: bool) -> Result<Option<Vec<f32>>, CliError> {
        if !afresh && let Some(vector) = self.texts.own(hash)? {
            return Ok(Some(vector));
        }
        if let Some(vector) = self.staging.as_ref().map_or(Ok(None), |staging| staging.get(hash))? {
            return Ok(Some(vector));
        }
        match self.others.filter(|_| !afresh) {
            Some((store, identity, notices)) => {
                self.texts.read_others(store, identity, notices)?;
                self.texts.elsewhere(hash)
            }
            None => Ok(None),
        }
    }

    /// Whether a dry run counts this text as to be sent.
    pub(super) fn counts(&mut self, hash: &str, afresh: bool) -> Result<bool, CliError> {
        Ok(self.find(hash, afresh)?.is_none() && self.texts.counts(hash))
    }
}

/// Gives the jobs the vectors that are there already.
pub(super) fn reuse(
    jobs: &mut [Job],
    sources: &mut Sources<'_, '_>,
    spent: &mut Spent,
) -> Result<(), CliError> {
    for job in jobs {
        for ((vector, hash), chunk) in job.vectors.iter_mut().zip(&job.hashes).zip(&job.chunks) {
            *vector = sources.find(hash, job.afresh)?;
            if vector.is_some() {
                spent.reuses(chunk);
            }
        }
    }
    sources.texts.let_go();
    Ok(())
}

/// Embeds what is still missing. At no moment are more than `concurrency` requests unanswered or their vectors not yet
/// durable: that is what a kill can lose. Returns why it stopped early, if it did: what arrived before is with the jobs.
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
    let (mut hashes, mut chunks, mut uses): (Vec<String>, Vec<&Chunk>, Vec<usize>) = Default::default();
    for job in jobs.iter() {
        for ((vector, hash), chunk) in job.vectors.iter().zip(&job.hashes).zip(&job.chunks) {
            if vector.is_some() {
                continue;
            }
            let at = *places.entry(hash).or_insert(chunks.len());
            match uses.get_mut(at) {
                Some(uses) => *uses += 1,
                None => {
                    hashes.push(hash.clone());
                    chunks.push(chunk);
                    uses.push(1);
                }
            }
        }
    }
    let (mut outcomes, stopped) = match is_paid(embedder.identity()) {
        true => sent(embedder, concurrency, &chunks, &hashes, staging, cancel, spent)?,
        false => {
            let reply = local(embedder, &chunks, cancel);
            (reply.outcomes, reply.stopped)
        }
    };
    let places: HashMap<String, usize> = hashes.into_iter().zip(0..).collect();
    let mut given = HashSet::new();
    for job in jobs {
        let (hashes, vectors) = (job.hashes.iter().zip(&job.chunks), &mut job.vectors);
        for (vector, (hash, chunk)) in vectors.iter_mut().zip(hashes).filter(|(vector, _)| vector.is_none()) {
            let at = places.get(hash).copied().unwrap_or(usize::MAX);
            let Some(uses) = uses.get_mut(at) else { continue };
            *uses = uses.saturating_sub(1);
            match outcomes.get_mut(at) {
                Some(Outcome::Vector(found)) => {
                    // Most texts are wanted once: their vectors need not be in memory twice.
                    *vector = Some(if *uses == 0 { std::mem::take(found) } else { found.clone() });
                    match given.insert(hash) {
                        true => spent.embedded += 1,
                        false => spent.reuses(chunk),
                    }
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

/// A reply on its way to the staging collection. Whoever sent the request waits until `_staged` is dropped.
struct Arrived {
    from: usize,
    reply: EmbedReply,
    _staged: SyncSender<()>,
}

/// The first reply that is there, and those that came while the one before was made durable: they share one commit.
fn arrived(receiver: &Receiver<Arrived>) -> Option<Vec<Arrived>> {
    let first = receiver.recv().ok()?;
    Some(std::iter::once(first).chain(receiver.try_iter()).collect())
}

/// What an embedder is given of some chunks. Made for one request at a time: all texts of a run would be in memory twice.
fn texts_of(chunks: &[&Chunk]) -> Vec<String> {
    chunks.iter().map(|chunk| chunk.embedded_text()).collect()
}

/// Sends texts to a server, several requests at once. What arrives is staged at once, in the order of arrival; the first
/// that stops lets those in flight come to their end, because they are paid for.
fn sent(
    embedder: &dyn Embedder,
    concurrency: usize,
    chunks: &[&Chunk],
    hashes: &[String],
    staging: &mut Option<Staging<'_>>,
    cancel: &Cancel,
    spent: &mut Spent,
) -> Result<Sent, CliError> {
    let batch = embedder.max_inputs().max(1);
    let batches = chunks.len().div_ceil(batch);
    let (next, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (sender, receiver) = channel();
    let mut outcomes = vec![Outcome::NotTried; chunks.len()];
    let (mut stopped, mut failed) = (None, None);
    let work = |sender: Sender<Arrived>| {
        while !is_over.load(Ordering::SeqCst) && !cancel.is_cancelled() {
            let at = next.fetch_add(1, Ordering::SeqCst);
            let Some(chunks) = chunks.chunks(batch).nth(at) else { return };
            let reply = embedder.embed(&texts_of(chunks), cancel);
            if reply.stopped.is_some() {
                is_over.store(true, Ordering::SeqCst);
            }
            let (_staged, wait) = sync_channel(0);
            if sender.send(Arrived { from: at * batch, reply, _staged }).is_err() {
                return;
            }
            // Nothing is ever sent: it ends when the other side lets go, its vectors durable or its disk failing.
            let _ = wait.recv();
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..concurrency.min(batches) {
            let sender = sender.clone();
            scope.spawn(|| work(sender));
        }
        drop(sender);
        while let Some(replies) = arrived(&receiver) {
            if let Err(error) = stage(staging, &replies, hashes) {
                is_over.store(true, Ordering::SeqCst);
                failed = failed.take().or(Some(error));
            }
            for Arrived { from, reply, .. } in replies {
                spent.tokens += reply.tokens;
                spent.requests += reply.requests.len() as u64;
                for (slot, outcome) in outcomes.iter_mut().skip(from).zip(reply.outcomes) {
                    *slot = outcome;
                }
                stopped = graver(stopped.take(), reply.stopped);
            }
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

/// Makes the vectors of replies durable.
fn stage(staging: &mut Option<Staging<'_>>, replies: &[Arrived], hashes: &[String]) -> Result<(), CliError> {
    let Some(staging) = staging else { return Ok(()) };
    let vectors = replies.iter().flat_map(|arrived| {
        let hashes = hashes.get(arrived.from..).unwrap_or_default();
        arrived.reply.outcomes.iter().zip(hashes).filter_map(|(outcome, hash)| match outcome {
            Outcome::Vector(vector) => Some((hash.as_str(), vector.as_slice())),
            _ => None,
        })
    });
    staging.keep(vectors)
}

/// Embeds on all processors.
fn local(embedder: &dyn Embedder, chunks: &[&Chunk], cancel: &Cancel) -> EmbedReply {
    let embed = |chunks: &[&Chunk]| embedder.embed(&texts_of(chunks), cancel);
    let replies: Vec<EmbedReply> = chunks.par_chunks(LOCAL_BATCH).map(embed).collect();
    let mut all = EmbedReply::default();
    for reply in replies {
        all.outcomes.extend(reply.outcomes);
        all.tokens += reply.tokens;
        all.stopped = all.stopped.or(reply.stopped);
    }
    all
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::PathBuf;

    use siltstone::{EmbeddingIdentity, Store};

    use super::*;
    use crate::ingest::embed::Identity;

    const BATCH: usize = 3;

    /// An embedder that looks, whenever it is called, at how much of what was asked for earlier is durable.
    struct Onlooker {
        identity: Identity,
        store: PathBuf,
        calls: AtomicUsize,
        most_at_risk: AtomicUsize,
    }

    impl Embedder for Onlooker {
        fn identity(&self) -> &Identity {
            &self.identity
        }

        fn max_inputs(&self) -> usize {
            BATCH
        }

        fn embed(&self, texts: &[String], _cancel: &Cancel) -> EmbedReply {
            let calls = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
            let store = Store::open(&self.store).unwrap();
            let staged = match store.all_names().unwrap().contains(&".staging.texts".to_owned()) {
                true => store.collection(".staging.texts").unwrap().view().unwrap().len(),
                false => 0,
            };
            let at_risk = calls - usize::try_from(staged).unwrap() / BATCH;
            self.most_at_risk.fetch_max(at_risk, Ordering::SeqCst);
            EmbedReply {
                outcomes: vec![Outcome::Vector(vec![1.0, 0.0]); texts.len()],
                ..EmbedReply::default()
            }
        }
    }

    #[test]
    fn no_more_is_at_risk_than_requests_may_be_in_flight() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("vectorstore");
        let store = Store::create(&path).unwrap();
        let identity = Identity {
            provider: "example.org".to_owned(),
            model: "onlooker".to_owned(),
            dims: 2,
            normalised: true,
        };
        let stored =
            EmbeddingIdentity { dims: 2, model: "onlooker".to_owned(), ..EmbeddingIdentity::default() };
        let texts: Vec<String> = (0..60 * BATCH).map(|number| format!("text {number}")).collect();
        let chunks: Vec<Chunk> = texts
            .iter()
            .map(|text| {
                let (text, heading_path) = (text.clone(), String::new());
                Chunk { index: 0, heading_path, text, line: 1, tokens: 2 }
            })
            .collect();
        let chunks: Vec<&Chunk> = chunks.iter().collect();
        for concurrency in [1, 2, 4] {
            let onlooker = Onlooker {
                identity: identity.clone(),
                store: path.clone(),
                calls: AtomicUsize::new(0),
                most_at_risk: AtomicUsize::new(0),
            };
            let mut staging = Some(Staging::open(&store, "texts", &stored, true).unwrap());
            let mut spent = Spent::default();
            let (outcomes, stopped) =
                sent(&onlooker, concurrency, &chunks, &texts, &mut staging, &Cancel::default(), &mut spent)
                    .unwrap();
            assert!(stopped.is_none() && outcomes.iter().all(|one| matches!(one, Outcome::Vector(_))));
            assert_eq!(onlooker.calls.into_inner(), 60);
            let most = onlooker.most_at_risk.into_inner();
            assert!((1..=concurrency).contains(&most), "{most} requests at risk of {concurrency}");
            staging.unwrap().drop_all().unwrap();
        }
    }
}
