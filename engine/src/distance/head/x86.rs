//! The kernels for x86-64.
#![allow(unsafe_code)]

use std::arch::x86_64::{
    __m256i, _mm256_add_epi32, _mm256_and_si256, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16,
    _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_setzero_si256, _mm256_slli_epi32,
    _mm256_srli_epi16, _mm256_storeu_si256, _mm512_add_epi32, _mm512_and_si512, _mm512_dpbusd_epi32,
    _mm512_loadu_si512, _mm512_set1_epi8, _mm512_set1_epi32, _mm512_setzero_si512, _mm512_slli_epi32,
    _mm512_srli_epi16, _mm512_storeu_si512,
};

use super::{BLOCK_ROWS, Bounds, Factors, GROUP, HeadBlock, HeadQuery, Lanes, evaluate, groups};

/// Four digits as the bytes of a word.
#[inline(always)]
pub(super) fn word(digits: [i8; GROUP]) -> i32 {
    let [a, b, c, d] = digits;
    i32::from_le_bytes([a as u8, b as u8, c as u8, d as u8])
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) fn bounds_vnni(block: &HeadBlock<'_>, query: &HeadQuery, factors: &Factors, out: &mut Bounds) {
    let (zero, half) = (_mm512_setzero_si512(), _mm512_set1_epi8(15));
    // Sixteen rows each; the digits of lower and upper halves apart, so that sums do not wait for each other.
    let mut high = [[zero; 2]; 2];
    let mut low = [[zero; 2]; 2];
    for (group, &[high0, low0, high1, low1]) in groups(block.codes, &query.digits) {
        let (high0, low0) = (_mm512_set1_epi32(word(high0)), _mm512_set1_epi32(word(low0)));
        let (high1, low1) = (_mm512_set1_epi32(word(high1)), _mm512_set1_epi32(word(low1)));
        let sums = high.iter_mut().zip(&mut low);
        for (bytes, ([of_high0, of_high1], [of_low0, of_low1])) in group.as_chunks::<64>().0.iter().zip(sums)
        {
            let bytes: *const [u8; 64] = bytes;
            // SAFETY: an unaligned load of the 64 bytes that the reference points to.
            let rows = unsafe { _mm512_loadu_si512(bytes.cast()) };
            let lower = _mm512_and_si512(rows, half);
            let upper = _mm512_and_si512(_mm512_srli_epi16::<4>(rows), half);
            *of_high0 = _mm512_dpbusd_epi32(*of_high0, lower, high0);
            *of_low0 = _mm512_dpbusd_epi32(*of_low0, lower, low0);
            *of_high1 = _mm512_dpbusd_epi32(*of_high1, upper, high1);
            *of_low1 = _mm512_dpbusd_epi32(*of_low1, upper, low1);
        }
    }
    let mut sums = [0i32; BLOCK_ROWS];
    let whole = sums.as_chunks_mut::<16>().0.iter_mut();
    for (sums, ([high0, high1], [low0, low1])) in whole.zip(high.into_iter().zip(low)) {
        let high = _mm512_slli_epi32::<7>(_mm512_add_epi32(high0, high1));
        let sum = _mm512_add_epi32(high, _mm512_add_epi32(low0, low1));
        let out: *mut [i32; 16] = sums;
        // SAFETY: an unaligned store of 64 bytes into sixteen integers of four.
        unsafe { _mm512_storeu_si512(out.cast(), sum) };
    }
    evaluate(&sums, query, block, factors, out);
}

#[target_feature(enable = "avx2")]
pub(super) fn bounds_avx2(block: &HeadBlock<'_>, query: &HeadQuery, factors: &Factors, out: &mut Bounds) {
    /// Sums of four byte products each. A pair of them is at most 2 * 15 * 64 in magnitude, which sixteen bits hold.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn dot(sum: __m256i, halves: __m256i, digits: __m256i) -> __m256i {
        let pairs = _mm256_maddubs_epi16(halves, digits);
        _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
    }
    let (zero, half) = (_mm256_setzero_si256(), _mm256_set1_epi8(15));
    // Eight rows each.
    let (mut high, mut low) = ([zero; 4], [zero; 4]);
    for (group, &[high0, low0, high1, low1]) in groups(block.codes, &query.digits) {
        let (high0, low0) = (_mm256_set1_epi32(word(high0)), _mm256_set1_epi32(word(low0)));
        let (high1, low1) = (_mm256_set1_epi32(word(high1)), _mm256_set1_epi32(word(low1)));
        for ((bytes, high), low) in group.as_chunks::<32>().0.iter().zip(&mut high).zip(&mut low) {
            let bytes: *const [u8; 32] = bytes;
            // SAFETY: an unaligned load of the 32 bytes that the reference points to.
            let rows = unsafe { _mm256_loadu_si256(bytes.cast()) };
            let lower = _mm256_and_si256(rows, half);
            let upper = _mm256_and_si256(_mm256_srli_epi16::<4>(rows), half);
            *high = dot(dot(*high, lower, high0), upper, high1);
            *low = dot(dot(*low, lower, low0), upper, low1);
        }
    }
    let mut sums: Lanes<i32> = [0; BLOCK_ROWS];
    for ((sums, high), low) in sums.as_chunks_mut::<8>().0.iter_mut().zip(high).zip(low) {
        let out: *mut [i32; 8] = sums;
        let sum = _mm256_add_epi32(_mm256_slli_epi32::<7>(high), low);
        // SAFETY: an unaligned store of 32 bytes into eight integers of four.
        unsafe { _mm256_storeu_si256(out.cast::<__m256i>(), sum) };
    }
    evaluate(&sums, query, block, factors, out);
}
