//! An exact search, for one query or many in one pass over the codes.
//!
//! A threshold for each query comes first, from the rows with the best estimates of a sample of the blocks. Then all heads
//! are read once, tile by tile of queries. A row whose estimate reaches the threshold is scored at once, so that the
//! threshold rises on the way; of the others those whose bound reaches it are noted. No bounds of whole collections are
//! written to memory. When the thresholds are what they will be, tails rule out what they can of what was noted, and what
//! is left is scored, blocks first and queries second, so that queries share what the cache holds.

use std::ops::Range;

use rayon::prelude::*;

use super::{Coded, CodedPart, Seed, TASK_BLOCKS, Tails, lanes};
use crate::codes::CodeQuery;
use crate::distance::Query;
use crate::distance::head::{BLOCK_ROWS, Bounds, reaching};
use crate::error::Result;
use crate::search::scan::Counts;
use crate::search::top::Top;

/// One block in so many is looked at for the first thresholds, or more of them where the sample would be too small.
const SAMPLED: u64 = 16;
/// The sample has at least so many times as many rows as are asked for.
const AMPLE: u64 = 8;
/// Rows of the sample that are scored beyond as many as are asked for.
const SEEDS: usize = 32;
/// So many rows of a task are scored at once: where more promise something, the promise is worth little.
const MOST_SCORED: usize = 32;
/// More than one row in so many are passed over with those between them: side by side they cost a third.
const DENSE: usize = 3;
/// A row is scored at once if its estimate and this share of what its bound adds reach the threshold.
const PROMISE: f32 = 1.0 / 8.0;
/// The bar is raised whenever as many rows were scored as one in this many of those that are asked for.
const RAISED: usize = 8;

/// The queries of a search, and what is known of each.
struct Run<'r, 'v> {
    range: Range<usize>,
    queries: &'r [Query],
    tops: &'r [Top<'v>],
    /// Rows that were scored for the first threshold, by part and number.
    scored: Vec<Vec<Seed>>,
    tails: Vec<Tails>,
    limit: usize,
    counts: &'r Counts,
}

/// What is left of some blocks for each query.
struct Reached {
    part: usize,
    /// The first row, and the one after the last.
    range: (u32, u32),
    left: Vec<Left>,
}

/// What is left of some blocks for a query.
#[derive(Clone, Default)]
struct Left {
    /// Rows whose bounds reach the threshold, with these bounds.
    noted: Vec<(u32, f32)>,
    /// Rows that were scored on the way, rising.
    scored: Vec<u32>,
}

impl<'v> Coded<'v> {
    /// Searches the parts that have codes for the queries of a range together.
    pub(super) fn run_exact(
        &self,
        range: Range<usize>,
        queries: &[Query],
        tops: &[Top<'v>],
        limit: usize,
        counts: &Counts,
    ) -> Result<()> {
        let matching: u64 = self.parts.iter().map(|part| part.rows.mask.count()).sum();
        let stride = (matching / (limit as u64).saturating_mul(AMPLE).max(1)).clamp(1, SAMPLED) as usize;
        let wanted = limit.saturating_add(limit / 4).saturating_add(SEEDS);
        let mut scored = self.promising(range.clone(), wanted, stride, counts);
        scored.par_iter_mut().zip(queries).zip(tops).try_for_each(|((seeds, query), top)| {
            seeds.sort_unstable_by_key(|seed| (seed.part, seed.row));
            self.score(seeds, query, top, counts)
        })?;
        let tails = queries.iter().map(|_| Tails::default()).collect();
        let run = Run { range, queries, tops, scored, tails, limit, counts };
        let reached: Vec<Reached> = self
            .tasks(1)
            .par_iter()
            .map(|&task| self.pass(task, &run))
            .filter_map(Result::transpose)
            .collect::<Result<_>>()?;
        tops.iter().for_each(Top::settle);
        reached.par_iter().try_for_each(|reached| self.finish(reached, &run))
    }

    /// The rows of some blocks that reach the thresholds of the queries. Those with the best estimates are scored.
    fn pass(&self, (number, first): (usize, usize), run: &Run<'_, 'v>) -> Result<Option<Reached>> {
        let Some((part, coded)) = self.part(number, run.range.clone()) else { return Ok(None) };
        let blocks = first..(first + TASK_BLOCKS).min(part.codes.blocks());
        let range = ((blocks.start * BLOCK_ROWS) as u32, (blocks.end * BLOCK_ROWS) as u32);
        let mut reached = Reached { part: number, range, left: vec![Left::default(); coded.len()] };
        let mut bars: Vec<Bar> = coded
            .iter()
            .zip(run.tops)
            .map(|(query, top)| Bar { threshold: query.threshold(top.bar()), fresh: 0 })
            .collect();
        let mut out = std::array::from_fn(|_| Bounds::default());
        let mut bytes_read = 0;
        let wanted: Vec<usize> = blocks.filter(|block| part.block(*block).1 != 0).collect();
        part.fetch_first_heads(&wanted);
        for (at, &block) in wanted.iter().enumerate() {
            let (row, mask) = part.block(block);
            part.fetch_heads_after(&wanted, at);
            let Some(heads) = part.heads(block, mask) else {
                let all = || lanes(mask).map(|lane| (row + lane, f32::INFINITY));
                reached.left.iter_mut().for_each(|left| left.noted.extend(all()));
                continue;
            };
            bytes_read += part.head_bytes(&heads);
            let tiles = coded.chunks(CodeQuery::TILE).zip(bars.chunks_mut(CodeQuery::TILE)).enumerate();
            for ((tile, (coded, bars)), lefts) in tiles.zip(reached.left.chunks_mut(CodeQuery::TILE)) {
                let found = heads.bounds(coded, &mut out);
                for (at, ((found, bar), left)) in found.iter().zip(bars).zip(lefts).enumerate() {
                    let reached_by = reaching(&found.most, bar.threshold) & mask;
                    if reached_by == 0 {
                        continue;
                    }
                    let query = (tile * CodeQuery::TILE + at, coded.get(at));
                    run.take((number, part), (row, reached_by), found, query, bar, left)?;
                }
            }
        }
        run.counts.add(&run.counts.bytes_read, bytes_read);
        Ok(reached.left.iter().any(|left| !left.noted.is_empty()).then_some(reached))
    }

    /// Holds the bounds of what was noted against the thresholds, sharpens those that reach them, and scores the rows that
    /// reach them still.
    fn finish(&self, reached: &Reached, run: &Run<'_, 'v>) -> Result<()> {
        let Some((part, coded)) = self.part(reached.part, run.range.clone()) else { return Ok(()) };
        let of_queries = coded.iter().zip(run.queries).zip(run.tops).zip(&run.scored).zip(&run.tails);
        for (((((coded, query), top), scored), tails), left) in of_queries.zip(&reached.left) {
            let threshold = coded.threshold(top.bar());
            let reaching = left.noted.iter().filter(|(_, most)| *most >= threshold || most.is_nan());
            let rows: Vec<(u32, f32)> = reaching.copied().collect();
            if rows.is_empty() {
                continue;
            }
            let counts = run.counts;
            counts.add(&counts.passed_heads, rows.len() as u64);
            let mut rows = part.by_tails(rows, coded, threshold, tails, counts);
            rows.retain(|row| !is_among(scored, reached.part, *row));
            counts.add(&counts.passed_signs, rows.len() as u64);
            counts.add(&counts.bytes_read, rows.len() as u64 * 4 * query.dims() as u64);
            let (from, to) = reached.range;
            let canonical = if rows.len() * DENSE > (to - from) as usize {
                let seeds = scored.iter().filter(|seed| seed.part == reached.part).map(|seed| seed.row);
                let mut except: Vec<u32> = seeds.chain(left.scored.iter().copied()).collect();
                except.sort_unstable();
                part.rows.run_range(reached.range, &except, query, top)?
            } else {
                part.rows.run_rows(&rows, query, top)?
            };
            counts.add(&counts.rows_scored, canonical);
        }
        Ok(())
    }
}

/// What a bound must reach, and how many rows were scored since it was last raised.
struct Bar {
    threshold: f32,
    fresh: usize,
}

impl<'v> Run<'_, 'v> {
    /// Of a block's rows that reach a query's threshold, scores those that promise most, and notes the others. Raises the
    /// bar by what was scored.
    fn take(
        &self,
        (number, part): (usize, &CodedPart<'v>),
        (first, reached_by): (u32, u32),
        found: &Bounds,
        (at, coded): (usize, Option<&CodeQuery>),
        bar: &mut Bar,
        left: &mut Left,
    ) -> Result<()> {
        let (Some(coded), Some(query), Some(top)) = (coded, self.queries.get(at), self.tops.get(at)) else {
            return Ok(());
        };
        let seeds = self.scored.get(at).map(Vec::as_slice).unwrap_or_default();
        let before = left.scored.len();
        for lane in lanes(reached_by) {
            let bounds = found.most.get(lane as usize).zip(found.estimate.get(lane as usize));
            let Some((most, estimate)) = bounds else { continue };
            let row = first + lane;
            let promise = estimate + (most - estimate) * PROMISE;
            if promise < bar.threshold || promise.is_nan() || left.scored.len() >= MOST_SCORED {
                left.noted.push((row, *most));
            } else if !is_among(seeds, number, row) {
                left.scored.push(row);
            }
        }
        let now = left.scored.get(before..).unwrap_or_default();
        if now.is_empty() {
            return Ok(());
        }
        self.counts.add(&self.counts.rows_scored, part.rows.run_rows(now, query, top)?);
        bar.fresh += now.len();
        if bar.fresh * RAISED >= self.limit {
            top.settle();
            *bar = Bar { threshold: coded.threshold(top.bar()), fresh: 0 };
        }
        Ok(())
    }
}

/// Whether a row is among those that were scored.
fn is_among(scored: &[Seed], part: usize, row: u32) -> bool {
    scored.binary_search_by_key(&(part, row), |seed| (seed.part, seed.row)).is_ok()
}
