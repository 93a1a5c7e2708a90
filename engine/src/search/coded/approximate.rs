//! A search that trusts estimates: of the rows that heads promise most of, those with the best estimates by their tails too
//! are scored, and nothing else is looked at.

use std::ops::Range;

use rayon::prelude::*;

use super::{Coded, Seed, best};
use crate::distance::Query;
use crate::distance::head::BLOCK_ROWS;
use crate::error::Result;
use crate::search::scan::Counts;
use crate::search::top::Top;

/// How many more rows are estimated by their tails than are scored.
const ESTIMATED: usize = 4;

impl<'v> Coded<'v> {
    /// Searches the parts that have codes for the queries of a range, and scores `rescore` rows for each.
    pub(super) fn run_approximate(
        &self,
        range: Range<usize>,
        queries: &[Query],
        tops: &[Top<'v>],
        rescore: usize,
        counts: &Counts,
    ) -> Result<()> {
        let promising = self.promising(range.clone(), rescore.saturating_mul(ESTIMATED), 1, counts);
        let of_query: Vec<_> = range.zip(promising).zip(queries.iter().zip(tops)).collect();
        of_query.into_par_iter().try_for_each(|((number, mut seeds), (query, top))| {
            for seed in &mut seeds {
                seed.rank = self.estimate(seed, number).unwrap_or(seed.rank);
            }
            best(&mut seeds, rescore);
            seeds.sort_unstable_by_key(|seed| (seed.part, seed.row));
            self.score(&seeds, query, top, counts)
        })
    }

    /// The rank of a row by its head and its tail.
    fn estimate(&self, seed: &Seed, number: usize) -> Option<f64> {
        let (part, queries) = self.part(seed.part, number..number + 1)?;
        let query = queries.first()?;
        let place = (seed.row as usize / BLOCK_ROWS, seed.row as usize % BLOCK_ROWS);
        Some(query.rank(query.estimate(seed.estimate, &part.codes.tail(place)?)))
    }
}
