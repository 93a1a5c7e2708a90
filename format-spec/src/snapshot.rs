//! Snapshots: a moment of a collection, as a list of segments and how far each counts.

use serde::{Deserialize, Serialize};

use crate::catalogue::{check_format, member};
use crate::document::{self, hex};
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
        let (snapshot, digest) = document::open::<Self>(STRUCTURE, bytes)?;
        check_format(STRUCTURE, bytes, (&snapshot.format, SNAPSHOT_FORMAT), snapshot.version)?;
        if let Err(reason) = check_name(&snapshot.name) {
            return Err(member(STRUCTURE, bytes, "name", &reason, &snapshot.name));
        }
        for pair in snapshot.segments.windows(2) {
            if let [a, b] = pair
                && a.segment >= b.segment
            {
                let found = b.segment.to_string();
                return Err(member(STRUCTURE, bytes, "segments", "numbers that rise", &found));
            }
        }
        Ok((snapshot, digest))
    }
}
