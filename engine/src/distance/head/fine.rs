//! Heads of single rows. The lower halves: what they add to the sum of the upper ones, for the rows that those could not rule
//! out. And the upper halves, where so few rows of a block are wanted that reading all of it would cost more. Byte j has
//! elements j and j + F, with F as many as there are bytes.
#![allow(unsafe_code)]

use super::{Factors, HeadQuery, HeadRow, evaluate_row};

impl HeadQuery {
    /// What a row's value is at most, and the estimate of it: the bits that every kernel gives for the row in its block.
    pub(crate) fn bounds_of_row(&self, row: &HeadRow<'_>, factors: &Factors) -> (f32, f32) {
        let HeadRow { codes, scale, head_error, tail_norm, offset } = *row;
        evaluate_row(self.fine(codes), (scale, head_error, tail_norm, offset), factors)
    }

    /// Twice the sum over what halves stand for; of lower ones, in steps of a sixteenth of those of the upper halves.
    pub(crate) fn fine(&self, bytes: &[u8]) -> i32 {
        let [lower, upper] = &self.fine;
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx512bw") {
            // SAFETY: the processor was asked on the line above.
            return self.centred(unsafe { sum_avx512(bytes, lower, upper) });
        } else if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor was asked on the line above.
            return self.centred(unsafe { sum_avx2(bytes, lower, upper) });
        }
        self.centred(sum(bytes, lower, upper))
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw")]
fn sum_avx512(bytes: &[u8], lower: &[i16], upper: &[i16]) -> i32 {
    sum(bytes, lower, upper)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn sum_avx2(bytes: &[u8], lower: &[i16], upper: &[i16]) -> i32 {
    sum(bytes, lower, upper)
}

/// The definition; exact, whatever the order of the additions.
#[inline(always)]
pub(super) fn sum(bytes: &[u8], lower: &[i16], upper: &[i16]) -> i32 {
    let mut sum = 0i32;
    for ((&byte, &y0), &y1) in bytes.iter().zip(lower).zip(upper) {
        let halves = (i32::from(byte & 15)).wrapping_mul(i32::from(y0));
        sum = sum.wrapping_add(halves.wrapping_add(i32::from(byte >> 4).wrapping_mul(i32::from(y1))));
    }
    sum
}
