//! Four queries beside one block: its bytes are loaded and taken apart once for all of them, and all sums stay in
//! registers. The same integers as for each query alone, so the same bounds.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_and_si512, _mm512_dpbusd_epi32, _mm512_loadu_si512, _mm512_set1_epi8,
    _mm512_set1_epi32, _mm512_setzero_si512, _mm512_slli_epi32, _mm512_srli_epi16, _mm512_storeu_si512,
};

#[cfg(target_arch = "x86_64")]
use super::{BLOCK_ROWS, Digits, Kind, Lanes, evaluate, groups, x86::word};
use super::{Bounds, Factors, HeadBlock, HeadKernel, HeadQuery};

/// Queries that share a pass over a block.
pub(crate) const TILE: usize = 4;

impl HeadKernel {
    /// The bounds of a block for each of some queries.
    pub(crate) fn bounds_of_tile(
        self,
        block: &HeadBlock<'_>,
        queries: [(&HeadQuery, &Factors); TILE],
        out: &mut [Bounds; TILE],
    ) {
        #[cfg(target_arch = "x86_64")]
        {
            let groups = queries.map(|(query, _)| query.digits.len());
            if self.0 == Kind::Vnni && groups.iter().all(|count| Some(count) == groups.first()) {
                // SAFETY: a value of this kind comes from `detect`, which asked the processor.
                return unsafe { bounds_vnni(block, queries, out) };
            }
        }
        for ((query, factors), out) in queries.into_iter().zip(out) {
            self.bounds(block, query, factors, out);
        }
    }
}

/// Of one query the sums so far, of sixteen rows each: by the high digits, twice, then by the low ones.
#[cfg(target_arch = "x86_64")]
type Sums = [__m512i; 4];

// No closures and no iterators over registers here: where the compiler does not inline them, registers go through memory
// and the pass takes three times as long.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn bounds_vnni(block: &HeadBlock<'_>, queries: [(&HeadQuery, &Factors); TILE], out: &mut [Bounds; TILE]) {
    let (zero, half) = (_mm512_setzero_si512(), _mm512_set1_epi8(15));
    let [(a, of_a), (b, of_b), (c, of_c), (d, of_d)] = queries;
    let (mut sums_a, mut sums_b, mut sums_c, mut sums_d) = ([zero; 4], [zero; 4], [zero; 4], [zero; 4]);
    let others = b.digits.iter().zip(&c.digits).zip(&d.digits);
    for ((group, of_a), ((of_b, of_c), of_d)) in groups(block.codes, &a.digits).zip(others) {
        let at: *const u8 = group.as_ptr();
        // SAFETY: unaligned loads of the two times 64 bytes of a group.
        let (first, second) =
            unsafe { (_mm512_loadu_si512(at.cast()), _mm512_loadu_si512(at.add(64).cast())) };
        let halves = [
            _mm512_and_si512(first, half),
            _mm512_and_si512(_mm512_srli_epi16::<4>(first), half),
            _mm512_and_si512(second, half),
            _mm512_and_si512(_mm512_srli_epi16::<4>(second), half),
        ];
        sums_a = add(sums_a, of_a, halves);
        sums_b = add(sums_b, of_b, halves);
        sums_c = add(sums_c, of_c, halves);
        sums_d = add(sums_d, of_d, halves);
    }
    let [out_a, out_b, out_c, out_d] = out;
    evaluate(&whole(sums_a), a, block, of_a, out_a);
    evaluate(&whole(sums_b), b, block, of_b, out_b);
    evaluate(&whole(sums_c), c, block, of_c, out_c);
    evaluate(&whole(sums_d), d, block, of_d, out_d);
}

/// Adds a group. `halves`: lower and upper ones of the first sixteen rows, then of the others.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn add(sums: Sums, digits: &Digits, halves: [__m512i; 4]) -> Sums {
    let &[high0, low0, high1, low1] = digits;
    let (high0, low0) = (_mm512_set1_epi32(word(high0)), _mm512_set1_epi32(word(low0)));
    let (high1, low1) = (_mm512_set1_epi32(word(high1)), _mm512_set1_epi32(word(low1)));
    let [high_first, high_second, low_first, low_second] = sums;
    let [lower_first, upper_first, lower_second, upper_second] = halves;
    [
        _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(high_first, lower_first, high0), upper_first, high1),
        _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(high_second, lower_second, high0), upper_second, high1),
        _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(low_first, lower_first, low0), upper_first, low1),
        _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(low_second, lower_second, low0), upper_second, low1),
    ]
}

/// The sums of both digits together.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn whole([high_first, high_second, low_first, low_second]: Sums) -> Lanes<i32> {
    let first = _mm512_add_epi32(_mm512_slli_epi32::<7>(high_first), low_first);
    let second = _mm512_add_epi32(_mm512_slli_epi32::<7>(high_second), low_second);
    let mut sums = [0i32; BLOCK_ROWS];
    let out: *mut i32 = sums.as_mut_ptr();
    // SAFETY: unaligned stores of two times sixteen integers into thirty-two.
    unsafe {
        _mm512_storeu_si512(out.cast(), first);
        _mm512_storeu_si512(out.add(16).cast(), second);
    }
    sums
}
