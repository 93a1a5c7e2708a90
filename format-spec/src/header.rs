//! The header page of a segment file: who it belongs to, and enough to rebuild a lost manifest.

use serde::{Deserialize, Serialize};

use crate::checksum::digest;
use crate::follows::Follows;
use crate::identity::EmbeddingIdentity;
use crate::layout::SegmentHeader;
use crate::limits::{FORMAT_VERSION, HEADER_PAGE_BYTES, MAX_NUMBER, MAX_REPLACED_RANGES};
use crate::names::check_name;
use crate::{Digest, Flaw, Seed};

/// The JSON document after the fixed part of the header page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentIdentity {
    /// Name of the collection when the segment was created.
    pub name: String,
    /// What made the vectors.
    pub identity: EmbeddingIdentity,
    /// What of the segments before this one still counted when it was created, after a snapshot was restored or when they
    /// were compacted; nothing when all that had counted before went on counting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<Follows>,
    /// Of a compacted segment: the numbers of those that its rows were copied from, as ranges that rise, first and last
    /// number included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaces: Vec<(u64, u64)>,
}

impl SegmentIdentity {
    /// Of a segment after which all that counted before goes on counting.
    pub fn new(name: &str, identity: EmbeddingIdentity) -> Self {
        Self { name: name.to_owned(), identity, follows: None, replaces: Vec::new() }
    }
}

/// A header page as a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderPage {
    /// The fixed part.
    pub header: SegmentHeader,
    /// The identity document.
    pub identity: SegmentIdentity,
    /// Digest of the page: the chain digest before the first frame.
    pub chain: Digest,
}

const FIXED: usize = SegmentHeader::BYTES;
const PAGE: usize = HEADER_PAGE_BYTES as usize;

/// The page for `header`, whose identity fields are filled in here, and `identity`.
///
/// # Errors
/// The identity document does not fit into the page.
pub fn encode(mut header: SegmentHeader, identity: &SegmentIdentity) -> Result<Vec<u8>, String> {
    let document = serde_json::to_vec(identity).map_err(|error| error.to_string())?;
    if FIXED + document.len() > PAGE {
        return Err(format!(
            "the identity document is {} bytes long; at most {}",
            document.len(),
            PAGE - FIXED
        ));
    }
    let seed = Seed::anonymous();
    header.identity_bytes = document.len() as u32;
    header.identity_crc = seed.crc(FIXED as u64, &document);
    let mut page = header.encode(&seed, 0);
    page.extend_from_slice(&document);
    page.resize(PAGE, 0);
    Ok(page)
}

/// The header page at the start of `bytes`.
///
/// # Errors
/// A [`Flaw`] when any of its bytes is wrong, or a newer version wrote it.
pub fn decode(bytes: &[u8]) -> Result<HeaderPage, Flaw> {
    let Some(page) = bytes.get(..PAGE) else {
        return Err(Flaw::short("segment header", 0, HEADER_PAGE_BYTES, bytes.len() as u64));
    };
    let seed = Seed::anonymous();
    let wrong = |field, expected: String, found: String| {
        Err(Flaw::new("segment header", field, 0, FIXED as u64, expected, found))
    };
    let decoded = SegmentHeader::decode(page, &seed, 0);
    let header = match &decoded {
        // A newer version may use the reserved bytes. Their CRC was good, so the fields can say whether it did.
        Err(flaw) if flaw.field == "reserved" => {
            SegmentHeader::decode_fields(page).ok_or_else(|| flaw.clone())?
        }
        Err(flaw) => return Err(flaw.clone()),
        Ok(header) => header.clone(),
    };
    if header.version == 0 || header.version > FORMAT_VERSION {
        return wrong("version", format!("1 to {FORMAT_VERSION}"), header.version.to_string());
    }
    if header.features_incompatible != 0 {
        let found = format!("{:#x}", header.features_incompatible);
        return wrong("features_incompatible", "0, no feature is known".into(), found);
    }
    decoded?;
    if header.segment > MAX_NUMBER || header.segment <= header.previous_segment {
        let found = format!("{} after {}", header.segment, header.previous_segment);
        return wrong("segment", "greater than the previous one".into(), found);
    }
    if header.base_commit > MAX_NUMBER {
        return wrong("base_commit", format!("at most {MAX_NUMBER}"), header.base_commit.to_string());
    }
    if u64::from(header.header_bytes) != HEADER_PAGE_BYTES {
        return wrong("header_bytes", HEADER_PAGE_BYTES.to_string(), header.header_bytes.to_string());
    }
    if header.element != 1 {
        return wrong("element", "1".into(), header.element.to_string());
    }
    let rest = page.get(FIXED..).unwrap_or_default();
    let Some((document, zeros)) = rest.split_at_checked(header.identity_bytes as usize) else {
        return wrong(
            "identity_bytes",
            format!("at most {}", PAGE - FIXED),
            header.identity_bytes.to_string(),
        );
    };
    let at = FIXED as u64;
    let flaw = |field, offset, length: usize, expected: String, found: String| {
        Err(Flaw::new("segment identity", field, offset, (length as u64).max(1), expected, found))
    };
    let computed = seed.crc(at, document);
    if computed != header.identity_crc {
        let found = format!("{:08x}", header.identity_crc);
        return flaw("crc", at, document.len(), format!("{computed:08x}"), found);
    }
    if let Some(place) = zeros.iter().position(|&byte| byte != 0) {
        let offset = at + (document.len() + place) as u64;
        return flaw("padding", offset, 1, "zero".into(), "another byte".into());
    }
    let identity: SegmentIdentity = match serde_json::from_slice(document) {
        Ok(identity) => identity,
        Err(error) => {
            return flaw("members", at, document.len(), "a name and an identity".into(), error.to_string());
        }
    };
    if let Err(reason) = check_name(&identity.name) {
        return flaw("name", at, document.len(), reason, identity.name);
    }
    if let Err(reason) = identity.identity.check() {
        return flaw("identity", at, document.len(), "within the limits".into(), reason);
    }
    if let Some(reason) = identity.follows.as_ref().and_then(|follows| follows.flaw(header.segment)) {
        return flaw("follows", at, document.len(), reason, "something else".into());
    }
    if identity.identity.dims != header.dims || identity.identity.metric.code() != header.metric {
        let found = format!("{} and {}", identity.identity.dims, identity.identity.metric);
        return flaw("dims and metric", at, document.len(), "as in the header".into(), found);
    }
    let mut least = 1;
    for &(first, last) in &identity.replaces {
        if first < least || last < first || last >= header.segment {
            let expected = format!("ranges that rise and end before segment {}", header.segment);
            return flaw("replaces", at, document.len(), expected, format!("{first} to {last}"));
        }
        least = last.saturating_add(2);
    }
    if identity.replaces.len() > MAX_REPLACED_RANGES {
        let (expected, found) = (format!("at most {MAX_REPLACED_RANGES} ranges"), identity.replaces.len());
        return flaw("replaces", at, document.len(), expected, found.to_string());
    }
    Ok(HeaderPage { header, identity, chain: digest(page) })
}
