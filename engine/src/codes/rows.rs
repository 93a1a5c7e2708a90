//! Rows into codes: two matrix products over many rows at once, and for each row the numbers that `bound.rs` asks for,
//! rounded in the direction that keeps the bound.

use siltstone_format::Metric;

use super::bases::Basis;
use super::bound::{
    EVALUATION, EVALUATION_SHARE, HEAD_SHARE, MOST, ROW_SHARE, SCALING, TAIL_SHARE, UNDERFLOW, dot, norm, up,
};
use super::rotation;
use super::round::Rounded;
use crate::distance::product::{Right, add_products_here, rounding};

/// The code of one row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Code {
    /// Elements of the head: steps of `scale` times the weight of their direction, from -127.5 on.
    pub(super) head: Vec<u8>,
    pub(super) scale: f32,
    /// Of the upper halves of the elements.
    pub(super) head_error: f32,
    /// Of the whole elements.
    pub(super) fine_error: f32,
    pub(super) tail_norm: f32,
    pub(super) offset: f32,
    /// Signs of the rotated tail, set where it is not negative.
    pub(super) signs: Vec<u64>,
    pub(super) sign_scale: f32,
    pub(super) sign_error: f32,
    /// Signs of what the first ones, with their scale, leave of the rotated tail.
    pub(super) second_signs: Vec<u64>,
    pub(super) second_scale: f32,
    pub(super) second_error: f32,
}

impl Code {
    /// The code of a row that is never dropped.
    pub(super) fn always(basis: &Basis) -> Self {
        Self {
            head: vec![0; basis.head()],
            scale: 0.0,
            head_error: f32::INFINITY,
            fine_error: f32::INFINITY,
            tail_norm: 0.0,
            offset: 0.0,
            signs: vec![0; basis.dims().div_ceil(64)],
            sign_scale: 0.0,
            sign_error: 0.0,
            second_signs: vec![0; basis.dims().div_ceil(64)],
            second_scale: 0.0,
            second_error: 0.0,
        }
    }
}

/// The centred rows: what is projected. `None` in place of the norms of a row that has no code.
pub(super) fn centred(
    metric: Metric,
    centre: &[f32],
    rows: &[(&[f32], f64)],
) -> (Vec<f32>, Vec<Option<f64>>) {
    let dims = centre.len();
    let mut all = Vec::with_capacity(rows.len() * dims);
    let mut originals = Vec::with_capacity(rows.len());
    for &(row, squared_norm) in rows {
        let start = all.len();
        all.extend(row.iter().take(dims));
        all.resize(start + dims, 0.0);
        let here = all.get_mut(start..).unwrap_or_default();
        let length = centre_row(metric, centre, here, squared_norm).filter(|_| row.len() == dims);
        if length.is_none() {
            here.fill(0.0);
        }
        originals.push(length);
    }
    (all, originals)
}

/// Centres a row where it is and returns its norm; a row that has no code becomes zero.
pub(super) fn centre_row(metric: Metric, centre: &[f32], row: &mut [f32], squared_norm: f64) -> Option<f64> {
    let scale = match metric {
        Metric::Cosine => 1.0 / squared_norm.sqrt(),
        Metric::Dot | Metric::Euclidean => 1.0,
    };
    row.iter_mut().zip(centre).for_each(|(x, &c)| *x = (scale * f64::from(*x) - f64::from(c)) as f32);
    let length = scale * squared_norm.sqrt();
    let usable = norm(row) <= MOST && length <= MOST;
    if !usable {
        row.fill(0.0);
    }
    usable.then_some(length)
}

/// The codes of some rows, given with their canonical squared norms.
pub(super) fn encode(basis: &Basis, rows: &[(&[f32], f64)]) -> Vec<Code> {
    let (dims, head) = (basis.dims(), basis.head());
    let (residuals, lengths) = centred(basis.metric(), basis.centre(), rows);
    let mut heads = vec![0.0f32; rows.len() * head];
    add_products_here(&mut heads, &residuals, Right::by_columns(basis.directions(), dims), 1.0);
    let mut tails = residuals.clone();
    add_products_here(&mut tails, &heads, Right::by_terms(basis.directions(), dims), -1.0);
    let parts = residuals.chunks(dims).zip(heads.chunks(head)).zip(tails.chunks_mut(dims));
    parts
        .zip(lengths)
        .map(|(((row, head), tail), length)| match length {
            Some(length) => code(basis, row, head, tail, length).unwrap_or_else(|| Code::always(basis)),
            None => Code::always(basis),
        })
        .collect()
}

/// The code of a row from its parts; `None` when a number leaves its range.
fn code(basis: &Basis, row: &[f32], projected: &[f32], tail: &mut [f32], length: f64) -> Option<Code> {
    let (dims, directions) = (row.len() as f64, projected.len() as f64);
    let row_norm = norm(row);
    let head_norm = norm(projected);
    let scaling =
        if basis.metric() == Metric::Cosine { SCALING * (length + basis.centre_norm()) } else { 0.0 };
    let rho = ROW_SHARE * row_norm + scaling + UNDERFLOW;
    let head_rounding = 1.01 * directions.sqrt() * rounding(row.len()) * row_norm;

    let rounded = Rounded::best(projected, basis.weights());
    let around = head_rounding + basis.defect() * (head_norm + head_rounding) + rho;
    let share = HEAD_SHARE + EVALUATION_SHARE;
    let head_error = rounded.lost + share * rounded.coarse + around;
    let fine_error = rounded.lost_fine + share * rounded.coarse.max(rounded.fine) + around;

    let tail_norm = norm(tail);
    let tail_rounding = 1.01 * head_rounding
        + rounding(projected.len() + 1) * (row_norm + 1.01 * directions.sqrt() * head_norm);
    basis.rotation().apply_f32(tail);
    let rotation_rounding = rotation::roundings(tail.len()) * 2.0 * f64::from(f32::EPSILON) * tail_norm;
    let around = tail_rounding + rotation_rounding + rho;
    let share = (TAIL_SHARE + EVALUATION_SHARE) * dims.sqrt();
    let first = Signs::of(tail);
    tail.iter_mut().for_each(|x| *x -= f32::copysign(first.scale, *x));
    // What is left is rounded to f32 before it is looked at again.
    let leaving = 2.0 * f64::from(f32::EPSILON) * (tail_norm + f64::from(first.scale) * dims.sqrt());
    let second = Signs::of(tail);
    let sign_error = first.missed + around + share * f64::from(first.scale);
    let second_error =
        second.missed + around + leaving + share * (f64::from(first.scale) + f64::from(second.scale));

    let offset = match basis.metric() {
        Metric::Cosine | Metric::Dot => dot(basis.centre(), row) as f32,
        Metric::Euclidean => up(-0.5 * row_norm * row_norm * (1.0 - ROW_SHARE)),
    };
    let found = Code {
        head: rounded.head,
        scale: rounded.scale,
        head_error: up(head_error * EVALUATION),
        fine_error: up(fine_error * EVALUATION),
        tail_norm: up((tail_norm + tail_rounding + rho) * EVALUATION),
        offset,
        signs: first.bits,
        sign_scale: first.scale,
        sign_error: up(sign_error * EVALUATION),
        second_signs: second.bits,
        second_scale: second.scale,
        second_error: up(second_error * EVALUATION),
    };
    let Code { scale, head_error, fine_error, tail_norm, sign_scale, sign_error, .. } = found;
    let Code { second_scale, second_error, .. } = found;
    let numbers =
        [scale, head_error, fine_error, tail_norm, sign_scale, sign_error, second_scale, second_error];
    let usable = numbers.iter().all(|number| f64::from(*number) <= 2.0 * MOST) && found.offset.is_finite();
    usable.then_some(found)
}

/// The signs of some elements, set where one is not negative, the scale with which they are nearest to the elements, and
/// the norm of the difference.
struct Signs {
    bits: Vec<u64>,
    scale: f32,
    missed: f64,
}

impl Signs {
    fn of(elements: &[f32]) -> Self {
        let count = elements.len() as f64;
        let scale = (sum_of(elements, |x| f64::from(x.abs())) / count) as f32;
        let missed = sum_of(elements, |x| (f64::from(x.abs()) - f64::from(scale)).powi(2)).sqrt();
        let word = |chunk: &[f32]| {
            chunk.iter().enumerate().fold(0u64, |word, (at, x)| word | u64::from(x.is_sign_positive()) << at)
        };
        Self { bits: elements.chunks(64).map(word).collect(), scale, missed }
    }
}

/// The sum of something over all elements, in eight lanes.
fn sum_of(elements: &[f32], of: impl Fn(f32) -> f64) -> f64 {
    let (eights, rest) = elements.as_chunks::<8>();
    let mut lanes = [0.0f64; 8];
    for eight in eights {
        lanes.iter_mut().zip(eight).for_each(|(lane, &x)| *lane += of(x));
    }
    lanes.iter().sum::<f64>() + rest.iter().map(|&x| of(x)).sum::<f64>()
}
