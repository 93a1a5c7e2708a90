//! A fixed rotation that spreads a vector evenly over its elements, so that its signs say as much as they can.
//!
//! It is made of sign flips and fast Hadamard transforms, each exactly orthogonal. A width that is no power of two gets
//! the transform over its first elements and then over its last, twice, so every width from 1 on has one.

use std::ops::{Add, Mul, Neg, Sub};

/// How many times each element is rounded at most: once a step of each transform, and once when it is scaled.
pub(super) fn roundings(width: usize) -> f64 {
    let steps = width.max(1).ilog2() as f64 + 1.0;
    4.0 * steps
}

/// Rotates `vector` in place. `scale` gives one over the square root of a power of two.
pub(super) fn rotate<T>(vector: &mut [T], scale: impl Fn(usize) -> T)
where
    T: Copy + Add<Output = T> + Sub<Output = T> + Mul<Output = T> + Neg<Output = T>,
{
    let width = vector.len();
    if width == 0 {
        return;
    }
    let power = 1 << width.ilog2();
    let factor = scale(power);
    let last = width - power;
    let rounds: &[usize] = if last == 0 { &[0] } else { &[0, last, 0, last] };
    for (round, &from) in (0u64..).zip(rounds) {
        let part = vector.get_mut(from..from + power).unwrap_or_default();
        for (at, element) in (0u64..).zip(part.iter_mut()) {
            let factor = if flips(round, at) { -factor } else { factor };
            *element = *element * factor;
        }
        transform(part);
    }
}

/// Whether a round flips the sign of an element: a bit of a well-mixed number.
fn flips(round: u64, at: u64) -> bool {
    let word = (round << 32 | at).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (word ^ (word >> 27)) >> 40 & 1 == 1
}

/// The fast Hadamard transform of a power of two of elements, not scaled.
fn transform<T: Copy + Add<Output = T> + Sub<Output = T>>(elements: &mut [T]) {
    let mut half = 1;
    while half < elements.len() {
        for pair in elements.chunks_exact_mut(2 * half) {
            let (low, high) = pair.split_at_mut(half);
            for (a, b) in low.iter_mut().zip(high) {
                (*a, *b) = (*a + *b, *a - *b);
            }
        }
        half *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotation_keeps_lengths_and_angles_at_every_width() {
        for width in (1..70).chain([128, 384, 1000, 1536, 3072, 8192]) {
            let mut a: Vec<f64> = (0..width).map(|i| f64::from((i * 7919 % 101) as u32) - 50.0).collect();
            let mut b: Vec<f64> = (0..width).map(|i| f64::from((i * 104_729 % 211) as u32) - 99.0).collect();
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
            let before = (dot(&a, &a), dot(&a, &b));
            let scale = |n: usize| 1.0 / (n as f64).sqrt();
            rotate(&mut a, scale);
            rotate(&mut b, scale);
            let tolerance = 1e-12 * (before.0 * dot(&b, &b)).sqrt();
            assert!((dot(&a, &a) - before.0).abs() <= 1e-12 * before.0, "{width}");
            assert!((dot(&a, &b) - before.1).abs() <= tolerance, "{width}");
        }
    }
}
