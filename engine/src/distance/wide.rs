//! A query along the directions of a basis, in f64. A search does this once for each query and basis, so it has a body for
//! wide registers; how it rounds is covered by the bound that uses it, so the order of additions may differ.
#![allow(unsafe_code)]

/// Sums that do not wait for each other.
const LANES: usize = 32;

/// The dot product of `vector` with each row of `rows`.
pub(crate) fn project(rows: &[f32], vector: &[f64]) -> Vec<f64> {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx512f") {
        // SAFETY: the processor was asked on the line above.
        return unsafe { project_avx512(rows, vector) };
    } else if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor was asked on the line above.
        return unsafe { project_avx2(rows, vector) };
    }
    project_here(rows, vector)
}

/// Subtracts from `vector` each row of `rows` times its factor.
pub(crate) fn subtract(vector: &mut [f64], rows: &[f32], factors: &[f64]) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx512f") {
        // SAFETY: the processor was asked on the line above.
        return unsafe { subtract_avx512(vector, rows, factors) };
    } else if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor was asked on the line above.
        return unsafe { subtract_avx2(vector, rows, factors) };
    }
    subtract_here(vector, rows, factors);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn project_avx512(rows: &[f32], vector: &[f64]) -> Vec<f64> {
    project_here(rows, vector)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn project_avx2(rows: &[f32], vector: &[f64]) -> Vec<f64> {
    project_here(rows, vector)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn subtract_avx512(vector: &mut [f64], rows: &[f32], factors: &[f64]) {
    subtract_here(vector, rows, factors);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn subtract_avx2(vector: &mut [f64], rows: &[f32], factors: &[f64]) {
    subtract_here(vector, rows, factors);
}

#[inline(always)]
fn project_here(rows: &[f32], vector: &[f64]) -> Vec<f64> {
    rows.chunks(vector.len().max(1)).map(|row| dot(row, vector)).collect()
}

#[inline(always)]
fn dot(row: &[f32], vector: &[f64]) -> f64 {
    let ((row, row_rest), (vector, vector_rest)) = (row.as_chunks::<LANES>(), vector.as_chunks::<LANES>());
    let mut lanes = [0.0f64; LANES];
    for (row, vector) in row.iter().zip(vector) {
        for ((lane, &x), &y) in lanes.iter_mut().zip(row).zip(vector) {
            *lane += f64::from(x) * y;
        }
    }
    let rest: f64 = row_rest.iter().zip(vector_rest).map(|(&x, &y)| f64::from(x) * y).sum();
    lanes.iter().sum::<f64>() + rest
}

#[inline(always)]
fn subtract_here(vector: &mut [f64], rows: &[f32], factors: &[f64]) {
    for (row, &factor) in rows.chunks(vector.len().max(1)).zip(factors) {
        vector.iter_mut().zip(row).for_each(|(to, &x)| *to -= factor * f64::from(x));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn projections_are_dot_products_and_what_they_leave_is_orthogonal() {
        for dims in [1usize, 7, 31, 32, 33, 1536] {
            let count = dims.min(5);
            // Rows of the identity, spread out: orthonormal exactly.
            let rows: Vec<f32> = (0..count)
                .flat_map(|at| (0..dims).map(move |i| f32::from(u8::from(i == at * dims / count))))
                .collect();
            let vector: Vec<f64> = (0..dims).map(|i| (i as f64 * 0.7).sin()).collect();
            let found = project(&rows, &vector);
            let expected: Vec<f64> = (0..count).map(|at| vector[at * dims / count]).collect();
            assert_eq!(found, expected);
            let mut left = vector.clone();
            subtract(&mut left, &rows, &found);
            assert!(project(&rows, &left).iter().all(|x| *x == 0.0), "{dims}");
            assert_eq!(project_here(&rows, &vector), found);
        }
    }
}
