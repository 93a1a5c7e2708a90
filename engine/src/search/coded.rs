//! The pass over codes: bounds of all rows from their heads, a threshold from the most promising ones, and the rows
//! themselves only where a bound reaches it. `codes/bound.rs` proves that nothing is lost.
//!
//! Level 1 comes before any row is read, and keeps a bound a row in memory. Then the rows with the best estimates are
//! scored, so that the threshold is tight from the start, across all segments and collections. Then each bound is held
//! against it; what reaches it is bounded again by its tail, and what reaches it still is scored. A query that tails
//! turn out not to help goes from level 1 to the rows.

mod batch;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use rayon::prelude::*;

use super::scan::{Counts, Task};
use super::top::Top;
use super::{Mode, Search};
use crate::codes::{CodeQuery, Codes};
use crate::distance::Query;
use crate::distance::head::{BLOCK_ROWS, HeadKernel, reaching};
use crate::error::Result;
use crate::event::Event;
use crate::view::View;

/// Blocks of a task of one thread.
const TASK_BLOCKS: usize = 64;
/// Bounds that are in memory at once, over all queries of a batch.
const BOUNDS: usize = 16 << 20;
/// Rows that are scored for the threshold beyond as many as are asked for.
const SEEDS: usize = 32;
/// Tails that are looked at before it is judged what they are worth to a query.
const TRIED: u64 = 512;
/// How many tails ahead of the one that is looked at are on their way from memory.
const AHEAD: usize = 6;
/// Tails are not looked at any more when they rule out less than one row in this many.
const WORTH: u64 = 4;
/// Codes are not used to find more than one in this many rows.
const FEW: u64 = 8;
/// Fewer than one in this many rows of a segment are few enough to ask whether its codes pay.
const SPARSE: u64 = 8;
/// What a search with codes reads in all, as a share of the heads that it reads.
const BESIDE_CODES: (u64, u64) = (3, 2);
/// How many more rows an approximate search estimates by their signs than it scores.
const ESTIMATED: usize = 4;

/// The parts of the searched views that have codes.
pub(super) struct Coded<'v> {
    parts: Vec<CodedPart<'v>>,
    /// For each basis, every query.
    queries: Vec<Vec<CodeQuery>>,
}

struct CodedPart<'v> {
    rows: Task<'v>,
    codes: Arc<Codes>,
    basis: usize,
}

/// Bounds and most promising rows of some blocks, for some queries.
struct Passed {
    part: usize,
    first_row: u32,
    /// Query by query: a bound for each row.
    bounds: Vec<Vec<f32>>,
    /// Query by query: estimates and rows.
    seeds: Vec<Vec<(f32, u32)>>,
}

/// A row that may be among the best.
#[derive(Debug, Clone, Copy)]
struct Seed {
    rank: f64,
    estimate: f32,
    part: usize,
    row: u32,
}

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

/// What the tails of a query were worth so far.
#[derive(Debug, Default)]
struct Tails {
    looked_at: AtomicU64,
    ruled_out: AtomicU64,
}

impl Tails {
    fn are_worth_it(&self) -> bool {
        let looked_at = self.looked_at.load(Ordering::Relaxed);
        looked_at < TRIED || self.ruled_out.load(Ordering::Relaxed) * WORTH >= looked_at
    }

    fn note(&self, looked_at: usize, left: usize) {
        self.looked_at.fetch_add(looked_at as u64, Ordering::Relaxed);
        self.ruled_out.fetch_add(looked_at.saturating_sub(left) as u64, Ordering::Relaxed);
    }
}

impl<'v> Coded<'v> {
    /// Takes the parts that codes can be used for out of `tasks`.
    pub(super) fn of(
        views: &'v [View],
        tasks: &mut Vec<Task<'v>>,
        queries: &[Query],
        search: &Search,
        limit: usize,
    ) -> Self {
        let mut coded = Self { parts: Vec::new(), queries: Vec::new() };
        let matching: u64 = tasks.iter().map(|task| task.mask.count()).sum();
        if search.mode == Mode::BruteForce || limit as u64 > matching / FEW {
            return coded;
        }
        let kernel = HeadKernel::best();
        let mut bases: Vec<([u8; 32], Option<usize>)> = Vec::new();
        tasks.retain(|task| {
            let Some(view) = views.get(task.view as usize) else { return true };
            let segment = &task.part.segment;
            if u64::from(segment.rows) < BLOCK_ROWS as u64 || segment.digest.is_none() {
                return true;
            }
            let Some(codes) = view.shared.codes(segment) else { return true };
            if is_sparse(task, &codes) {
                return true;
            }
            let digest = codes.basis().digest();
            let basis = match bases.iter().find(|(known, _)| *known == digest) {
                Some((_, basis)) => *basis,
                None => {
                    let prepared = queries.iter().map(|query| CodeQuery::new(query, codes.basis(), kernel));
                    let basis = prepared.collect::<Option<Vec<_>>>().map(|prepared| {
                        coded.queries.push(prepared);
                        coded.queries.len() - 1
                    });
                    bases.push((digest, basis));
                    basis
                }
            };
            // A query that codes cannot bound is answered from the rows, and so are those beside it.
            let Some(basis) = basis else { return true };
            coded.parts.push(CodedPart { rows: task.clone(), codes, basis });
            false
        });
        coded
    }

    /// Searches the parts that have codes.
    pub(super) fn run(
        &self,
        views: &[View],
        queries: &[Query],
        tops: &[Top<'v>],
        search: &Search,
        limit: usize,
        counts: &Counts,
    ) -> Result<()> {
        let blocks: usize = self.parts.iter().map(|part| part.codes.blocks()).sum();
        if blocks == 0 {
            return Ok(());
        }
        let together = (BOUNDS / (blocks * BLOCK_ROWS)).clamp(1, queries.len().max(1));
        for first in (0..queries.len()).step_by(together) {
            let range = first..(first + together).min(queries.len());
            if range.len() > 1 && search.mode == Mode::Exact && self.has_ample_sample(limit) {
                self.run_batch(range, queries, tops, limit, counts)?;
            } else {
                self.run_some(range, queries, tops, search, limit, counts)?;
            }
        }
        for part in &self.parts {
            counts.add(&counts.rows_scanned, part.rows.mask.count());
            if part.codes.take_news_of_damage()
                && let Some(view) = views.get(part.rows.view as usize)
            {
                let reason = "a block does not have its checksum; its rows were read instead".to_owned();
                let event = Event::DerivedFileUnusable { path: part.codes.path().to_owned(), reason };
                view.shared.environment.observer.event(&event);
            }
        }
        Ok(())
    }

    fn run_some(
        &self,
        range: std::ops::Range<usize>,
        queries: &[Query],
        tops: &[Top<'v>],
        search: &Search,
        limit: usize,
        counts: &Counts,
    ) -> Result<()> {
        let wanted = match search.mode {
            Mode::Approximate { rescore } => rescore.max(limit).saturating_mul(ESTIMATED),
            _ => limit.saturating_add(limit / 4).saturating_add(SEEDS),
        };
        let tasks: Vec<(usize, usize)> = (0..)
            .zip(&self.parts)
            .flat_map(|(at, part)| {
                (0..part.codes.blocks()).step_by(TASK_BLOCKS).map(move |block| (at, block))
            })
            .collect();
        let floors = Floors::new(self.queries.len(), range.len());
        let passed: Vec<Passed> = tasks
            .par_iter()
            .filter_map(|&(part, block)| self.level_1(part, block, range.clone(), (wanted, &floors), counts))
            .collect();
        for (at, number) in range.clone().enumerate() {
            let (Some(query), Some(top)) = (queries.get(number), tops.get(number)) else { continue };
            let seeds = self.seeds(&passed, at, number, wanted, search, limit);
            let groups: Vec<&[Seed]> = seeds.chunk_by(|a, b| a.part == b.part).collect();
            groups.par_iter().try_for_each(|seeds| -> Result<()> {
                let Some(part) = seeds.first().and_then(|seed| self.parts.get(seed.part)) else {
                    return Ok(());
                };
                let rows: Vec<u32> = seeds.iter().map(|seed| seed.row).collect();
                counts.add(&counts.rows_scored, part.rows.run_rows(&rows, query, top)?);
                Ok(())
            })?;
            top.settle();
            if matches!(search.mode, Mode::Approximate { .. }) {
                continue;
            }
            let tails = Tails::default();
            passed.par_iter().try_for_each(|passed| {
                let from =
                    seeds.partition_point(|seed| (seed.part, seed.row) < (passed.part, passed.first_row));
                let of_part = seeds.iter().skip(from).take_while(|seed| seed.part == passed.part);
                let seeded: Vec<u32> = of_part.map(|seed| seed.row).collect();
                self.refine(passed, (at, number), query, top, (&seeded, &tails), counts)
            })?;
        }
        Ok(())
    }

    /// Bounds and estimates from the heads of some blocks; `None` when no row of them is searched.
    fn level_1(
        &self,
        part_number: usize,
        first: usize,
        range: std::ops::Range<usize>,
        (wanted, shared): (usize, &Floors),
        counts: &Counts,
    ) -> Option<Passed> {
        let part = self.parts.get(part_number)?;
        let queries = self.queries.get(part.basis)?.get(range)?;
        let blocks = first..(first + TASK_BLOCKS).min(part.codes.blocks());
        let first_row = (first * BLOCK_ROWS) as u32;
        let none = || vec![f32::NEG_INFINITY; blocks.len() * BLOCK_ROWS];
        let mut passed = Passed {
            part: part_number,
            first_row,
            bounds: queries.iter().map(|_| none()).collect(),
            seeds: vec![Vec::new(); queries.len()],
        };
        let mut floors: Vec<f32> = (0..queries.len()).map(|query| shared.of(part.basis, query)).collect();
        let mut touched = 0;
        for (at, number) in blocks.enumerate() {
            let row = (number * BLOCK_ROWS) as u32;
            let mask = part.rows.mask.thirty_two(row);
            if mask == 0 {
                continue;
            }
            touched += 1;
            let heads = part.codes.heads(number);
            let outs = passed.bounds.iter_mut().zip(&mut passed.seeds).zip(&mut floors);
            for (query, ((bounds, seeds), floor)) in queries.iter().zip(outs) {
                let out = bounds.get_mut(at * BLOCK_ROWS..(at + 1) * BLOCK_ROWS).unwrap_or_default();
                let Some(heads) = &heads else {
                    out.fill(f32::INFINITY);
                    continue;
                };
                let found = query.bounds(heads);
                out.copy_from_slice(&found.most);
                if found.estimate.iter().fold(f32::NEG_INFINITY, |most, x| most.max(*x)) > *floor {
                    let promising =
                        (row..).zip(&found.estimate).filter(|(at, _)| mask >> (at - row) & 1 == 1);
                    seeds.extend(
                        promising.filter(|(_, estimate)| **estimate > *floor).map(|(at, e)| (*e, at)),
                    );
                    if seeds.len() >= 2 * wanted + BLOCK_ROWS {
                        *floor = keep_best(seeds, wanted).unwrap_or(*floor);
                    }
                }
            }
        }
        for (query, (seeds, floor)) in passed.seeds.iter_mut().zip(floors).enumerate() {
            shared.raise(part.basis, query, keep_best(seeds, wanted).unwrap_or(floor));
        }
        counts.add(&counts.bytes_read, touched * part.codes.bytes().0);
        (touched > 0).then_some(passed)
    }

    /// The most promising rows of all parts for a query, by part and row.
    fn seeds(
        &self,
        passed: &[Passed],
        at: usize,
        number: usize,
        wanted: usize,
        search: &Search,
        limit: usize,
    ) -> Vec<Seed> {
        let mut seeds = Vec::new();
        for passed in passed {
            let Some(part) = self.parts.get(passed.part) else { continue };
            let Some(query) = self.queries.get(part.basis).and_then(|queries| queries.get(number)) else {
                continue;
            };
            for &(estimate, row) in passed.seeds.get(at).into_iter().flatten() {
                seeds.push(Seed { rank: query.rank(estimate), estimate, part: passed.part, row });
            }
        }
        best(&mut seeds, wanted);
        if let Mode::Approximate { rescore } = search.mode {
            for seed in &mut seeds {
                seed.rank = self.estimate(seed, number).unwrap_or(seed.rank);
            }
            best(&mut seeds, rescore.max(limit));
        }
        seeds.sort_unstable_by_key(|seed| (seed.part, seed.row));
        seeds
    }

    /// The rank of a row by its head and its tail.
    fn estimate(&self, seed: &Seed, number: usize) -> Option<f64> {
        let part = self.parts.get(seed.part)?;
        let query = self.queries.get(part.basis)?.get(number)?;
        let place = (seed.row as usize / BLOCK_ROWS, seed.row as usize % BLOCK_ROWS);
        Some(query.rank(query.estimate(seed.estimate, &part.codes.tail(place)?)))
    }

    /// Holds bounds against the threshold, sharpens those that reach it, and scores the rows that reach it still.
    fn refine(
        &self,
        passed: &Passed,
        (at, number): (usize, usize),
        query: &Query,
        top: &Top<'v>,
        (seeded, tails): (&[u32], &Tails),
        counts: &Counts,
    ) -> Result<()> {
        let Some(part) = self.parts.get(passed.part) else { return Ok(()) };
        let Some(coded) = self.queries.get(part.basis).and_then(|queries| queries.get(number)) else {
            return Ok(());
        };
        let bounds = passed.bounds.get(at).map(Vec::as_slice).unwrap_or_default();
        let threshold = coded.threshold(top.bar());
        let mut rows = Vec::new();
        let mut seeded = seeded.iter().peekable();
        for (first, block) in (passed.first_row..).step_by(BLOCK_ROWS).zip(bounds.as_chunks().0) {
            let mut left = reaching(block, threshold) & part.rows.mask.thirty_two(first);
            while let Some(seed) = seeded.next_if(|seed| (**seed - first) < BLOCK_ROWS as u32) {
                left &= !(1 << (seed - first));
            }
            while left != 0 {
                let lane = left.trailing_zeros();
                left &= left - 1;
                rows.extend(block.get(lane as usize).map(|most| (first + lane, *most)));
            }
        }
        counts.add(&counts.passed_heads, rows.len() as u64);
        let rows = part.by_tails(rows, coded, threshold, tails, counts);
        counts.add(&counts.passed_signs, rows.len() as u64);
        counts.add(&counts.bytes_read, rows.len() as u64 * 4 * query.dims() as u64);
        counts.add(&counts.rows_scored, part.rows.run_rows(&rows, query, top)?);
        Ok(())
    }
}

impl CodedPart<'_> {
    /// Of rows whose bounds reach a threshold, those that their tails cannot rule out.
    fn by_tails(
        &self,
        rows: Vec<(u32, f32)>,
        query: &CodeQuery,
        threshold: f32,
        tails: &Tails,
        counts: &Counts,
    ) -> Vec<u32> {
        if !tails.are_worth_it() {
            return rows.into_iter().map(|(row, _)| row).collect();
        }
        let place = |row: u32| (row as usize / BLOCK_ROWS, row as usize % BLOCK_ROWS);
        let mut left = Vec::new();
        for (at, &(row, most)) in rows.iter().enumerate() {
            if let Some((next, _)) = rows.get(at + AHEAD) {
                self.codes.fetch_tail(place(*next));
            }
            let most = self.codes.tail(place(row)).map(|tail| query.sharpen(most, &tail));
            // What is damaged, or no number, rules nothing out.
            if most.is_none_or(|most| most >= f64::from(threshold) || most.is_nan()) {
                left.push(row);
            }
        }
        counts.add(&counts.bytes_read, rows.len() as u64 * self.codes.bytes().1);
        tails.note(rows.len(), left.len());
        left
    }
}

/// Whether so few rows of a part are searched that reading them costs less than the blocks of codes that they lie in.
fn is_sparse(task: &Task<'_>, codes: &Codes) -> bool {
    let (wanted, segment) = (task.mask.count(), &task.part.segment);
    let rows_bytes = wanted * 4 * u64::from(segment.place.dims);
    wanted * SPARSE < u64::from(segment.rows)
        && rows_bytes < task.mask.groups() * codes.bytes().0 * BESIDE_CODES.0 / BESIDE_CODES.1
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

/// Keeps the `wanted` seeds with the greatest ranks.
fn best(seeds: &mut Vec<Seed>, wanted: usize) {
    if wanted > 0 && seeds.len() > wanted {
        seeds.select_nth_unstable_by(wanted - 1, |a, b| b.rank.total_cmp(&a.rank));
        seeds.truncate(wanted);
    }
}
