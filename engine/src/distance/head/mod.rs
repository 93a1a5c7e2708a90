//! The integer dot products of a query with the heads of thirty-two rows at once, and the bounds that follow.
//!
//! An element of a head is a byte, of which a block has the upper half: sixteen steps, the bound's error is what the lower
//! half would say. A block is transposed: four bytes of row 0, four of row 1, and so on to row 31, with elements 0 to 3
//! in their lower halves and 4 to 7 in their upper ones, then the next eight elements. So a lane of a register belongs to
//! a row and nothing is summed across lanes. The lower halves lie row by row elsewhere, for the few rows that ask.
//!
//! The query has fourteen bits: `y = 128 high + low`. Two byte products cost nothing extra where memory is the limit,
//! and the query's own rounding all but disappears from the bound. Sums wrap around 2^32, and the final value fits,
//! so every instruction set gives the same integer; the floats after it are plain multiplications and additions in one
//! order. All of them therefore agree to the last bit with the portable code, which is the oracle.

#[cfg(target_arch = "aarch64")]
mod arm;
mod fine;
mod reach;
#[cfg(test)]
mod tests;
mod tile;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(crate) use reach::reaching;
pub(crate) use tile::TILE;

/// Rows of a block.
pub(crate) const BLOCK_ROWS: usize = siltstone_format::limits::CODE_BLOCK_ROWS;
/// Bytes of a row that lie side by side.
const GROUP: usize = 4;
/// Elements of a row in such a group: one in each half of a byte.
const ELEMENTS: usize = 2 * GROUP;
/// Greatest magnitude of a query's element.
pub(crate) const QUERY_MOST: i32 = 8191;
/// A half byte stands for itself minus half of this.
const MIDDLE: i32 = 15;

/// One value for each row of a block.
pub(crate) type Lanes<T> = [T; BLOCK_ROWS];

/// Eight elements as bytes: high and low digits of the first four, then of the last four.
type Digits = [[i8; GROUP]; 4];

/// The head of a query as integers, ready for every instruction set.
#[derive(Debug, Clone)]
pub(crate) struct HeadQuery {
    elements: Vec<[i16; ELEMENTS]>,
    digits: Vec<Digits>,
    /// The elements once more: those in the lower halves of a row's fine bytes, and those in the upper ones.
    fine: [Vec<i16>; 2],
    /// Sum of all elements.
    sum: i32,
}

impl HeadQuery {
    /// `elements` are at most [`QUERY_MOST`] in magnitude and as many as a row has codes.
    pub(crate) fn new(elements: &[i16]) -> Self {
        let sum = elements.iter().map(|&y| i32::from(y)).sum();
        let elements: Vec<[i16; ELEMENTS]> = elements
            .chunks(ELEMENTS)
            .map(|chunk| {
                let mut group = [0; ELEMENTS];
                group.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
                group
            })
            .collect();
        let digits = elements.iter().map(digits).collect();
        let all = elements.as_flattened();
        let (lower, upper) = all.split_at(all.len() / 2);
        Self { fine: [lower.to_vec(), upper.to_vec()], digits, elements, sum }
    }

    /// Of a sum over half bytes, twice what it is over what they stand for.
    fn centred(&self, sum: i32) -> i32 {
        sum.wrapping_mul(2).wrapping_sub(self.sum.wrapping_mul(MIDDLE))
    }
}

fn digits(group: &[i16; ELEMENTS]) -> Digits {
    let low = group.map(|y| (i32::from(y) + 64).rem_euclid(128) - 64);
    let mut digits = [[0; GROUP]; 4];
    let [high0, low0, high1, low1] = &mut digits;
    let places = high0.iter_mut().zip(low0).chain(high1.iter_mut().zip(low1));
    for ((&y, low), (to_high, to_low)) in group.iter().zip(low).zip(places) {
        *to_low = low as i8;
        *to_high = ((i32::from(y) - low) / 128) as i8;
    }
    digits
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

/// The head of one row: byte j has elements j and j + F, with F as many as there are bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeadRow<'a> {
    pub(crate) codes: &'a [u8],
    pub(crate) scale: f32,
    pub(crate) head_error: f32,
    pub(crate) tail_norm: f32,
    pub(crate) offset: f32,
}

/// What a block is worth to a query: for each row an estimate, and what its value is at most.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bounds {
    pub(crate) most: Lanes<f32>,
    pub(crate) estimate: Lanes<f32>,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { most: [0.0; BLOCK_ROWS], estimate: [0.0; BLOCK_ROWS] }
    }
}

/// An instruction set that this processor has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeadKernel(Kind);

/// The instruction sets that this build knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What every processor of the target has.
    Portable,
    /// Byte products of AVX2, which half bytes cannot saturate.
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
                    && std::arch::is_x86_feature_detected!("avx512bw")
                    && std::arch::is_x86_feature_detected!("avx512vnni")
            }
            #[cfg(target_arch = "aarch64")]
            Kind::Dotprod => std::arch::is_aarch64_feature_detected!("dotprod"),
        };
        present.then_some(Self(kind))
    }

    /// The bounds of a block. Groups that only one of query and block has are left out.
    #[allow(unsafe_code)]
    pub(crate) fn bounds(
        self,
        block: &HeadBlock<'_>,
        query: &HeadQuery,
        factors: &Factors,
        out: &mut Bounds,
    ) {
        match self.0 {
            Kind::Portable => evaluate(&portable(block.codes, query), query, block, factors, out),
            // SAFETY: a value of this kind comes from `detect`, which asked the processor.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => unsafe { x86::bounds_avx2(block, query, factors, out) },
            // SAFETY: a value of this kind comes from `detect`, which asked the processor.
            #[cfg(target_arch = "x86_64")]
            Kind::Vnni => unsafe { x86::bounds_vnni(block, query, factors, out) },
            // SAFETY: a value of this kind comes from `detect`, which asked the processor.
            #[cfg(target_arch = "aarch64")]
            Kind::Dotprod => unsafe { arm::bounds_dotprod(block, query, factors, out) },
        }
    }
}

/// The bytes of one group: four of each row.
type GroupBytes = [u8; BLOCK_ROWS * GROUP];

/// The groups of a block beside those of a query.
#[inline(always)]
fn groups<'a, T>(codes: &'a [u8], of_query: &'a [T]) -> impl Iterator<Item = (&'a GroupBytes, &'a T)> {
    codes.as_chunks::<{ BLOCK_ROWS * GROUP }>().0.iter().zip(of_query)
}

/// The definition: exact integer sums.
fn portable(codes: &[u8], query: &HeadQuery) -> Lanes<i32> {
    let mut sums = [0i32; BLOCK_ROWS];
    for (group, elements) in groups(codes, &query.elements) {
        let (lower, upper) = elements.split_at(GROUP);
        for (sum, row) in sums.iter_mut().zip(group.as_chunks::<GROUP>().0) {
            for ((&code, &y0), &y1) in row.iter().zip(lower).zip(upper) {
                let halves = i32::from(code & 15) * i32::from(y0) + i32::from(code >> 4) * i32::from(y1);
                *sum = sum.wrapping_add(halves);
            }
        }
    }
    sums
}

#[inline(always)]
fn evaluate(
    sums: &Lanes<i32>,
    query: &HeadQuery,
    block: &HeadBlock<'_>,
    factors: &Factors,
    bounds: &mut Bounds,
) {
    let rows = sums.iter().zip(block.scale).zip(block.head_error).zip(block.tail_norm).zip(block.offset);
    let out = bounds.most.iter_mut().zip(&mut bounds.estimate);
    for ((most, estimate), ((((&sum, &scale), &head), &tail), &offset)) in out.zip(rows) {
        (*most, *estimate) = evaluate_row(query.centred(sum), (scale, head, tail, offset), factors);
    }
}

/// What a row's value is at most, and the estimate of it.
#[inline(always)]
fn evaluate_row(
    centred: i32,
    (scale, head, tail, offset): (f32, f32, f32, f32),
    factors: &Factors,
) -> (f32, f32) {
    let estimate = (scale * factors.scale) * centred as f32 + offset * factors.offset;
    (estimate + (head * factors.head + tail * factors.tail), estimate)
}
