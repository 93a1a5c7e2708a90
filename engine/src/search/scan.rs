//! The pass over the rows.

use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;
use siltstone_format::Flaw;
use siltstone_format::frame::Frame;

use super::coded::Coded;
use super::top::{Candidate, Top};
use super::{Answer, Hit, Mode, Search, Work};
use crate::bitmap::Bitmap;
use crate::distance::Query;
use crate::distance::prefetch::prefetch;
use crate::error::Result;
use crate::view::{OnDamage, Part, View};

/// Rows of a task of one thread.
const TASK_ROWS: u32 = 1024;
/// Rows are far apart when so many others lie between two of them.
const APART: usize = 4;
/// Rows that all queries of a batch pass over before the next: they stay in the cache meanwhile.
const BLOCK_ROWS: usize = 16;

/// What a pass found for one query.
#[derive(Debug)]
pub(super) struct Found<'v> {
    candidates: Vec<Candidate<'v>>,
    scores: Vec<f64>,
    rows_scanned: u64,
    rows_scored: u64,
    work: Work,
}

/// What a pass did, counted by all threads.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) rows_scanned: AtomicU64,
    pub(super) rows_scored: AtomicU64,
    pub(super) passed_heads: AtomicU64,
    pub(super) passed_signs: AtomicU64,
    pub(super) bytes_read: AtomicU64,
}

impl Counts {
    /// Adds to one of the counters.
    pub(super) fn add(&self, counter: &AtomicU64, count: u64) {
        let _ = self;
        counter.fetch_add(count, Ordering::Relaxed);
    }
}

/// Some rows of a part.
#[derive(Debug, Clone)]
pub(super) struct Task<'v> {
    pub(super) view: u32,
    part_number: u32,
    pub(super) part: &'v Part,
    pub(super) mask: &'v Bitmap,
    from: u32,
    to: u32,
    on_damage: OnDamage,
    collection: &'v str,
}

/// The best `limit` rows of the views for each query.
pub(super) fn scan<'v>(
    views: &'v [View],
    masks: Option<&'v [Vec<Bitmap>]>,
    queries: &[Query],
    search: &Search,
    limit: usize,
) -> Result<Vec<Found<'v>>> {
    let mut whole = parts(views, masks);
    let coded = Coded::of(views, &mut whole, queries, search, limit);
    let tops: Vec<Top<'v>> = queries
        .iter()
        .map(|query| Top::new(limit, search.threshold.map_or(f64::NEG_INFINITY, |score| query.rank(score))))
        .collect();
    let counts = Counts::default();
    coded.run(views, queries, &tops, search, limit, &counts)?;
    let coded_rows = counts.rows_scanned.load(Ordering::Relaxed);
    let tasks: Vec<Task<'v>> = whole.iter().flat_map(Task::split).collect();
    tasks.par_iter().try_for_each(|task| -> Result<()> {
        let (rows, canonical) = task.run(queries, &tops, search.mode == Mode::BruteForce, &[])?;
        counts.add(&counts.rows_scanned, rows);
        counts.add(&counts.rows_scored, canonical);
        counts.add(&counts.bytes_read, rows * 4 * u64::from(task.part.segment.place.dims));
        Ok(())
    })?;
    let (rows_scanned, rows_scored) = (counts.rows_scanned.into_inner(), counts.rows_scored.into_inner());
    let work = Work {
        rows_with_codes: coded_rows,
        passed_heads: counts.passed_heads.into_inner(),
        passed_signs: counts.passed_signs.into_inner(),
        bytes_read: counts.bytes_read.into_inner(),
        ..Work::default()
    };
    let found = tops.into_iter().zip(queries).map(|(top, query)| {
        let candidates = top.finish()?;
        let scores = candidates.iter().map(|candidate| query.score_of_rank(candidate.rank)).collect();
        Ok(Found { candidates, scores, rows_scanned, rows_scored, work })
    });
    found.collect()
}

/// Every part of the views, whole.
fn parts<'v>(views: &'v [View], masks: Option<&'v [Vec<Bitmap>]>) -> Vec<Task<'v>> {
    let mut parts = Vec::new();
    for (at, view) in views.iter().enumerate() {
        for (number, part) in view.parts.iter().enumerate() {
            let mask = masks.and_then(|masks| masks.get(at)?.get(number)).unwrap_or(&part.live);
            parts.push(Task {
                view: at as u32,
                part_number: number as u32,
                part,
                mask,
                from: 0,
                to: part.segment.rows,
                on_damage: view.on_damage,
                collection: view.collection(),
            });
        }
    }
    parts
}

impl<'v> Task<'v> {
    /// The same rows in pieces, each for one thread.
    fn split(&self) -> impl Iterator<Item = Self> + '_ {
        (self.from..self.to).step_by(TASK_ROWS as usize).map(|from| {
            let to = from.saturating_add(TASK_ROWS).min(self.to);
            Self { from, to, ..self.clone() }
        })
    }

    /// Offers those of some rows, rising, that may be among the best; returns how many were scored canonically.
    pub(super) fn run_rows(&self, rows: &[u32], query: &Query, top: &Top<'v>) -> Result<u64> {
        let segment = &*self.part.segment;
        let dims = segment.place.dims as usize;
        let mut scored = 0;
        let frame_of = |row: &u32| segment.frame_of(*row).map(|(number, _)| number);
        // Rows that lie far apart are asked for one ahead; those side by side come faster without.
        let span = rows.last().zip(rows.first()).map_or(0, |(last, first)| last - first) as usize;
        let mut next = rows.iter().skip(1).filter(|_| span > APART * rows.len());
        for rows in rows.chunk_by(|a, b| frame_of(a) == frame_of(b)) {
            let Some(number) = rows.first().and_then(frame_of) else { continue };
            let Some(at) = segment.frames.get(number) else { continue };
            let frame = match segment.frame(number) {
                Ok(frame) => frame,
                Err(error) if self.on_damage == OnDamage::Skip && error.is_damage() => continue,
                Err(error) => return Err(error),
            };
            let (vectors, norms) = (segment.vectors(at), frame.squared_norm_section());
            for &row in rows {
                prefetch(next.next().and_then(|next| segment.vector_bytes(*next)).unwrap_or_default());
                let local = (row - at.first_row) as usize;
                let vector = vectors.get(local * dims..(local + 1) * dims);
                let norm = norms.get(local * 8..).and_then(|norms| norms.first_chunk::<8>());
                let (Some(vector), Some(norm)) = (vector, norm) else { continue };
                let norm = f64::from_le_bytes(*norm);
                if query.optimistic_rank(vector, norm) < top.bar() {
                    continue;
                }
                scored += 1;
                let rank = query.rank(query.score(vector, norm));
                if rank >= top.bar() || rank.is_nan() {
                    self.offer(top, &frame, row, row - at.first_row, rank);
                }
            }
        }
        Ok(scored)
    }

    /// Passes over those of some rows that are searched, but for `except`, rising; returns how many were scored canonically.
    pub(super) fn run_range(
        &self,
        (from, to): (u32, u32),
        except: &[u32],
        query: &Query,
        top: &Top<'v>,
    ) -> Result<u64> {
        let to = to.min(self.to);
        let (query, top) = (std::slice::from_ref(query), std::slice::from_ref(top));
        Ok(Self { from, to, ..self.clone() }.run(query, top, false, except)?.1)
    }

    /// Passes over the rows, but for `except`, rising; returns how many there were and how many were scored canonically.
    fn run(
        &self,
        queries: &[Query],
        tops: &[Top<'v>],
        brute_force: bool,
        except: &[u32],
    ) -> Result<(u64, u64)> {
        let segment = &*self.part.segment;
        let (mut rows, mut scored) = (0, 0);
        let first = segment.frames.partition_point(|frame| frame.first_row + frame.rows <= self.from);
        for (number, at) in segment.frames.iter().enumerate().skip(first) {
            if at.first_row >= self.to {
                break;
            }
            let (from, to) = (self.from.max(at.first_row), self.to.min(at.first_row + at.rows));
            let is_wanted = |row: &u32| except.binary_search(row).is_err();
            let mut wanted = self.mask.iter(from, to).filter(is_wanted).peekable();
            if wanted.peek().is_none() {
                continue;
            }
            let frame = match segment.frame(number) {
                Ok(frame) => frame,
                Err(error) if self.on_damage == OnDamage::Skip && error.is_damage() => continue,
                Err(error) => return Err(error),
            };
            let vectors = segment.vectors(at);
            let norms = frame.squared_norm_section();
            let dims = segment.place.dims as usize;
            let mut block: Vec<(u32, &[f32], f64)> = Vec::with_capacity(BLOCK_ROWS);
            while wanted.peek().is_some() {
                block.clear();
                block.extend(wanted.by_ref().take(BLOCK_ROWS).filter_map(|row| {
                    let local = (row - at.first_row) as usize;
                    let vector = vectors.get(local * dims..(local + 1) * dims)?;
                    let norm = norms.get(local * 8..)?.first_chunk::<8>()?;
                    Some((row, vector, f64::from_le_bytes(*norm)))
                }));
                rows += block.len() as u64;
                for (query, top) in queries.iter().zip(tops) {
                    for &(row, vector, norm) in &block {
                        // A bound that is not a number cannot rule a row out.
                        if !brute_force && query.optimistic_rank(vector, norm) < top.bar() {
                            continue;
                        }
                        scored += 1;
                        // Stored elements are finite, so a score that is not a number is damage, which no bar rules out.
                        let rank = query.rank(query.score(vector, norm));
                        if rank >= top.bar() || rank.is_nan() {
                            self.offer(top, &frame, row, row - at.first_row, rank);
                        }
                    }
                }
            }
        }
        Ok((rows, scored))
    }

    /// Offers a row that may be among the best, after its vector and key were checked: a damaged row either stays out
    /// (when damage is skipped) or turns the search into an error if it would be returned.
    fn offer(&self, top: &Top<'v>, frame: &Frame<'v>, row: u32, local: u32, rank: f64) {
        let segment = &self.part.segment;
        let missing = || Err(segment.no_such_row(row));
        let vector = frame.row(local).map_or_else(missing, |row| row.map_err(|flaw| segment.damaged(flaw)));
        let key = frame
            .key(local)
            .map_or_else(|| Err(segment.no_such_row(row)), |key| key.map_err(|flaw| segment.damaged(flaw)));
        let (key, error) = match (vector, key) {
            (Ok(_), Ok(_)) if rank.is_nan() => {
                let offset = segment.frame_of(row).and_then(|(number, _)| segment.frames.get(number));
                let offset = offset.map_or(0, |frame| frame.offset);
                let found = "a score that is not a number";
                let flaw = Flaw::new("row", "elements", offset, 1, "elements that are finite", found);
                ("", Some(segment.damaged(flaw)))
            }
            (Ok(_), Ok(key)) => (key, None),
            (Err(error), _) | (_, Err(error)) => ("", Some(error)),
        };
        if error.is_some() && self.on_damage == OnDamage::Skip {
            return;
        }
        let rank = if rank.is_nan() { f64::INFINITY } else { rank };
        let (view, part, collection) = (self.view, self.part_number, self.collection);
        top.offer(Candidate { rank, view, part, row, collection, key, error });
    }
}

impl Found<'_> {
    /// How many rows were found.
    pub(super) fn len(&self) -> usize {
        self.candidates.len()
    }

    /// The rows as hits, read and verified; those that `wanted` refuses are left out.
    pub(super) fn answer(
        &self,
        views: &[View],
        keys_only: bool,
        mut wanted: impl FnMut(&Hit) -> bool,
    ) -> Result<Answer> {
        let mut hits = Vec::with_capacity(self.candidates.len().min(1024));
        for (candidate, score) in self.candidates.iter().zip(&self.scores) {
            let Some(view) = views.get(candidate.view as usize) else { continue };
            let row = match keys_only {
                true => view.row_without_payload(candidate.part, candidate.row),
                false => view.row(candidate.part, candidate.row),
            };
            let row = match row {
                Err(error) if view.on_damage == OnDamage::Skip && error.is_damage() => continue,
                row => row?,
            };
            let hit = Hit {
                collection: view.collection().to_owned(),
                key: row.key.to_owned(),
                score: *score,
                metadata: row.metadata,
                text: row.text,
                commit: row.commit,
                place: row.place,
            };
            if wanted(&hit) {
                hits.push(hit);
            }
        }
        Ok(Answer { hits, rows_scanned: self.rows_scanned, rows_scored: self.rows_scored, work: self.work })
    }
}
