//! Which bounds of a block reach a threshold.
#![allow(unsafe_code)]

use super::Lanes;

/// A bit for each bound that is not less than the threshold; one that is not a number cannot rule a row out.
#[inline]
pub(crate) fn reaching(bounds: &Lanes<f32>, threshold: f32) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx512f") {
        // SAFETY: the processor was asked on the line above.
        return unsafe { reaching_avx512(bounds, threshold) };
    }
    reaching_here(bounds, threshold)
}

/// The definition.
fn reaching_here(bounds: &Lanes<f32>, threshold: f32) -> u32 {
    bounds.iter().rev().fold(0, |bits, bound| bits << 1 | u32::from(*bound >= threshold || bound.is_nan()))
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn reaching_avx512(bounds: &Lanes<f32>, threshold: f32) -> u32 {
    use std::arch::x86_64::{_CMP_NLT_UQ, _mm512_cmp_ps_mask, _mm512_loadu_ps, _mm512_set1_ps};
    let threshold = _mm512_set1_ps(threshold);
    bounds.as_chunks::<16>().0.iter().rev().fold(0, |bits, sixteen| {
        // SAFETY: an unaligned load of the sixteen numbers that the reference points to.
        let sixteen = unsafe { _mm512_loadu_ps(sixteen.as_ptr()) };
        bits << 16 | u32::from(_mm512_cmp_ps_mask::<_CMP_NLT_UQ>(sixteen, threshold))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_compare_gives_the_bits_of_the_definition() {
        let values = [f32::NEG_INFINITY, -1.0, -0.0, 0.0, 0.5, 1.0, f32::INFINITY, f32::NAN];
        for shift in 0..values.len() {
            let bounds: Lanes<f32> = std::array::from_fn(|i| values[(i * i + shift) % values.len()]);
            for threshold in values.into_iter().filter(|value| !value.is_nan()) {
                let reaches = |i: &usize| bounds[*i] >= threshold || bounds[*i].is_nan();
                let expected = (0..32).filter(reaches).map(|i| 1u32 << i).sum::<u32>();
                assert_eq!(reaching_here(&bounds, threshold), expected, "{threshold}");
                assert_eq!(reaching(&bounds, threshold), expected, "{threshold}");
            }
        }
    }
}
