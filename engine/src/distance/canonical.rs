//! The canonical score's two sums: what "exact" means in this engine.
//!
//! A score must have the same bits on every processor, or two machines would disagree about the order of a result.
//! Floating-point sums depend on the order of their additions, so the order is part of the definition: eight lanes of
//! float64, lane `j` adds the terms of the elements `i` with `i % 8 == j` in increasing `i`, every lane starts at
//! +0.0, and the lanes are added as `((l0+l1)+(l2+l3))+((l4+l5)+(l6+l7))`. Eight lanes are two AVX2 registers, one of
//! AVX-512 and four of NEON, so the fixed order costs no speed.
//!
//! No multiplication and addition are fused here. For the dot product that makes no difference, since the product of
//! two float32 is exact in float64 (48 of 53 bits; exponents from -298 to 256); for the squared distance it does.
//! Neither sum can overflow or underflow: the smallest nonzero term is 2^-298, the largest sum below 2^272.
//! No lane is ever -0.0, so neither is a sum: +0.0 plus either zero is +0.0, and so is x + (-x).

/// Lanes of the canonical sums.
const LANES: usize = 8;

/// One term of the dot product; exact.
#[inline(always)]
pub(super) fn product(a: f64, b: f64) -> f64 {
    a * b
}

/// One term of the squared distance; the difference and the square are each rounded.
#[inline(always)]
pub(super) fn squared_difference(a: f64, b: f64) -> f64 {
    let difference = a - b;
    difference * difference
}

/// Sums `term` over pairs of elements in the canonical order; what every instruction set compiles.
///
/// It is inlined into its callers so that each compiles it for its own instruction set; the compiler may not reorder
/// or fuse float operations, so they differ in speed only. The caller has compared the lengths.
#[inline(always)]
pub(super) fn sum(a: &[f32], b: &[f32], term: impl Fn(f64, f64) -> f64) -> f64 {
    let (a_groups, a_rest) = a.as_chunks::<LANES>();
    let (b_groups, b_rest) = b.as_chunks::<LANES>();
    let mut lanes = [0.0_f64; LANES];
    for (a_group, b_group) in a_groups.iter().zip(b_groups) {
        for ((lane, &x), &y) in lanes.iter_mut().zip(a_group).zip(b_group) {
            *lane += term(f64::from(x), f64::from(y));
        }
    }
    for ((lane, &x), &y) in lanes.iter_mut().zip(a_rest).zip(b_rest) {
        *lane += term(f64::from(x), f64::from(y));
    }
    let [l0, l1, l2, l3, l4, l5, l6, l7] = lanes;
    ((l0 + l1) + (l2 + l3)) + ((l4 + l5) + (l6 + l7))
}

/// The definition in its plainest form, for tests to compare with.
#[cfg(test)]
#[allow(clippy::needless_range_loop)] // as plain as the written definition
pub(super) mod oracle {
    /// The canonical dot product.
    pub(in super::super) fn dot(a: &[f32], b: &[f32]) -> f64 {
        assert_eq!(a.len(), b.len());
        let mut l = [0.0_f64; 8];
        for i in 0..a.len() {
            l[i % 8] += a[i] as f64 * b[i] as f64;
        }
        ((l[0] + l[1]) + (l[2] + l[3])) + ((l[4] + l[5]) + (l[6] + l[7]))
    }

    /// The canonical squared distance.
    pub(in super::super) fn squared_euclidean(a: &[f32], b: &[f32]) -> f64 {
        assert_eq!(a.len(), b.len());
        let mut l = [0.0_f64; 8];
        for i in 0..a.len() {
            let difference = a[i] as f64 - b[i] as f64;
            l[i % 8] += difference * difference;
        }
        ((l[0] + l[1]) + (l[2] + l[3])) + ((l[4] + l[5]) + (l[6] + l[7]))
    }
}
