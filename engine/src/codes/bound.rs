//! Why no answer changes: the proof behind the numbers that a code file holds, and the constants of it.
//!
//! **Value.** A search with codes compares *values*, which order rows as their scores do. Let `o` be a row, under
//! cosine scaled to unit length; `c` the centre of the basis and `r = o - c`. The query is `q`, under cosine scaled to
//! unit length, under dot by a power of two; for any number `m`, `p = q - m c`.
//!
//! ```text
//! cosine, dot:   score     = <q,c> + <p,r> + m <c,r>           offset b = <c,r>
//! euclidean:    -dist^2/2  = <p,r> - |r|^2/2 - |p|^2/2, m = 1  offset b = -|r|^2/2
//! ```
//!
//! The query chooses `m` (the projection of `q` on `c` is a good one); what is left for each row is to bound `<p,r>`.
//!
//! **Splitting.** `V` is the matrix of the basis, `H` rows, almost orthonormal: `D >= |V V^T - I|` was measured when it
//! was made. With `g = V p`, `h = V r`, `p_t = p - V^T g`, `r_t = r - V^T h`, multiplying out gives exactly
//! `<p,r> = <g,h> - <g, (V V^T - I) h> + <p_t,r_t>`. `W` is the diagonal matrix of the weights of the basis, none
//! greater than one. So, for a code `x` with scale `s`, any signs `z` with scale `a`, and the orthogonal rotation `R`,
//!
//! ```text
//! level 1:  <p,r> <= s<Wg,x> + |g| (|h - s W x| + D|h|) + |p_t| |r_t|
//! level 2:  <p,r> <= s<Wg,x> + |g| (|h - s W x| + D|h|) + a <R p_t, z> + |p_t| |R r_t - a z|
//! level 3:  <p,r> <= s<Wg,x> + |g| (|h - s W x| + D|h|) + <R p_t, a z + a' z'> + |p_t| |R r_t - a z - a' z'|
//! ```
//!
//! by Cauchy-Schwarz, with no assumption about the data. An element of a code is a byte; level 1 has `x` from its upper
//! half, the others from all of it. `z'` are the signs of what the first leave over. The file has `s`, `x`, `a`, `z`, `a'`,
//! `z'`, and upper bounds `e` of the first bracket (one for either `x`), `t` of `|r_t|` and `e_t` of the last norm (one for
//! either level); the query has upper bounds `G` of `|g|`, which is not less than `|Wg|`, and `P` of `|p_t|`. Of the tail of
//! real rows the signs leave 0.6, as of normally distributed numbers, and both together 0.36. Everything that is rounded
//! adds to them:
//!
//! 1. *The row in f32.* `r` is computed in f64 and rounded to `r'`, `|r - r'| <= 2^-23 |r'| + 2^-45 (|o| + |c|) +
//!    2^-120`, where the second term covers the scaling under cosine (it is left out of the offset's rounding, which is
//!    that of the differences alone, for the other metrics) and the third everything that underflows. `<p, r - r'>` is at
//!    most `|p|` times that, and `|p| <= 1.01 (|g| + |p_t|)`, so adding `rho`, four times as much and more, to `e`, `t`
//!    and `e_t` covers it.
//! 2. *The products.* [`product`](crate::distance::product) bounds each element of `h' = V r'` and of `r' - V^T h'`; over
//!    the elements, `|h' - V r'| <= gamma sqrt(H) 1.01 |r'|`, and likewise for the tail. These are added to `e`, `t`, `e_t`;
//!    norms of what was computed are summed in f64. The rotation rounds each element at most as often as
//!    [`rotation`](super::rotation) says. What the first signs leave is rounded once more, by `2^-24` of itself.
//! 3. *The integer query.* Either level has `sigma y` in place of `Wg`, at distance `e_g`; that costs `e_g s|x|`. Rows add
//!    [`HEAD_SHARE`] times `s|x|` to `e`, and the query makes `G` at least `e_g / HEAD_SHARE`, so that `G e` covers it
//!    whatever the query is. Level 2 does the same with [`TAIL_SHARE`] and `a sqrt(dims)`, which is `|a z|`, and level 3 with
//!    `(a + a') sqrt(dims)`.
//! 4. *The offset.* `b` is rounded to nearest under cosine and dot, where `m` may have either sign: that and its product
//!    with `m` cost at most `|m||c||r| 2^-21`. `G` is at least `|m||c|` and `rho` at least `2^-18 |r'|`, which leaves
//!    room. Under euclidean `b` is made greater by the factor `1 - 2^-18`, which covers its roundings and those of `|r|^2`.
//! 5. *The evaluation in f32* of level 1: every product and sum is rounded; each term loses at most `2^-21` of itself. For
//!    `s<Wg,x>` that is at most `2^-21 G s|x|`, covered by the `2^-18` that [`HEAD_SHARE`] has beyond what step 3 uses;
//!    the terms of `e` and `t` are stored greater by [`EVALUATION`]; the offset is step 4. Scales are kept within 2^-40 to
//!    2^40 and norms below 2^40, so nothing overflows, and underflow costs less than 2^-140, which the threshold gives.
//!    Level 2 begins with the bound of level 1, takes back what that added for `e` and `t` but for `2^-20` of it, which
//!    covers the rounding of the sum, and goes on in f64. For the rounding of `s<Wg,x>` its own `e` has the greater of both
//!    `s|x|`.
//! 6. *The canonical score* differs from exact by at most `2^-39 |q||o|` under dot, [`CANONICAL`] under cosine and by
//!    `2^-38` of itself under euclidean (`distance/slack.rs`). `|o| <= |r| + |c|`: the part with `|r|` is in `rho` and `G >=
//!    2^-18 |q|`, the part with `|c|` and the others are in the threshold.
//! 7. *The query itself* is computed in f64: `g`, `p_t`, the rotation of `p_t` and their norms are off by less than
//!    [`QUERY_ROUNDING`] of `|p|`, which is added to `G`, `P` and `e_g`.
//!
//! A row whose numbers leave these ranges, or are not numbers, gets the head error +infinity: it is never dropped. A query
//! whose numbers do is answered without codes. A row is dropped only if its bound is *less than* the threshold, so NaN
//! keeps it.

/// `e` covers the rounding of the query with this share of `s|x|`.
pub(super) const HEAD_SHARE: f64 = 1.0 / 2048.0;
/// `e_t` covers the rounding of the rotated tail of the query with this share of `a sqrt(dims)`.
pub(super) const TAIL_SHARE: f64 = 1.0 / 64.0;
/// What is added to each of those shares for the evaluation in f32.
pub(super) const EVALUATION_SHARE: f64 = ROW_SHARE;
/// `rho` as a share of `|r'|`.
pub(super) const ROW_SHARE: f64 = 1.0 / (1u32 << 18) as f64;
/// Stored errors are greater by this factor.
pub(super) const EVALUATION: f64 = 1.0 + 1.0 / (1u32 << 19) as f64;
/// What the scaling of a row may cost, as a share of `|o| + |c|`.
pub(super) const SCALING: f64 = 1.0 / (1u64 << 43) as f64;
/// What may underflow.
pub(super) const UNDERFLOW: f64 = f32::MIN_POSITIVE as f64;
/// What a query's computation in f64 may be off by, as a share of its norm.
pub(super) const QUERY_ROUNDING: f64 = 1.0 / (1u32 << 30) as f64;
/// What canonical cosine scores and the constants of a query may be off by.
pub(super) const CANONICAL: f64 = 1.0 / (1u64 << 34) as f64;
/// Greatest norm that codes are made for.
pub(super) const MOST: f64 = (1u64 << 40) as f64;
/// Least scale of a head.
pub(super) const LEAST: f64 = 1.0 / MOST;
/// Least weight of a direction.
pub(super) const LEAST_WEIGHT: f32 = 1.0 / 1024.0;

/// The least f32 that is not less.
pub(super) fn up(value: f64) -> f32 {
    let near = value as f32;
    if f64::from(near) < value { near.next_up() } else { near }
}

/// The greatest f32 that is not greater.
pub(super) fn down(value: f64) -> f32 {
    -up(-value)
}

/// The norm of a vector, in f64.
pub(super) fn norm<T: Copy + Into<f64>>(vector: &[T]) -> f64 {
    dot(vector, vector).sqrt()
}

/// A dot product in f64, in eight lanes.
pub(super) fn dot<A: Copy + Into<f64>, B: Copy + Into<f64>>(a: &[A], b: &[B]) -> f64 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut lanes = [0.0f64; 8];
    for (a, b) in a.iter().zip(b) {
        for ((lane, &x), &y) in lanes.iter_mut().zip(a).zip(b) {
            *lane += x.into() * y.into();
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(&x, &y)| x.into() * y.into()).sum();
    lanes.iter().sum::<f64>() + rest
}
