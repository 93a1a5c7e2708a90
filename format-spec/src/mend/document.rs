//! Documents have no CRC: the flipped bit is searched, by trying each until the BLAKE3 of the rest is the stored one.

use crate::document::{ENDING_BYTES, ending_of, stored_digest};

/// The longest document that is searched. The cost is quadratic: some seconds at this length.
const MOST_BYTES: usize = 64 * 1024;

/// A document with one flipped bit, put right, from bytes whose envelope is not good; `None` when more than one bit is
/// wrong, or the document is longer than 64 KiB. The stored digest confirms the bytes, or the bytes the digest when the bit
/// is in the ending itself: what the members say is for the caller to check.
pub fn mend_document(bytes: &[u8]) -> Option<Vec<u8>> {
    let (body, ending) = bytes.split_at_checked(bytes.len().checked_sub(ENDING_BYTES)?)?;
    let right = ending_of(body);
    match super::differing_bits(ending, right.as_bytes()) {
        0 => return None,
        1 => return Some([body, right.as_bytes()].concat()),
        _ if body.len() > MOST_BYTES => return None,
        _ => {}
    }
    let wanted = blake3::Hash::from_bytes(stored_digest(ending)?);
    let mut before = blake3::Hasher::new();
    let mut mended = bytes.to_vec();
    for from in (0..body.len()).step_by(blake3::BLOCK_LEN) {
        let to = body.len().min(from + blake3::BLOCK_LEN);
        for bit in from as u64 * 8..to as u64 * 8 {
            super::syndrome::flip(&mut mended, bit);
            let rest = mended.get(from..body.len()).unwrap_or_default();
            if before.clone().update(rest).finalize() == wanted {
                return Some(mended);
            }
            super::syndrome::flip(&mut mended, bit);
        }
        before.update(body.get(from..to).unwrap_or_default());
    }
    None
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::document::seal;

    #[test]
    fn every_flipped_bit_of_a_document_is_put_right_and_two_are_not() {
        let members: BTreeMap<String, u32> = (0..12).map(|n| (format!("member {n}"), n)).collect();
        let right = seal(&members).unwrap();
        assert_eq!(mend_document(&right), None, "nothing is wrong");
        for bit in 0..right.len() as u64 * 8 {
            let mut bad = right.clone();
            super::super::syndrome::flip(&mut bad, bit);
            assert_eq!(mend_document(&bad).as_ref(), Some(&right), "bit {bit}");
        }
        for bit in (0..right.len() as u64 * 8 - 9).step_by(97) {
            let mut bad = right.clone();
            super::super::syndrome::flip(&mut bad, bit);
            super::super::syndrome::flip(&mut bad, bit + 9);
            assert_eq!(mend_document(&bad), None, "bits {bit} and {}", bit + 9);
        }
        assert_eq!(mend_document(b"short"), None);
    }
}
