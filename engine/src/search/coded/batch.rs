//! Many queries in one pass over the codes.
//!
//! A threshold for each query comes first, from the rows with the best estimates of a sample of the blocks. Then all heads
//! are read once, tile by tile of queries, and of each row only what reaches its query's threshold is kept: no bounds of
//! whole collections are written to memory. Then each query goes on alone, as a single one does: the most promising of
//! its rows are scored to raise the threshold, tails rule out what they can, and what is left is scored.

use std::ops::Range;

use rayon::prelude::*;

use super::{Coded, CodedPart, SEEDS, Seed, TASK_BLOCKS, Tails, best};
use crate::codes::CodeQuery;
use crate::distance::Query;
use crate::distance::head::{BLOCK_ROWS, reaching};
use crate::error::Result;
use crate::search::scan::Counts;
use crate::search::top::Top;

/// One block in so many is looked at for the first thresholds.
const SAMPLED: usize = 16;
/// The sample has at least so many times as many rows as are asked for.
const AMPLE: usize = 8;

/// Rows of some blocks that reach the thresholds, with their bounds, query by query.
struct Reached {
    part: usize,
    rows: Vec<Vec<(u32, f32)>>,
}

impl<'v> Coded<'v> {
    /// Whether a sample of the blocks has enough rows to give each query a threshold.
    pub(super) fn has_ample_sample(&self, limit: usize) -> bool {
        let sampled: u64 = self.parts.iter().map(|part| part.rows.mask.count()).sum::<u64>() / SAMPLED as u64;
        sampled >= (limit.saturating_mul(AMPLE)) as u64
    }

    /// Searches the parts that have codes for the queries of a range together.
    pub(super) fn run_batch(
        &self,
        range: Range<usize>,
        queries: &[Query],
        tops: &[Top<'v>],
        limit: usize,
        counts: &Counts,
    ) -> Result<()> {
        let wanted = limit.saturating_add(limit / 4).saturating_add(SEEDS);
        let (queries, tops) =
            (queries.get(range.clone()).unwrap_or_default(), tops.get(range.clone()).unwrap_or_default());
        let sampled = self.sample(range.clone(), wanted);
        let scored: Vec<Vec<Seed>> = sampled
            .into_par_iter()
            .zip(queries)
            .zip(tops)
            .map(|((seeds, query), top)| self.score(seeds, query, top, counts))
            .collect::<Result<_>>()?;
        let thresholds: Vec<Vec<f32>> = self
            .queries
            .iter()
            .map(|of_basis| {
                let coded = of_basis.get(range.clone()).unwrap_or_default();
                coded.iter().zip(tops).map(|(query, top)| query.threshold(top.bar())).collect()
            })
            .collect();
        let blocks: Vec<(usize, usize)> = (0..)
            .zip(&self.parts)
            .flat_map(|(at, part)| {
                (0..part.codes.blocks()).step_by(TASK_BLOCKS).map(move |block| (at, block))
            })
            .collect();
        let reached: Vec<Reached> = blocks
            .par_iter()
            .filter_map(|&(part, first)| self.pass(part, first, range.clone(), &thresholds, counts))
            .collect();
        let alone = (0..).zip(range).zip(scored).zip(queries.iter().zip(tops)).collect::<Vec<_>>();
        alone.into_par_iter().try_for_each(|(((at, number), scored), (query, top))| {
            self.finish(&reached, (at, number), scored, (query, top), wanted, counts)
        })
    }

    /// For each query, the rows of the sample with the best estimates.
    fn sample(&self, range: Range<usize>, wanted: usize) -> Vec<Vec<Seed>> {
        let mut seeds: Vec<Vec<Seed>> = vec![Vec::new(); range.len()];
        for (number, part) in self.parts.iter().enumerate() {
            let Some(coded) = self.queries.get(part.basis).and_then(|queries| queries.get(range.clone()))
            else {
                continue;
            };
            let some = coded.par_chunks(CodeQuery::TILE).zip(seeds.par_chunks_mut(CodeQuery::TILE));
            some.for_each(|(coded, seeds)| {
                let mut floors = [f64::NEG_INFINITY; CodeQuery::TILE];
                for block in (0..part.codes.blocks()).step_by(SAMPLED) {
                    let (row, mask) = part.block(block);
                    let Some(heads) = part.codes.heads(block).filter(|_| mask != 0) else { continue };
                    let out = seeds.iter_mut().zip(&mut floors).zip(coded);
                    for (((seeds, floor), query), found) in out.zip(CodeQuery::bounds_of(coded, &heads)) {
                        for (row, &estimate) in (row..).zip(&found.estimate) {
                            let rank = query.rank(estimate);
                            if mask >> (row % 32) & 1 == 1 && rank > *floor {
                                seeds.push(Seed { rank, estimate, part: number, row });
                            }
                        }
                        if seeds.len() >= 2 * wanted + BLOCK_ROWS {
                            best(seeds, wanted);
                            *floor = seeds.iter().fold(f64::INFINITY, |least, seed| least.min(seed.rank));
                        }
                    }
                }
                seeds.iter_mut().for_each(|seeds| best(seeds, wanted));
            });
        }
        seeds
    }

    /// Scores rows, and raises the bar by them; the rows, by part and number.
    fn score(
        &self,
        mut seeds: Vec<Seed>,
        query: &Query,
        top: &Top<'v>,
        counts: &Counts,
    ) -> Result<Vec<Seed>> {
        seeds.sort_unstable_by_key(|seed| (seed.part, seed.row));
        for seeds in seeds.chunk_by(|a, b| a.part == b.part) {
            let Some(part) = seeds.first().and_then(|seed| self.parts.get(seed.part)) else { continue };
            let rows: Vec<u32> = seeds.iter().map(|seed| seed.row).collect();
            counts.add(&counts.rows_scored, part.rows.run_rows(&rows, query, top)?);
        }
        top.settle();
        Ok(seeds)
    }

    /// The rows of some blocks that reach the thresholds of the queries.
    fn pass(
        &self,
        number: usize,
        first: usize,
        range: Range<usize>,
        thresholds: &[Vec<f32>],
        counts: &Counts,
    ) -> Option<Reached> {
        let part = self.parts.get(number)?;
        let coded = self.queries.get(part.basis)?.get(range)?;
        let thresholds = thresholds.get(part.basis)?;
        let mut reached = Reached { part: number, rows: vec![Vec::new(); coded.len()] };
        let mut touched = 0;
        for block in first..(first + TASK_BLOCKS).min(part.codes.blocks()) {
            let (row, mask) = part.block(block);
            if mask == 0 {
                continue;
            }
            touched += 1;
            let Some(heads) = part.codes.heads(block) else {
                let wanted = || (row..row + 32).filter(|row| mask >> (row % 32) & 1 == 1);
                reached
                    .rows
                    .iter_mut()
                    .for_each(|rows| rows.extend(wanted().map(|row| (row, f32::INFINITY))));
                continue;
            };
            let tiles = coded.chunks(CodeQuery::TILE).zip(thresholds.chunks(CodeQuery::TILE));
            for ((coded, thresholds), out) in tiles.zip(reached.rows.chunks_mut(CodeQuery::TILE)) {
                let found = CodeQuery::bounds_of(coded, &heads);
                for ((found, threshold), out) in found.zip(thresholds).zip(out) {
                    let mut left = reaching(&found.most, *threshold) & mask;
                    while left != 0 {
                        let lane = left.trailing_zeros();
                        left &= left - 1;
                        out.extend(found.most.get(lane as usize).map(|most| (row + lane, *most)));
                    }
                }
            }
        }
        counts.add(&counts.bytes_read, touched * part.codes.bytes().0);
        (touched > 0).then_some(reached)
    }

    /// The rest of one query: what reaches a threshold that its most promising rows have raised.
    fn finish(
        &self,
        reached: &[Reached],
        (at, number): (usize, usize),
        mut scored: Vec<Seed>,
        (query, top): (&Query, &Top<'v>),
        wanted: usize,
        counts: &Counts,
    ) -> Result<()> {
        let coded =
            |part: &CodedPart<'_>| self.queries.get(part.basis).and_then(|queries| queries.get(number));
        let is_scored = |scored: &[Seed], part: usize, row: u32| {
            scored.binary_search_by_key(&(part, row), |seed| (seed.part, seed.row)).is_ok()
        };
        let mut promising = Vec::new();
        for Reached { part, rows } in reached {
            let Some(query) = self.parts.get(*part).and_then(coded) else { continue };
            for &(row, most) in rows.get(at).into_iter().flatten() {
                // The bound is the estimate and about the same again for every row.
                let rank = query.rank(most);
                if !is_scored(&scored, *part, row) {
                    promising.push(Seed { rank, estimate: most, part: *part, row });
                }
            }
            if promising.len() >= 4 * wanted {
                best(&mut promising, wanted);
            }
        }
        best(&mut promising, wanted);
        scored.extend(self.score(promising, query, top, counts)?);
        scored.sort_unstable_by_key(|seed| (seed.part, seed.row));

        let tails = Tails::default();
        for Reached { part: of, rows } in reached {
            let Some(part) = self.parts.get(*of) else { continue };
            let Some(coded) = coded(part) else { continue };
            let threshold = coded.threshold(top.bar());
            let reaching = rows.get(at).into_iter().flatten().filter(|(row, most)| {
                (*most >= threshold || most.is_nan()) && !is_scored(&scored, *of, *row)
            });
            let rows: Vec<(u32, f32)> = reaching.copied().collect();
            counts.add(&counts.passed_heads, rows.len() as u64);
            let rows = part.by_tails(rows, coded, threshold, &tails, counts);
            counts.add(&counts.passed_signs, rows.len() as u64);
            counts.add(&counts.bytes_read, rows.len() as u64 * 4 * query.dims() as u64);
            counts.add(&counts.rows_scored, part.rows.run_rows(&rows, query, top)?);
        }
        Ok(())
    }
}

impl CodedPart<'_> {
    /// The first row of a block, and which of its rows are searched.
    fn block(&self, block: usize) -> (u32, u32) {
        let row = (block * BLOCK_ROWS) as u32;
        (row, self.rows.mask.thirty_two(row))
    }
}
