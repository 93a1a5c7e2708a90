//! The pass over codes: bounds of all rows from their heads, a threshold from the most promising ones, and the rows
//! themselves only where a bound reaches it. `codes/bound.rs` proves that nothing is lost.
//!
//! What is here is what both kinds of search share: which parts have codes, and what tails are worth. An exact search is in
//! `exact`, one that trusts estimates in `approximate`; both begin with the rows that heads promise most of.

mod approximate;
mod exact;
mod promising;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::scan::{Counts, Task};
use super::top::Top;
use super::{Mode, Search};
use crate::codes::{CodeQuery, Codes, Sharpened};
use crate::distance::Query;
use crate::distance::head::{BLOCK_ROWS, Bounds, HeadBlock, HeadKernel, HeadRow};
use crate::error::Result;
use crate::event::Event;
use crate::view::View;

/// Blocks of a task of one thread.
const TASK_BLOCKS: usize = 64;
/// Rows times queries that are searched together: what reaches a threshold is in memory at once.
const TOGETHER: usize = 32 << 20;
/// Tails that are looked at before it is judged what they are worth to a query.
const TRIED: u64 = 512;
/// How many tails, or heads of single rows, ahead of the one that is looked at are on their way from memory.
const AHEAD: usize = 6;
/// Tails are not looked at any more when they rule out less than one row in this many.
const WORTH: u64 = 4;
/// Codes are not used to find more than one in this many rows.
const FEW: u64 = 8;
/// Heads are read one by one where these many rows are fewer than so many touched blocks.
const ONE_BY_ONE: (u64, u64) = (2, 5);
/// Fewer than one in this many rows of a segment are few enough to ask whether its codes pay.
const SPARSE: u64 = 8;

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
    /// So few rows are searched that their heads are read one by one.
    by_rows: bool,
}

/// The heads of a block.
enum Heads<'a> {
    /// Of all its rows.
    Block(HeadBlock<'a>),
    /// Of those that are searched.
    Rows(Vec<(usize, HeadRow<'a>)>),
}

impl Heads<'_> {
    /// Bounds of the rows that are searched, for at most as many queries as are taken together.
    fn bounds<'o>(&self, queries: &[CodeQuery], out: &'o mut [Bounds; CodeQuery::TILE]) -> &'o [Bounds] {
        let rows = match self {
            Self::Block(block) => return CodeQuery::bounds_of(queries, block, out),
            Self::Rows(rows) => rows,
        };
        for (query, out) in queries.iter().zip(&mut *out) {
            for (lane, row) in rows {
                let (most, estimate) = query.bounds_of_row(row);
                if let Some((to_most, to_estimate)) = out.most.get_mut(*lane).zip(out.estimate.get_mut(*lane))
                {
                    (*to_most, *to_estimate) = (most, estimate);
                }
            }
        }
        out.get(..queries.len()).unwrap_or_default()
    }
}

/// A row that may be among the best.
#[derive(Debug, Clone, Copy)]
struct Seed {
    rank: f64,
    estimate: f32,
    part: usize,
    row: u32,
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
            let by_rows = task.mask.count() * ONE_BY_ONE.0 < task.mask.groups() * ONE_BY_ONE.1;
            coded.parts.push(CodedPart { rows: task.clone(), codes, basis, by_rows });
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
        let together = (TOGETHER / (blocks * BLOCK_ROWS)).next_multiple_of(CodeQuery::TILE);
        for first in (0..queries.len()).step_by(together) {
            let range = first..(first + together).min(queries.len());
            let queries = queries.get(range.clone()).unwrap_or_default();
            let tops = tops.get(range.clone()).unwrap_or_default();
            match search.mode {
                Mode::Approximate { rescore } => {
                    self.run_approximate(range, queries, tops, rescore.max(limit), counts)?;
                }
                _ => self.run_exact(range, queries, tops, limit, counts)?,
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

    /// Pieces of all parts: a part and its first block; so many blocks apart that each has [`TASK_BLOCKS`] when one in
    /// `stride` is looked at.
    fn tasks(&self, stride: usize) -> Vec<(usize, usize)> {
        let of_part = |(at, part): (usize, &CodedPart<'_>)| {
            (0..part.codes.blocks()).step_by(TASK_BLOCKS * stride).map(move |block| (at, block))
        };
        self.parts.iter().enumerate().flat_map(of_part).collect()
    }

    /// A part, and some queries as its codes see them.
    fn part(&self, number: usize, range: Range<usize>) -> Option<(&CodedPart<'v>, &[CodeQuery])> {
        let part = self.parts.get(number)?;
        Some((part, self.queries.get(part.basis)?.get(range)?))
    }

    /// Scores rows, given by part and number, and raises the bar by them.
    fn score(&self, seeds: &[Seed], query: &Query, top: &Top<'v>, counts: &Counts) -> Result<()> {
        let groups: Vec<&[Seed]> = seeds.chunk_by(|a, b| a.part == b.part).collect();
        groups.par_iter().try_for_each(|seeds| -> Result<()> {
            let Some(part) = seeds.first().and_then(|seed| self.parts.get(seed.part)) else { return Ok(()) };
            let rows: Vec<u32> = seeds.iter().map(|seed| seed.row).collect();
            counts.add(&counts.rows_scored, part.rows.run_rows(&rows, query, top)?);
            Ok(())
        })?;
        top.settle();
        Ok(())
    }
}

impl CodedPart<'_> {
    /// The heads of a block as far as `mask` has its rows; `None` when it is damaged.
    fn heads(&self, block: usize, mask: u32) -> Option<Heads<'_>> {
        if !self.by_rows || !self.codes.has_good_tails(block) {
            return self.codes.heads(block).map(Heads::Block);
        }
        let row = |lane: u32| Some((lane as usize, self.codes.head((block, lane as usize))?));
        lanes(mask).map(row).collect::<Option<_>>().map(Heads::Rows)
    }

    /// Asks the memory for the heads of the first of some blocks.
    fn fetch_first_heads(&self, blocks: &[usize]) {
        if self.by_rows {
            blocks.iter().take(AHEAD).for_each(|block| self.fetch_heads(*block));
        }
    }

    /// While one of some blocks is looked at, asks the memory for one after it, unless it follows anyway.
    fn fetch_heads_after(&self, blocks: &[usize], at: usize) {
        let ahead = if self.by_rows { AHEAD } else { 1 };
        if let Some((&before, &next)) = blocks.get(at + ahead - 1).zip(blocks.get(at + ahead))
            && next != before + 1
        {
            self.fetch_heads(next);
        }
    }

    fn fetch_heads(&self, block: usize) {
        match self.by_rows && self.codes.has_good_tails(block) {
            true => lanes(self.block(block).1).for_each(|lane| self.codes.fetch_head((block, lane as usize))),
            false => self.codes.fetch_heads(block),
        }
    }

    /// Bytes that heads take up in a block.
    fn head_bytes(&self, heads: &Heads<'_>) -> u64 {
        match heads {
            Heads::Block(_) => self.codes.bytes().0,
            Heads::Rows(rows) => rows.len() as u64 * self.codes.bytes().0 / BLOCK_ROWS as u64,
        }
    }

    /// The first row of a block, and which of its rows are searched.
    fn block(&self, block: usize) -> (u32, u32) {
        let row = (block * BLOCK_ROWS) as u32;
        (row, self.rows.mask.thirty_two(row))
    }

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
        // What is damaged, or no number, rules nothing out.
        let reaches = |most: f64| most >= f64::from(threshold) || most.is_nan();
        let mut sharpened = Vec::new();
        for (at, &(row, most)) in rows.iter().enumerate() {
            if let Some((next, _)) = rows.get(at + AHEAD) {
                self.codes.fetch_tail(place(*next));
            }
            let found = self.codes.tail(place(row)).map(|tail| query.sharpen(most, &tail));
            if found.is_none_or(|found| reaches(found.most)) {
                self.codes.fetch_second(place(row));
                sharpened.push((row, found));
            }
        }
        let is_left = |(row, found): &(u32, Option<Sharpened>)| {
            let second = found.zip(self.codes.second(place(*row)));
            second.is_none_or(|(found, second)| reaches(query.sharpen_again(found, &second)))
        };
        let left: Vec<u32> = sharpened.iter().filter(|one| is_left(one)).map(|(row, _)| *row).collect();
        let (_, first, second) = self.codes.bytes();
        counts.add(&counts.bytes_read, rows.len() as u64 * first + sharpened.len() as u64 * second);
        tails.note(rows.len(), left.len());
        left
    }
}

/// Whether so few rows of a part are searched that reading them costs less than the blocks of codes that they lie in.
fn is_sparse(task: &Task<'_>, codes: &Codes) -> bool {
    let (wanted, segment) = (task.mask.count(), &task.part.segment);
    let rows_bytes = wanted * 4 * u64::from(segment.place.dims);
    wanted * SPARSE < u64::from(segment.rows) && rows_bytes < task.mask.groups() * codes.bytes().0
}

/// Keeps the `wanted` seeds with the greatest ranks.
fn best(seeds: &mut Vec<Seed>, wanted: usize) {
    if wanted > 0 && seeds.len() > wanted {
        seeds.select_nth_unstable_by(wanted - 1, |a, b| b.rank.total_cmp(&a.rank));
        seeds.truncate(wanted);
    }
}

/// The set bits of a mask of rows.
fn lanes(mut mask: u32) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let lane = (mask != 0).then(|| mask.trailing_zeros())?;
        mask &= mask - 1;
        Some(lane)
    })
}
