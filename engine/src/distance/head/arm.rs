//! The kernel for aarch64.
#![allow(unsafe_code)]

use std::arch::aarch64::{
    int8x16_t, int32x4_t, vandq_u8, vdupq_n_s32, vdupq_n_u8, vld1q_u8, vreinterpretq_s8_s32,
    vreinterpretq_s8_u8, vshrq_n_u8, vst1q_s32,
};

use super::{BLOCK_ROWS, Bounds, Factors, GROUP, HeadBlock, HeadQuery, evaluate, groups};

/// Sums of four byte products each. The intrinsic for this instruction is not stable, so the instruction is written out.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn dot(mut sum: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    // SAFETY: one instruction between registers, of an extension that this function may use.
    unsafe {
        std::arch::asm!("sdot {0:v}.4s, {1:v}.16b, {2:v}.16b", inout(vreg) sum, in(vreg) a, in(vreg) b,
            options(pure, nomem, nostack, preserves_flags));
    }
    sum
}

#[target_feature(enable = "neon,dotprod")]
pub(super) fn bounds_dotprod(block: &HeadBlock<'_>, query: &HeadQuery, factors: &Factors, out: &mut Bounds) {
    let word = |digits: [i8; GROUP]| i32::from_le_bytes(digits.map(|digit| digit as u8));
    // Four rows each.
    let (mut high, mut low) = ([vdupq_n_s32(0); 8], [vdupq_n_s32(0); 8]);
    for (group, &[high0, low0, high1, low1]) in groups(block.codes, &query.digits) {
        let [high0, low0, high1, low1] =
            [high0, low0, high1, low1].map(|four| vreinterpretq_s8_s32(vdupq_n_s32(word(four))));
        for ((bytes, high), low) in group.as_chunks::<16>().0.iter().zip(&mut high).zip(&mut low) {
            // SAFETY: a load of the sixteen bytes that the reference points to.
            let rows = unsafe { vld1q_u8(bytes.as_ptr()) };
            let lower = vreinterpretq_s8_u8(vandq_u8(rows, vdupq_n_u8(15)));
            let upper = vreinterpretq_s8_u8(vshrq_n_u8::<4>(rows));
            *high = dot(dot(*high, lower, high0), upper, high1);
            *low = dot(dot(*low, lower, low0), upper, low1);
        }
    }
    let mut sums = [0i32; BLOCK_ROWS];
    for ((sums, high), low) in sums.as_chunks_mut::<4>().0.iter_mut().zip(high).zip(low) {
        let (mut highs, mut lows) = ([0i32; 4], [0i32; 4]);
        // SAFETY: stores of sixteen bytes into four integers of four.
        unsafe {
            vst1q_s32(highs.as_mut_ptr(), high);
            vst1q_s32(lows.as_mut_ptr(), low);
        }
        for ((sum, high), low) in sums.iter_mut().zip(highs).zip(lows) {
            *sum = high.wrapping_mul(128).wrapping_add(low);
        }
    }
    evaluate(&sums, query, block, factors, out);
}
