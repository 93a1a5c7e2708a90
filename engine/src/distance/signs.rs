//! Dot products of a query with rows of signs, one bit an element.
//!
//! The query is rounded to eight bits and cut into eight bit planes. Then the sum over the elements whose sign is plus is
//! a sum of population counts, `sum over b of 2^b |bits & plane b|`: the eight planes of a word are eight lanes of
//! one register, and a whole row takes as many steps as it has words. Integers, so every instruction set gives the same.
#![allow(unsafe_code)]

/// Bit planes of a query.
const PLANES: usize = 8;
/// What is added to the rounded elements so that they are not negative.
const OFFSET: i32 = 128;

/// A query in bit planes.
#[derive(Debug, Clone)]
pub(crate) struct SignQuery {
    /// For each word of a row, the planes of its 64 elements.
    planes: Vec<[u64; PLANES]>,
    /// Sum of all elements.
    sum: i64,
}

impl SignQuery {
    /// `elements` are within -127 to 127.
    pub(crate) fn new(elements: &[i8]) -> Self {
        let planes = elements
            .chunks(64)
            .map(|chunk| {
                let mut planes = [0u64; PLANES];
                for (at, &element) in chunk.iter().enumerate() {
                    let shifted = (i32::from(element) + OFFSET) as u64;
                    for (bit, plane) in planes.iter_mut().enumerate() {
                        *plane |= (shifted >> bit & 1) << at;
                    }
                }
                planes
            })
            .collect();
        Self { planes, sum: elements.iter().map(|&element| i64::from(element)).sum() }
    }

    /// The sum of the elements, each with the sign of its bit: plus where the bit is set. Bits beyond the last element
    /// are zero.
    pub(crate) fn dot(&self, bits: &[u64]) -> i64 {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx512vpopcntdq")
            && std::arch::is_x86_feature_detected!("avx512f")
        {
            // SAFETY: the processor was asked on the lines above.
            return self.signed(unsafe { counts_avx512(&self.planes, bits) });
        } else if std::arch::is_x86_feature_detected!("popcnt") {
            // SAFETY: the processor was asked on the line above.
            return self.signed(unsafe { counts_popcnt(&self.planes, bits) });
        }
        self.signed(counts(&self.planes, bits))
    }

    fn signed(&self, (planes, set): ([u64; PLANES], u64)) -> i64 {
        let shifted = planes.iter().rev().fold(0u64, |sum, count| sum * 2 + count);
        2 * (shifted as i64 - i64::from(OFFSET) * set as i64) - self.sum
    }
}

/// The planes of a word are the lanes of a register. Written out, as the compiler would transpose the planes of many words
/// instead, which takes five times as long.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vpopcntdq,popcnt")]
fn counts_avx512(planes: &[[u64; PLANES]], bits: &[u64]) -> ([u64; PLANES], u64) {
    use std::arch::x86_64::{
        _mm512_add_epi64, _mm512_and_si512, _mm512_loadu_si512, _mm512_popcnt_epi64, _mm512_set1_epi64,
        _mm512_setzero_si512, _mm512_storeu_si512,
    };
    let (mut sum, mut set) = (_mm512_setzero_si512(), 0u64);
    for (planes, &word) in planes.iter().zip(bits) {
        let planes: *const [u64; PLANES] = planes;
        // SAFETY: an unaligned load of the eight words that the reference points to.
        let planes = unsafe { _mm512_loadu_si512(planes.cast()) };
        let on_planes = _mm512_and_si512(planes, _mm512_set1_epi64(word as i64));
        sum = _mm512_add_epi64(sum, _mm512_popcnt_epi64(on_planes));
        set = set.wrapping_add(u64::from(word.count_ones()));
    }
    let mut counts = [0u64; PLANES];
    let out: *mut [u64; PLANES] = &mut counts;
    // SAFETY: an unaligned store of eight words into as many.
    unsafe { _mm512_storeu_si512(out.cast(), sum) };
    (counts, set)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "popcnt")]
fn counts_popcnt(planes: &[[u64; PLANES]], bits: &[u64]) -> ([u64; PLANES], u64) {
    counts(planes, bits)
}

/// How many set bits fall on each plane, and how many there are.
#[inline(always)]
fn counts(planes: &[[u64; PLANES]], bits: &[u64]) -> ([u64; PLANES], u64) {
    let (mut counts, mut set) = ([0u64; PLANES], 0u64);
    for (planes, &word) in planes.iter().zip(bits) {
        for (count, plane) in counts.iter_mut().zip(planes) {
            *count = count.wrapping_add(u64::from((plane & word).count_ones()));
        }
        set = set.wrapping_add(u64::from(word.count_ones()));
    }
    (counts, set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_count_gives_the_sum_of_the_definition() {
        let mut state = 9u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state ^ state >> 29
        };
        let mut tried = 0;
        for dims in [1usize, 7, 63, 64, 65, 1000, 1536, 8192] {
            for extreme in [false, true] {
                let elements: Vec<i8> = (0..dims)
                    .map(|_| if extreme { 127 } else { (next() % 255) as i8 })
                    .map(|element| element.max(-127))
                    .collect();
                let mut bits: Vec<u64> = (0..dims.div_ceil(64)).map(|_| next()).collect();
                if dims % 64 != 0 {
                    *bits.last_mut().unwrap() &= (1 << (dims % 64)) - 1;
                }
                let expected: i64 = elements
                    .iter()
                    .enumerate()
                    .map(
                        |(i, &e)| {
                            if bits[i / 64] >> (i % 64) & 1 == 1 { i64::from(e) } else { -i64::from(e) }
                        },
                    )
                    .sum();
                let query = SignQuery::new(&elements);
                assert_eq!(query.dot(&bits), expected, "{dims}");
                assert_eq!(query.signed(counts(&query.planes, &bits)), expected, "{dims}, portable");
                #[cfg(target_arch = "x86_64")]
                if std::arch::is_x86_feature_detected!("popcnt") {
                    // SAFETY: the processor was asked on the line above.
                    let counted = unsafe { counts_popcnt(&query.planes, &bits) };
                    assert_eq!(query.signed(counted), expected, "{dims}, popcnt");
                }
                tried += 1;
            }
        }
        println!("{tried} rows of signs");
    }
}
