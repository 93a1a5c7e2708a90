//! A query vector with everything about it that a scan would otherwise compute again for every row.

use siltstone_format::Metric;

use super::dispatch::InstructionSet;
use super::slack::Slack;
use super::{Refused, check_vector, kernel};

/// A checked query: scores rows canonically, and bounds their scores from one cheap f32 pass.
///
/// A scan drops a row only if its bound is strictly worse than the k-th best score so far, and scores what is left:
///
/// ```
/// use siltstone::Metric;
/// use siltstone::distance::{Query, check_vector};
///
/// let query = Query::new(Metric::Cosine, &[3.0, 4.0])?;
/// let mut best = f64::NEG_INFINITY;
/// for row in query.rows(&[0.0, 1.0, 4.0, 3.0, -4.0, 3.0]) {
///     let squared_norm = check_vector(query.metric(), row)?; // rows on disk have it beside them
///     if query.optimistic_rank(row, squared_norm) < best {
///         continue;
///     }
///     best = best.max(query.rank(query.score(row, squared_norm)));
/// }
/// assert_eq!(query.score_of_rank(best), 0.96);
/// # Ok::<(), siltstone::distance::Refused>(())
/// ```
///
/// Every method is total. A row of another width than the query's is a caller's mistake that must not become a
/// plausible answer: its bound is the greatest there is, so it is never silently dropped, and its score is the worst,
/// [`rank`](Self::rank) -infinity. [`rows`](Self::rows) cuts a block so that it cannot happen.
#[derive(Debug, Clone)]
pub struct Query {
    metric: Metric,
    vector: Vec<f32>,
    squared_norm: f64,
    norm: f64,
    slack: Slack,
    instructions: InstructionSet,
}

impl Query {
    /// Checks and copies `vector`. Refuses an empty or too wide one, elements that are not finite, and under
    /// [`Metric::Cosine`] a zero vector.
    pub fn new(metric: Metric, vector: &[f32]) -> Result<Self, Refused> {
        let squared_norm = check_vector(metric, vector)?;
        kernel::prepare();
        Ok(Self {
            metric,
            vector: vector.to_vec(),
            squared_norm,
            norm: squared_norm.sqrt(),
            slack: Slack::of(vector.len()),
            instructions: InstructionSet::best(),
        })
    }

    /// Elements of the vector, and of every row it can be compared with; at least 1.
    pub fn dims(&self) -> usize {
        self.vector.len()
    }

    /// The metric it measures by.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// The vector itself.
    pub fn vector(&self) -> &[f32] {
        &self.vector
    }

    /// Its canonical squared norm, `dot(q, q)`.
    pub fn squared_norm(&self) -> f64 {
        self.squared_norm
    }

    /// Cuts a block of adjacent rows into rows of this query's width. Elements after the last whole row are not a
    /// row; `remainder()` of the iterator has them.
    pub fn rows<'b>(&self, block: &'b [f32]) -> std::slice::ChunksExact<'b, f32> {
        block.chunks_exact(self.dims())
    }

    /// The canonical score of a row: the same bits on every processor.
    ///
    /// `row_squared_norm` is what [`check_vector`] returned for the row, and is trusted; only cosine reads it. Cosine
    /// may exceed 1 by some units in the last place, as its parts are rounded. Under euclidean the score is the
    /// distance, so smaller is closer; [`rank`](Self::rank) makes all metrics alike. Never NaN, given a norm that
    /// is a number.
    pub fn score(&self, row: &[f32], row_squared_norm: f64) -> f64 {
        let score = match self.metric {
            Metric::Cosine => {
                let norms = self.norm * row_squared_norm.sqrt();
                self.instructions.dot(&self.vector, row).filter(|_| norms > 0.0).map(|dot| dot / norms)
            }
            Metric::Dot => self.instructions.dot(&self.vector, row),
            Metric::Euclidean => self.instructions.squared_euclidean(&self.vector, row).map(f64::sqrt),
        };
        score.unwrap_or_else(|| self.score_of_rank(f64::NEG_INFINITY))
    }

    /// A score as a number that is greater for closer rows under every metric: the score itself, or for euclidean
    /// its negative. Exact, and never -0.0.
    pub fn rank(&self, score: f64) -> f64 {
        match self.metric {
            Metric::Cosine | Metric::Dot => score,
            // Not `-score`: the rank of distance 0 shall be +0.0, so that `total_cmp` sees one zero.
            Metric::Euclidean => 0.0 - score,
        }
    }

    /// The score that has this rank; the inverse of [`rank`](Self::rank), bit for bit.
    pub fn score_of_rank(&self, rank: f64) -> f64 {
        self.rank(rank)
    }

    /// At least `rank(score(row))`, always: an upper bound from one f32 pass over the row and a handful of f64
    /// operations. If f32 overflowed or the width is another, it is +infinity, or under euclidean the rank of
    /// distance 0; NaN only if the norm is. None of these is less than any rank.
    ///
    /// The bound exceeds the rank by at most about `dims * 2^-23 * |q| * |row|` under dot, as much without the
    /// norms under cosine, and `dims * 2^-24` of the distance under euclidean: 0.0002 of a cosine at 1,536
    /// elements.
    #[inline]
    pub fn optimistic_rank(&self, row: &[f32], row_squared_norm: f64) -> f64 {
        match self.metric {
            Metric::Cosine => {
                let norms = self.norm * row_squared_norm.sqrt();
                self.slack.dot_at_most(kernel::dot(&self.vector, row), norms) / norms
            }
            Metric::Dot => {
                let norms = self.norm * row_squared_norm.sqrt();
                self.slack.dot_at_most(kernel::dot(&self.vector, row), norms)
            }
            Metric::Euclidean => {
                let kernel = kernel::squared_euclidean(&self.vector, row);
                0.0 - self.slack.squared_euclidean_at_least(kernel).sqrt()
            }
        }
    }
}

#[cfg(test)]
impl Query {
    /// The same query with other bounds, for tests that prove they would notice wrong ones.
    pub(super) fn with_slack(mut self, slack: Slack) -> Self {
        self.slack = slack;
        self
    }
}
