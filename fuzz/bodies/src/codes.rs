use siltstone_format::basis as basis_format;
use siltstone_format::checksum::digest;
use siltstone_format::codes as format;

use crate::{mend, samples};

/// Code files.
pub fn codes(data: &[u8]) {
    decode(data);
    let (mut bytes, seed) = (data.to_vec(), samples::seed());
    mend::structure("code header", &mut bytes, &seed, 0);
    decode(&bytes);
}

fn decode(bytes: &[u8]) {
    let seed = samples::seed();
    let (header, geometry) = match format::decode_header(bytes, bytes.len() as u64, &seed) {
        Ok(found) => found,
        Err(flaw) => return assert!(flaw.length > 0, "{flaw}"),
    };
    assert_eq!(geometry.file_bytes(), bytes.len() as u64, "blocks fill their file");
    assert!(header.rows <= (geometry.blocks * 32) as u64, "rows lie within their blocks");
    for number in 0..geometry.blocks {
        for (offset, length) in [
            (geometry.head_offset(number), geometry.head_block),
            (geometry.tail_offset(number), geometry.tail_block),
        ] {
            let block = bytes.get(offset as usize..offset as usize + length).unwrap_or_default();
            let _ = format::check_block(block, &seed, offset);
        }
    }
}

/// Basis files.
pub fn basis(data: &[u8]) {
    decode_basis(data);
    let mut bytes = data.to_vec();
    mend::structure("basis header", &mut bytes, &siltstone_format::Seed::anonymous(), 0);
    if let Some((body, stored)) = bytes.split_last_chunk_mut::<32>() {
        *stored = digest(body);
    }
    decode_basis(&bytes);
}

fn decode_basis(bytes: &[u8]) {
    match basis_format::decode(bytes) {
        Ok(basis) => {
            let (dims, head) = (basis.header.dims as usize, basis.header.head as usize);
            assert_eq!((basis.centre.len(), basis.directions.len()), (dims, dims * head));
            let encoded =
                basis_format::encode(&basis.header, &basis.centre, &basis.directions, &basis.spectrum);
            assert_eq!(encoded, bytes, "a basis has one spelling");
        }
        Err(flaw) => assert!(flaw.length > 0, "{flaw}"),
    }
}
