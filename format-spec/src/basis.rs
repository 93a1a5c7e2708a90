//! A basis: the centre of the vectors of one space and their leading directions, which search codes are made with. It
//! belongs to a store, because most collections are too small for one of their own. Derived: it can be deleted; code
//! files that name it are then useless, and are made again.

use crate::checksum::{Digest, digest};
use crate::identity::EmbeddingIdentity;
use crate::layout::BasisHeader;
use crate::limits::{MAX_DIMS, MAX_HEAD, MIN_DIMS};
use crate::{Flaw, Seed};

/// A decoded basis.
#[derive(Debug, Clone, PartialEq)]
pub struct Basis {
    /// The header.
    pub header: BasisHeader,
    /// The centre.
    pub centre: Vec<f32>,
    /// The directions, one after the other.
    pub directions: Vec<f32>,
    /// The variance of the sample along each direction.
    pub spectrum: Vec<f32>,
    /// The digest of the file, which names it.
    pub digest: Digest,
}

/// The digest of the vector space of an identity: collections of one space can share a basis.
pub fn space_of(identity: &EmbeddingIdentity) -> Digest {
    let identity = EmbeddingIdentity { chunker: String::new(), ..identity.clone() };
    // A struct of strings and numbers always has a JSON text.
    digest(&serde_json::to_vec(&identity).unwrap_or_default())
}

/// The bytes of a basis file.
pub fn encode(header: &BasisHeader, centre: &[f32], directions: &[f32], spectrum: &[f32]) -> Vec<u8> {
    let mut out = header.encode(&Seed::anonymous(), 0);
    for value in centre.iter().chain(directions).chain(spectrum) {
        out.extend_from_slice(&value.to_le_bytes());
    }
    let digest = digest(&out);
    out.extend_from_slice(&digest);
    out
}

/// A basis file.
///
/// # Errors
/// A [`Flaw`] in the header, the length, the digest or an element.
pub fn decode(bytes: &[u8]) -> Result<Basis, Flaw> {
    let header = BasisHeader::decode(bytes, &Seed::anonymous(), 0)?;
    let length = bytes.len() as u64;
    let wrong = |field, expected: String, found: String| {
        Err(Flaw::new("basis", field, 0, length.max(1), expected, found))
    };
    if !(MIN_DIMS..=MAX_DIMS).contains(&header.dims) {
        return wrong("dims", format!("{MIN_DIMS} to {MAX_DIMS}"), header.dims.to_string());
    }
    if !(1..=MAX_HEAD.min(header.dims)).contains(&header.head) {
        return wrong("head", format!("1 to {}", MAX_HEAD.min(header.dims)), header.head.to_string());
    }
    let (dims, head) = (header.dims as usize, header.head as usize);
    let needed = BasisHeader::BYTES + 4 * (dims + head * dims + head) + 32;
    if bytes.len() != needed {
        return wrong("length", format!("{needed} bytes"), format!("{length} bytes"));
    }
    let Some((body, stored)) = bytes.split_last_chunk::<32>() else {
        return wrong("length", format!("{needed} bytes"), format!("{length} bytes"));
    };
    let computed = digest(body);
    if computed != *stored {
        return wrong("blake3", crate::checksum::to_hex(&computed), crate::checksum::to_hex(stored));
    }
    let mut values = body
        .get(BasisHeader::BYTES..)
        .unwrap_or_default()
        .as_chunks::<4>()
        .0
        .iter()
        .map(|element| f32::from_le_bytes(*element));
    let centre: Vec<f32> = values.by_ref().take(dims).collect();
    let directions: Vec<f32> = values.by_ref().take(head * dims).collect();
    let spectrum: Vec<f32> = values.collect();
    let defect = f64::from_bits(header.defect);
    if !(0.0..0.01).contains(&defect) {
        return wrong("defect", "at most 0.01".to_owned(), defect.to_string());
    }
    let pass_share = f64::from_bits(header.pass_share);
    if !(0.0..=1.0).contains(&pass_share) {
        return wrong("pass_share", "0 to 1".to_owned(), pass_share.to_string());
    }
    if let Some(value) = centre.iter().chain(&directions).chain(&spectrum).find(|value| !value.is_finite()) {
        return wrong("elements", "finite numbers".to_owned(), value.to_string());
    }
    Ok(Basis { header, centre, directions, spectrum, digest: computed })
}
