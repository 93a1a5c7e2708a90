//! A fixed rotation that spreads a vector evenly over its elements, so that its signs say as much as they can.
//!
//! It is made of sign flips and fast Hadamard transforms, each exactly orthogonal. A width that is no power of two gets
//! the transform over its first elements and then over its last, twice, so every width from 1 on has one.

use crate::distance::hadamard::{round_f32, round_f64};

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
        let factor = 1.0 / (self.power as f64).sqrt();
        for (from, signs) in &self.rounds {
            round_f64(vector.get_mut(*from..*from + self.power).unwrap_or_default(), signs, factor);
        }
    }

    /// Rotates `vector` in place.
    pub(super) fn apply_f32(&self, vector: &mut [f32]) {
        let factor = (1.0 / (self.power as f64).sqrt()) as f32;
        for (from, signs) in &self.rounds {
            round_f32(vector.get_mut(*from..*from + self.power).unwrap_or_default(), signs, factor);
        }
    }
}

/// Whether a round flips the sign of an element: a bit of a well-mixed number.
fn flips(round: u64, at: u64) -> bool {
    let word = (round << 32 | at).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (word ^ (word >> 27)) >> 40 & 1 == 1
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
