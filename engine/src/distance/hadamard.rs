//! One round of a rotation: signs and a scale, then the fast Hadamard transform. Additions in one order, so that wide
//! registers change no bit.
#![allow(unsafe_code)]

use std::ops::{Add, Mul, Sub};

/// Multiplies each element by its sign and `factor`, and transforms a power of two of them.
pub(crate) fn round_f64(elements: &mut [f64], signs: &[f32], factor: f64) {
    round(elements, signs, factor);
}

/// As [`round_f64`].
pub(crate) fn round_f32(elements: &mut [f32], signs: &[f32], factor: f32) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor was asked on the line above.
        return unsafe { round_f32_avx2(elements, signs, factor) };
    }
    round(elements, signs, factor);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn round_f32_avx2(elements: &mut [f32], signs: &[f32], factor: f32) {
    round(elements, signs, factor);
}

#[inline(always)]
fn round<T>(elements: &mut [T], signs: &[f32], factor: T)
where
    T: Copy + From<f32> + Add<Output = T> + Sub<Output = T> + Mul<Output = T>,
{
    for (element, &sign) in elements.iter_mut().zip(signs) {
        *element = *element * (T::from(sign) * factor);
    }
    transform(elements);
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
