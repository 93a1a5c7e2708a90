//! Which hash covers which bytes.
//!
//! Small things (structures, rows, keys, blocks) lie under a CRC-32 (ISO-HDLC, the one of zlib) that is *seeded*: it is
//! computed over 32 bytes that are not stored, the collection, the segment and the offset in the file, followed by
//! the bytes themselves. Bytes that were moved, swapped or left over from another file therefore fail their check.
//! Large things (frames, footers, documents) lie under BLAKE3.

/// A BLAKE3 digest.
pub type Digest = [u8; 32];
/// The random identity of a collection or a store.
pub type Id = [u8; 16];

/// The place that seeds the checksums of one file: the CRC state after the collection and the segment.
#[derive(Debug, Clone)]
pub struct Seed(crc32fast::Hasher);

impl Seed {
    /// The seed of a segment file and its key index.
    pub fn new(collection: &Id, segment: u64) -> Self {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(collection);
        hasher.update(&segment.to_le_bytes());
        Self(hasher)
    }

    /// The seed of segment header pages, which name their own collection and segment: all zero.
    pub fn anonymous() -> Self {
        Self::new(&[0; 16], 0)
    }

    /// The seed that the header of a file derived from a segment names in its first fields. A wrong name fails the header's
    /// checksum like any other wrong byte.
    pub fn of_derived(header: &[u8]) -> Self {
        let id = header.get(8..24).and_then(|id| Id::try_from(id).ok()).unwrap_or_default();
        let segment = header.get(24..).and_then(|rest| rest.first_chunk::<8>()).copied().unwrap_or_default();
        Self::new(&id, u64::from_le_bytes(segment))
    }

    /// The CRC-32 of `bytes` that lie at `offset` in the file.
    pub fn crc(&self, offset: u64, bytes: &[u8]) -> u32 {
        let mut hasher = self.0.clone();
        hasher.update(&offset.to_le_bytes());
        hasher.update(bytes);
        hasher.finalize()
    }
}

/// The BLAKE3 digest of `bytes`.
pub fn digest(bytes: &[u8]) -> Digest {
    *blake3::hash(bytes).as_bytes()
}

/// From this many bytes on several threads hash faster than one.
const WORTH_THREADS_BYTES: usize = 1 << 20;

/// The BLAKE3 of several pieces as if they lay one after the other. Long pieces are hashed by several threads.
pub fn digest_of<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Digest {
    let mut hasher = blake3::Hasher::new();
    pieces.into_iter().for_each(|piece| {
        match piece.len() >= WORTH_THREADS_BYTES {
            true => hasher.update_rayon(piece),
            false => hasher.update(piece),
        };
    });
    *hasher.finalize().as_bytes()
}

/// The hash by which a key index is sorted: the first eight bytes of the key's BLAKE3, little-endian.
pub fn key_hash(key: &str) -> u64 {
    let digest = digest(key.as_bytes());
    digest.first_chunk::<8>().map_or(0, |head| u64::from_le_bytes(*head))
}

/// Lowercase hexadecimal.
pub fn to_hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The bytes of exactly `2 * N` lowercase hexadecimal digits.
pub fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N {
        return None;
    }
    let mut out = [0; N];
    for (slot, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        for &digit in pair {
            let value = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return None,
            };
            *slot = *slot << 4 | value;
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeded_crc_is_zlibs_over_the_unstored_prefix_and_the_bytes() {
        let whole = [[7u8; 16].as_slice(), &3u64.to_le_bytes(), &512u64.to_le_bytes(), b"row"].concat();
        assert_eq!(Seed::new(&[7; 16], 3).crc(512, b"row"), crc32fast::hash(&whole));
    }

    #[test]
    fn hex_goes_there_and_back_and_refuses_everything_else() {
        assert_eq!(to_hex(&[0, 0x1f, 0xff]), "001fff");
        assert_eq!(from_hex::<3>("001fff"), Some([0, 0x1f, 0xff]));
        for bad in ["001ff", "001fff0", "001FFF", "00 fff", "00é1f"] {
            assert_eq!(from_hex::<3>(bad), None, "{bad}");
        }
    }
}
