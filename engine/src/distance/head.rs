//! The integer dot products of a query with the heads of thirty-two rows at once, and the bounds that follow.
//!
//! A block of codes is transposed: four adjacent elements of row 0, the same four of row 1, and so on to row 31, then
//! the next four elements. So a lane of a register belongs to a row and nothing is summed across lanes. Codes are
//! stored with 128 added, as unsigned bytes, because the instruction of AVX-512 multiplies unsigned by signed ones.
//!
//! The query has fourteen bits: `y = 128 high + low`. Two byte products cost nothing extra where memory is the limit,
//! and the query's own rounding all but disappears from the bound. Sums wrap around 2^32, and the final value fits,
//! so every instruction set gives the same integer; the floats after it are plain multiplications and additions in one
//! order. All of them therefore agree to the last bit with the portable code, which is the oracle.
#![allow(unsafe_code)]

/// Rows of a block.
pub(crate) const BLOCK_ROWS: usize = siltstone_format::limits::CODE_BLOCK_ROWS;
/// Elements of a row that lie side by side.
const GROUP: usize = 4;
/// Greatest magnitude of a query's element.
pub(crate) const QUERY_MOST: i32 = 8191;
/// What is added to a code in the file.
const OFFSET: i32 = 128;

/// One value for each row of a block.
pub(crate) type Lanes<T> = [T; BLOCK_ROWS];

/// The head of a query as integers, ready for every instruction set.
#[derive(Debug, Clone)]
pub(crate) struct HeadQuery {
    /// Four elements a group.
    elements: Vec<[i16; GROUP]>,
    /// The same as digits: high and low, four bytes each.
    digits: Vec<[[i8; GROUP]; 2]>,
    /// What the offset of the codes adds to every sum, for the instructions that take codes without a sign.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
    offset: i32,
}

impl HeadQuery {
    /// `elements` are at most [`QUERY_MOST`] in magnitude and as many as a row has codes.
    pub(crate) fn new(elements: &[i16]) -> Self {
        let elements: Vec<[i16; GROUP]> = elements
            .chunks(GROUP)
            .map(|chunk| {
                let mut group = [0; GROUP];
                group.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
                group
            })
            .collect();
        let digits = elements
            .iter()
            .map(|group| {
                let low = group.map(|y| ((i32::from(y) + 64).rem_euclid(128) - 64) as i8);
                let mut high = [0; GROUP];
                for ((high, &y), &low) in high.iter_mut().zip(group).zip(&low) {
                    *high = ((i32::from(y) - i32::from(low)) / 128) as i8;
                }
                [high, low]
            })
            .collect();
        let sum: i32 = elements.iter().flatten().map(|&y| i32::from(y)).sum();
        Self { elements, digits, offset: OFFSET.wrapping_mul(sum) }
    }
}

/// What turns an integer into a bound: see `codes/bound.rs`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Factors {
    pub(crate) scale: f32,
    pub(crate) head: f32,
    pub(crate) tail: f32,
    pub(crate) offset: f32,
}

/// A block of heads as it lies in memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeadBlock<'a> {
    pub(crate) codes: &'a [u8],
    pub(crate) scale: &'a Lanes<f32>,
    pub(crate) head_error: &'a Lanes<f32>,
    pub(crate) tail_norm: &'a Lanes<f32>,
    pub(crate) offset: &'a Lanes<f32>,
}

/// What a block is worth to a query: for each row an estimate, and what its value is at most.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bounds {
    pub(crate) most: Lanes<f32>,
    pub(crate) estimate: Lanes<f32>,
}

/// An instruction set that this processor has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeadKernel(Kind);

/// The instruction sets that this build knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What every processor of the target has.
    Portable,
    /// Sixteen-bit products of AVX2; byte products of AVX2 would saturate.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// Byte products of AVX-512 VNNI.
    #[cfg(target_arch = "x86_64")]
    Vnni,
    /// Byte products of NEON with its dot-product extension.
    #[cfg(target_arch = "aarch64")]
    Dotprod,
}

impl Kind {
    /// All of them, fastest first.
    pub(crate) const ALL: &[Kind] = &[
        #[cfg(target_arch = "x86_64")]
        Kind::Vnni,
        #[cfg(target_arch = "x86_64")]
        Kind::Avx2,
        #[cfg(target_arch = "aarch64")]
        Kind::Dotprod,
        Kind::Portable,
    ];
}

impl HeadKernel {
    /// The fastest that this processor has.
    pub(crate) fn best() -> Self {
        Kind::ALL.iter().find_map(|&kind| Self::detect(kind)).unwrap_or(Self(Kind::Portable))
    }

    /// This one, if the processor has it. The only way to make a value other than the portable one.
    pub(crate) fn detect(kind: Kind) -> Option<Self> {
        let present = match kind {
            Kind::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => std::arch::is_x86_feature_detected!("avx2"),
            #[cfg(target_arch = "x86_64")]
            Kind::Vnni => {
                std::arch::is_x86_feature_detected!("avx512f")
                    && std::arch::is_x86_feature_detected!("avx512vnni")
            }
            #[cfg(target_arch = "aarch64")]
            Kind::Dotprod => std::arch::is_aarch64_feature_detected!("dotprod"),
        };
        present.then_some(Self(kind))
    }

    /// The bounds of a block. Groups that only one of query and block has are left out.
    pub(crate) fn bounds(self, block: &HeadBlock<'_>, query: &HeadQuery, factors: &Factors) -> Bounds {
        match self.0 {
            Kind::Portable => evaluate(&portable(block.codes, query), block, factors),
            // SAFETY: a value of this kind comes from `detect`, which asked the processor.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => unsafe { bounds_avx2(block, query, factors) },
            // SAFETY: a value of this kind comes from `detect`, which asked the processor.
            #[cfg(target_arch = "x86_64")]
            Kind::Vnni => unsafe { bounds_vnni(block, query, factors) },
            // SAFETY: a value of this kind comes from `detect`, which asked the processor.
            #[cfg(target_arch = "aarch64")]
            Kind::Dotprod => unsafe { bounds_dotprod(block, query, factors) },
        }
    }
}

/// The bytes of one group: four of each row.
#[cfg(target_arch = "x86_64")]
type GroupBytes = [u8; BLOCK_ROWS * GROUP];

/// The definition: exact integer sums.
fn portable(codes: &[u8], query: &HeadQuery) -> Lanes<i32> {
    let mut sums = [0i32; BLOCK_ROWS];
    for (group, elements) in codes.as_chunks::<{ BLOCK_ROWS * GROUP }>().0.iter().zip(&query.elements) {
        for (sum, row) in sums.iter_mut().zip(group.as_chunks::<GROUP>().0) {
            for (&code, &y) in row.iter().zip(elements) {
                *sum = sum.wrapping_add((i32::from(code) - OFFSET) * i32::from(y));
            }
        }
    }
    sums
}

#[inline(always)]
fn evaluate(sums: &Lanes<i32>, block: &HeadBlock<'_>, factors: &Factors) -> Bounds {
    let mut bounds = Bounds { most: [0.0; BLOCK_ROWS], estimate: [0.0; BLOCK_ROWS] };
    let rows = sums.iter().zip(block.scale).zip(block.head_error).zip(block.tail_norm).zip(block.offset);
    let out = bounds.most.iter_mut().zip(&mut bounds.estimate);
    for ((most, estimate), ((((&sum, &scale), &head), &tail), &offset)) in out.zip(rows) {
        *estimate = (scale * factors.scale) * sum as f32 + offset * factors.offset;
        *most = *estimate + (head * factors.head + tail * factors.tail);
    }
    bounds
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vnni")]
fn bounds_vnni(block: &HeadBlock<'_>, query: &HeadQuery, factors: &Factors) -> Bounds {
    use std::arch::x86_64::{
        _mm512_add_epi32, _mm512_dpbusd_epi32, _mm512_loadu_si512, _mm512_set1_epi32, _mm512_setzero_si512,
        _mm512_slli_epi32, _mm512_storeu_si512, _mm512_sub_epi32,
    };
    let zero = _mm512_setzero_si512();
    let (mut high0, mut high1, mut low0, mut low1) = (zero, zero, zero, zero);
    for (group, [high, low]) in block.codes.as_chunks::<{ BLOCK_ROWS * GROUP }>().0.iter().zip(&query.digits)
    {
        let bytes: *const GroupBytes = group;
        // SAFETY: a group has 128 bytes, and unaligned loads of 64 of them begin at its bytes 0 and 64.
        let (rows0, rows1) = unsafe {
            (_mm512_loadu_si512(bytes.cast()), _mm512_loadu_si512(bytes.cast::<u8>().add(64).cast()))
        };
        let high = _mm512_set1_epi32(i32::from_le_bytes(high.map(|digit| digit as u8)));
        let low = _mm512_set1_epi32(i32::from_le_bytes(low.map(|digit| digit as u8)));
        high0 = _mm512_dpbusd_epi32(high0, rows0, high);
        high1 = _mm512_dpbusd_epi32(high1, rows1, high);
        low0 = _mm512_dpbusd_epi32(low0, rows0, low);
        low1 = _mm512_dpbusd_epi32(low1, rows1, low);
    }
    let offset = _mm512_set1_epi32(query.offset);
    let whole0 = _mm512_sub_epi32(_mm512_add_epi32(_mm512_slli_epi32::<7>(high0), low0), offset);
    let whole1 = _mm512_sub_epi32(_mm512_add_epi32(_mm512_slli_epi32::<7>(high1), low1), offset);
    let mut sums = [0i32; BLOCK_ROWS];
    let out: *mut Lanes<i32> = &mut sums;
    // SAFETY: there are 32 sums of four bytes: two stores of 64 bytes fill them.
    unsafe {
        _mm512_storeu_si512(out.cast(), whole0);
        _mm512_storeu_si512(out.cast::<i32>().add(16).cast(), whole1);
    }
    evaluate(&sums, block, factors)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn bounds_avx2(block: &HeadBlock<'_>, query: &HeadQuery, factors: &Factors) -> Bounds {
    use std::arch::x86_64::{
        __m256i, _mm_loadu_si128, _mm256_add_epi32, _mm256_cvtepu8_epi16, _mm256_madd_epi16,
        _mm256_set1_epi64x, _mm256_setzero_si256, _mm256_storeu_si256,
    };
    // A pair of sums a row: of the first two and of the last two elements of its groups.
    let mut pairs = [_mm256_setzero_si256(); 8];
    for (group, &[a, b, c, d]) in
        block.codes.as_chunks::<{ BLOCK_ROWS * GROUP }>().0.iter().zip(&query.elements)
    {
        let word = [a, b, c, d].iter().rev().fold(0u64, |word, &y| word << 16 | u64::from(y as u16));
        let elements = _mm256_set1_epi64x(word as i64);
        for (pair, four) in pairs.iter_mut().zip(group.as_chunks::<16>().0) {
            let four: *const [u8; 16] = four;
            // SAFETY: an unaligned load of the sixteen bytes that the reference points to.
            let rows = _mm256_cvtepu8_epi16(unsafe { _mm_loadu_si128(four.cast()) });
            *pair = _mm256_add_epi32(*pair, _mm256_madd_epi16(rows, elements));
        }
    }
    let mut sums = [0i32; BLOCK_ROWS];
    for (pair, sums) in pairs.iter().zip(sums.as_chunks_mut::<4>().0) {
        let mut halves = [0i32; 8];
        let out: *mut [i32; 8] = &mut halves;
        // SAFETY: an unaligned store of 32 bytes into eight integers of four.
        unsafe { _mm256_storeu_si256(out.cast::<__m256i>(), *pair) };
        for (sum, [even, odd]) in sums.iter_mut().zip(halves.as_chunks::<2>().0) {
            *sum = even.wrapping_add(*odd).wrapping_sub(query.offset);
        }
    }
    evaluate(&sums, block, factors)
}

/// The intrinsic for this instruction is not stable, so the instruction is written out.
#[cfg(target_arch = "aarch64")]
#[target_feature(enable = "neon,dotprod")]
fn bounds_dotprod(block: &HeadBlock<'_>, query: &HeadQuery, factors: &Factors) -> Bounds {
    use std::arch::aarch64::{
        int8x16_t, int32x4_t, vdupq_n_s32, vdupq_n_u8, veorq_u8, vld1q_u8, vreinterpretq_s8_s32,
        vreinterpretq_s8_u8, vst1q_s32,
    };
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
    let (mut high, mut low) = ([vdupq_n_s32(0); 8], [vdupq_n_s32(0); 8]);
    for (group, [digits_high, digits_low]) in
        block.codes.as_chunks::<{ BLOCK_ROWS * GROUP }>().0.iter().zip(&query.digits)
    {
        let word = |digits: &[i8; GROUP]| i32::from_le_bytes(digits.map(|digit| digit as u8));
        let digits_high = vreinterpretq_s8_s32(vdupq_n_s32(word(digits_high)));
        let digits_low = vreinterpretq_s8_s32(vdupq_n_s32(word(digits_low)));
        for ((high, low), four) in high.iter_mut().zip(&mut low).zip(group.as_chunks::<16>().0) {
            // SAFETY: a load of the sixteen bytes that the reference points to.
            let rows = unsafe { vld1q_u8(four.as_ptr()) };
            let rows = vreinterpretq_s8_u8(veorq_u8(rows, vdupq_n_u8(0x80)));
            *high = dot(*high, rows, digits_high);
            *low = dot(*low, rows, digits_low);
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
    evaluate(&sums, block, factors)
}
