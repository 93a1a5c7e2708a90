//! Manifests: what a collection is at one generation. A small JSON document that an operator can read.

use serde::{Deserialize, Serialize};

use crate::catalogue::{check_format, member};
use crate::document::{self, hex};
use crate::identity::EmbeddingIdentity;
use crate::limits::FORMAT_VERSION;
use crate::names::check_name;
use crate::{Digest, Flaw, Id};

/// What the `format` member of a manifest says.
pub const MANIFEST_FORMAT: &str = "siltstone manifest";
const STRUCTURE: &str = "manifest";

/// Feature bits of a structure; this version knows none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Features {
    /// May be ignored.
    pub compatible: u64,
    /// Must be known by a writer.
    pub read_only: u64,
    /// Must be known by everybody.
    pub incompatible: u64,
}

/// The content of `manifest-<generation>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`MANIFEST_FORMAT`].
    pub format: String,
    /// Format version, 1.
    pub version: u32,
    /// Feature bits.
    pub features: Features,
    /// Random identity of the collection.
    #[serde(with = "hex")]
    pub collection: Id,
    /// Name of the collection when this was written; the catalogue decides.
    pub name: String,
    /// Generation, from 1; as in the file's name.
    pub generation: u64,
    /// When it was written, in milliseconds since 1970-01-01 UTC.
    pub created_at_ms: i64,
    /// What made the vectors.
    pub identity: EmbeddingIdentity,
    /// The segments, in the order of their numbers.
    pub segments: Vec<SegmentEntry>,
    /// The snapshots, sorted by name.
    pub snapshots: Vec<SnapshotEntry>,
    /// The number of the next segment.
    pub next_segment: u64,
}

/// A segment that counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentEntry {
    /// Its number.
    pub segment: u64,
    /// What may happen to it.
    #[serde(flatten)]
    pub state: SegmentState,
}

/// What may happen to a segment, and what is promised about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum SegmentState {
    /// Grows: every whole commit at its end counts.
    Open,
    /// Never changes again.
    Sealed {
        /// Length of the file.
        bytes: u64,
        /// Number of its rows.
        rows: u64,
        /// Its last commit.
        last_commit: u64,
        /// Digest of the segment, as in its seal.
        #[serde(with = "hex")]
        digest: Digest,
    },
    /// Damaged while it was open, and left alone since: the writer went on in another segment.
    Frozen {
        /// Where its last good frame ends, in bytes.
        end_bytes: u64,
        /// The last commit that was seen to be good.
        last_commit: u64,
        /// Chain digest there.
        #[serde(with = "hex")]
        chain: Digest,
    },
}

/// A named snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotEntry {
    /// Its name.
    pub name: String,
    /// The number in its file's name: the generation that first named it.
    pub file: u64,
    /// Digest of the snapshot document.
    #[serde(with = "hex")]
    pub digest: Digest,
}

impl Manifest {
    /// The bytes of the file.
    ///
    /// # Errors
    /// The value cannot be written as JSON.
    pub fn encode(&self) -> Result<Vec<u8>, String> {
        document::seal(self)
    }

    /// The manifest in `bytes`.
    ///
    /// # Errors
    /// A [`Flaw`] when it is damaged, of a newer version, or says something that cannot be.
    pub fn decode(bytes: &[u8]) -> Result<(Self, Digest), Flaw> {
        let (manifest, digest) = document::open::<Self>(STRUCTURE, bytes)?;
        check_format(STRUCTURE, bytes, (&manifest.format, MANIFEST_FORMAT), manifest.version)?;
        let wrong = |field, expected: &str, found: String| Err(member(STRUCTURE, bytes, field, expected, &found));
        if manifest.features.incompatible != 0 {
            let found = format!("{:#x}", manifest.features.incompatible);
            return wrong("features_incompatible", "0, no feature is known", found);
        }
        if let Err(reason) = manifest.identity.check() {
            return wrong("identity", "within the limits", reason);
        }
        let mut before = 0;
        for (place, entry) in manifest.segments.iter().enumerate() {
            if entry.segment <= before || entry.segment >= manifest.next_segment {
                let expected = "numbers that rise and stay below next_segment";
                return wrong("segments", expected, entry.segment.to_string());
            }
            if entry.state == SegmentState::Open && place + 1 != manifest.segments.len() {
                return wrong("segments", "only the last one open", entry.segment.to_string());
            }
            before = entry.segment;
        }
        let mut names = std::collections::BTreeSet::new();
        for snapshot in &manifest.snapshots {
            if let Err(reason) = check_name(&snapshot.name) {
                return wrong("snapshots", &reason, snapshot.name.clone());
            }
            if !names.insert(&snapshot.name) {
                return wrong("snapshots", "different names", snapshot.name.clone());
            }
        }
        Ok((manifest, digest))
    }

    /// A first manifest, without segments.
    pub fn first(collection: Id, name: &str, identity: EmbeddingIdentity, created_at_ms: i64) -> Self {
        Self {
            format: MANIFEST_FORMAT.to_owned(),
            version: FORMAT_VERSION,
            features: Features::default(),
            collection,
            name: name.to_owned(),
            generation: 1,
            created_at_ms,
            identity,
            segments: Vec::new(),
            snapshots: Vec::new(),
            next_segment: 1,
        }
    }
}
