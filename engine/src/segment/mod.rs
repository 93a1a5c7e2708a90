//! Segments: the files that hold rows. One may be open and grow; the others never change again.

pub(crate) mod check;
pub(crate) mod create;
mod held;
mod keys;
mod metadata;
mod open;
mod salvage;
mod walk;

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use siltstone_format::frame::{Frame, Geometry};
use siltstone_format::layout::{FooterFrame, FooterKill, FrameHeader, FrameTrailer};
use siltstone_format::{Digest, Flaw, Seed};

use crate::bitmap::Bitmap;
use crate::disk::Map;
use crate::error::{Error, Result};

pub(crate) use held::{Extent, open_held};
pub(crate) use keys::write_index;
pub(crate) use metadata::parse_metadata;
pub(crate) use open::{OpenFile, Promise, SegmentPlace, open_sealed, read_header};
pub(crate) use salvage::salvage_sealed;
pub(crate) use walk::{Reach, Stop, Walk};

/// A segment as readers see it: its bytes as memory and where its frames lie in them. What counts in a given moment is
/// the view's business.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) place: SegmentPlace,
    map: Map,
    seed: Seed,
    /// The frames of whole commits, in order.
    pub(crate) frames: Vec<FooterFrame>,
    /// The kills of those frames, in order.
    pub(crate) kills: Vec<FooterKill>,
    /// One more than the greatest row number.
    pub(crate) rows: u32,
    /// Where the last of the frames ends, in bytes.
    pub(crate) end: u64,
    /// Chain digest there.
    pub(crate) chain: Digest,
    pub(crate) last_commit: u64,
    /// The digest of the segment once it is sealed.
    pub(crate) digest: Option<Digest>,
    /// Feature bits that a writer must know.
    pub(crate) features_read_only: u64,
    /// Which frames' indexes were checked in this process.
    checked: Vec<AtomicBool>,
    keys: OnceLock<keys::Lookup>,
}

impl Segment {
    pub(crate) fn path(&self) -> PathBuf {
        self.place.path()
    }

    /// How much of the file counts: all of a sealed one, else up to the last whole commit.
    pub(crate) fn file_bytes(&self) -> u64 {
        self.map.len() as u64
    }

    /// Lets go of the memory of what was read of it; see [`Map::let_go`].
    pub(crate) fn let_go(&self) {
        self.map.let_go();
    }

    /// The error for a flaw in this segment's file.
    pub(crate) fn damaged(&self, flaw: Flaw) -> Error {
        Error::flaw(&self.path(), flaw)
    }

    /// Which frame holds a row.
    fn frame_number(&self, row: u32) -> Option<usize> {
        let after = self.frames.partition_point(|frame| frame.first_row <= row);
        let number = after.checked_sub(1)?;
        // Frames without rows share their first row with the next; the search above finds the last of them.
        let frame = self.frames.get(number)?;
        (row - frame.first_row < frame.rows).then_some(number)
    }

    /// The frame that holds a row, and the row's number in it.
    pub(crate) fn frame_of(&self, row: u32) -> Option<(usize, u32)> {
        let number = self.frame_number(row)?;
        Some((number, row - self.frames.get(number)?.first_row))
    }

    /// The commit of a row; 0 when there is no such row.
    pub(crate) fn commit_of(&self, row: u32) -> u64 {
        self.frame_number(row).and_then(|number| self.frames.get(number)).map_or(0, |frame| frame.commit)
    }

    /// When the last commit was made, in milliseconds since 1970-01-01 UTC; 0 when there is none.
    pub(crate) fn committed_at_ms(&self) -> Result<i64> {
        match self.frames.len().checked_sub(1) {
            Some(last) => Ok(self.ends_of_frame(last)?.0.committed_at_ms),
            None => Ok(0),
        }
    }

    /// The rows of a frame as elements, not checked, from its map. Never copies.
    pub(crate) fn vectors(&self, frame: &FooterFrame) -> &[f32] {
        let from = frame.offset as usize + Geometry::ROWS;
        let bytes = self.map.get(from..from + frame.rows as usize * self.place.dims as usize * 4);
        bytes.and_then(|bytes| bytemuck::try_cast_slice(bytes).ok()).unwrap_or_default()
    }

    /// The bytes of a row's vector, not checked.
    pub(crate) fn vector_bytes(&self, row: u32) -> Option<&[u8]> {
        let (number, at) = self.frame_of(row)?;
        let length = self.place.dims as usize * 4;
        let from = self.frames.get(number)?.offset as usize + Geometry::ROWS + at as usize * length;
        self.map.get(from..from + length)
    }

    /// A row's vector and its canonical squared norm, both checked; `None` when they cannot be read.
    pub(crate) fn vector_and_norm(&self, row: u32) -> Option<(&[f32], f64)> {
        let (number, at) = self.frame_of(row)?;
        let frame = self.frame(number).ok()?;
        let bytes = frame.row(at)?.ok()?;
        Some((bytemuck::try_cast_slice(bytes).ok()?, frame.squared_norm(at)?))
    }

    /// A frame with a header and an index that were checked.
    pub(crate) fn frame(&self, number: usize) -> Result<Frame<'_>> {
        let entry = self.frames.get(number).ok_or_else(|| self.no_such_frame(number))?;
        let bytes = self.map.get(entry.offset as usize..).unwrap_or_default();
        let (frame, header) = Frame::new(bytes, self.place.dims, &self.seed, entry.offset)
            .map_err(|flaw| self.damaged(flaw))?;
        let checked = self.checked.get(number);
        if !checked.is_some_and(|checked| checked.load(Ordering::Relaxed)) {
            if header.rows != entry.rows
                || header.first_row != entry.first_row
                || header.commit != entry.commit
            {
                let found =
                    format!("row {}, {} rows, commit {}", header.first_row, header.rows, header.commit);
                let expected =
                    format!("row {}, {} rows, commit {}", entry.first_row, entry.rows, entry.commit);
                let length = header.frame_bytes;
                return Err(self.damaged(Flaw::new(
                    "frame header",
                    "rows",
                    entry.offset,
                    length,
                    expected,
                    found,
                )));
            }
            frame.check_index().map_err(|flaw| self.damaged(flaw))?;
            if self.is_contradicted(number) && !self.is_contradicted(number + 1) {
                let (expected, found) = ("the digest that what follows names", "another digest");
                let length = header.frame_bytes;
                return Err(self.damaged(Flaw::new("frame", "chain", entry.offset, length, expected, found)));
            }
            if let Some(checked) = checked {
                checked.store(true, Ordering::Relaxed);
            }
        }
        Ok(frame)
    }

    fn no_such_frame(&self, number: usize) -> Error {
        let found = format!("{} frames", self.frames.len());
        self.damaged(Flaw::new("segment", "frames", 0, self.end, format!("frame {number}"), found))
    }

    /// The flaw of a row number that no frame has.
    pub(crate) fn no_such_row(&self, row: u32) -> Error {
        let found = format!("{} rows", self.rows);
        self.damaged(Flaw::new("segment", "rows", 0, self.end, format!("row {row}"), found))
    }

    /// The key of a row, checked.
    pub(crate) fn key(&self, row: u32) -> Result<&str> {
        let (number, at) = self.frame_of(row).ok_or_else(|| self.no_such_row(row))?;
        self.key_in(&self.frame(number)?, at, row)
    }

    /// The key of a row of a frame, checked.
    pub(crate) fn key_in<'a>(&self, frame: &Frame<'a>, at: u32, row: u32) -> Result<&'a str> {
        match frame.key(at) {
            Some(key) => key.map_err(|flaw| self.damaged(flaw)),
            None => Err(self.no_such_row(row)),
        }
    }

    /// The live row whose key is `key`; the newest, should there be several. Where a damaged key might be this one, that
    /// is an error, unless damage is passed over.
    pub(crate) fn find(
        &self,
        key: &str,
        live: &Bitmap,
        disk: &dyn crate::disk::Disk,
        skip_damage: bool,
    ) -> Result<Option<u32>> {
        let hash = siltstone_format::checksum::key_hash(key);
        let lookup = self.keys.get_or_init(|| keys::Lookup::open(self, disk));
        let candidates = lookup.candidates(self, hash, skip_damage)?;
        for row in candidates.into_iter().rev().filter(|row| live.contains(*row)) {
            match self.key(row) {
                Ok(found) if found == key => return Ok(Some(row)),
                Ok(_) => {}
                Err(error) if skip_damage && error.is_damage() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Reads every byte of the segment from its file: everything that is wrong with it.
    pub(crate) fn check(&self, disk: &dyn crate::disk::Disk) -> Result<Vec<Flaw>> {
        let path = self.path();
        let file = disk.open(&path, crate::disk::Mode::Read).map_err(Error::io("open", &path))?;
        let Self { frames, kills, end, chain, .. } = self;
        let listed = check::Listed { frames, kills, end: *end, chain: *chain, has_gaps: false };
        Ok(check::check_frames(&*file, &self.place, listed)?.flaws)
    }

    /// Where a frame ends, and the chain digest there: from its own trailer, or else from what follows it.
    pub(crate) fn end_of_frame(&self, number: usize) -> Result<(u64, Digest)> {
        let (header, trailer) = self.ends_of_frame(number)?;
        let end = self.frames.get(number).map_or(0, |entry| entry.offset) + header.frame_bytes;
        let chain = match (trailer, self.frames.get(number + 1)) {
            (Ok(trailer), _) => trailer.chain,
            (Err(_), None) if self.end == end => self.chain,
            (Err(_), Some(next)) if next.offset == end => self.ends_of_frame(number + 1)?.0.previous_chain,
            (Err(flaw), _) => return Err(self.damaged(flaw)),
        };
        Ok((end, chain))
    }

    /// Whether what follows a frame was written after another one: an old version of the frame is back. Only what is good
    /// by itself is a witness.
    fn is_contradicted(&self, number: usize) -> bool {
        let Ok((header, Ok(trailer))) = self.ends_of_frame(number) else { return false };
        let end = self.frames.get(number).map_or(0, |entry| entry.offset) + header.frame_bytes;
        match self.frames.get(number + 1) {
            Some(next) if next.offset == end => {
                self.ends_of_frame(number + 1).is_ok_and(|(next, _)| next.previous_chain != trailer.chain)
            }
            Some(_) => false,
            None => self.end == end && self.chain != trailer.chain,
        }
    }

    fn ends_of_frame(&self, number: usize) -> Result<(FrameHeader, Result<FrameTrailer, Flaw>)> {
        let entry = self.frames.get(number).ok_or_else(|| self.no_such_frame(number))?;
        let bytes = self.map.get(entry.offset as usize..).unwrap_or_default();
        let (frame, header) = Frame::new(bytes, self.place.dims, &self.seed, entry.offset)
            .map_err(|flaw| self.damaged(flaw))?;
        let trailer = frame.trailer(&header);
        Ok((header, trailer))
    }
}
