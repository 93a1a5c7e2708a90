//! The fast f32 sums that a scan ranks rows by before any canonical score is computed.
//!
//! They come from the `simsimd` crate, which picks its code at run time. What its source (6.5) says, since the error
//! bound of [`slack`](super::slack) has to hold for all of it:
//!
//! | processor | code | sums in | then |
//! |---|---|---|---|
//! | x86-64, AVX-512 | `skylake` | 16 lanes of f32, FMA, masked last step | lanes added in f32 |
//! | x86-64, AVX2 with FMA | `haswell` | 8 lanes of f32, FMA | lanes, then the last `n % 8` f32 products, added in f64 |
//! | aarch64 | `neon` | 4 lanes of f32, FMA | lanes, then the last `n % 4` products, added in f32 |
//! | any other | `serial` | one f32, in order | |
//!
//! (There is an `sve` code too. Built as strict C99, as the crate builds it, its Linux detection stops at NEON; should
//! that change, look at its last step first: it uses the predicate form that leaves idle lanes unspecified.)
//!
//! So every element is multiplied once and every product passes through at most `n` roundings, none coarser than
//! f32's; nothing is computed in half precision, and no reciprocal or square root is approximated (`cos` and `l2` of
//! that crate do so, which is why they are not used). The result arrives as an f64 that was an f32, or under
//! `haswell` a sum of f32s. Denormals are honoured: the crate has a function that flushes them on the calling thread,
//! nothing calls it, and a Rust program may not run with such a mode anyway.
//!
//! One accumulator register is enough to keep up with memory on x86-64, where a scan of rows that are not in a cache
//! reaches nine tenths of the rate of merely reading them; prefetching the next row in software made it slower.
//!
//! Each function keeps the code it picked in a variable of its own that it fills on its first call without
//! synchronisation; [`prepare`] makes that first call once, before any thread can scan.

use std::sync::Once;

use simsimd::SpatialSimilarity;

/// Has both functions pick their code. Every [`Query`](super::Query) is made after this has returned.
pub(super) fn prepare() {
    static PICKED: Once = Once::new();
    PICKED.call_once(|| {
        f32::dot(&[0.0], &[0.0]);
        f32::l2sq(&[0.0], &[0.0]);
    });
}

/// An f32 dot product; NaN if the lengths differ.
#[inline]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f64 {
    f32::dot(a, b).unwrap_or(f64::NAN)
}

/// An f32 squared distance; NaN if the lengths differ.
#[inline]
pub(super) fn squared_euclidean(a: &[f32], b: &[f32]) -> f64 {
    f32::l2sq(a, b).unwrap_or(f64::NAN)
}
