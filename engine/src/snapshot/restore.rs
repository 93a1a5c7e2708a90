//! Going back to the moment of a snapshot: nothing is copied and nothing is deleted. The segments of the snapshot count again,
//! each as far as it did; commits after that stay in their files, where the snapshot that is made of the moment before
//! keeps them.
//!
//! The open segment is sealed first, so every segment that is whole has a footer, and a cap is all that the manifest needs to
//! say about one that counts in part. What is committed next goes into a new segment, which remembers what it goes on from.

use std::sync::Arc;

use siltstone_format::manifest::{Manifest, SegmentEntry, SegmentState};
use siltstone_format::names::FileKind;
use siltstone_format::snapshot::{Snapshot, SnapshotSegment};

use super::{SnapshotInfo, check_new, describe, find, load, missing, publish};
use crate::append::Writer;
use crate::collection::Shared;
use crate::error::{Error, Result};
use crate::segment::Segment;
use crate::view::{self, At, Damage, OnDamage};
use crate::witness;

/// What a restore did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The snapshot whose moment is the current one again.
    pub snapshot: SnapshotInfo,
    /// The snapshot that keeps the moment before: restoring it undoes this.
    pub before: SnapshotInfo,
}

pub(crate) fn restore(writer: &mut Writer, name: &str, keep_as: &str) -> Result<Restored> {
    let shared = Arc::clone(writer.shared());
    check_new(&shared, writer.manifest(), keep_as)?;
    let wanted = load(&shared, find(&shared, writer.manifest(), name)?).map_err(missing)?;
    writer.seal_open()?;
    let segments = segments(&shared, writer.manifest(), &wanted)?;
    let mut before = None;
    writer.go_on_from(segments, |writer| {
        let snapshot = describe(writer, keep_as)?;
        before = Some(SnapshotInfo::from(&snapshot));
        publish(&shared, writer.manifest(), &snapshot)
    })?;
    let snapshot = SnapshotInfo::from(&wanted);
    let before = before.ok_or_else(|| Error::invalid("snapshot", "the moment before was not kept"))?;
    Ok(Restored { snapshot, before })
}

/// What the manifest will say of the segments of a snapshot.
fn segments(shared: &Arc<Shared>, manifest: &Manifest, wanted: &Snapshot) -> Result<Vec<SegmentEntry>> {
    let witness = witness::load(&*shared.environment.disk, &shared.directory, &shared.id)?;
    let mut damage = Vec::new();
    let at = At::Snapshot(wanted);
    let parts = view::open_parts(shared, manifest, &witness, at, OnDamage::Skip, &mut damage)?;
    if let Some(found) = damage.iter().find(|found| !may_be_frozen(manifest, &parts, found)) {
        return Err(Error::flaw(&found.path, found.flaw.clone()));
    }
    let opened = |named: &SnapshotSegment| parts.iter().find(|part| part.place.segment == named.segment);
    let entries = wanted.segments.iter().map(|named| {
        let part = opened(named).ok_or_else(|| {
            Error::invalid("snapshot", format!("its segment {} cannot be opened", named.segment))
        })?;
        Ok(SegmentEntry { segment: named.segment, state: state(part, named) })
    });
    entries.collect()
}

fn state(part: &Segment, named: &SnapshotSegment) -> SegmentState {
    let SnapshotSegment { last_commit: cap, end_bytes, chain, .. } = *named;
    let (bytes, rows, last_commit) = (part.file_bytes(), u64::from(part.rows), part.last_commit);
    match part.digest {
        Some(digest) if cap == last_commit => SegmentState::Sealed { bytes, rows, last_commit, digest },
        Some(digest) => SegmentState::Capped { bytes, rows, last_commit, digest, cap },
        // It was left alone for its damage, which stays where it is.
        None => SegmentState::Frozen { end_bytes, last_commit: cap, chain },
    }
}

/// Damage in a segment that is or was frozen keeps nobody from going back to it: it was no better then.
fn may_be_frozen(manifest: &Manifest, parts: &[Arc<Segment>], found: &Damage) -> bool {
    let name = found.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let Some(FileKind::Segment(number)) = FileKind::of(&name) else { return false };
    let entry = manifest.segments.iter().find(|entry| entry.segment == number);
    let is_frozen = entry.is_none_or(|entry| matches!(entry.state, SegmentState::Frozen { .. }));
    is_frozen && parts.iter().any(|part| part.place.segment == number && part.digest.is_none())
}
