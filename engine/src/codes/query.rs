//! A query as codes see it: its coordinates in the basis, rounded to integers, and the numbers that make a bound of them.
//! The letters are those of `bound.rs`.

use siltstone_format::Metric;

use super::bases::Basis;
use super::bound::{
    CANONICAL, EVALUATION_SHARE, HEAD_SHARE, LEAST, MOST, QUERY_ROUNDING, ROW_SHARE, TAIL_SHARE, dot, down,
    norm, up,
};
use crate::distance::Query;
use crate::distance::head::{Bounds, Factors, HeadBlock, HeadKernel, HeadQuery, HeadRow, QUERY_MOST, TILE};
use crate::distance::signs::SignQuery;
use crate::distance::wide::split;

/// Greatest magnitude of a rounded element of the rotated tail.
const SIGN_MOST: f64 = 127.0;

/// A query, prepared for one basis.
#[derive(Debug)]
pub(crate) struct CodeQuery {
    kernel: HeadKernel,
    head: HeadQuery,
    /// Value of a step of the rounded head.
    step: f64,
    factors: Factors,
    signs: SignQuery,
    /// Value of a step of the rounded tail.
    sign_step: f64,
    /// At least the norm of the tail, and enough for its rounding.
    sign_tail: f64,
    metric: Metric,
    /// `q` is the query times this.
    scale: f64,
    /// `<q,c>`, or under euclidean `|p|^2`.
    constant: f64,
    /// What the constant and the canonical score may be off by; a share of `|p|^2` and of the distance under euclidean.
    slack: f64,
}

/// What a tail block has of one row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tail<'a> {
    pub(crate) bits: &'a [u64],
    pub(crate) fine: &'a [u8],
    pub(crate) scale: f32,
    pub(crate) head_error: f32,
    pub(crate) tail_norm: f32,
    pub(crate) fine_error: f32,
    pub(crate) sign_scale: f32,
    pub(crate) sign_error: f32,
}

/// What a tail block has of one row beyond its [`Tail`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Second<'a> {
    pub(crate) bits: &'a [u64],
    pub(crate) scale: f32,
    pub(crate) error: f32,
}

/// A bound of level 2, and what level 3 begins with: the same without the error of the signs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sharpened {
    pub(crate) most: f64,
    without: f64,
}

impl CodeQuery {
    /// Prepares a query; `None` when codes cannot bound it.
    pub(crate) fn new(query: &Query, basis: &Basis, kernel: HeadKernel) -> Option<Self> {
        let metric = query.metric();
        if metric != basis.metric() || query.dims() != basis.dims() {
            return None;
        }
        let length = query.squared_norm().sqrt();
        let scale = match metric {
            Metric::Cosine => 1.0 / length,
            Metric::Dot if length > 0.0 => (-length.log2().floor()).exp2(),
            Metric::Dot => return None,
            Metric::Euclidean => 1.0,
        };
        let q: Vec<f64> = query.vector().iter().map(|&x| f64::from(x) * scale).collect();
        let (q_norm, centre) = (norm(&q), basis.centre());
        let along = dot(&q, centre);
        let m = match metric {
            Metric::Euclidean => 1.0,
            _ if basis.centre_norm() > 0.0 => f64::from((along / basis.centre_norm().powi(2)) as f32),
            _ => 0.0,
        };
        let p: Vec<f64> = q.iter().zip(centre).map(|(&x, &c)| x - m * f64::from(c)).collect();
        let p_norm = norm(&p);
        // Both `|q|` and what is taken from it round relative to themselves.
        let rounding = QUERY_ROUNDING * (p_norm + q_norm + m.abs() * basis.centre_norm());
        let (g, mut tail) = split(&p, basis.directions());
        let tail_norm = norm(&tail) + rounding;
        basis.rotation().apply_f64(&mut tail);

        let weighted: Vec<f64> = g.iter().zip(basis.weights()).map(|(g, &w)| g * f64::from(w)).collect();
        let (step, y) = steps(&weighted, f64::from(QUERY_MOST));
        let lost = missed(&weighted, step, &y) + rounding;
        let head = (norm(&g) + rounding)
            .max(lost / HEAD_SHARE)
            .max(m.abs() * basis.centre_norm())
            .max(q_norm * ROW_SHARE);
        let (sign_step, w) = steps(&tail, SIGN_MOST);
        let sign_tail = tail_norm.max((missed(&tail, sign_step, &w) + rounding) / TAIL_SHARE);
        // The kernel counts in half steps of sixteen.
        let factors =
            Factors { scale: 8.0 * step as f32, head: up(head), tail: up(tail_norm), offset: m as f32 };
        let (constant, slack) = match metric {
            Metric::Cosine | Metric::Dot => (along, CANONICAL * q_norm * (1.0 + basis.centre_norm())),
            Metric::Euclidean => (p_norm * p_norm, CANONICAL),
        };
        let usable = [p_norm, q_norm, head * LEAST, m.abs()].iter().all(|number| *number <= MOST)
            && [constant, slack, sign_tail].iter().all(|number| number.is_finite());
        usable.then(|| Self {
            kernel,
            step,
            head: HeadQuery::new(&y.iter().map(|&y| y as i16).collect::<Vec<_>>()),
            factors,
            signs: SignQuery::new(&w.iter().map(|&w| w as i8).collect::<Vec<_>>()),
            sign_step,
            sign_tail,
            metric,
            scale,
            constant,
            slack,
        })
    }

    /// The value that a row with a rank of at least `bar` has at least: a row with a bound below it is not among the best.
    pub(crate) fn threshold(&self, bar: f64) -> f32 {
        if bar == f64::NEG_INFINITY || bar.is_nan() {
            return f32::NEG_INFINITY;
        }
        let (value, slack) = match self.metric {
            Metric::Cosine => (bar - self.constant, self.slack),
            Metric::Dot => (bar * self.scale - self.constant, self.slack),
            Metric::Euclidean => {
                let squared = bar * bar;
                // A threshold of no distance at all, and those beyond it, rule out nothing here.
                if bar > 0.0 {
                    return f32::NEG_INFINITY;
                }
                ((self.constant - squared) / 2.0, self.slack * (self.constant + squared))
            }
        };
        let rounding = CANONICAL / 64.0 * (value.abs() + self.constant.abs());
        let least = value - slack - rounding - f64::from(f32::MIN_POSITIVE);
        if least.is_nan() { f32::NEG_INFINITY } else { down(least) }
    }

    /// About the rank of a row whose estimate is this: comparable between bases.
    pub(crate) fn rank(&self, estimate: f32) -> f64 {
        let estimate = f64::from(estimate);
        match self.metric {
            Metric::Cosine => estimate + self.constant,
            Metric::Dot => (estimate + self.constant) / self.scale,
            Metric::Euclidean => 0.0 - (self.constant - 2.0 * estimate).max(0.0).sqrt(),
        }
    }

    /// Queries that level 1 takes together.
    pub(crate) const TILE: usize = TILE;

    /// Level 1: bounds and estimates of the rows of a block for some queries of one basis, at most [`TILE`](Self::TILE) of
    /// them.
    pub(crate) fn bounds_of<'o>(
        queries: &[Self],
        block: &HeadBlock<'_>,
        out: &'o mut [Bounds; TILE],
    ) -> &'o [Bounds] {
        match queries {
            [a, b, c, d] => {
                let tile = [a, b, c, d].map(|query| (&query.head, &query.factors));
                a.kernel.bounds_of_tile(block, tile, out);
            }
            some => {
                for (query, out) in some.iter().zip(&mut *out) {
                    query.kernel.bounds(block, &query.head, &query.factors, out);
                }
            }
        }
        out.get(..queries.len()).unwrap_or_default()
    }

    /// Level 1 for one row: what [`CodeQuery::bounds_of`] says of it, to the bit.
    pub(crate) fn bounds_of_row(&self, row: &HeadRow<'_>) -> (f32, f32) {
        self.head.bounds_of_row(row, &self.factors)
    }

    /// The estimate of level 1, made better by the tail block.
    pub(crate) fn estimate(&self, estimate: f32, tail: &Tail<'_>) -> f32 {
        (f64::from(estimate) + self.more(tail)) as f32
    }

    /// Level 2: a smaller bound of a row from its bound of level 1 and the tail block. Almost all that level 1 added for
    /// errors is taken back; the rest goes on covering its rounding.
    pub(crate) fn sharpen(&self, most: f32, tail: &Tail<'_>) -> Sharpened {
        let (head, whole) = (f64::from(self.factors.head), f64::from(self.factors.tail));
        let added = head * f64::from(tail.head_error) + whole * f64::from(tail.tail_norm);
        let without = f64::from(most) - added * (1.0 - EVALUATION_SHARE / 4.0)
            + self.more(tail)
            + head * f64::from(tail.fine_error);
        Sharpened { most: without + self.sign_tail * f64::from(tail.sign_error), without }
    }

    /// Level 3: a smaller bound from the second signs.
    pub(crate) fn sharpen_again(&self, found: Sharpened, second: &Second<'_>) -> f64 {
        let along = f64::from(second.scale) * self.sign_step * self.signs.dot(second.bits) as f64;
        found.without + along + self.sign_tail * f64::from(second.error)
    }

    /// What the lower halves of the head and the signs add to an estimate.
    fn more(&self, tail: &Tail<'_>) -> f64 {
        let fine = f64::from(tail.scale) * (0.5 * self.step) * f64::from(self.head.fine(tail.fine));
        let along = f64::from(tail.sign_scale) * self.sign_step * self.signs.dot(tail.bits) as f64;
        fine + along
    }
}

/// A step, and the elements as whole numbers of steps, at most `most` in magnitude. No step when all are too small.
fn steps(elements: &[f64], most: f64) -> (f64, Vec<f64>) {
    let greatest = elements.iter().fold(0.0f64, |most, x| most.max(x.abs()));
    let step = f64::from((greatest / most) as f32);
    if step < LEAST {
        return (0.0, vec![0.0; elements.len()]);
    }
    (step, elements.iter().map(|x| (x / step).round().clamp(-most, most)).collect())
}

/// The norm of what rounding to steps lost.
fn missed(elements: &[f64], step: f64, rounded: &[f64]) -> f64 {
    let lost = elements.iter().zip(rounded).map(|(x, y)| x - step * y);
    lost.map(|difference| difference * difference).sum::<f64>().sqrt()
}
