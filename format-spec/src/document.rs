//! The envelope of JSON documents (catalogue, manifest, snapshot): readable by people and `jq`, covered to the last
//! byte by a BLAKE3 digest in their last member.
//!
//! A document ends with exactly `,\n  "blake3": "<64 lowercase hex digits>"\n}\n`; the digest is that of every byte
//! before this ending.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::checksum::{digest, from_hex, to_hex};
use crate::limits::{FORMAT_VERSION, MAX_DOCUMENT_BYTES};
use crate::manifest::Features;
use crate::{Digest, Flaw};

const BEFORE: &str = ",\n  \"blake3\": \"";
const AFTER: &str = "\"\n}\n";
pub(crate) const ENDING_BYTES: usize = BEFORE.len() + 64 + AFTER.len();

/// The bytes of `value`, which must serialise to a JSON object with at least one member, in its envelope.
///
/// # Errors
/// The value does not serialise to an object.
pub fn seal<T: Serialize>(value: &T) -> Result<Vec<u8>, String> {
    let text = serde_json::to_string_pretty(value).map_err(|error| error.to_string())?;
    let Some(body) = text.strip_suffix("\n}") else {
        return Err("a document must be a JSON object with members".to_owned());
    };
    Ok([body, &ending_of(body.as_bytes())].concat().into_bytes())
}

/// The ending that belongs to a body.
pub(crate) fn ending_of(body: &[u8]) -> String {
    [BEFORE, &to_hex(&digest(body)), AFTER].concat()
}

/// The digest in an ending, when the ending is well formed.
pub(crate) fn stored_digest(ending: &[u8]) -> Option<Digest> {
    let text = std::str::from_utf8(ending).ok()?;
    text.strip_prefix(BEFORE)?.strip_suffix(AFTER).and_then(from_hex::<32>)
}

/// The value of a document, and its digest.
///
/// # Errors
/// A [`Flaw`] when the ending, the digest or a member is not as it should be.
pub fn open<T: DeserializeOwned>(structure: &'static str, bytes: &[u8]) -> Result<(T, Digest), Flaw> {
    let digest = check_envelope(structure, bytes)?;
    Ok((parse(structure, bytes)?, digest))
}

/// What every version of every document begins with.
#[derive(Deserialize)]
struct Head {
    format: String,
    version: u32,
    features: Option<Features>,
}

/// As [`open`], for documents with a format and a version. These are judged before any other member, because a newer
/// version may say other things in other ways. `known_incompatible` are the feature bits that may be set.
pub(crate) fn open_versioned<T: DeserializeOwned>(
    (structure, format): (&'static str, &str),
    known_incompatible: u64,
    bytes: &[u8],
) -> Result<(T, Digest), Flaw> {
    let digest = check_envelope(structure, bytes)?;
    let head: Head = parse(structure, bytes)?;
    if head.format != format {
        return Err(member(structure, bytes, "format", format, &head.format));
    }
    if head.version == 0 || head.version > FORMAT_VERSION {
        let expected = format!("1 to {FORMAT_VERSION}");
        return Err(member(structure, bytes, "version", &expected, &head.version.to_string()));
    }
    let unknown = head.features.unwrap_or_default().incompatible & !known_incompatible;
    if unknown != 0 {
        let (expected, found) = (format!("none but {known_incompatible:#x}"), format!("{unknown:#x}"));
        return Err(member(structure, bytes, "features_incompatible", &expected, &found));
    }
    Ok((parse(structure, bytes)?, digest))
}

/// A flaw in a member: all of the document is under suspicion.
pub(crate) fn member(
    structure: &'static str,
    bytes: &[u8],
    field: &'static str,
    expected: &str,
    found: &str,
) -> Flaw {
    Flaw::new(structure, field, 0, bytes.len() as u64, expected, found)
}

fn parse<T: DeserializeOwned>(structure: &'static str, bytes: &[u8]) -> Result<T, Flaw> {
    serde_json::from_slice(bytes)
        .map_err(|error| member(structure, bytes, "members", "what the format says", &error.to_string()))
}

/// Checks everything but the members, and returns the digest.
fn check_envelope(structure: &'static str, bytes: &[u8]) -> Result<Digest, Flaw> {
    let length = bytes.len() as u64;
    let whole = |field, expected: String, found: String| {
        Flaw::new(structure, field, 0, length.max(1), expected, found)
    };
    if length > MAX_DOCUMENT_BYTES {
        return Err(whole(
            "length",
            format!("at most {MAX_DOCUMENT_BYTES} bytes"),
            format!("{length} bytes"),
        ));
    }
    let Some(body_bytes) = bytes.len().checked_sub(ENDING_BYTES) else {
        return Err(Flaw::short(structure, 0, ENDING_BYTES as u64, length));
    };
    let (body, ending) = bytes.split_at(body_bytes);
    let Some(stored) = stored_digest(ending) else {
        let found = ending.escape_ascii().to_string();
        return Err(whole("ending", format!("{BEFORE:?}, 64 hex digits, {AFTER:?}"), found));
    };
    let computed = digest(body);
    if computed != stored {
        return Err(whole("blake3", to_hex(&computed), to_hex(&stored)));
    }
    Ok(stored)
}

/// Serialises fixed byte strings as lowercase hex.
pub(crate) mod hex {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::checksum::{from_hex, to_hex};

    pub(crate) fn serialize<const N: usize, S: Serializer>(
        bytes: &[u8; N],
        out: S,
    ) -> Result<S::Ok, S::Error> {
        out.serialize_str(&to_hex(bytes))
    }

    pub(crate) fn deserialize<'de, const N: usize, D: Deserializer<'de>>(
        input: D,
    ) -> Result<[u8; N], D::Error> {
        let text = String::deserialize(input)?;
        from_hex(&text).ok_or_else(|| D::Error::custom(format!("{} lowercase hex digits expected", 2 * N)))
    }
}

/// As [`hex`], for members that may be missing.
pub(crate) mod hex_option {
    use serde::{Deserializer, Serializer};

    use super::hex;

    pub(crate) fn serialize<const N: usize, S: Serializer>(
        bytes: &Option<[u8; N]>,
        out: S,
    ) -> Result<S::Ok, S::Error> {
        match bytes {
            Some(bytes) => hex::serialize(bytes, out),
            None => out.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, const N: usize, D: Deserializer<'de>>(
        input: D,
    ) -> Result<Option<[u8; N]>, D::Error> {
        hex::deserialize(input).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_document_is_json_and_every_bit_of_it_is_covered() {
        let value = BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)]);
        let bytes = seal(&value).unwrap();
        let parsed: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(parsed["a"], 1);
        assert!(open::<BTreeMap<String, serde_json::Value>>("test", &bytes).is_ok());
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(open::<serde_json::Value>("test", &bad).is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(open::<serde_json::Value>("test", &bytes[..length]).is_err(), "length {length}");
        }
    }
}
