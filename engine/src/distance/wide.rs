//! A query along the directions of a basis, in f64. A search does this once for each query and basis, so it has a body for
//! wide registers; how it rounds is covered by the bound that uses it, so the order of additions may differ.
#![allow(unsafe_code)]

/// Sums that do not wait for each other.
const LANES: usize = 32;

/// The dot product of `vector` with each row of `rows`, and what is left of it without those times the rows. A row is read
/// once, for both.
pub(crate) fn split(vector: &[f64], rows: &[f32]) -> (Vec<f64>, Vec<f64>) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx512f") {
        // SAFETY: the processor was asked on the line above.
        return unsafe { split_avx512(vector, rows) };
    } else if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor was asked on the line above.
        return unsafe { split_avx2(vector, rows) };
    }
    split_here(vector, rows)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn split_avx512(vector: &[f64], rows: &[f32]) -> (Vec<f64>, Vec<f64>) {
    split_here(vector, rows)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn split_avx2(vector: &[f64], rows: &[f32]) -> (Vec<f64>, Vec<f64>) {
    split_here(vector, rows)
}

#[inline(always)]
fn split_here(vector: &[f64], rows: &[f32]) -> (Vec<f64>, Vec<f64>) {
    let (dims, mut left) = (vector.len().max(1), vector.to_vec());
    let mut products = Vec::with_capacity(rows.len() / dims);
    for row in rows.chunks(dims) {
        let product = dot(row, vector);
        left.iter_mut().zip(row).for_each(|(to, &x)| *to -= product * f64::from(x));
        products.push(product);
    }
    (products, left)
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
            let (found, left) = split(&vector, &rows);
            let expected: Vec<f64> = (0..count).map(|at| vector[at * dims / count]).collect();
            assert_eq!(found, expected);
            assert!(split(&left, &rows).0.iter().all(|x| *x == 0.0), "{dims}");
            assert_eq!(split_here(&vector, &rows), (found, left));
        }
    }
}
