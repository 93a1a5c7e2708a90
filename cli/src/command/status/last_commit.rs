//! When the last commit was made, from three small reads: the witness says where its last frame ends, the frame's
//! trailer how long it is, its header when it was committed. `None` when any of them is not as it should be: what is
//! wrong is for `health` to say.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use siltstone_format::layout::{FrameHeader, FrameTrailer};
use siltstone_format::limits::WITNESS_BYTES;
use siltstone_format::names::{FileKind, WITNESS_FILE};
use siltstone_format::{Id, Seed, witness};

pub(super) fn last_commit_ms(directory: &Path, collection: Id) -> Option<i64> {
    let bytes = read(&mut File::open(directory.join(WITNESS_FILE)).ok()?, 0, WITNESS_BYTES as usize)?;
    let slot = witness::decode(&bytes, &collection).latest.filter(|slot| slot.segment > 0)?;
    let mut segment = File::open(directory.join(FileKind::Segment(slot.segment).file_name())).ok()?;
    let seed = Seed::new(&collection, slot.segment);
    let trailer_at = slot.end_bytes.checked_sub(FrameTrailer::BYTES as u64)?;
    let trailer =
        FrameTrailer::decode(&read(&mut segment, trailer_at, FrameTrailer::BYTES)?, &seed, trailer_at)
            .ok()?;
    let header_at = slot.end_bytes.checked_sub(trailer.frame_bytes)?;
    let header =
        FrameHeader::decode(&read(&mut segment, header_at, FrameHeader::BYTES)?, &seed, header_at).ok()?;
    Some(header.committed_at_ms)
}

fn read(file: &mut File, offset: u64, length: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; length];
    file.seek(SeekFrom::Start(offset)).ok()?;
    file.read_exact(&mut bytes).ok()?;
    Some(bytes)
}
