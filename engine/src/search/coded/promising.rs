//! The rows that the heads of all blocks, or of a sample of them, promise most of.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

use rayon::prelude::*;

use super::{Coded, Seed, TASK_BLOCKS, best, lanes};
use crate::codes::CodeQuery;
use crate::distance::head::{BLOCK_ROWS, Bounds, reaching};
use crate::search::scan::Counts;

/// Estimates of which as many are known to be reached as rows are wanted: by basis, then query. Those of tasks that are
/// done save the others from gathering rows that cannot be among the best.
struct Floors(Vec<Vec<AtomicU32>>);

impl Floors {
    fn new(bases: usize, queries: usize) -> Self {
        let lowest = || AtomicU32::new(f32::NEG_INFINITY.to_bits());
        Self((0..bases).map(|_| (0..queries).map(|_| lowest()).collect()).collect())
    }

    fn of(&self, basis: usize, query: usize) -> f32 {
        let floor = self.0.get(basis).and_then(|floors| floors.get(query));
        floor.map_or(f32::NEG_INFINITY, |floor| f32::from_bits(floor.load(Ordering::Relaxed)))
    }

    /// Two tasks at once may leave the lower of two floors, which is one too.
    fn raise(&self, basis: usize, query: usize, to: f32) {
        if let Some(floor) = self.0.get(basis).and_then(|floors| floors.get(query))
            && f32::from_bits(floor.load(Ordering::Relaxed)) < to
        {
            floor.store(to.to_bits(), Ordering::Relaxed);
        }
    }
}

impl Coded<'_> {
    /// For each query, the `wanted` rows with the best estimates, of one block in `stride`.
    pub(super) fn promising(
        &self,
        range: Range<usize>,
        wanted: usize,
        stride: usize,
        counts: &Counts,
    ) -> Vec<Vec<Seed>> {
        let floors = Floors::new(self.queries.len(), range.len());
        let tasks = self.tasks(stride);
        let found: Vec<Vec<Vec<Seed>>> = tasks
            .par_iter()
            .map(|&task| self.promising_of(task, range.clone(), stride, (wanted, &floors), counts))
            .collect();
        let of_query = |at: usize| {
            let mut seeds: Vec<Seed> =
                found.iter().filter_map(|seeds| seeds.get(at)).flatten().copied().collect();
            best(&mut seeds, wanted);
            seeds
        };
        (0..range.len()).into_par_iter().map(of_query).collect()
    }

    /// The same of one task.
    fn promising_of(
        &self,
        (number, first): (usize, usize),
        range: Range<usize>,
        stride: usize,
        (wanted, shared): (usize, &Floors),
        counts: &Counts,
    ) -> Vec<Vec<Seed>> {
        let Some((part, queries)) = self.part(number, range) else { return Vec::new() };
        let mut gathered: Vec<Vec<(f32, u32)>> = vec![Vec::new(); queries.len()];
        let mut floors: Vec<f32> = (0..queries.len()).map(|query| shared.of(part.basis, query)).collect();
        let mut out = std::array::from_fn(|_| Bounds::default());
        let mut bytes_read = 0;
        let blocks = first..(first + TASK_BLOCKS * stride).min(part.codes.blocks());
        for number in blocks.step_by(stride) {
            let (row, mask) = part.block(number);
            // Rows of a damaged block promise nothing.
            let Some(heads) = (mask != 0).then(|| part.heads(number, mask)).flatten() else { continue };
            bytes_read += part.head_bytes(&heads);
            let tiles = queries.chunks(CodeQuery::TILE).zip(floors.chunks_mut(CodeQuery::TILE));
            for ((queries, floors), gathered) in tiles.zip(gathered.chunks_mut(CodeQuery::TILE)) {
                let found = heads.bounds(queries, &mut out);
                for ((found, floor), gathered) in found.iter().zip(floors).zip(gathered) {
                    for lane in lanes(reaching(&found.estimate, *floor) & mask) {
                        // One that equals the floor is no better than those that are known.
                        let estimate =
                            found.estimate.get(lane as usize).filter(|estimate| **estimate > *floor);
                        gathered.extend(estimate.map(|estimate| (*estimate, row + lane)));
                    }
                    if gathered.len() >= 2 * wanted + BLOCK_ROWS {
                        *floor = keep_best(gathered, wanted).unwrap_or(*floor);
                    }
                }
            }
        }
        counts.add(&counts.bytes_read, bytes_read);
        let queries = queries.iter().zip(gathered).zip(floors).enumerate();
        let seeds = queries.map(|(at, ((query, mut gathered), floor))| {
            shared.raise(part.basis, at, keep_best(&mut gathered, wanted).unwrap_or(floor));
            let seed = |(estimate, row): (f32, u32)| Seed {
                rank: query.rank(estimate),
                estimate,
                part: number,
                row,
            };
            gathered.into_iter().map(seed).collect()
        });
        seeds.collect()
    }
}

/// Keeps the `wanted` rows with the greatest estimates; the least of them, when there are as many.
fn keep_best(seeds: &mut Vec<(f32, u32)>, wanted: usize) -> Option<f32> {
    if seeds.len() <= wanted || wanted == 0 {
        return None;
    }
    let (_, least, _) = seeds.select_nth_unstable_by(wanted - 1, |a, b| b.0.total_cmp(&a.0));
    let least = least.0;
    seeds.truncate(wanted);
    Some(least)
}
