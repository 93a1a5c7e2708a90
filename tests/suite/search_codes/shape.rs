//! Rows that are made to break bounds.

use harness::rng::Rng;

/// Rows that are hard in one way or another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Shape {
    Uniform,
    Spectrum,
    Clusters,
    RankOne,
    ZeroVariance,
    Neighbours,
    MixedNorms,
    Huge,
    Denormal,
    ConstantDims,
    Duplicates,
}

pub(super) const SHAPES: [Shape; 11] = [
    Shape::Spectrum,
    Shape::Clusters,
    Shape::Uniform,
    Shape::RankOne,
    Shape::ZeroVariance,
    Shape::Neighbours,
    Shape::MixedNorms,
    Shape::Huge,
    Shape::Denormal,
    Shape::ConstantDims,
    Shape::Duplicates,
];

impl Shape {
    /// A row.
    pub(super) fn vector(self, dims: usize, rng: &mut Rng) -> Vec<f32> {
        // The same for every row of a shape.
        let mut fixed = Rng::new(77);
        let first: Vec<f32> = (0..dims).map(|_| fixed.signed_unit_f32()).collect();
        let mut row: Vec<f32> = (0..dims).map(|_| rng.signed_unit_f32()).collect();
        let scale = |row: &mut Vec<f32>, by: f32| row.iter_mut().for_each(|x| *x *= by);
        match self {
            Self::Uniform => {}
            Self::Spectrum => {
                row.iter_mut()
                    .zip(&first)
                    .enumerate()
                    .for_each(|(i, (x, c))| *x = 0.2 * c + *x / (1 + i) as f32);
            }
            Self::Clusters => {
                let mut centre = Rng::new(rng.below(20));
                row.iter_mut().for_each(|x| *x = centre.signed_unit_f32() + 0.2 * *x);
            }
            Self::RankOne => {
                let along = rng.signed_unit_f32();
                row = first.iter().map(|x| along * x).collect();
            }
            Self::ZeroVariance => row = first,
            Self::Neighbours => {
                row = first;
                let at = rng.index(dims);
                row[at] = if rng.chance(1, 2) { row[at].next_up() } else { row[at].next_down() };
            }
            Self::MixedNorms => {
                let by = (rng.signed_unit_f32() * 40.0).exp2();
                scale(&mut row, by);
            }
            Self::Huge => scale(&mut row, 3e38),
            Self::Denormal => scale(&mut row, 1e-40),
            Self::ConstantDims => row.iter_mut().skip(1).step_by(2).for_each(|x| *x = 0.5),
            Self::Duplicates => {
                let mut few = Rng::new(rng.below(5));
                row = (0..dims).map(|_| few.signed_unit_f32()).collect();
            }
        }
        if row.iter().all(|x| *x == 0.0) {
            row[0] = 1.0;
        }
        row
    }
}
