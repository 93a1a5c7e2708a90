//! Describing the segments of a collection: what a plan is made from, and where the space goes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use siltstone_format::manifest::Manifest;

use super::SegmentShape;
use crate::collection::Shared;
use crate::disk::Mode;
use crate::error::{Error, Result};
use crate::ids::SegmentId;
use crate::snapshot;
use crate::view::{self, At, OnDamage, View};

/// Where the space of a collection's segments goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Space {
    /// Segments that count.
    pub segments: u64,
    /// Their length, in bytes.
    pub bytes: u64,
    /// Rows in them that no longer count.
    pub dead_rows: u64,
    /// About how many of their bytes these rows take: what compaction would win.
    pub dead_bytes: u64,
    /// Segments that no longer count and are kept for snapshots.
    pub held_segments: u64,
    /// Their length, in bytes: what dropping the snapshots would win.
    pub held_bytes: u64,
}

/// Where the space goes. Takes no lock and reads no rows.
pub(crate) fn space(shared: &Arc<Shared>) -> Result<Space> {
    snapshot::with_manifest(shared, |manifest| {
        let view = view::load(shared, At::Now, OnDamage::Skip)?;
        let shapes = shapes(&view, None, &[])?;
        let held = held(shared, manifest)?;
        Ok(Space {
            segments: shapes.len() as u64,
            bytes: shapes.iter().map(|shape| shape.bytes).sum(),
            dead_rows: shapes.iter().map(|shape| shape.rows - shape.live_rows).sum(),
            dead_bytes: shapes.iter().map(SegmentShape::dead_bytes).sum(),
            held_segments: held.len() as u64,
            held_bytes: held.values().sum(),
        })
    })
}

/// Bytes of the segments that only snapshots keep.
pub(super) fn held_bytes(shared: &Shared, manifest: &Manifest) -> Result<u64> {
    Ok(held(shared, manifest)?.values().sum())
}

/// The segments that only snapshots keep, with the lengths of their files. Without those of a snapshot that cannot be read.
fn held(shared: &Shared, manifest: &Manifest) -> Result<BTreeMap<u64, u64>> {
    let snapshots = snapshot::documents(shared, manifest)?.unwrap_or_default();
    let mut lengths = BTreeMap::new();
    for &number in snapshot::held(manifest, &snapshots).keys() {
        let path = shared.place(number).path();
        let file = match shared.environment.disk.open(&path, Mode::Read) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            file => file.map_err(Error::io("open", &path))?,
        };
        lengths.insert(number, file.len().map_err(Error::io("read", &path))?);
    }
    Ok(lengths)
}

/// The segments of a view. Of `named`, snapshots keep the files; nobody knows of which when it is `None`. The rows with
/// keys of `dropped` are taken for dead.
pub(super) fn shapes(
    view: &View,
    named: Option<&BTreeSet<u64>>,
    dropped: &[String],
) -> Result<Vec<SegmentShape>> {
    let mut shapes: Vec<SegmentShape> = view
        .parts
        .iter()
        .map(|part| {
            let number = part.segment.place.segment;
            SegmentShape {
                segment: SegmentId(number),
                bytes: part.segment.file_bytes(),
                rows: u64::from(part.segment.rows),
                live_rows: part.live.count(),
                is_held: named.is_none_or(|named| named.contains(&number)),
            }
        })
        .collect();
    for key in dropped.iter().collect::<BTreeSet<_>>() {
        if let Some((part, _)) = view.place_of(key)?
            && let Some(shape) = shapes.get_mut(part as usize)
        {
            shape.live_rows -= 1;
        }
    }
    Ok(shapes)
}
