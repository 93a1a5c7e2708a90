//! Under `--deep-scan`: does search answer as brute force does, and does every embedding find itself?
//!
//! The byte check says that rows are as they were written; this says that search over them is right, derived files and
//! kernels included. It compares every row with every other in batches, so it is what makes a deep scan of a large
//! collection long, and what `--max-time` interrupts and continues.

use std::collections::HashMap;

use siltstone::distance::Query;
use siltstone::{Answer, Hit, Metric, RowVector, Search, View};

use super::findings::Findings;
use super::kind::{DUPLICATE_VECTOR, Part, SEARCH_DIFFERS, VECTOR_LOST};
use super::privacy::Names;
use super::scrub::Scrub;
use crate::command::context::Context;
use crate::exit::CliError;

/// Rows that are searched for in one pass over the collection.
const TOGETHER: usize = 64;
/// Queries of each collection that are answered a second time by brute force.
const SAMPLED: usize = 8;
/// Answers that are compared of each.
const TOP: usize = 10;
/// How far down a row is looked for that others are as close as.
const DEEP_TOP: usize = 200;

/// Compares sampled searches with brute force.
pub(super) fn brute_force(view: &View, names: &Names, findings: &mut Findings) -> Result<(), CliError> {
    let name = view.collection();
    let step = (view.len() as usize).div_ceil(SAMPLED).max(1);
    for row in view.vectors().step_by(step) {
        let Ok(row) = row else { continue };
        let found = view.search(row.vector, &Search::new(TOP))?;
        let oracle = view.search(row.vector, &Search::new(TOP).brute_force())?;
        let answers = |answer: &Answer| -> Vec<(String, u64)> {
            answer.hits.iter().map(|hit| (hit.key.clone(), hit.score.to_bits())).collect()
        };
        let (found, oracle) = (answers(&found), answers(&oracle));
        if found != oracle {
            let place = found.iter().zip(&oracle).take_while(|(a, b)| a == b).count() + 1;
            let key = names.document(row.key);
            let example =
                format!("{}: a search for {key} differs from rank {place} on", names.collection(name));
            findings.add(&SEARCH_DIFFERS, Some(name), 1, [example]);
        }
    }
    Ok(())
}

/// Counts rows whose embedding another row of a different text has too.
pub(super) fn duplicates(
    view: &View,
    texts: &HashMap<String, blake3::Hash>,
    names: &Names,
    findings: &mut Findings,
) {
    let name = view.collection();
    let mut seen: HashMap<blake3::Hash, Option<blake3::Hash>> = HashMap::new();
    for row in view.vectors().flatten() {
        let mut hasher = blake3::Hasher::new();
        for element in row.vector {
            hasher.update(&element.to_le_bytes());
        }
        let text = texts.get(row.key).copied();
        match seen.entry(hasher.finalize()) {
            std::collections::hash_map::Entry::Vacant(free) => drop(free.insert(text)),
            std::collections::hash_map::Entry::Occupied(taken) if *taken.get() != text => {
                let example = format!("{}: {}", names.collection(name), names.document(row.key));
                findings.add(&DUPLICATE_VECTOR, Some(name), 1, [example]);
            }
            std::collections::hash_map::Entry::Occupied(_) => {}
        }
    }
}

/// Searches for every row from number `from` on. Returns how many are done: all, unless time is over.
pub(super) fn find_themselves(
    context: &Context,
    view: &View,
    from: u64,
    scrub: &Scrub,
    names: &Names,
    findings: &mut Findings,
) -> Result<u64, CliError> {
    let name = view.collection();
    if view.identity().metric == Metric::Dot {
        let reason = "by inner product a vector need not be the closest to itself; every vector was read";
        findings.skip(Part::Integrity, format!("{}: {reason}", names.collection(name)));
        return Ok(view.len());
    }
    let mut rows = view.vectors().skip(from as usize);
    let mut done = from;
    loop {
        context.check_cancelled()?;
        let taken: Vec<_> = rows.by_ref().take(TOGETHER).collect();
        if taken.is_empty() {
            return Ok(done);
        }
        if let Some(live) = context.live() {
            live.step("searching for every row", "rows", done, view.len());
        }
        done += taken.len() as u64;
        // Damaged rows are in the report already.
        let batch: Vec<RowVector<'_>> = taken.into_iter().flatten().collect();
        let vectors: Vec<&[f32]> = batch.iter().map(|row| row.vector).collect();
        for (row, answer) in batch.iter().zip(view.search_batch(&vectors, &Search::new(1))?) {
            let first = answer.hits.first();
            if first.is_none_or(|hit| hit.key != row.key) && !is_behind_equals(view, row, first)? {
                let example = format!("{}: {}", names.collection(name), names.document(row.key));
                findings.add(&VECTOR_LOST, Some(name), 1, [example]);
            }
        }
        // After a batch, so that every sitting comes further.
        if scrub.is_over() {
            return Ok(done);
        }
    }
}

/// Whether a row that is not the first answer to itself is found behind others that are at least as close: rows with the
/// same vector, or one that differs in its length only.
fn is_behind_equals(view: &View, row: &RowVector<'_>, first: Option<&Hit>) -> Result<bool, CliError> {
    let Ok(query) = Query::new(view.identity().metric, row.vector) else { return Ok(false) };
    let own = query.rank(query.score(row.vector, row.squared_norm));
    // Where the first answer is not as close as the row itself, the row was passed over, whatever a search for more finds.
    if first.is_none_or(|hit| query.rank(hit.score) < own) {
        return Ok(false);
    }
    let answer = view.search(row.vector, &Search::new(DEEP_TOP))?;
    if answer.hits.iter().any(|hit| hit.key == row.key) {
        return Ok(true);
    }
    // More equals than were asked for: the last of them is as close as the row itself.
    let is_full = answer.hits.len() == DEEP_TOP;
    Ok(is_full && answer.hits.last().is_some_and(|last| query.rank(last.score) >= own))
}
