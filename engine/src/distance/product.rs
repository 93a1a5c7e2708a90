//! Blocked f32 matrix products, for encoding rows and for training: the one place that needs more arithmetic than
//! memory.
//!
//! What is proven about codes rests on how a sum is rounded here: every product passes through at most
//! [`BLOCK`] additions inside its block and one a block after that, fused or not. So `|computed - exact| <=
//! gamma |a||b|` for one element of the result, with `gamma` of [`rounding`].
//!
//! The inner loop keeps four rows times thirty-two columns in registers; the panel of the right-hand side that it
//! reads is copied together first, so that any layout is read in order.
#![allow(unsafe_code)]

use rayon::prelude::*;

/// Terms that are summed before the sum is added to the result.
pub(crate) const BLOCK: usize = 256;
/// Columns of a panel.
const COLUMNS: usize = 32;
/// Rows of a tile.
const ROWS: usize = 4;
/// Rows of a task of one thread.
const TASK_ROWS: usize = 64;

/// A right-hand side of `terms` times `columns`, stored by terms or by columns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Right<'a> {
    elements: &'a [f32],
    terms: usize,
    columns: usize,
    by_columns: bool,
}

impl<'a> Right<'a> {
    /// Rows of `columns` elements, one a term.
    pub(crate) fn by_terms(elements: &'a [f32], columns: usize) -> Self {
        Self { elements, terms: elements.len() / columns.max(1), columns, by_columns: false }
    }

    /// Rows of `terms` elements, one a column.
    pub(crate) fn by_columns(elements: &'a [f32], terms: usize) -> Self {
        Self { elements, terms, columns: elements.len() / terms.max(1), by_columns: true }
    }

    /// Terms `from..to` of `COLUMNS` columns from `column` on, with zeros after the last.
    fn pack(&self, from: usize, to: usize, column: usize, panel: &mut Vec<[f32; COLUMNS]>) {
        panel.clear();
        panel.resize(to - from, [0.0; COLUMNS]);
        if self.by_columns {
            for lane in 0..COLUMNS.min(self.columns.saturating_sub(column)) {
                let start = (column + lane) * self.terms;
                let terms = self.elements.get(start + from..start + to).unwrap_or_default();
                for (packed, &term) in panel.iter_mut().zip(terms) {
                    if let Some(slot) = packed.get_mut(lane) {
                        *slot = term;
                    }
                }
            }
            return;
        }
        let until = self.columns.min(column + COLUMNS);
        for (packed, term) in panel.iter_mut().zip(from..to) {
            let start = term * self.columns;
            let row = self.elements.get(start + column..start + until).unwrap_or_default();
            packed.iter_mut().zip(row).for_each(|(to, from)| *to = *from);
        }
    }
}

/// How far one element of a product of `terms` terms may be from exact, per unit of the product of the two norms.
pub(crate) fn rounding(terms: usize) -> f64 {
    let roundings = (terms.min(BLOCK) + terms.div_ceil(BLOCK) + 2) as f64;
    roundings * (f64::from(f32::EPSILON) / 2.0) * (1.0 + 1.0 / 1024.0)
}

/// Adds to each row of `out` the products of the same row of `left` with every column of `right`, times `sign`, which
/// is 1 or -1. Rows are done in parallel.
pub(crate) fn add_products(out: &mut [f32], left: &[f32], right: Right<'_>, sign: f32) {
    if right.columns == 0 || right.terms == 0 {
        return;
    }
    let (wide, long) = (right.columns * TASK_ROWS, right.terms * TASK_ROWS);
    out.par_chunks_mut(wide).zip(left.par_chunks(long)).for_each(|(out, left)| {
        add_products_here(out, left, right, sign);
    });
}

/// As [`add_products`], on this thread.
pub(crate) fn add_products_here(out: &mut [f32], left: &[f32], right: Right<'_>, sign: f32) {
    let mut panel = Vec::with_capacity(BLOCK);
    for from in (0..right.terms).step_by(BLOCK) {
        let to = right.terms.min(from + BLOCK);
        for column in (0..right.columns).step_by(COLUMNS) {
            right.pack(from, to, column, &mut panel);
            let outs = out.chunks_mut(right.columns * ROWS);
            for (out, left) in outs.zip(left.chunks(right.terms * ROWS)) {
                let mut rows = left.chunks(right.terms).map(|row| row.get(from..to).unwrap_or_default());
                let first = rows.next().unwrap_or_default();
                let mut next = || rows.next().unwrap_or(first);
                let tile = tile(&panel, [first, next(), next(), next()]);
                for (out, sums) in out.chunks_mut(right.columns).zip(tile) {
                    let until = right.columns.min(column + COLUMNS);
                    let out = out.get_mut(column..until).unwrap_or_default();
                    out.iter_mut().zip(sums).for_each(|(out, sum)| *out += sign * sum);
                }
            }
        }
    }
}

/// The sums of a tile on the widest registers of this processor.
fn tile(panel: &[[f32; COLUMNS]], rows: [&[f32]; ROWS]) -> [[f32; COLUMNS]; ROWS] {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx512f") {
        // SAFETY: the processor was asked on the line above.
        return unsafe { tile_avx512(panel, rows) };
    } else if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
        // SAFETY: the processor was asked on the line above.
        return unsafe { tile_avx2(panel, rows) };
    }
    sums(panel, rows, |sum, a, b| sum + a * b)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn tile_avx512(panel: &[[f32; COLUMNS]], rows: [&[f32]; ROWS]) -> [[f32; COLUMNS]; ROWS] {
    sums(panel, rows, |sum, a, b| a.mul_add(b, sum))
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn tile_avx2(panel: &[[f32; COLUMNS]], rows: [&[f32]; ROWS]) -> [[f32; COLUMNS]; ROWS] {
    sums(panel, rows, |sum, a, b| a.mul_add(b, sum))
}

#[inline(always)]
fn sums(
    panel: &[[f32; COLUMNS]],
    [r0, r1, r2, r3]: [&[f32]; ROWS],
    step: impl Fn(f32, f32, f32) -> f32,
) -> [[f32; COLUMNS]; ROWS] {
    let (mut s0, mut s1, mut s2, mut s3) = ([0.0; COLUMNS], [0.0; COLUMNS], [0.0; COLUMNS], [0.0; COLUMNS]);
    let terms = panel.iter().zip(r0).zip(r1).zip(r2).zip(r3);
    for ((((columns, &x0), &x1), &x2), &x3) in terms {
        let sums = s0.iter_mut().zip(&mut s1).zip(&mut s2).zip(&mut s3);
        for ((((t0, t1), t2), t3), &y) in sums.zip(columns) {
            *t0 = step(*t0, x0, y);
            *t1 = step(*t1, x1, y);
            *t2 = step(*t2, x2, y);
            *t3 = step(*t3, x3, y);
        }
    }
    [s0, s1, s2, s3]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_those_of_the_definition_within_their_bound() {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 40) as f32 / (1u32 << 23) as f32 - 1.0
        };
        let mut tried = 0;
        for (rows, terms, columns) in [(1, 1, 1), (3, 7, 5), (4, 256, 32), (9, 257, 33), (70, 600, 65)] {
            let left: Vec<f32> = (0..rows * terms).map(|_| next()).collect();
            let by_terms: Vec<f32> = (0..terms * columns).map(|_| next()).collect();
            let mut by_columns = vec![0.0; terms * columns];
            for t in 0..terms {
                for c in 0..columns {
                    by_columns[c * terms + t] = by_terms[t * columns + c];
                }
            }
            for right in [Right::by_terms(&by_terms, columns), Right::by_columns(&by_columns, terms)] {
                for sign in [1.0, -1.0] {
                    let mut out = vec![0.0; rows * columns];
                    add_products(&mut out, &left, right, sign);
                    for r in 0..rows {
                        for c in 0..columns {
                            let (mut exact, mut a, mut b) = (0.0, 0.0, 0.0);
                            for t in 0..terms {
                                let (x, y) =
                                    (f64::from(left[r * terms + t]), f64::from(by_terms[t * columns + c]));
                                exact += x * y;
                                a += x * x;
                                b += y * y;
                            }
                            let error = f64::from(sign) * exact - f64::from(out[r * columns + c]);
                            assert!(
                                error.abs() <= rounding(terms) * (a * b).sqrt(),
                                "{rows} {terms} {columns}"
                            );
                            tried += 1;
                        }
                    }
                }
            }
        }
        println!("{tried} elements of products");
    }
}
