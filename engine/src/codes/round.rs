//! Heads to bytes. The scale is the one whose upper halves lose least: a smaller one has finer steps and cuts off the
//! greatest elements. Which one is taken decides about speed alone; what was lost is measured.

use super::bound::LEAST;

/// Scales that are tried, as shares of the one that cuts nothing off.
const SCALES: [f64; 5] = [0.55, 0.65, 0.75, 0.87, 1.0];
/// What an upper half stands for at most, in steps.
const COARSE_MOST: f64 = 120.0;
/// A byte stands for itself minus this, in steps.
const MIDDLE: f64 = 127.5;

/// A head as bytes.
#[derive(Debug)]
pub(super) struct Rounded {
    pub(super) head: Vec<u8>,
    pub(super) scale: f32,
    /// Norms of what the upper halves, and the whole bytes, leave of the head.
    pub(super) lost: f64,
    pub(super) lost_fine: f64,
    /// Norms of the codes before they are weighted, times the scale.
    pub(super) coarse: f64,
    pub(super) fine: f64,
}

impl Rounded {
    /// The best of some.
    pub(super) fn best(projected: &[f32], weights: &[f32]) -> Self {
        let weighted = |(&x, &weight): (&f32, &f32)| f64::from(x) / f64::from(weight);
        let scaled: Vec<f64> = projected.iter().zip(weights).map(weighted).collect();
        let greatest = scaled.iter().fold(0.0f64, |most, x| most.max(x.abs()));
        let whole = greatest / COARSE_MOST;
        if whole * SCALES.iter().copied().fold(1.0, f64::min) < LEAST {
            return Self::none(projected);
        }
        let tried = SCALES.iter().map(|share| {
            let scale = (whole * share) as f32;
            (lost(&scaled, weights, scale), scale)
        });
        let best = tried.min_by(|a, b| a.0.total_cmp(&b.0));
        best.map_or_else(|| Self::none(projected), |(_, scale)| Self::with(&scaled, weights, scale))
    }

    /// All of it is lost.
    fn none(projected: &[f32]) -> Self {
        let lost = super::bound::norm(projected);
        let head = vec![0; projected.len()];
        Self { head, scale: 0.0, lost, lost_fine: lost, coarse: 0.0, fine: 0.0 }
    }

    fn with(scaled: &[f64], weights: &[f32], scale: f32) -> Self {
        let step = f64::from(scale);
        let head: Vec<u8> = scaled.iter().map(|x| byte(x / step)).collect();
        let (mut lost, mut lost_fine, mut coarse, mut fine) = (0.0, 0.0, 0.0, 0.0);
        for ((&x, &weight), &code) in scaled.iter().zip(weights).zip(&head) {
            let (upper, all) = (step * upper(code), step * (f64::from(code) - MIDDLE));
            lost += (f64::from(weight) * (x - upper)).powi(2);
            lost_fine += (f64::from(weight) * (x - all)).powi(2);
            coarse += upper * upper;
            fine += all * all;
        }
        let [lost, lost_fine, coarse, fine] = [lost, lost_fine, coarse, fine].map(f64::sqrt);
        Self { head, scale, lost, lost_fine, coarse, fine }
    }
}

/// What the upper halves lose with this scale, squared.
fn lost(scaled: &[f64], weights: &[f32], scale: f32) -> f64 {
    let (step, steps) = (f64::from(scale), 1.0 / f64::from(scale));
    let one = |(&x, &weight): (&f64, &f32)| (f64::from(weight) * (x - step * upper(byte(x * steps)))).powi(2);
    scaled.iter().zip(weights).map(one).sum()
}

/// The byte that stands for a number of steps: the nearest, by cutting off what is beyond the point. Saturates.
fn byte(steps: f64) -> u8 {
    (steps + (MIDDLE + 0.5)) as u8
}

/// What the upper half of a byte stands for: the middle of its sixteen steps.
fn upper(code: u8) -> f64 {
    f64::from(code & 0xf0) - COARSE_MOST
}
