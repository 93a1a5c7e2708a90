//! Which bit a CRC-32 says is flipped.
//!
//! A CRC is linear: what it is off by depends on the flipped bits only, not on the other bytes. The polynomial is
//! primitive, so in a message of less than 2^32 bits every single bit has a difference of its own, the bits of the stored
//! CRC included. A walk back from the end of the message, one shift a bit, therefore finds the one bit that explains a
//! difference, or finds that no single bit does. Several flipped bits may look like another single one: what a
//! syndrome says is a guess until a BLAKE3 digest confirms it.

use crate::Seed;

/// CRC-32/ISO-HDLC, reflected.
const POLYNOMIAL: u32 = 0xEDB8_8320;

/// The one flipped bit that explains a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flipped {
    /// A bit of the covered bytes, counted from the lowest of the first byte.
    Covered(u64),
    /// A bit of the stored CRC, counted from its lowest.
    Stored(u32),
}

/// The one bit that explains why the CRC of `covered_bytes` bytes differs by `difference` (computed XOR stored); `None`
/// when there is no difference, or no single bit makes it. Costs a shift and a comparison a bit.
pub fn flipped_bit(difference: u32, covered_bytes: u64) -> Option<Flipped> {
    if difference.is_power_of_two() {
        return Some(Flipped::Stored(difference.trailing_zeros()));
    }
    let bits = covered_bytes.checked_mul(8).filter(|bits| *bits <= u64::from(u32::MAX) - 32)?;
    let mut state = POLYNOMIAL;
    for from_end in 0..bits {
        if state == difference {
            return Some(Flipped::Covered(bits - 1 - from_end));
        }
        state = (state >> 1) ^ if state & 1 == 1 { POLYNOMIAL } else { 0 };
    }
    None
}

/// Flips a bit, counted from the lowest of the first byte; says whether there is such a bit.
pub(super) fn flip(bytes: &mut [u8], bit: u64) -> bool {
    match bytes.get_mut((bit / 8) as usize) {
        Some(byte) => {
            *byte ^= 1 << (bit % 8);
            true
        }
        None => false,
    }
}

/// Flips the one bit in `covered`, which lies at `offset`, that makes its CRC `stored`. Says whether there is one; a bit
/// of the stored CRC is none, because that lies under a checksum of its own.
pub(super) fn mend_covered(covered: &mut [u8], stored: u32, seed: &Seed, offset: u64) -> bool {
    let difference = seed.crc(offset, covered) ^ stored;
    match flipped_bit(difference, covered.len() as u64) {
        Some(Flipped::Covered(bit)) => flip(covered, bit),
        _ => false,
    }
}

/// Flips the one bit of a fixed structure, its CRC in the last four bytes included, that makes the two agree. Says
/// whether there is one.
pub(super) fn mend_fixed(structure: &mut [u8], seed: &Seed, offset: u64) -> bool {
    let Some((covered, tail)) = structure.split_last_chunk_mut::<4>() else { return false };
    let difference = seed.crc(offset, covered) ^ u32::from_le_bytes(*tail);
    match flipped_bit(difference, covered.len() as u64) {
        Some(Flipped::Covered(bit)) => flip(covered, bit),
        Some(Flipped::Stored(bit)) => flip(tail, u64::from(bit)),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_single_bit_of_a_message_and_of_its_crc_is_found_again() {
        let seed = Seed::new(&[3; 16], 8);
        for length in [0usize, 1, 4, 61, 252, 3000] {
            let message: Vec<u8> = (0..length).map(|at| (at * 7 + 1) as u8).collect();
            let right = seed.crc(512, &message);
            for bit in 0..length as u64 * 8 {
                let mut bad = message.clone();
                flip(&mut bad, bit);
                let difference = seed.crc(512, &bad) ^ right;
                assert_eq!(flipped_bit(difference, length as u64), Some(Flipped::Covered(bit)));
            }
            for bit in 0..32 {
                assert_eq!(flipped_bit(1 << bit, length as u64), Some(Flipped::Stored(bit)));
            }
            assert_eq!(flipped_bit(0, length as u64), None);
        }
    }

    #[test]
    fn two_flipped_bits_are_not_put_right_by_one() {
        let seed = Seed::anonymous();
        let message = [5u8; 300];
        let right = seed.crc(0, &message);
        let mut guesses = 0;
        for first in (0..2400).step_by(7) {
            for second in (first + 1..2400).step_by(11) {
                let mut bad = message;
                flip(&mut bad, first);
                flip(&mut bad, second);
                if mend_covered(&mut bad, right, &seed, 0) {
                    guesses += 1;
                }
                assert_ne!(bad, message);
            }
        }
        assert_eq!(guesses, 0, "none of these pairs looks like a single bit");
    }
}
