//! Snapshots: a moment of a collection, as a list of segments and how far each counts.

use serde::{Deserialize, Serialize};

use crate::document::{self, hex, member};
use crate::limits::{FRAME_ALIGN, HEADER_PAGE_BYTES, MAX_NUMBER};
use crate::names::check_name;
use crate::{Digest, Flaw, Id};

/// What the `format` member of a snapshot says.
pub const SNAPSHOT_FORMAT: &str = "siltstone snapshot";
const STRUCTURE: &str = "snapshot";

/// The content of `snapshot-<generation>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// [`SNAPSHOT_FORMAT`].
    pub format: String,
    /// Format version, 1.
    pub version: u32,
    /// Random identity of the collection.
    #[serde(with = "hex")]
    pub collection: Id,
    /// Its name.
    pub name: String,
    /// When it was created, in milliseconds since 1970-01-01 UTC.
    pub created_at_ms: i64,
    /// The last commit that it shows; 0 when there was none.
    pub commit: u64,
    /// Its segments, in the order of their numbers.
    pub segments: Vec<SnapshotSegment>,
}

/// How far a segment counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotSegment {
    /// Its number.
    pub segment: u64,
    /// The last of its commits that counts.
    pub last_commit: u64,
    /// Where the last frame of that commit ends, in bytes.
    pub end_bytes: u64,
    /// Chain digest there.
    #[serde(with = "hex")]
    pub chain: Digest,
}

/// Whether a segment can end at this offset with this commit.
///
/// # Errors
/// What is expected.
pub(crate) fn check_end(offset: u64, commit: u64) -> Result<(), String> {
    if (HEADER_PAGE_BYTES..=MAX_NUMBER).contains(&offset)
        && offset.is_multiple_of(FRAME_ALIGN)
        && commit <= MAX_NUMBER
    {
        return Ok(());
    }
    Err(format!("a multiple of {FRAME_ALIGN} from {HEADER_PAGE_BYTES} on, numbers up to {MAX_NUMBER}"))
}

impl Snapshot {
    /// The bytes of the file.
    ///
    /// # Errors
    /// The value cannot be written as JSON.
    pub fn encode(&self) -> Result<Vec<u8>, String> {
        document::seal(self)
    }

    /// The snapshot in `bytes`, and its digest.
    ///
    /// # Errors
    /// A [`Flaw`] when it is damaged, of a newer version, or says something that cannot be.
    pub fn decode(bytes: &[u8]) -> Result<(Self, Digest), Flaw> {
        let (snapshot, digest) = document::open_versioned::<Self>((STRUCTURE, SNAPSHOT_FORMAT), 0, bytes)?;
        if let Err(reason) = check_name(&snapshot.name) {
            return Err(member(STRUCTURE, bytes, "name", &reason, &snapshot.name));
        }
        let mut before = 0;
        for entry in &snapshot.segments {
            if entry.segment <= before {
                let found = entry.segment.to_string();
                return Err(member(STRUCTURE, bytes, "segments", "numbers that rise from 1", &found));
            }
            if let Err(reason) = check_end(entry.end_bytes, entry.last_commit) {
                let found = format!("commit {} and byte {}", entry.last_commit, entry.end_bytes);
                return Err(member(STRUCTURE, bytes, "segments", &reason, &found));
            }
            before = entry.segment;
        }
        Ok((snapshot, digest))
    }
}
