//! The header page of a segment: the fixed part by its CRC, the identity document by the CRC in it, the zeros by being
//! zeros.

use super::syndrome::{mend_covered, mend_fixed};
use crate::Seed;
use crate::header::{self, HeaderPage};
use crate::layout::SegmentHeader;
use crate::limits::HEADER_PAGE_BYTES;

/// A header page with one flipped bit in the header, one in the identity document and any in the zeros, put right; `None`
/// when it is good, or more is wrong. The caller compares what it says with what is known of the segment, and its digest
/// with the first frame's `previous_chain`.
pub fn mend_page(bytes: &[u8]) -> Option<(Vec<u8>, HeaderPage)> {
    let old = bytes.get(..HEADER_PAGE_BYTES as usize)?;
    let mut page = old.to_vec();
    let seed = Seed::anonymous();
    let (fixed, rest) = page.split_at_mut_checked(SegmentHeader::BYTES)?;
    if SegmentHeader::decode(fixed, &seed, 0).is_err_and(|flaw| flaw.field != "reserved") {
        mend_fixed(fixed, &seed, 0).then_some(())?;
    }
    let header = SegmentHeader::decode(fixed, &seed, 0).ok()?;
    let (document, zeros) = rest.split_at_mut_checked(header.identity_bytes as usize)?;
    let at = SegmentHeader::BYTES as u64;
    if seed.crc(at, document) != header.identity_crc {
        mend_covered(document, header.identity_crc, &seed, at).then_some(())?;
    }
    zeros.fill(0);
    let decoded = header::decode(&page).ok()?;
    (page != old).then_some((page, decoded))
}
