//! How well a basis fits the rows that there are now: the share of rows that heads cannot rule out, measured on a few
//! rows that the basis was not trained on.
//!
//! The measure is stored with a basis when it is trained, and taken again whenever there may be something to encode. It
//! is the same function over rows that are chosen by the same rule, so on unchanged data it says the same, and a new
//! basis is measured by what it is later compared with: training does not repeat itself.

use super::bases::Basis;
use super::bound::dot;
use super::rows::centred;
use super::sample::Sample;
use super::train::{HEAD_LEFT, TOP_K};
use crate::distance::product::{Right, add_products};

/// Rows that are measured.
const HELD: u64 = 512;
/// At least one row in this many of a sample is kept back from training.
const KEPT_BACK: u64 = 8;
/// Measured rows that play the query.
const QUERIES: usize = 16;
/// A basis is trained anew when more than so many times as many rows pass as did when it was trained ...
const TIMES: f64 = 2.0;
/// ... and this share of all rows: a small share may vary.
const MARGIN: f64 = 0.05;

/// Of a sample of this many rows, one in so many is measured and not trained on.
pub(crate) fn held_back(sample_rows: u64) -> usize {
    usize::try_from((sample_rows / HELD).max(KEPT_BACK)).unwrap_or(usize::MAX)
}

/// Whether the rows that there are now, of which `held` are some, have moved away from what a basis was trained for.
pub(crate) fn has_drifted(basis: &Basis, held: &Sample, rows: u64) -> bool {
    pass_share(basis, held, rows) > basis.pass_share() * TIMES + MARGIN
}

/// The share of rows that heads cannot rule out for a search of the best ten of `rows` rows; 1 when there is nothing to
/// measure.
pub(super) fn pass_share(basis: &Basis, held: &Sample, rows: u64) -> f64 {
    let (dims, head) = (basis.dims(), basis.head());
    let held: Vec<(&[f32], f64)> = held.rows(dims).collect();
    let (residuals, _) = centred(basis.metric(), basis.centre(), &held);
    let mut heads = vec![0.0f32; held.len() * head];
    add_products(&mut heads, &residuals, Right::by_columns(basis.directions(), dims), 1.0);
    let measured: Vec<Measured<'_>> =
        residuals.chunks(dims).zip(heads.chunks(head)).map(|(row, head)| Measured::of(row, head)).collect();
    let (count, mut passed, mut pairs) = (measured.len(), 0u64, 0u64);
    let kth = (TOP_K * count as f64 / rows.max(1) as f64).round().max(1.0) as usize;
    for (number, query) in measured.iter().enumerate().step_by(count.div_ceil(QUERIES).max(1)) {
        let others = measured.iter().enumerate().filter(|(other, _)| *other != number);
        let mut values: Vec<(f64, f64)> = others.map(|(_, row)| query.value_and_bound(row)).collect();
        values.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        let Some((bar, _)) = values.get(kth - 1).copied() else { continue };
        // What is not a number rules nothing out.
        passed += values.iter().filter(|(_, bound)| *bound >= bar || bound.is_nan()).count() as u64;
        pairs += values.len() as u64;
    }
    if pairs == 0 { 1.0 } else { passed as f64 / pairs as f64 }
}

/// A row, its head, and the squared norms of the head and of what the head has not.
struct Measured<'a> {
    row: &'a [f32],
    head: &'a [f32],
    of_head: f64,
    of_tail: f64,
}

impl<'a> Measured<'a> {
    fn of(row: &'a [f32], head: &'a [f32]) -> Self {
        let of_head = dot(head, head);
        Self { row, head, of_head, of_tail: (dot(row, row) - of_head).max(0.0) }
    }

    /// The product with another row, and about what heads bound it by.
    fn value_and_bound(&self, row: &Self) -> (f64, f64) {
        let lost = HEAD_LEFT * (self.of_head * row.of_head).sqrt() + (self.of_tail * row.of_tail).sqrt();
        (dot(self.row, row.row), dot(self.head, row.head) + lost)
    }
}
