//! Manifests: what a collection is at one generation. A small JSON document that an operator can read.

use serde::{Deserialize, Serialize};

use crate::document::{self, hex, member};
use crate::identity::EmbeddingIdentity;
use crate::limits::{FORMAT_VERSION, MAX_NUMBER};
use crate::names::check_name;
use crate::snapshot::check_end;
use crate::{Digest, Flaw, Id};

/// What the `format` member of a manifest says.
pub const MANIFEST_FORMAT: &str = "siltstone manifest";
const STRUCTURE: &str = "manifest";

/// Bit of [`Features::incompatible`]: a segment is [`SegmentState::Capped`]. Who does not know it would show commits that
/// no longer count.
pub const CAPPED_SEGMENTS: u64 = 1;

/// Feature bits of a structure. This version knows [`CAPPED_SEGMENTS`] in manifests.
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
    /// Segments that were listed once and are no longer, rising. Their files may still be there: for as long as a snapshot
    /// names them, and until somebody removes them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retired: Vec<u64>,
}

/// A segment that counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "SegmentMembers")]
pub struct SegmentEntry {
    /// Its number.
    pub segment: u64,
    /// What may happen to it.
    #[serde(flatten)]
    pub state: SegmentState,
}

/// What may happen to a segment, and what is promised about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
    /// Sealed, and counts only up to one of its commits: a snapshot was restored that saw it so.
    Capped {
        /// Length of the file.
        bytes: u64,
        /// Number of its rows, those beyond the cap included.
        rows: u64,
        /// Its last commit, beyond the cap.
        last_commit: u64,
        /// Digest of the segment, as in its seal.
        #[serde(with = "hex")]
        digest: Digest,
        /// The last of its commits that counts.
        cap: u64,
    },
    /// Damaged while it was open, and left alone since: the writer went on in another segment.
    Frozen {
        /// Where its last good frame ends, in bytes.
        end_bytes: u64,
        /// The greatest commit number that was seen or promised, whole or not: no later commit has it again.
        last_commit: u64,
        /// Chain digest there.
        #[serde(with = "hex")]
        chain: Digest,
    },
}

/// The members of a segment's entry, as they are read. Reading them flattened would keep every unknown member in memory,
/// at many times its length in the file.
#[derive(Deserialize)]
struct SegmentMembers {
    segment: u64,
    state: StateName,
    bytes: Option<u64>,
    rows: Option<u64>,
    last_commit: Option<u64>,
    end_bytes: Option<u64>,
    digest: Option<HexDigest>,
    chain: Option<HexDigest>,
    cap: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum StateName {
    Open,
    Sealed,
    Capped,
    Frozen,
}

#[derive(Deserialize)]
struct HexDigest(#[serde(with = "hex")] Digest);

impl TryFrom<SegmentMembers> for SegmentEntry {
    type Error = String;

    fn try_from(read: SegmentMembers) -> Result<Self, String> {
        let segment = read.segment;
        let missing = |member: &str| format!("segment {segment} lacks the member {member}");
        let last_commit = read.last_commit.ok_or_else(|| missing("last_commit"));
        let state = match read.state {
            StateName::Open => SegmentState::Open,
            StateName::Sealed => SegmentState::Sealed {
                bytes: read.bytes.ok_or_else(|| missing("bytes"))?,
                rows: read.rows.ok_or_else(|| missing("rows"))?,
                last_commit: last_commit?,
                digest: read.digest.ok_or_else(|| missing("digest"))?.0,
            },
            StateName::Capped => SegmentState::Capped {
                bytes: read.bytes.ok_or_else(|| missing("bytes"))?,
                rows: read.rows.ok_or_else(|| missing("rows"))?,
                last_commit: last_commit?,
                digest: read.digest.ok_or_else(|| missing("digest"))?.0,
                cap: read.cap.ok_or_else(|| missing("cap"))?,
            },
            StateName::Frozen => SegmentState::Frozen {
                end_bytes: read.end_bytes.ok_or_else(|| missing("end_bytes"))?,
                last_commit: last_commit?,
                chain: read.chain.ok_or_else(|| missing("chain"))?.0,
            },
        };
        Ok(Self { segment, state })
    }
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
    /// The bytes of the file. The bit of [`CAPPED_SEGMENTS`] is set or not as the segments need it.
    ///
    /// # Errors
    /// The value cannot be written as JSON.
    pub fn encode(&self) -> Result<Vec<u8>, String> {
        let mut sealed = self.clone();
        sealed.features.incompatible &= !CAPPED_SEGMENTS;
        if self.has_capped() {
            sealed.features.incompatible |= CAPPED_SEGMENTS;
        }
        document::seal(&sealed)
    }

    fn has_capped(&self) -> bool {
        self.segments.iter().any(|entry| matches!(entry.state, SegmentState::Capped { .. }))
    }

    /// The last commit of a listed segment that may count; all of them where there is no cap.
    pub fn cap(&self, segment: u64) -> u64 {
        let entry = self.segments.iter().find(|entry| entry.segment == segment);
        match entry.map(|entry| &entry.state) {
            Some(SegmentState::Capped { cap, .. }) => *cap,
            _ => u64::MAX,
        }
    }

    /// The manifest in `bytes`.
    ///
    /// # Errors
    /// A [`Flaw`] when it is damaged, of a newer version, or says something that cannot be.
    pub fn decode(bytes: &[u8]) -> Result<(Self, Digest), Flaw> {
        let (manifest, digest) =
            document::open_versioned::<Self>((STRUCTURE, MANIFEST_FORMAT), CAPPED_SEGMENTS, bytes)?;
        let wrong =
            |field, expected: &str, found: String| Err(member(STRUCTURE, bytes, field, expected, &found));
        for (field, number) in [("generation", manifest.generation), ("next_segment", manifest.next_segment)]
        {
            if !(1..=MAX_NUMBER).contains(&number) {
                return wrong(field, &format!("1 to {MAX_NUMBER}"), number.to_string());
            }
        }
        if let Err(reason) = check_name(&manifest.name) {
            return wrong("name", &reason, manifest.name.clone());
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
            if let SegmentState::Capped { last_commit, cap, .. } = entry.state
                && !(1..last_commit).contains(&cap)
            {
                let expected = "a cap below the last commit";
                return wrong("segments", expected, format!("cap {cap}, last commit {last_commit}"));
            }
            if let SegmentState::Sealed { bytes: end, last_commit, .. }
            | SegmentState::Capped { bytes: end, last_commit, .. }
            | SegmentState::Frozen { end_bytes: end, last_commit, .. } = entry.state
                && let Err(reason) = check_end(end, last_commit)
            {
                return wrong("segments", &reason, format!("commit {last_commit} and byte {end}"));
            }
            before = entry.segment;
        }
        if manifest.has_capped() && manifest.features.incompatible & CAPPED_SEGMENTS == 0 {
            let found = format!("{:#x}", manifest.features.incompatible);
            return wrong("features", "the bit of capped segments", found);
        }
        let mut before = 0;
        for &segment in &manifest.retired {
            let is_listed = manifest.segments.iter().any(|entry| entry.segment == segment);
            if segment <= before || segment >= manifest.next_segment || is_listed {
                let expected = "numbers that rise, stay below next_segment and are not listed";
                return wrong("retired", expected, segment.to_string());
            }
            before = segment;
        }
        let mut name_before = "";
        for snapshot in &manifest.snapshots {
            if let Err(reason) = check_name(&snapshot.name) {
                return wrong("snapshots", &reason, snapshot.name.clone());
            }
            if snapshot.name.as_str() <= name_before {
                return wrong("snapshots", "names sorted and different", snapshot.name.clone());
            }
            if snapshot.file == 0 || snapshot.file > manifest.generation {
                return wrong("snapshots", "a file number up to the generation", snapshot.file.to_string());
            }
            name_before = &snapshot.name;
        }
        Ok((manifest, digest))
    }

    /// Whether a segment of this number counts.
    pub fn lists(&self, segment: u64) -> bool {
        self.segments.binary_search_by_key(&segment, |entry| entry.segment).is_ok()
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
            retired: Vec::new(),
        }
    }
}
