//! Four queries beside one block: its bytes are loaded and taken apart once for all of them, and all sums stay in
//! registers. The same integers as for each query alone, so the same bounds.
#![allow(unsafe_code)]

use super::{Bounds, Factors, HeadBlock, HeadKernel, HeadQuery};
#[cfg(target_arch = "x86_64")]
use super::{Kind, Lanes, evaluate, groups, x86::word};

/// Queries that share a pass over a block.
pub(crate) const TILE: usize = 4;

impl HeadKernel {
    /// The bounds of a block for each of some queries.
    pub(crate) fn bounds_of_tile(
        self,
        block: &HeadBlock<'_>,
        queries: [(&HeadQuery, &Factors); TILE],
    ) -> [Bounds; TILE] {
        #[cfg(target_arch = "x86_64")]
        {
            let groups = queries.map(|(query, _)| query.digits.len());
            if self.0 == Kind::Vnni && groups.iter().all(|count| Some(count) == groups.first()) {
                let (of_queries, factors) =
                    (queries.map(|(query, _)| query), queries.map(|(_, factors)| factors));
                // SAFETY: a value of this kind comes from `detect`, which asked the processor.
                let sums = unsafe { sums_vnni(block, of_queries) };
                let [a, b, c, d] = of_queries;
                let [of_a, of_b, of_c, of_d] = factors;
                let [sums_a, sums_b, sums_c, sums_d] = &sums;
                return [
                    evaluate(sums_a, a, block, of_a),
                    evaluate(sums_b, b, block, of_b),
                    evaluate(sums_c, c, block, of_c),
                    evaluate(sums_d, d, block, of_d),
                ];
            }
        }
        queries.map(|(query, factors)| self.bounds(block, query, factors))
    }
}

/// The sums of four queries with as many groups each.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn sums_vnni(block: &HeadBlock<'_>, queries: [&HeadQuery; TILE]) -> [Lanes<i32>; TILE] {
    use std::arch::x86_64::{
        _mm512_add_epi32, _mm512_and_si512, _mm512_dpbusd_epi32, _mm512_loadu_si512, _mm512_set1_epi8,
        _mm512_set1_epi32, _mm512_setzero_si512, _mm512_slli_epi32, _mm512_srli_epi16, _mm512_storeu_si512,
    };
    let (zero, half) = (_mm512_setzero_si512(), _mm512_set1_epi8(15));
    // Of each query, sixteen rows each.
    let (mut high, mut low) = ([[zero; 2]; TILE], [[zero; 2]; TILE]);
    let [a, b, c, d] = queries;
    let others = b.digits.iter().zip(&c.digits).zip(&d.digits);
    for ((group, a), ((b, c), d)) in groups(block.codes, &a.digits).zip(others) {
        let mut halves = [[zero; 2]; 2];
        for (bytes, [lower, upper]) in group.as_chunks::<64>().0.iter().zip(&mut halves) {
            let bytes: *const [u8; 64] = bytes;
            // SAFETY: an unaligned load of the 64 bytes that the reference points to.
            let rows = unsafe { _mm512_loadu_si512(bytes.cast()) };
            *lower = _mm512_and_si512(rows, half);
            *upper = _mm512_and_si512(_mm512_srli_epi16::<4>(rows), half);
        }
        for ((digits, high), low) in [a, b, c, d].into_iter().zip(&mut high).zip(&mut low) {
            let [high0, low0, high1, low1] = digits.map(|four| _mm512_set1_epi32(word(four)));
            for (([lower, upper], high), low) in halves.iter().zip(high).zip(low) {
                *high = _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(*high, *lower, high0), *upper, high1);
                *low = _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(*low, *lower, low0), *upper, low1);
            }
        }
    }
    let mut sums = [[0i32; super::BLOCK_ROWS]; TILE];
    for ((sums, high), low) in sums.iter_mut().zip(high).zip(low) {
        for ((sums, high), low) in sums.as_chunks_mut::<16>().0.iter_mut().zip(high).zip(low) {
            let out: *mut [i32; 16] = sums;
            let sum = _mm512_add_epi32(_mm512_slli_epi32::<7>(high), low);
            // SAFETY: an unaligned store of 64 bytes into sixteen integers of four.
            unsafe { _mm512_storeu_si512(out.cast(), sum) };
        }
    }
    sums
}
