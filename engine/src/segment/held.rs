//! Segments that only snapshots name. The manifest promises nothing about them any more, so they are opened by what they
//! say themselves, and held against how far the snapshot says that they count.

use siltstone_format::Flaw;
use siltstone_format::snapshot::SnapshotSegment;

use super::open::{mapped, read_footer, read_header};
use super::{OpenFile, Reach, Segment, SegmentPlace};
use crate::disk::{Disk, Mode};
use crate::error::{Error, Result};

/// How much of a held segment is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// As far as the snapshot needs it.
    Snapshot,
    /// Whatever the file has: what follows must be whole commits or a footer.
    File,
}

/// Opens a segment by its footer or, when it has none that is good, by walking it up to where the snapshot ends. Also
/// lists the damage that was met.
pub(crate) fn open_held(
    disk: &dyn Disk,
    place: SegmentPlace,
    named: &SnapshotSegment,
    extent: Extent,
) -> Result<(Segment, Vec<Flaw>)> {
    let path = place.path();
    let file = disk.open(&path, Mode::Read).map_err(Error::io("open", &path))?;
    let length = file.len().map_err(Error::io("read", &path))?;
    let (features_read_only, flaws) = match read_header(&*file, &place) {
        Ok(page) => (page.header.features_read_only, Vec::new()),
        Err(Error::Damaged { flaw, .. }) => (0, vec![*flaw]),
        Err(error) => return Err(error),
    };
    match read_footer(&*file, &place, length) {
        Ok(footer) => {
            let segment = mapped(&*file, place, length, footer)?;
            return Ok((Segment { features_read_only, ..segment }, flaws));
        }
        Err(Error::Damaged { .. }) => {}
        Err(error) => return Err(error),
    }
    let mut open = OpenFile::start_despite_damage(&*file, place.clone())?;
    let promised = Reach::promised(&place, named.last_commit, named.end_bytes, named.chain);
    let reach = match extent {
        Extent::Snapshot => promised,
        Extent::File => Reach { limit: u64::MAX, ..promised },
    };
    open.walk.advance(&*file, &place, &reach)?;
    let gaps = open.walk.gaps.iter().map(|gap| match gap.field {
        "tail" => {
            let (expected, found) = ("whole commits or a footer", "other bytes");
            Flaw::new("segment", "tail", gap.offset, gap.length, expected, found)
        }
        _ => gap.clone(),
    });
    let gaps = gaps.collect();
    Ok((open.segment(&*file)?, gaps))
}
