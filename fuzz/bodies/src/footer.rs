use siltstone_format::checksum::digest;
use siltstone_format::layout::Seal;
use siltstone_format::{Seed, footer as format};

use crate::{mend, samples};

/// Footers with their seals, at the end of a file whose frames end at [`samples::FOOTER_OFFSET`].
pub fn footer(data: &[u8]) {
    let seed = samples::seed();
    decode(data, &seed);
    let mut bytes = data.to_vec();
    bytes.resize(bytes.len().next_multiple_of(512).max(512), 0);
    mend::structure("footer header", &mut bytes, &seed, samples::FOOTER_OFFSET);
    let at = bytes.len() - Seal::BYTES;
    let (footer_bytes, digest) = (bytes.len() as u64, digest(bytes.get(..at).unwrap_or_default()));
    let seal = Seal { footer_bytes, digest }.encode(&seed, samples::FOOTER_OFFSET + at as u64);
    mend::put(&mut bytes, at, &seal);
    decode(&bytes, &seed);
}

fn decode(bytes: &[u8], seed: &Seed) {
    let offset = samples::FOOTER_OFFSET;
    let file_bytes = offset + bytes.len() as u64;
    let tail = bytes.get(bytes.len().saturating_sub(Seal::BYTES)..).unwrap_or_default();
    let (start, seal) = match format::locate(tail, file_bytes, seed) {
        Ok(found) => found,
        Err(flaw) => return assert!(flaw.length > 0, "{flaw}"),
    };
    assert!(start >= 4096 && start < file_bytes, "a footer lies within its file");
    match format::decode(bytes, &seal, seed, offset) {
        Ok(footer) => {
            let place = (footer.header.frames_end, footer.header.chain);
            let (again, digest) = format::encode(&footer.frames, &footer.kills, place, seed);
            assert_eq!((again.as_slice(), digest), (bytes, footer.digest), "a footer has one spelling");
        }
        Err(flaw) => assert!(flaw.length > 0, "{flaw}"),
    }
}
