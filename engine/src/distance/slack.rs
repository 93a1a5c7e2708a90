//! How far the f32 kernel may be from the canonical sum: the proof that a scan drops no row it should keep.
//!
//! Notation: `n` elements; `u = 2^-24` and `U = 2^-53`, the unit roundoffs of f32 and f64; `g(m, v) = mv / (1 - mv)`,
//! the classic bound on the product of `m` factors `(1 + d)`, `|d| <= v` (Higham, *Accuracy and Stability of
//! Numerical Algorithms*, lemma 3.1). `n <= 8192`, so `nu <= 2^-11`. Elements are finite. Rows need not be of unit
//! length.
//!
//! **Model.** A float operation that does not overflow yields `x(1 + d) + e` where `x` is the exact result; only
//! products and fused operations can have `e != 0`, and then `|e| <= 2^-150`, half the least subnormal: a sum or a
//! difference that is subnormal is exact. An overflow makes an infinity, and every later operation keeps it
//! infinite or makes it NaN; so *if the kernel's result is finite, no operation overflowed and the model holds*.
//! If it is not finite, the bound says nothing and the row is kept, whatever the sign.
//!
//! **Dot, kernel.** Let `P` be the exact dot product, `A` the exact sum of `|q_i o_i|`, `A <= |q||o|` by
//! Cauchy-Schwarz. In any order of summation, with or without FMA, over any number of lanes (zero lanes add exactly),
//! each product meets at most one rounding of its own and `n - 1` of sums; each of at most `n` terms `e` meets at
//! most `n - 1`, and grows by less than 2. So the kernel's `K` has `|K - P| <= g(n, u) A + n 2^-149`. Partial sums
//! in f64 only round less.
//!
//! **Dot, canonical.** Products are exact; each meets at most `ceil(n/8) - 1` roundings in its lane (the first
//! addition is to +0.0, exact) and 3 after it, so at most `n + 2`: the canonical `D` has `|D - P| <= g(n + 2, U)
//! A`. Together
//!
//! ```text
//! D <= K + (g(n, u) + g(n + 2, U)) |q||o| + n 2^-149
//! ```
//!
//! **Norms.** `|q||o|` is not at hand, but `M`, the rounded product of the rounded square roots of the canonical
//! squared norms. By the line above and three roundings more, `|q||o| <= M (1 + g(n + 6, U)) <= M (1 + 2^-39)`.
//!
//! **Evaluation.** The code computes `K + (r M + a)` in f64 with `r` larger than the coefficient above by the factor
//! `1 + 2^-20` and `a = n 2^-148`, twice the term above. The excess in `r` is at least `2^-20 u M = 2^-44 M`. The
//! roundings of `r`, of `r M` and of its sum with `a` are below `8U` of `r M + a` and the last one below `U (|K| +
//! r M + a)`, where `|K| <= 2M + a`; with the `2^-39` of `M` they sum to less than `2^-38 r M + 2^-51 M + 2^-49 a`.
//! As `r >= u`, the first two are covered by the excess of `r` and the third by the excess of `a`. Nothing
//! underflows: `M` is 0 or at least 2^-298. So the computed value is at least `D`, as real numbers.
//!
//! **Cosine.** The canonical score is the rounded `D / M`. Division by the same positive `M` is correctly rounded
//! and thus monotone, so the rounded quotient of *an upper bound of `D`* by `M` is an upper bound of the score; no
//! term is needed for the division.
//!
//! **Euclidean.** Let `X` be the exact sum of `(q_i - o_i)^2`. The f32 difference has a relative error only (it
//! cannot underflow), so its square carries `(1 + d)^2`, the square one more, sums `n - 1`: `K <= X (1 + g(n + 2,
//! u)) + n 2^-149`. The canonical `S` rounds the difference, the square, and at most `n + 2` sums: `S >= X (1 - g(n
//! + 5, U))`. With `(1 - y)/(1 + x) >= 1 - x - y`:
//!
//! ```text
//! S >= (K - n 2^-149) (1 - g(n + 2, u) - g(n + 5, U)),  and S >= 0
//! ```
//!
//! Terms of one sign make this bound relative to the distance itself, so it stays sharp for near duplicates.
//! Evaluating it takes four f64 roundings, covered by the same factor `1 + 2^-20` in the coefficient (an excess of
//! at least `2^-44`) and `a`. The square root is correctly rounded and monotone, and so needs no term, as above.

/// Unit roundoff of f32: half the distance from 1 to the next number.
const UNIT_F32: f64 = f32::EPSILON as f64 / 2.0;
/// Unit roundoff of f64.
const UNIT_F64: f64 = f64::EPSILON / 2.0;
/// Twice the least subnormal f32, 2^-148: what underflow may cost per element, doubled for the bound's own rounding.
const UNDERFLOW: f64 = 2.0 * f32::from_bits(1) as f64;
/// Covers the rounding of the bounds' evaluation and of the stored norms.
const EVALUATION: f64 = 1.0 + 1.0 / (1_u32 << 20) as f64;

/// The bounds of one width; see the module for what the letters of the proof mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Slack {
    /// `r`: error of a dot product, per unit of the product of the norms.
    pub(super) dot: f64,
    /// Relative error of a squared distance.
    pub(super) euclidean: f64,
    /// `a`: error of either by underflow.
    pub(super) underflow: f64,
}

impl Slack {
    /// The slack of vectors of `dims` elements, at most [`MAX_DIMS`](siltstone_format::limits::MAX_DIMS).
    pub(super) fn of(dims: usize) -> Self {
        let n = dims as f64;
        Self {
            dot: (gamma(n, UNIT_F32) + gamma(n + 2.0, UNIT_F64)) * EVALUATION,
            euclidean: (gamma(n + 2.0, UNIT_F32) + gamma(n + 5.0, UNIT_F64)) * EVALUATION,
            underflow: n * UNDERFLOW,
        }
    }

    /// At least the canonical dot product, given the kernel's and the product of the norms. Never NaN for a norm
    /// that is a number.
    #[inline]
    pub(super) fn dot_at_most(&self, kernel: f64, norms: f64) -> f64 {
        if kernel.is_finite() { kernel + (self.dot * norms + self.underflow) } else { f64::INFINITY }
    }

    /// At most the canonical squared distance, given the kernel's; 0 if the kernel's says nothing.
    #[inline]
    pub(super) fn squared_euclidean_at_least(&self, kernel: f64) -> f64 {
        if kernel.is_finite() { ((kernel - self.underflow) * (1.0 - self.euclidean)).max(0.0) } else { 0.0 }
    }
}

/// Higham's bound on the relative error of `operations` roundings in a row.
fn gamma(operations: f64, unit: f64) -> f64 {
    let product = operations * unit;
    product / (1.0 - product)
}
