//! Exact search: what a brute-force scan in float64 returns, bit for bit, at the speed of a scan in float32.
//!
//! Every live row gets an upper bound of its canonical score from the float32 kernel. Only a row whose bound reaches
//! the k-th best canonical score so far is scored canonically, so the answer is that of brute force for any data; the
//! bound only decides how much work it was.

mod across;
mod coded;
mod scan;
mod top;

use rayon::prelude::*;
use serde_json::{Map, Value};

use crate::distance::Query;
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::ids::{CommitSeq, RowPlace};
use crate::view::View;

pub use across::{Scope, StoreView};

/// What to search for, beside the vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Search {
    top_k: usize,
    filter: Option<Filter>,
    threshold: Option<f64>,
    per_document: Option<String>,
    mode: Mode,
    keys_only: bool,
}

/// How rows are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Mode {
    /// With codes and bounds where there are any.
    #[default]
    Exact,
    /// By estimates alone, where there are codes.
    Approximate { rescore: usize },
    /// By scoring every row.
    BruteForce,
}

impl Search {
    /// The best `top_k` rows; fewer when fewer match.
    pub fn new(top_k: usize) -> Self {
        Self { top_k, filter: None, threshold: None, per_document: None, mode: Mode::Exact, keys_only: false }
    }

    /// Only rows whose metadata matches.
    #[must_use]
    pub fn filter(self, filter: Filter) -> Self {
        Self { filter: Some(filter), ..self }
    }

    /// Only rows with at least this score; for euclidean distance, at most this one.
    #[must_use]
    pub fn threshold(self, threshold: f64) -> Self {
        Self { threshold: Some(threshold), ..self }
    }

    /// Only the best row of each document: of each value of this metadata field. Rows without it each stand alone.
    #[must_use]
    pub fn per_document(self, field: &str) -> Self {
        Self { per_document: Some(field.to_owned()), ..self }
    }

    /// Hits without their metadata and text, which are then empty: for callers that have the documents themselves. Saves
    /// the decompression of two blocks a hit, which may take as long as the search.
    #[must_use]
    pub fn keys_only(self) -> Self {
        Self { keys_only: true, ..self }
    }

    /// Scores every row canonically, without bounds: the oracle that audits compare with. The answer is the same.
    #[must_use]
    pub fn brute_force(self) -> Self {
        Self { mode: Mode::BruteForce, ..self }
    }

    /// Without bounds: of the rows that have search codes, only the `rescore` ones with the best estimates are scored. A
    /// row may be missed; a score is never wrong. Rows without codes are searched exactly.
    #[must_use]
    pub fn approximate(self, rescore: usize) -> Self {
        Self { mode: Mode::Approximate { rescore }, ..self }
    }
}

/// A row that was found. It was verified against its checksums.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// Name of its collection.
    pub collection: String,
    /// Its key.
    pub key: String,
    /// Its canonical score: cosine, inner product or euclidean distance.
    pub score: f64,
    /// Its metadata; empty when only keys were asked for.
    pub metadata: Map<String, Value>,
    /// Its text; empty when only keys were asked for.
    pub text: String,
    /// The commit that wrote it.
    pub commit: CommitSeq,
    /// Where it lies.
    pub place: RowPlace,
}

/// The result of one search.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The hits, best first; equal scores by collection, then key.
    pub hits: Vec<Hit>,
    /// How many rows were compared with the query.
    pub rows_scanned: u64,
    /// How many of them had to be scored canonically.
    pub rows_scored: u64,
    /// What else it took. Of a batch, and so are the numbers above: of all its queries together.
    pub work: Work,
}

/// What a search took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Work {
    /// Rows that were compared by their search codes first.
    pub rows_with_codes: u64,
    /// Of these, how many the heads could not rule out once the threshold was known.
    pub passed_heads: u64,
    /// Of these, how many the signs could not rule out either: they were read.
    pub passed_signs: u64,
    /// Bytes of codes and vectors that were read, about.
    pub bytes_read: u64,
    /// Rows of which the attribute index said whether they pass the filter.
    pub filtered_by_index: u64,
    /// Rows whose metadata was read for the filter.
    pub filtered_by_metadata: u64,
}

impl View {
    /// The best rows for a vector.
    ///
    /// Cost: one pass over the search codes of the rows that match, or over their vectors where there are no codes, on
    /// all threads of the rayon pool, and four bytes of memory a row. With a filter, first a look into the attribute index
    /// of each segment that has one, and the decompression of the metadata that it does not settle.
    ///
    /// # Errors
    /// A vector that cannot be compared; damage to a row that would be returned, unless the view skips damage.
    pub fn search(&self, vector: &[f32], search: &Search) -> Result<Answer> {
        let mut answers = self.search_batch(&[vector], search)?;
        answers.pop().ok_or_else(|| Error::invalid("query", "none was given"))
    }

    /// The best rows for each of several vectors, in one pass over the rows.
    ///
    /// # Errors
    /// As [`View::search`].
    pub fn search_batch(&self, vectors: &[&[f32]], search: &Search) -> Result<Vec<Answer>> {
        run(std::slice::from_ref(self), vectors, search)
    }
}

/// Searches several views of the same vector space as one.
pub(crate) fn run(views: &[View], vectors: &[&[f32]], search: &Search) -> Result<Vec<Answer>> {
    let Some(first) = views.first() else {
        return Ok(vectors
            .iter()
            .map(|_| Answer { hits: Vec::new(), rows_scanned: 0, rows_scored: 0, work: Work::default() })
            .collect());
    };
    let identity = first.identity();
    let queries = vectors
        .iter()
        .map(|vector| {
            if vector.len() != identity.dims as usize {
                let reason =
                    format!("{} elements, the collections have {} dims", vector.len(), identity.dims);
                return Err(Error::invalid("query", reason));
            }
            Query::new(identity.metric, vector)
                .map_err(|refused| Error::Vector { subject: "query".to_owned(), refused })
        })
        .collect::<Result<Vec<_>>>()?;
    let mut filtered = (0, 0);
    let masks = match &search.filter {
        Some(filter) => {
            // The oracle reads the metadata itself.
            let with_index = search.mode != Mode::BruteForce;
            let matching = views.par_iter().map(|view| view.matching(filter, with_index));
            let matching = matching.collect::<Result<Vec<_>>>()?;
            filtered = matching
                .iter()
                .fold(filtered, |(index, rows), found| (index + found.by_index, rows + found.by_metadata));
            Some(matching.into_iter().map(|found| found.masks).collect::<Vec<_>>())
        }
        None => None,
    };
    let mut answers = Vec::with_capacity(queries.len());
    let Some(field) = &search.per_document else {
        for found in scan::scan(views, masks.as_deref(), &queries, search, search.top_k)? {
            answers.push(found.answer(views, search.keys_only, |_| true)?);
        }
        return Ok(with_filter(answers, filtered));
    };
    for query in &queries {
        answers.push(best_of_documents(views, masks.as_deref(), query, search, field)?);
    }
    Ok(with_filter(answers, filtered))
}

/// The answers, with how their filter was answered: rows by the attribute index, rows by their metadata.
fn with_filter(mut answers: Vec<Answer>, (by_index, by_metadata): (u64, u64)) -> Vec<Answer> {
    for answer in &mut answers {
        answer.work.filtered_by_index = by_index;
        answer.work.filtered_by_metadata = by_metadata;
    }
    answers
}

/// The best row of each of the best documents: rows are taken from the front of the full order until there are enough
/// documents. More rows are asked for when there were not.
fn best_of_documents(
    views: &[View],
    masks: Option<&[Vec<crate::bitmap::Bitmap>]>,
    query: &Query,
    search: &Search,
    field: &str,
) -> Result<Answer> {
    let mut rows = search.top_k.saturating_mul(4);
    loop {
        let Some(found) = scan::scan(views, masks, std::slice::from_ref(query), search, rows)?.pop() else {
            return Err(Error::invalid("query", "none was given"));
        };
        let exhausted = found.len() < rows;
        let mut seen = std::collections::HashSet::new();
        let mut answer = found.answer(views, false, |hit| {
            // A key may look like a value.
            let document = match hit.metadata.get(field) {
                Some(value) => format!("{} has {value}", hit.collection),
                None => format!("{} is {}", hit.collection, hit.key),
            };
            seen.len() < search.top_k && seen.insert(document)
        })?;
        if exhausted || answer.hits.len() >= search.top_k {
            answer.hits.truncate(search.top_k);
            if search.keys_only {
                for hit in &mut answer.hits {
                    (hit.metadata, hit.text) = (Map::new(), String::new());
                }
            }
            return Ok(answer);
        }
        rows = rows.saturating_mul(4);
    }
}
