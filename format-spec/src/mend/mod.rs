//! Putting single flipped bits right, structure by structure: what the right bytes were, and how sure that is.
//!
//! The CRCs say where a bit is flipped, BLAKE3 says whether the bytes are then the ones that were written. Nothing here
//! touches a file, and nothing is guessed: a structure is returned mended only when every checksum inside it agrees,
//! and what must still confirm it from outside (the digest in a trailer, in the frame that follows, in a manifest) is
//! said by the function.

mod document;
mod frame;
mod page;
mod syndrome;

pub use document::mend_document;
pub use frame::{MendedFrame, mend_frame, mend_frame_header};
pub use page::mend_page;
pub use syndrome::{Flipped, flipped_bit};

use crate::layout::{Seal, WitnessSlot};
use crate::{Id, Seed, witness};

/// Bytes that replace others of the same length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mend {
    /// The structure that is put right, as `SPEC.md` names it.
    pub structure: &'static str,
    /// Where the bytes begin in the file.
    pub offset: u64,
    /// The right bytes.
    pub bytes: Vec<u8>,
}

impl Mend {
    /// What makes `new` of `old`, which lies at `offset`: from the first byte that differs to the last; `None` when none
    /// does. What `new` has more than `old` differs.
    pub fn between(structure: &'static str, offset: u64, old: &[u8], new: &[u8]) -> Option<Self> {
        let differs = |at: &usize| old.get(*at) != new.get(*at);
        let first = (0..new.len()).find(differs)?;
        let last = (first..new.len()).rfind(differs)?;
        let bytes = new.get(first..=last)?.to_vec();
        Some(Self { structure, offset: offset + first as u64, bytes })
    }
}

/// How many bits differ between two runs of bytes; bytes that only one of them has differ in all bits.
pub fn differing_bits(a: &[u8], b: &[u8]) -> u64 {
    let both = a.iter().zip(b).map(|(a, b)| u64::from((a ^ b).count_ones())).sum::<u64>();
    both + a.len().abs_diff(b.len()) as u64 * 8
}

/// The seal in `bytes`, which lie at `offset`, with at most one flipped bit; `None` when more is wrong. A seal that had to
/// be put right is not confirmed before the footer that it names is.
pub fn mend_seal(bytes: &[u8], seed: &Seed, offset: u64) -> Option<Seal> {
    let mut fixed = bytes.get(..Seal::BYTES)?.to_vec();
    if let Ok(seal) = Seal::decode(&fixed, seed, offset) {
        return Some(seal);
    }
    syndrome::mend_fixed(&mut fixed, seed, offset).then_some(())?;
    Seal::decode(&fixed, seed, offset).ok()
}

/// The bytes of a witness file with one flipped bit a slot, put right; `None` when they are good, or more is wrong. A slot
/// has zeros in most of its bytes, its collection, and a place that follows from its sequence, all under its CRC, so
/// nothing else confirms it.
pub fn mend_witness(bytes: &[u8], collection: &Id) -> Option<Vec<u8>> {
    let mut mended = bytes.to_vec();
    let seed = witness::seed(collection);
    for (place, slot) in mended.chunks_mut(WitnessSlot::BYTES).enumerate() {
        let offset = (place * WitnessSlot::BYTES) as u64;
        if WitnessSlot::decode(slot, &seed, offset).is_err() && !syndrome::mend_fixed(slot, &seed, offset) {
            return None;
        }
    }
    (mended != bytes && witness::decode(&mended, collection).flaws.is_empty()).then_some(mended)
}
