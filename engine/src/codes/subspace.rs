//! The leading directions of a sample: randomized subspace iteration, then a small eigenproblem that orders them.
//!
//! Nothing of a search's correctness depends on how good these directions are: any orthonormal ones give valid bounds,
//! better ones give smaller bounds. The starting vectors come from a fixed seed, so the same sample gives the same basis.

use super::bound::{dot, norm};
use crate::distance::product::{BLOCK, Right, add_products};

/// Rounds of iteration. Each multiplies the share of what is not leading by the ratio of the variances.
const ROUNDS: usize = 4;
/// Sweeps over all pairs of the small problem, at most.
const SWEEPS: usize = 12;
/// Rows of the sample that are projected together. So many whole blocks that products are summed by: the sums are rounded
/// as if all rows were projected at once.
const AT_ONCE: usize = 8 * BLOCK;
/// Cosine below which two rows count as orthogonal.
const ORTHOGONAL: f64 = 1e-7;

/// Orthonormal directions, one row each, by falling variance, and those variances.
#[derive(Debug)]
pub(super) struct Directions {
    pub(super) rows: Vec<f32>,
    pub(super) variances: Vec<f64>,
    /// At least the norm of `V V^T - I`.
    pub(super) defect: f64,
}

/// The `count` leading directions of a centred sample of rows of `dims` elements; fewer when it has fewer rows or dims.
pub(super) fn leading(sample: &[f32], dims: usize, count: usize) -> Directions {
    let rows = sample.len() / dims.max(1);
    let count = count.min(dims);
    let mut random = Random(0x5eed);
    let mut basis: Vec<f32> = (0..count * dims).map(|_| random.signed()).collect();
    orthonormalise(&mut basis, dims, &mut random);
    for _ in 0..ROUNDS {
        let mut next = vec![0.0f32; count * dims];
        for some in sample.chunks(AT_ONCE * dims) {
            let projected = project(some, &basis, dims);
            add_products(&mut next, &transposed(&projected, count), Right::by_terms(some, dims), 1.0);
        }
        basis = next;
        orthonormalise(&mut basis, dims, &mut random);
    }
    let mut small = vec![0.0f32; count * count];
    for some in sample.chunks(AT_ONCE * dims) {
        let projected = project(some, &basis, dims);
        add_products(&mut small, &transposed(&projected, count), Right::by_terms(&projected, count), 1.0);
    }
    let (turn, variances) = eigen(&small, count, rows);
    let mut rotated = vec![0.0f32; count * dims];
    add_products(&mut rotated, &turn, Right::by_terms(&basis, dims), 1.0);
    orthonormalise(&mut rotated, dims, &mut random);
    let defect = defect(&rotated, dims);
    Directions { rows: rotated, variances, defect }
}

fn project(sample: &[f32], basis: &[f32], dims: usize) -> Vec<f32> {
    let mut projected = vec![0.0f32; sample.len() / dims * (basis.len() / dims)];
    add_products(&mut projected, sample, Right::by_columns(basis, dims), 1.0);
    projected
}

fn transposed(elements: &[f32], columns: usize) -> Vec<f32> {
    let column = |at: usize| elements.iter().skip(at).step_by(columns).copied();
    (0..columns).flat_map(column).collect()
}

/// Makes rows orthonormal, each against those before it, twice because once is not enough in floats. A row that is left
/// with nothing is drawn anew.
fn orthonormalise(rows: &mut [f32], dims: usize, random: &mut Random) {
    let mut done: Vec<Vec<f64>> = Vec::new();
    for row in rows.chunks_mut(dims) {
        let mut vector: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
        loop {
            let before = norm(&vector);
            if before > 0.0 && before.is_finite() {
                vector.iter_mut().for_each(|x| *x /= before);
                for _ in 0..2 {
                    for other in &done {
                        let along = dot(&vector, other);
                        vector.iter_mut().zip(other).for_each(|(x, y)| *x -= along * y);
                    }
                }
                let left = norm(&vector);
                if left > 1e-4 {
                    vector.iter_mut().for_each(|x| *x /= left);
                    break;
                }
            }
            vector.iter_mut().for_each(|x| *x = f64::from(random.signed()));
        }
        // What was stored is what the next rows are made orthogonal to.
        row.iter_mut().zip(&vector).for_each(|(to, from)| *to = *from as f32);
        done.push(row.iter().map(|&x| f64::from(x)).collect());
    }
}

/// At least the norm of `V V^T - I`: that of all its elements together, and what computing it may be off by.
fn defect(rows: &[f32], dims: usize) -> f64 {
    let rows: Vec<&[f32]> = rows.chunks(dims).collect();
    let mut sum = 0.0;
    for (at, a) in rows.iter().enumerate() {
        for (other, b) in rows.iter().enumerate().take(at + 1) {
            let error = dot(a, b) - f64::from(u8::from(at == other));
            sum += if at == other { error * error } else { 2.0 * error * error };
        }
    }
    sum.sqrt() * (1.0 + 1e-6) + rows.len() as f64 * 1e-11
}

/// The eigenvectors of a symmetric matrix as rows, by falling eigenvalue, and the eigenvalues over `rows`. Rows of the
/// matrix are turned against each other in pairs until all are orthogonal; the turns are the eigenvectors.
fn eigen(matrix: &[f32], count: usize, rows: usize) -> (Vec<f32>, Vec<f64>) {
    let mut pairs: Vec<(Vec<f64>, Vec<f64>)> = matrix
        .chunks(count)
        .enumerate()
        .map(|(at, row)| {
            let unit = (0..count).map(|other| f64::from(u8::from(other == at))).collect();
            (row.iter().map(|&x| f64::from(x)).collect(), unit)
        })
        .collect();
    for _ in 0..SWEEPS {
        let mut turned = false;
        for second in 1..count {
            let (before, after) = pairs.split_at_mut(second);
            let Some(b) = after.first_mut() else { break };
            for a in before {
                turned |= turn(a, b);
            }
        }
        if !turned {
            break;
        }
    }
    let mut ordered: Vec<(f64, Vec<f64>)> = pairs.into_iter().map(|(row, turn)| (norm(&row), turn)).collect();
    ordered.sort_by(|a, b| b.0.total_cmp(&a.0));
    let variances = ordered.iter().map(|(value, _)| value / rows.max(1) as f64).collect();
    (ordered.into_iter().flat_map(|(_, turn)| turn.into_iter().map(|x| x as f32)).collect(), variances)
}

/// Turns two rows so that they become orthogonal; says whether they were not.
fn turn(a: &mut (Vec<f64>, Vec<f64>), b: &mut (Vec<f64>, Vec<f64>)) -> bool {
    let (aa, bb, ab) = (dot(&a.0, &a.0), dot(&b.0, &b.0), dot(&a.0, &b.0));
    if ab.abs() <= ORTHOGONAL * (aa * bb).sqrt() || !(aa * bb).is_normal() {
        return false;
    }
    let zeta = (bb - aa) / (2.0 * ab);
    let tangent = zeta.signum() / (zeta.abs() + (1.0 + zeta * zeta).sqrt());
    let cosine = 1.0 / (1.0 + tangent * tangent).sqrt();
    let sine = cosine * tangent;
    for (a, b) in [(&mut a.0, &mut b.0), (&mut a.1, &mut b.1)] {
        for (x, y) in a.iter_mut().zip(b) {
            (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
        }
    }
    true
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn signed(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let word = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((word ^ (word >> 31)) >> 40) as f32 / (1u32 << 23) as f32 - 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_are_orthonormal_and_lead_whatever_the_sample_is() {
        let (dims, rows) = (24, 200);
        let mut random = Random(3);
        // Falling variances along the axes; one direction only; nothing at all.
        let falling: Vec<f32> = (0..rows * dims).map(|i| random.signed() / (1 + i % dims) as f32).collect();
        let one: Vec<f32> = (0..rows).flat_map(|i| vec![i as f32 - 99.5; dims]).collect();
        for sample in [falling.clone(), one, vec![0.0; rows * dims]] {
            let found = leading(&sample, dims, 10);
            assert_eq!(found.rows.len(), 10 * dims);
            assert!(found.defect < 1e-5, "{}", found.defect);
            assert!(found.variances.is_sorted_by(|a, b| a >= b), "{:?}", found.variances);
        }
        let found = leading(&falling, dims, 3);
        let first = &found.rows[..dims];
        assert!(first[0].abs() > 0.99, "the first axis varies most: {first:?}");
    }
}
