//! What can still be read of a sealed segment that cannot be opened as promised.

use siltstone_format::Flaw;

use super::open::{by_footer, read_header};
use super::{OpenFile, Promise, Reach, Segment, SegmentPlace};
use crate::disk::{Disk, Mode};
use crate::error::{Error, Result};

/// The frames that can be found in a damaged sealed segment: through its footer when that is good, else by their own
/// headers. Also lists the damage that was met on the way, beside what kept the segment from being opened.
pub(crate) fn salvage_sealed(
    disk: &dyn Disk,
    place: SegmentPlace,
    promise: Promise,
) -> Result<(Segment, Vec<Flaw>)> {
    let path = place.path();
    let file = disk.open(&path, Mode::Read).map_err(Error::io("open", &path))?;
    let length = file.len().map_err(Error::io("read", &path))?;
    match read_header(&*file, &place) {
        // A file of somebody else, or of a newer version.
        Err(error @ Error::NewerFormat { .. }) => return Err(error),
        _ if length == promise.bytes => {
            if let Ok(segment) = by_footer(&*file, place.clone(), promise) {
                return Ok((segment, Vec::new()));
            }
        }
        _ => {}
    }
    let mut open = OpenFile::start_despite_damage(&*file, place.clone())?;
    let everything = Reach::promised(&place, promise.last_commit, promise.bytes, [0; 32]);
    open.walk.advance(&*file, &place, &everything)?;
    // What follows the last frame is the footer, and that its bytes are no frame is no news.
    let end = open.walk.end;
    let gaps = open.walk.gaps.iter().filter(|gap| gap.offset < end && gap.structure != "segment header");
    let gaps = gaps.cloned().collect();
    Ok((open.segment(&*file)?, gaps))
}
