//! A frame: its header by the header's own CRC, the index by the CRC in the header, rows, keys and blocks by the CRCs in
//! the index, the zeros by being zeros, and the trailer from all of that.

use super::syndrome::{mend_covered, mend_fixed};
use super::{Mend, differing_bits};
use crate::checksum::{Digest, digest};
use crate::frame::{Frame, Geometry, check_trailer};
use crate::layout::{Block, FrameHeader, FrameTrailer};
use crate::{Flaw, Seed};

/// The header in `bytes`, which lie at `offset`, with at most one flipped bit; `None` when more is wrong. A header that had
/// to be put right is not confirmed before its frame is.
pub fn mend_frame_header(bytes: &[u8], seed: &Seed, offset: u64) -> Option<FrameHeader> {
    let mut fixed = bytes.get(..FrameHeader::BYTES)?.to_vec();
    if let Ok(header) = FrameHeader::decode(&fixed, seed, offset) {
        return Some(header);
    }
    mend_fixed(&mut fixed, seed, offset).then_some(())?;
    FrameHeader::decode(&fixed, seed, offset).ok()
}

/// A frame, as far as its checksums can put it right.
#[derive(Debug, Clone)]
pub struct MendedFrame {
    /// Its header.
    pub header: FrameHeader,
    /// What was put right, structure by structure, the trailer included.
    pub mends: Vec<Mend>,
    /// What more than one flipped bit is wrong with.
    pub lost: Vec<Flaw>,
    /// The digest of the frame as it now is.
    pub chain: Digest,
    /// The trailer as it was found, when that is good by itself and the header's.
    pub trailer: Option<FrameTrailer>,
    /// In how many bits the trailer that was found differs from the one that belongs to the frame.
    pub trailer_bits: u64,
}

impl MendedFrame {
    /// Whether these are the bytes that were written, as far as the frame itself tells: nothing is lost, and its trailer
    /// names its digest, but for one bit at most.
    pub fn is_confirmed_by_itself(&self) -> bool {
        self.lost.is_empty() && self.trailer_bits <= 1
    }
}

/// Puts the frame in exactly `old`, which lies at `offset`, right, with the header that [`mend_frame_header`] found for it.
///
/// # Errors
/// A [`Flaw`] when the header's counts cannot be, or the index is beyond repair: then rows, keys and blocks have no
/// checksums.
pub fn mend_frame(
    old: &[u8],
    header: FrameHeader,
    dims: u32,
    seed: &Seed,
    offset: u64,
) -> Result<MendedFrame, Flaw> {
    let geometry = Geometry::of(&header, dims, offset)?;
    if old.len() as u64 != header.frame_bytes {
        return Err(Flaw::short("frame", offset, header.frame_bytes, old.len() as u64));
    }
    let mut work = Work { old, bytes: old.to_vec(), seed, offset, mends: Vec::new(), lost: Vec::new() };
    work.put("frame header", 0, &header.encode(seed, offset));
    work.covered(("frame index", geometry.index, geometry.keys), header.index_crc);
    let frame = Frame::with_header(&header, &work.bytes, dims, seed, offset)?;
    frame.check_index()?;
    // The index is good: what it says of the other sections can be relied on.
    let pieces = pieces(&frame, geometry);
    for (piece, crc) in pieces {
        work.covered(piece, crc);
    }
    work.put("frame padding", geometry.zeros, &vec![0; geometry.trailer - geometry.zeros]);
    let frame = Frame::with_header(&header, &work.bytes, dims, seed, offset)?;
    work.lost = frame.content_flaws();

    let chain = digest(work.bytes.get(..geometry.trailer).unwrap_or_default());
    let at = offset + geometry.trailer as u64;
    let found = old.get(geometry.trailer..).unwrap_or_default();
    let trailer = FrameTrailer::decode(found, seed, at).ok();
    let trailer = trailer.filter(|trailer| check_trailer(trailer, &header, at).is_ok());
    let right =
        FrameTrailer { frame_bytes: header.frame_bytes, commit: header.commit, chain, part: header.part };
    let right = right.encode(seed, at);
    let trailer_bits = differing_bits(found, &right);
    work.put("frame trailer", geometry.trailer, &right);
    Ok(MendedFrame { header, mends: work.mends, lost: work.lost, chain, trailer, trailer_bits })
}

/// A structure and where it lies in the frame.
type Piece = (&'static str, usize, usize);

/// The rows, keys and blocks of a frame whose index is good, with their CRCs.
fn pieces(frame: &Frame<'_>, geometry: Geometry) -> Vec<(Piece, u32)> {
    let mut pieces = Vec::new();
    let mut at = Geometry::ROWS;
    for crc in frame.stored_row_crcs() {
        pieces.push((("row", at, at + geometry.row_bytes), crc));
        at += geometry.row_bytes;
    }
    let mut from = geometry.keys;
    for (end, crc) in frame.stored_keys() {
        let to = geometry.keys + end as usize;
        pieces.push((("key", from, to), crc));
        from = to;
    }
    let (metadata, text) = frame.stored_blocks();
    for (structure, start, blocks) in
        [("metadata block", geometry.metadata, metadata), ("text block", geometry.text, text)]
    {
        let mut from = start;
        for Block { stored_bytes, crc, .. } in blocks {
            let to = from.saturating_add(stored_bytes as usize);
            pieces.push(((structure, from, to), crc));
            from = to;
        }
    }
    pieces
}

struct Work<'a> {
    old: &'a [u8],
    bytes: Vec<u8>,
    seed: &'a Seed,
    offset: u64,
    mends: Vec<Mend>,
    lost: Vec<Flaw>,
}

impl Work<'_> {
    /// Puts bytes where others may be, and notes it when they differ.
    fn put(&mut self, structure: &'static str, at: usize, new: &[u8]) {
        let to = at.saturating_add(new.len());
        let old = self.old.get(at..to).unwrap_or_default();
        let Some(mend) = Mend::between(structure, self.offset + at as u64, old, new) else { return };
        if let Some(place) = self.bytes.get_mut(at..to) {
            place.copy_from_slice(new);
            self.mends.push(mend);
        }
    }

    /// Puts a piece right by its CRC, when one bit does it.
    fn covered(&mut self, (structure, from, to): Piece, crc: u32) {
        let offset = self.offset + from as u64;
        let Some(old) = self.bytes.get(from..to) else { return };
        if self.seed.crc(offset, old) == crc {
            return;
        }
        let mut new = old.to_vec();
        if mend_covered(&mut new, crc, self.seed, offset) {
            self.put(structure, from, &new);
        }
    }
}
