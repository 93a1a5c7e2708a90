//! Reading every byte of a segment's frames. Reads with plain reads, never through a map, so that a file that somebody
//! cuts meanwhile is an error and not a signal.

use siltstone_format::frame::Frame;
use siltstone_format::layout::{FooterFrame, FooterKill, FrameHeader};
use siltstone_format::limits::{HEADER_PAGE_BYTES, MAX_FRAME_BYTES};
use siltstone_format::{Digest, Flaw, Metric, header};

use super::SegmentPlace;
use super::open::read;
use crate::disk::DiskFile;
use crate::distance::check_vector;
use crate::error::{Error, Result};

/// The frames that a segment should have, as its footer or a walk says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listed<'a> {
    pub(crate) frames: &'a [FooterFrame],
    pub(crate) kills: &'a [FooterKill],
    /// Where the last one ends, and the chain digest there.
    pub(crate) end: u64,
    pub(crate) chain: Digest,
    /// Whether some are known to be missing in between.
    pub(crate) has_gaps: bool,
}

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    pub(crate) flaws: Vec<Flaw>,
    pub(crate) rows: u64,
}

/// Checks the header page and every byte of the frames.
pub(crate) fn check_frames(file: &dyn DiskFile, place: &SegmentPlace, listed: Listed<'_>) -> Result<Checked> {
    let mut check = Check { file, place, checked: Checked::default(), kills: listed.kills.iter() };
    let length = file.len().map_err(Error::io("read", &place.path()))?.min(HEADER_PAGE_BYTES);
    // The chain digest so far, while it is known.
    let mut chain = match header::decode(&read(file, &place.path(), 0, length as usize)?) {
        Ok(page) => Some(page.chain),
        Err(flaw) => {
            check.checked.flaws.push(flaw);
            None
        }
    };
    // Where the frames so far end, while that is known.
    let mut end = Some(HEADER_PAGE_BYTES);
    for entry in listed.frames {
        if end != Some(entry.offset) {
            chain = None;
            if let Some(at) = end.filter(|_| !listed.has_gaps) {
                let (expected, found) = (format!("a frame at {at}"), format!("one at {}", entry.offset));
                check.checked.flaws.push(Flaw::new("segment", "frames", at, 1, expected, found));
            }
        }
        (end, chain) = check.frame(entry, chain)?;
    }
    let Some(at) = end else { return Ok(check.checked) };
    if at != listed.end && !listed.has_gaps {
        let (from, length) = (at.min(listed.end), at.abs_diff(listed.end));
        let expected = format!("frames up to {}", listed.end);
        check.checked.flaws.push(Flaw::new("segment", "frames", from, length, expected, at));
    } else if chain.is_some_and(|chain| chain != listed.chain) {
        let last = listed.frames.last().map_or(0, |frame| frame.offset);
        let (expected, found) = ("the digest that follows the last frame", "another digest");
        check.checked.flaws.push(Flaw::new("frame", "chain", last, (at - last).max(1), expected, found));
    }
    Ok(check.checked)
}

struct Check<'a> {
    file: &'a dyn DiskFile,
    place: &'a SegmentPlace,
    checked: Checked,
    kills: std::slice::Iter<'a, FooterKill>,
}

impl Check<'_> {
    /// Reads every byte of one frame; returns where it ends and the chain digest there, if these are known.
    fn frame(&mut self, entry: &FooterFrame, chain: Option<Digest>) -> Result<(Option<u64>, Option<Digest>)> {
        let (path, seed) = (self.place.path(), self.place.seed());
        let length = self.file.len().map_err(Error::io("read", &path))?.saturating_sub(entry.offset);
        let head = read(self.file, &path, entry.offset, length.min(FrameHeader::BYTES as u64) as usize)?;
        let header = match FrameHeader::decode(&head, &seed, entry.offset) {
            Ok(header) if header.frame_bytes <= length.min(MAX_FRAME_BYTES) => header,
            Ok(header) => {
                let flaw = Flaw::short("frame", entry.offset, header.frame_bytes, length);
                return Ok(self.lost(entry, flaw));
            }
            Err(flaw) => return Ok(self.lost(entry, flaw)),
        };
        let end = entry.offset + header.frame_bytes;
        let bytes = read(self.file, &path, entry.offset, header.frame_bytes as usize)?;
        let frame = match Frame::with_header(&header, &bytes, self.place.dims, &seed, entry.offset) {
            Ok(frame) => frame,
            Err(flaw) => return Ok(self.lost(entry, flaw)),
        };
        let flaws = frame.flaws(&header);
        let sound = flaws.is_empty();
        self.checked.flaws.extend(flaws);
        let wrong = |field, expected: String, found: String| {
            Flaw::new("frame header", field, entry.offset, FrameHeader::BYTES as u64, expected, found)
        };
        let listed = (entry.commit, entry.first_row, entry.rows, entry.kills, entry.last);
        let found = (header.commit, header.first_row, header.rows, header.kills, header.last);
        if listed != found {
            self.checked.flaws.push(wrong("counts", format!("{listed:?}"), format!("{found:?}")));
        }
        if chain.is_some_and(|chain| chain != header.previous_chain) {
            let expected = "the digest of the frame before".to_owned();
            self.checked.flaws.push(wrong("previous_chain", expected, "another digest".into()));
        }
        let own_kills: Vec<_> = self.kills.by_ref().take(entry.kills as usize).collect();
        if sound {
            let of_frame: Vec<_> = frame.kills().map(|kill| (kill.segment, kill.row)).collect();
            if !own_kills.iter().map(|kill| (kill.segment, kill.row)).eq(of_frame.iter().copied()) {
                let expected = format!("the {} listed", own_kills.len());
                self.checked.flaws.push(wrong("kills", expected, format!("{of_frame:?}")));
            }
            self.meanings(&frame, entry);
            self.checked.rows += u64::from(header.rows);
        }
        // A damaged frame is one finding: the next one is held against what the trailer says, if that is good.
        let chain = match frame.trailer(&header) {
            Ok(trailer) => Some(trailer.chain),
            Err(_) => None,
        };
        Ok((Some(end), chain))
    }

    /// A frame of which nothing can be checked.
    fn lost(&mut self, entry: &FooterFrame, flaw: Flaw) -> (Option<u64>, Option<Digest>) {
        self.kills.by_ref().take(entry.kills as usize).for_each(drop);
        self.checked.flaws.push(flaw);
        (None, None)
    }

    /// Checks what the bytes of a sound frame mean: vectors that may be stored, norms that are theirs, metadata that is
    /// JSON.
    fn meanings(&mut self, frame: &Frame<'_>, entry: &FooterFrame) {
        let metric = Metric::from_code(self.place.metric);
        for row in 0..entry.rows {
            let Some(Ok(bytes)) = frame.row(row) else { continue };
            let elements = bytes.chunks_exact(4).filter_map(|element| element.first_chunk::<4>());
            let vector: Vec<f32> = elements.map(|element| f32::from_le_bytes(*element)).collect();
            let offset = entry.offset + FrameHeader::BYTES as u64 + u64::from(row) * bytes.len() as u64;
            let mut wrong = |field, expected: String, found: String| {
                let length = bytes.len() as u64;
                self.checked.flaws.push(Flaw::new("row", field, offset, length, expected, found));
            };
            match metric.map(|metric| check_vector(metric, &vector)) {
                Some(Err(refused)) => {
                    wrong("elements", "a vector that may be stored".to_owned(), refused.to_string());
                }
                Some(Ok(norm)) if frame.squared_norm(row).map(f64::to_bits) != Some(norm.to_bits()) => {
                    wrong("squared norm", norm.to_string(), format!("{:?}", frame.squared_norm(row)));
                }
                _ => {}
            }
            if let Some(Ok(metadata)) = frame.metadata(row)
                && !metadata.is_empty()
                && let Err(error) =
                    serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&metadata)
            {
                wrong("metadata", "a JSON object".into(), error.to_string());
            }
        }
    }
}
