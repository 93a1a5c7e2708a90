//! A fixed rotation that spreads a vector evenly over its elements, so that its signs say as much as they can.
//!
//! It is made of sign flips and fast Hadamard transforms, each exactly orthogonal. A width that is no power of two gets
//! the transform over its first elements and then over its last, twice, so every width from 1 on has one.

use std::ops::{Add, Mul, Sub};

/// How many times each element is rounded at most: once a step of each transform, and once when it is scaled.
pub(super) fn roundings(width: usize) -> f64 {
    let steps = width.max(1).ilog2() as f64 + 1.0;
    4.0 * steps
}

/// The rotation of one width, prepared: thousands of signs that are the same for every vector.
#[derive(Debug)]
pub(super) struct Rotation {
    /// Where each round begins, with the signs of its elements: 1 or -1.
    rounds: Vec<(usize, Vec<f32>)>,
    power: usize,
}

impl Rotation {
    pub(super) fn new(width: usize) -> Self {
        let power = if width == 0 { 0 } else { 1 << width.ilog2() };
        let last = width - power;
        let rounds: &[usize] = if last == 0 { &[0] } else { &[0, last, 0, last] };
        let signs = |round: u64| (0..power as u64).map(move |at| if flips(round, at) { -1.0 } else { 1.0 });
        let rounds = (0u64..).zip(rounds).map(|(round, &from)| (from, signs(round).collect())).collect();
        Self { rounds, power }
    }

    /// Rotates `vector` in place.
    pub(super) fn apply_f64(&self, vector: &mut [f64]) {
        self.apply(vector, 1.0 / (self.power as f64).sqrt());
    }

    /// Rotates `vector` in place. On the widest registers there are, which changes no bit.
    #[allow(unsafe_code)]
    pub(super) fn apply_f32(&self, vector: &mut [f32]) {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor was asked on the line above.
            return unsafe { self.apply_f32_avx2(vector) };
        }
        self.apply(vector, (1.0 / (self.power as f64).sqrt()) as f32);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn apply_f32_avx2(&self, vector: &mut [f32]) {
        self.apply(vector, (1.0 / (self.power as f64).sqrt()) as f32);
    }

    #[inline(always)]
    fn apply<T>(&self, vector: &mut [T], factor: T)
    where
        T: Copy + From<f32> + Add<Output = T> + Sub<Output = T> + Mul<Output = T>,
    {
        for (from, signs) in &self.rounds {
            let part = vector.get_mut(*from..*from + self.power).unwrap_or_default();
            for (element, &sign) in part.iter_mut().zip(signs) {
                *element = *element * (T::from(sign) * factor);
            }
            transform(part);
        }
    }
}

/// Whether a round flips the sign of an element: a bit of a well-mixed number.
fn flips(round: u64, at: u64) -> bool {
    let word = (round << 32 | at).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (word ^ (word >> 27)) >> 40 & 1 == 1
}

/// The fast Hadamard transform of a power of two of elements, not scaled.
#[inline(always)]
fn transform<T: Copy + Add<Output = T> + Sub<Output = T>>(elements: &mut [T]) {
    let mut half = 1;
    // Two steps at once while their pairs lie close together.
    if elements.len() >= 4 {
        for four in elements.as_chunks_mut::<4>().0 {
            let [a, b, c, d] = *four;
            let (ab, a_b, cd, c_d) = (a + b, a - b, c + d, c - d);
            *four = [ab + cd, a_b + c_d, ab - cd, a_b - c_d];
        }
        half = 4;
    }
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
            let rotation = Rotation::new(width);
            let mut narrow: Vec<f32> = a.iter().map(|x| *x as f32).collect();
            rotation.apply_f32(&mut narrow);
            rotation.apply_f64(&mut a);
            rotation.apply_f64(&mut b);
            let most = before.0.sqrt() * 1e-5;
            assert!(narrow.iter().zip(&a).all(|(x, y)| (f64::from(*x) - y).abs() <= most), "{width}");
            let tolerance = 1e-12 * (before.0 * dot(&b, &b)).sqrt();
            assert!((dot(&a, &a) - before.0).abs() <= 1e-12 * before.0, "{width}");
            assert!((dot(&a, &b) - before.1).abs() <= tolerance, "{width}");
        }
    }
}
