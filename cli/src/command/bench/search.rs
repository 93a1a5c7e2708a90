//! How long searches of this store take, by `top_k` and threads. Only reads.

use std::time::Duration;

use serde::Serialize;
use siltstone::{EmbeddingIdentity, Error, OnDamage, Order, Scope, Search, Store, StoreView};

use super::choose::choose;
use super::stopwatch::{Latency, again};
use crate::command::context::Context;
use crate::exit::CliError;

const TOP_K: [usize; 3] = [1, 10, 100];
/// Rows of the store that are searched for.
const QUERIES: usize = 32;
/// Searches of one setting.
const MOST: usize = 2_000;

#[derive(Debug, Serialize)]
pub(super) struct Searches {
    pub(super) collections: usize,
    pub(super) rows: u64,
    pub(super) samples: Vec<Sample>,
    /// Threads beyond which a search gets no faster; applications give it to rayon.
    pub(super) recommended_threads: Option<usize>,
}

#[derive(Debug, Serialize)]
pub(super) struct Sample {
    pub(super) top_k: usize,
    pub(super) threads: usize,
    #[serde(flatten)]
    pub(super) latency: Latency,
}

/// `None` when there is nothing to search.
pub(super) fn measure(time: Duration, context: &Context) -> Result<Option<Searches>, CliError> {
    let store = match context.open_store() {
        Err(error) if error.exit == crate::exit::Exit::NoStore => {
            context.notices.notice("there is no store yet, so no search was measured");
            return Ok(None);
        }
        store => store?,
    };
    let Some(identity) = largest_space(&store)? else {
        context.notices.notice("the store is empty, so no search was measured");
        return Ok(None);
    };
    let view = store.view(&Scope::Like(identity), OnDamage::Skip)?;
    let queries = queries(&view)?;
    let mut samples = Vec::new();
    for threads in threads() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(|error| {
            CliError::failed(
                format!("{threads} threads cannot be had: {error}"),
                "check the limits of this process",
            )
        })?;
        for top_k in TOP_K {
            let search = Search::new(top_k);
            let mut next = queries.iter().cycle();
            let mut once = || match next.next() {
                Some(query) => pool.install(|| view.search(query, &search)).map(drop).map_err(CliError::from),
                None => Ok(()),
            };
            // The first reads from the disk what the others find in memory.
            once()?;
            let times = again(context, time, 3, MOST, once)?;
            samples.push(Sample { top_k, threads, latency: Latency::of(&times) });
        }
    }
    let rates: Vec<(usize, f64)> = samples
        .iter()
        .filter(|one| one.top_k == 10)
        .map(|one| (one.threads, 1e3 / one.latency.median_ms.max(1e-6)))
        .collect();
    Ok(Some(Searches {
        collections: view.views().len(),
        rows: view.len(),
        samples,
        recommended_threads: choose(&rates),
    }))
}

/// The vector space of most rows.
fn largest_space(store: &Store) -> Result<Option<EmbeddingIdentity>, CliError> {
    let mut spaces: Vec<(EmbeddingIdentity, u64)> = Vec::new();
    for name in store.names()? {
        let opened = store.collection(&name).and_then(|collection| {
            let rows = collection.view_with(OnDamage::Skip)?.len();
            Ok((collection.identity().clone(), rows))
        });
        let (identity, rows) = match opened {
            Err(error @ Error::Damaged { .. }) => return Err(error.into()),
            opened => opened?,
        };
        match spaces.iter_mut().find(|(known, _)| known.same_space(&identity)) {
            Some((_, all)) => *all += rows,
            None => spaces.push((identity, rows)),
        }
    }
    let largest = spaces.into_iter().max_by_key(|(_, rows)| *rows);
    Ok(largest.filter(|(_, rows)| *rows > 0).map(|(identity, _)| identity))
}

/// Vectors of rows here and there, each moved a little: near something, as questions are, and equal to nothing.
fn queries(view: &StoreView) -> Result<Vec<Vec<f32>>, CliError> {
    let mut queries = Vec::new();
    for view in view.views() {
        let step = (view.len() as usize / QUERIES).max(1);
        for row in view.iter(Order::Storage)?.step_by(step).take(QUERIES) {
            let row = row?;
            let noise = super::commit::vector(queries.len(), row.vector.len());
            let moved = row.vector.iter().zip(noise).map(|(one, noise)| one + noise * 0.3);
            queries.push(moved.collect());
        }
        if queries.len() >= QUERIES {
            break;
        }
    }
    Ok(queries)
}

/// One, two, four ... and all processors.
fn threads() -> Vec<usize> {
    super::choose::doubling(1, std::thread::available_parallelism().map_or(1, usize::from))
}
