//! Training: from a sample of the rows of one vector space to a basis, with as many directions as make a search read
//! the fewest bytes.

use siltstone_format::basis::{self, space_of};
use siltstone_format::identity::EmbeddingIdentity;
use siltstone_format::layout::BasisHeader;
use siltstone_format::limits::MAX_HEAD;

use super::bases::Basis;
use super::bound::{MOST, dot, norm};
use super::drift::pass_share;
use super::rows::centre_row;
use super::sample::Sample;
use super::subspace::{Directions, leading};
use crate::distance::product::{Right, add_products};

/// Most rows of a sample.
const SAMPLE_ROWS: usize = 16_384;
/// Most elements of a sample, so that wide vectors do not take forever.
const SAMPLE_ELEMENTS: usize = SAMPLE_ROWS * 1536;
/// Most directions that are tried.
const HEAD_MOST: usize = 384;
/// Directions found beyond those that are wanted: they make the wanted ones better.
const BEYOND: usize = 16;
/// Numbers of directions that are compared are multiples of this.
const HEAD_STEP: usize = 16;
/// Rows of the sample that play the query, and rows that they are compared with.
const QUERIES: usize = 32;
const COMPARED: usize = 4096;
/// Of the compared rows, so many are projected at a time.
const AT_ONCE: usize = 512;
/// The best that a typical search asks for.
pub(super) const TOP_K: f64 = 10.0;
/// What reading a byte out of order costs, in bytes read in order.
const OUT_OF_ORDER: f64 = 3.0;
/// What the upper halves, and the whole bytes, leave of a head.
pub(super) const HEAD_LEFT: f64 = 0.102;
const FINE_LEFT: f64 = 0.02;
/// What the signs leave of a tail, and both signs.
const TAIL_LEFT: [f64; 2] = [0.62, 0.38];

/// How many rows a sample of `rows` rows of `dims` elements has.
pub(crate) fn sample_rows(rows: u64, dims: u32) -> u64 {
    rows.min(SAMPLE_ROWS as u64).min((SAMPLE_ELEMENTS / dims.max(1) as usize).max(1024) as u64)
}

/// The bytes of a basis for the space of `identity`, in which there are `rows` rows, learnt from a sample and measured on
/// the rows `held` back from it; `None` when there is nothing to learn from: no rows, or such that no code could be made
/// for them. Memory: the sample, which is worked on where it is, and some megabytes.
pub(crate) fn train(
    identity: &EmbeddingIdentity,
    sample: Sample,
    held: &Sample,
    rows: u64,
    version: u64,
) -> Option<Vec<u8>> {
    let dims = identity.dims as usize;
    let centre = centre(identity, &sample)?;
    let Sample { elements: mut residuals, squared_norms, .. } = sample;
    for (row, squared_norm) in residuals.chunks_mut(dims).zip(&squared_norms) {
        centre_row(identity.metric, &centre, row, *squared_norm);
    }
    let squared: f64 = residuals.chunks(dims).map(|row| dot(row, row)).sum();
    let variance = squared / squared_norms.len() as f64;
    // Products of products must not leave the range of f32: directions do not depend on scale.
    let scale = if variance > 0.0 { (1.0 / variance.sqrt()) as f32 } else { 1.0 };
    residuals.iter_mut().for_each(|x| *x *= scale);
    let most = HEAD_MOST.min(dims).min(MAX_HEAD as usize);
    let found = leading(&residuals, dims, most + BEYOND);
    let head = best_head(&residuals, &found, dims, most, rows);
    let directions = found.rows.get(..head * dims)?;
    let unscaled = f64::from(scale).powi(2).recip();
    let spectrum: Vec<f32> = found.variances.iter().take(head).map(|v| (v * unscaled) as f32).collect();
    let mut header = BasisHeader {
        space: space_of(identity),
        dims: identity.dims,
        metric: identity.metric.code(),
        head: u32::try_from(head).ok()?,
        sample_rows: u32::try_from(squared_norms.len()).ok()?,
        rows,
        version,
        defect: found.defect.to_bits(),
        variance: variance.to_bits(),
        pass_share: 1.0f64.to_bits(),
    };
    // A sample at the edge of the range may have given numbers that are none.
    let unmeasured = Basis::decode(&basis::encode(&header, &centre, directions, &spectrum)).ok()?;
    header.pass_share = pass_share(&unmeasured, held, rows).to_bits();
    Some(basis::encode(&header, &centre, directions, &spectrum))
}

/// The mean of the rows that codes can be made for.
fn centre(identity: &EmbeddingIdentity, sample: &Sample) -> Option<Vec<f32>> {
    let mut sums = vec![0.0f64; identity.dims as usize];
    let mut counted = 0.0;
    for (row, squared_norm) in sample.rows(identity.dims as usize) {
        let length = squared_norm.sqrt();
        let scale = if identity.metric == siltstone_format::Metric::Cosine { 1.0 / length } else { 1.0 };
        if length * scale <= MOST {
            sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += scale * f64::from(x));
            counted += 1.0;
        }
    }
    let centre: Vec<f32> = sums.iter().map(|sum| (sum / counted) as f32).collect();
    (counted > 0.0 && norm(&centre) <= MOST).then_some(centre)
}

/// How many directions make a search read the fewest bytes a row: rows of the sample are searched for in it, and what
/// passes each level is counted for each number of directions.
fn best_head(sample: &[f32], found: &Directions, dims: usize, most: usize, rows: u64) -> usize {
    let all: Vec<&[f32]> = sample.chunks(dims).collect();
    let every = |count: usize| all.len().div_ceil(count).max(1);
    let compared: Vec<&[f32]> = all.iter().copied().step_by(every(COMPARED)).collect();
    let queries: Vec<f32> =
        all.iter().skip(1).step_by(every(QUERIES)).flat_map(|row| row.iter().copied()).collect();
    let count = compared.len();
    let kth = ((TOP_K * count as f64 / rows.max(1) as f64).round() as usize).clamp(1, count.max(1));
    let width = found.rows.len() / dims;
    let projected = |rows: &[f32]| {
        let mut heads = vec![0.0f32; rows.len() / dims * width];
        add_products(&mut heads, rows, Right::by_columns(&found.rows, dims), 1.0);
        heads
    };
    // For each query its products with all compared rows.
    let mut dots = vec![Vec::<f32>::with_capacity(count); queries.len() / dims];
    for some in compared.chunks(AT_ONCE) {
        let mut with_some = vec![0.0f32; dots.len() * some.len()];
        add_products(&mut with_some, &queries, Right::by_columns(&some.concat(), dims), 1.0);
        dots.iter_mut().zip(with_some.chunks(some.len())).for_each(|(dots, more)| dots.extend(more));
    }
    let query_heads = projected(&queries);
    let measured: Vec<MeasuredQuery<'_>> = queries
        .chunks(dims)
        .zip(query_heads.chunks(width))
        .zip(&dots)
        .map(|((query, head), dots)| {
            let mut best = dots.clone();
            best.sort_unstable_by(|a, b| b.total_cmp(a));
            // The query itself may be among the compared rows.
            let bar = f64::from(best.get(kth).copied().unwrap_or(f32::MIN));
            MeasuredQuery { squared_norm: dot(query, query), head, dots, bar }
        })
        .collect();

    let steps = most.div_ceil(HEAD_STEP);
    let mut passed = vec![[0.0f64; 3]; steps];
    for (number, some) in compared.chunks(AT_ONCE).enumerate() {
        let heads = projected(&some.concat());
        for query in &measured {
            let dots = query.dots.iter().skip(number * AT_ONCE);
            for ((row, head), &whole) in some.iter().zip(heads.chunks(width)).zip(dots) {
                query.count(row, head, f64::from(whole), &mut passed);
            }
        }
    }
    let pairs = ((queries.len() / dims).max(1) * count.max(1)) as f64;
    let cost = |(step, [first, second, third]): (usize, &[f64; 3])| {
        let head = ((step + 1) * HEAD_STEP).min(most);
        let (tail, again) = ((dims + 4 * head) as f64 / 8.0 + 24.0, dims as f64 / 8.0 + 8.0);
        let out_of_order = (first * tail + second * again + third * 4.0 * dims as f64) / pairs;
        (head, head as f64 / 2.0 + OUT_OF_ORDER * out_of_order)
    };
    let costs = passed.iter().enumerate().map(cost);
    costs.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(most, |(head, _)| head)
}

/// A row that plays the query.
struct MeasuredQuery<'a> {
    squared_norm: f64,
    head: &'a [f32],
    /// Its products with all compared rows.
    dots: &'a [f32],
    /// The score of the last row that it finds.
    bar: f64,
}

impl MeasuredQuery<'_> {
    /// Counts for each number of directions whether a row with this head and this product passes the three levels.
    fn count(&self, row: &[f32], head: &[f32], whole: f64, passed: &mut [[f64; 3]]) {
        let row_norm = dot(row, row);
        let (mut along, mut of_query, mut of_row) = (0.0, 0.0, 0.0);
        let parts = self.head.chunks(HEAD_STEP).zip(head.chunks(HEAD_STEP));
        for ([first, second, third], (g, h)) in passed.iter_mut().zip(parts) {
            along += dot(g, h);
            of_query += dot(g, g);
            of_row += dot(h, h);
            let heads = (of_query * of_row).sqrt();
            let tails = ((self.squared_norm - of_query).max(0.0) * (row_norm - of_row).max(0.0)).sqrt();
            *first += f64::from(u8::from(along + HEAD_LEFT * heads + tails >= self.bar));
            let passes =
                |left: f64| f64::from(u8::from(whole + FINE_LEFT * heads + left * tails >= self.bar));
            *second += passes(TAIL_LEFT[0]);
            *third += passes(TAIL_LEFT[1]);
        }
    }
}
