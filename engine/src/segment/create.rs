//! New segment files.

use std::sync::Arc;

use siltstone_format::Digest;
use siltstone_format::header::{self, SegmentIdentity};
use siltstone_format::layout::SegmentHeader;
use siltstone_format::limits::{FORMAT_VERSION, HEADER_PAGE_BYTES};

use super::{OpenFile, SegmentPlace};
use crate::disk::{Disk, DiskFile, Mode};
use crate::error::{Error, Result};

/// What a new segment continues.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Continues {
    pub(crate) segment: u64,
    pub(crate) chain: Digest,
    pub(crate) commit: u64,
}

/// The header page of a new segment.
pub(crate) fn header_page(
    place: &SegmentPlace,
    identity: &SegmentIdentity,
    continues: Continues,
    created_at_ms: i64,
) -> Result<Vec<u8>> {
    let header = SegmentHeader {
        version: FORMAT_VERSION,
        header_bytes: HEADER_PAGE_BYTES as u32,
        features_compatible: 0,
        features_read_only: 0,
        features_incompatible: 0,
        collection: place.collection,
        segment: place.segment,
        previous_segment: continues.segment,
        previous_chain: continues.chain,
        base_commit: continues.commit,
        created_at_ms,
        dims: place.dims,
        metric: place.metric,
        element: 1,
        identity_bytes: 0,
        identity_crc: 0,
    };
    header::encode(header, identity).map_err(|reason| Error::invalid("embedding identity", reason))
}

/// Creates a segment file with its header page and makes both durable. No manifest names it yet.
pub(crate) fn create(
    disk: &dyn Disk,
    place: SegmentPlace,
    identity: &SegmentIdentity,
    continues: Continues,
    created_at_ms: i64,
) -> Result<(Arc<dyn DiskFile>, OpenFile)> {
    let page = header_page(&place, identity, continues, created_at_ms)?;
    let path = place.path();
    let file = disk.open(&path, Mode::Create).map_err(Error::io("create", &path))?;
    file.write_at(&page, 0).map_err(Error::io("write", &path))?;
    file.sync().map_err(Error::io("sync", &path))?;
    disk.sync_dir(&place.directory).map_err(Error::io("sync", &place.directory))?;
    let open = OpenFile::start(&*file, place)?;
    Ok((file, open))
}
