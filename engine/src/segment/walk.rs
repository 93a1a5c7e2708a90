//! Walking the frames of a segment that is not sealed, to find where the last whole commit ends, and to tell what an
//! ordinary interruption leaves behind (a tear) from damage.

use std::path::Path;

use siltstone_format::frame::{Frame, Geometry, check_trailer};
use siltstone_format::header::HeaderPage;
use siltstone_format::layout::{FooterFrame, FooterKill, FrameHeader, FrameTrailer, WitnessSlot};
use siltstone_format::limits::{FRAME_ALIGN, HEADER_PAGE_BYTES, MAX_SEGMENT_FRAMES};
use siltstone_format::{Digest, Flaw};

use super::open::{SegmentPlace, read};
use crate::disk::DiskFile;
use crate::error::{Error, Result};

/// Why a walk ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The file ends with the last whole commit.
    End,
    /// Bytes of an interrupted commit or seal follow.
    Tear {
        /// The length of the file.
        file_bytes: u64,
    },
    /// Bytes are wrong or missing that were durable. [`Walk::gaps`] tells which.
    Damage,
}

/// How far a segment was walked. Whole commits only.
#[derive(Debug, Clone)]
pub(crate) struct Walk {
    pub(crate) frames: Vec<FooterFrame>,
    pub(crate) kills: Vec<FooterKill>,
    pub(crate) rows: u32,
    pub(crate) end: u64,
    pub(crate) chain: Digest,
    pub(crate) last_commit: u64,
    /// The greatest commit number that was promised or seen, whole or not.
    pub(crate) greatest_commit: u64,
    /// Damaged places that were passed over.
    pub(crate) gaps: Vec<Flaw>,
}

/// The state while the frames of one commit are gathered.
struct Cursor {
    at: u64,
    chain: Digest,
    rows: u32,
    commit: u64,
    part: u32,
    frames: Vec<FooterFrame>,
    kills: Vec<FooterKill>,
}

/// A frame that was read and is good.
struct Good {
    header: FrameHeader,
    chain: Digest,
    kills: Vec<FooterKill>,
}

impl Walk {
    /// Before the first frame.
    pub(crate) fn new(page: &HeaderPage) -> Self {
        Self {
            frames: Vec::new(),
            kills: Vec::new(),
            rows: 0,
            end: HEADER_PAGE_BYTES,
            chain: page.chain,
            last_commit: page.header.base_commit,
            greatest_commit: page.header.base_commit,
            gaps: Vec::new(),
        }
    }

    /// Goes on from where the walk ended, up to `limit` bytes. Frames that the witness names are only looked at from
    /// outside (header, trailer, kills); those after it are read and hashed in full.
    pub(crate) fn advance(
        &mut self,
        file: &dyn DiskFile,
        place: &SegmentPlace,
        witness: Option<&WitnessSlot>,
        limit: u64,
    ) -> Result<Stop> {
        let path = place.path();
        let length = file.len().map_err(Error::io("read", &path))?.min(limit);
        let witness = witness.filter(|slot| slot.segment == place.segment);
        let promised = witness.map_or(0, |slot| slot.end_bytes);
        self.greatest_commit = self.greatest_commit.max(witness.map_or(0, |slot| slot.commit));
        let reader = Reader { file, path: &path, place, length, promised, witness };
        loop {
            let flaw = self.run(&reader)?;
            let later = match flaw.is_some() || self.end < length {
                true => reader.find_header(self.end, |header| header.commit >= self.last_commit + 2)?,
                false => None,
            };
            if later.is_none() && self.end >= promised {
                return Ok(match (self.gaps.is_empty(), self.end < length) {
                    (false, _) => Stop::Damage,
                    (true, true) => Stop::Tear { file_bytes: length },
                    (true, false) => Stop::End,
                });
            }
            // Something durable is wrong or missing: note it, and go on with the next frame that is good by itself.
            let flaw = flaw.unwrap_or_else(|| {
                let found = format!("{} bytes with {} commits", self.end, self.last_commit);
                let expected = format!("commit {} up to byte {promised}", self.greatest_commit);
                Flaw::new(
                    "segment",
                    "length",
                    self.end,
                    promised.saturating_sub(self.end).max(1),
                    expected,
                    found,
                )
            });
            let resumed = reader.resume(self, flaw.offset)?;
            let until = resumed.as_ref().map_or_else(|| length.max(promised), |(at, _)| *at);
            let length_of_gap = until.saturating_sub(flaw.offset).max(flaw.length);
            self.gaps.push(Flaw { length: length_of_gap, ..flaw });
            match resumed {
                None => {
                    self.note_later(&reader)?;
                    return Ok(Stop::Damage);
                }
                Some((at, header)) => {
                    (self.end, self.chain, self.rows) = (at, header.previous_chain, header.first_row);
                    self.last_commit = header.commit - 1;
                }
            }
        }
    }

    /// Takes commit after commit, until bytes are missing or wrong; says what is wrong.
    fn run(&mut self, reader: &Reader<'_>) -> Result<Option<Flaw>> {
        loop {
            let mut cursor = Cursor {
                at: self.end,
                chain: self.chain,
                rows: self.rows,
                commit: self.last_commit + 1,
                part: 0,
                frames: Vec::new(),
                kills: Vec::new(),
            };
            loop {
                if cursor.at == reader.length {
                    return Ok(None);
                }
                let good = match reader.good_frame(&cursor)? {
                    Ok(good) => good,
                    Err(flaw) => return Ok(Some(flaw)),
                };
                let header = good.header;
                cursor.frames.push(FooterFrame {
                    offset: cursor.at,
                    commit: header.commit,
                    first_row: header.first_row,
                    rows: header.rows,
                    kills: header.kills,
                    last: header.last,
                });
                cursor.kills.extend(good.kills);
                cursor.at += header.frame_bytes;
                cursor.chain = good.chain;
                cursor.rows += header.rows;
                cursor.part += 1;
                if header.last == 1 {
                    break;
                }
            }
            self.frames.append(&mut cursor.frames);
            self.kills.append(&mut cursor.kills);
            (self.end, self.chain, self.rows) = (cursor.at, cursor.chain, cursor.rows);
            self.last_commit = cursor.commit;
            self.greatest_commit = self.greatest_commit.max(cursor.commit);
        }
    }

    /// Remembers commit numbers that stand in headers after the damage, so that no new commit takes one of them.
    fn note_later(&mut self, reader: &Reader<'_>) -> Result<()> {
        let mut from = self.end;
        let mut greatest = self.greatest_commit;
        while let Some((at, header)) = reader.find_header(from, |header| header.commit > greatest)? {
            greatest = greatest.max(header.commit);
            from = at + FRAME_ALIGN;
        }
        self.greatest_commit = greatest;
        Ok(())
    }
}

/// The file under a walk.
struct Reader<'a> {
    file: &'a dyn DiskFile,
    path: &'a Path,
    place: &'a SegmentPlace,
    length: u64,
    promised: u64,
    witness: Option<&'a WitnessSlot>,
}

const SCAN_BYTES: u64 = 1 << 20;

impl Reader<'_> {
    /// The frame at the cursor, if everything about it is right.
    fn good_frame(&self, cursor: &Cursor) -> Result<std::result::Result<Good, Flaw>> {
        let left = self.length - cursor.at;
        let head = (FrameHeader::BYTES as u64).min(left);
        let bytes = read(self.file, self.path, cursor.at, head as usize)?;
        let header = match FrameHeader::decode(&bytes, &self.place.seed(), cursor.at) {
            Ok(header) => header,
            Err(flaw) => return Ok(Err(flaw)),
        };
        let wrong = |field, expected: String, found: String| {
            Ok(Err(Flaw::new("frame header", field, cursor.at, FrameHeader::BYTES as u64, expected, found)))
        };
        if header.previous_chain != cursor.chain {
            return wrong("previous_chain", "the digest of the frame before".into(), "another digest".into());
        }
        let found = (header.commit, header.part, header.first_row);
        let expected = (cursor.commit, cursor.part, cursor.rows);
        if found != expected {
            return wrong("commit, part, first_row", format!("{expected:?}"), format!("{found:?}"));
        }
        let next = u64::from(cursor.rows) + u64::from(header.rows);
        if next > u64::from(u32::MAX) || cursor.frames.len() as u64 >= MAX_SEGMENT_FRAMES {
            return wrong("rows", "within the limits of a segment".into(), next.to_string());
        }
        self.rest_of_frame(header, cursor.at)
    }

    /// Checks what follows a good header.
    fn rest_of_frame(&self, header: FrameHeader, at: u64) -> Result<std::result::Result<Good, Flaw>> {
        let seed = self.place.seed();
        let geometry = match Geometry::of(&header, self.place.dims, at) {
            Ok(geometry) => geometry,
            Err(flaw) => return Ok(Err(flaw)),
        };
        let end = at + header.frame_bytes;
        if end > self.length {
            return Ok(Err(Flaw::short("frame", at, header.frame_bytes, self.length - at)));
        }
        let trailer_at = at + geometry.trailer as u64;
        let bytes = read(self.file, self.path, trailer_at, FrameTrailer::BYTES)?;
        let trailer = FrameTrailer::decode(&bytes, &seed, trailer_at)
            .and_then(|trailer| check_trailer(&trailer, &header, trailer_at).map(|()| trailer));
        let trailer = match trailer {
            Ok(trailer) => trailer,
            Err(flaw) => return Ok(Err(flaw)),
        };
        let hashed = end > self.promised;
        let mut kills = Vec::new();
        if hashed || header.kills > 0 {
            // Kills lie in the index: a frame that has some is read up to there at most, but for the rows.
            let (from, to) = match hashed {
                true => (0, header.frame_bytes as usize),
                false => (geometry.index, geometry.keys),
            };
            let part = read(self.file, self.path, at + from as u64, to - from)?;
            let index = part.get(geometry.index - from..geometry.keys - from).unwrap_or_default();
            if hashed
                && siltstone_format::checksum::digest(part.get(..geometry.trailer).unwrap_or_default())
                    != trailer.chain
            {
                let found = "another digest of the frame's bytes";
                let expected = "the trailer's digest";
                return Ok(Err(Flaw::new("frame", "chain", at, header.frame_bytes, expected, found)));
            }
            match Frame::kills_of_index(index, &header, geometry, &seed, at) {
                Ok(found) => kills = found,
                Err(flaw) => return Ok(Err(flaw)),
            }
        }
        if let Some(witness) = self.witness.filter(|slot| slot.end_bytes == end) {
            let expected = (witness.commit, witness.chain);
            if expected != (header.commit, trailer.chain) {
                let expected = format!("commit {} and its digest, as in the witness", witness.commit);
                let found = format!("commit {} with another digest", header.commit);
                return Ok(Err(Flaw::new("frame", "chain", at, header.frame_bytes, expected, found)));
            }
        }
        let commit = header.commit;
        let kills = kills.into_iter().map(|kill| FooterKill {
            segment: kill.segment,
            commit,
            row: kill.row,
            reserved: 0,
        });
        Ok(Ok(Good { chain: trailer.chain, kills: kills.collect(), header }))
    }

    /// The first place after `from` with a good frame header that `wanted` accepts.
    fn find_header(
        &self,
        from: u64,
        wanted: impl Fn(&FrameHeader) -> bool,
    ) -> Result<Option<(u64, FrameHeader)>> {
        let seed = self.place.seed();
        let mut at = from.next_multiple_of(FRAME_ALIGN);
        while at + FrameHeader::BYTES as u64 <= self.length {
            let bytes = read(self.file, self.path, at, SCAN_BYTES.min(self.length - at) as usize)?;
            for (number, sector) in (0u64..).zip(bytes.chunks(FRAME_ALIGN as usize)) {
                let here = at + number * FRAME_ALIGN;
                if let Ok(header) = FrameHeader::decode(sector, &seed, here)
                    && wanted(&header)
                {
                    return Ok(Some((here, header)));
                }
            }
            at += SCAN_BYTES;
        }
        Ok(None)
    }

    /// The next frame after damage that is wholly good by itself and begins a commit.
    fn resume(&self, walk: &Walk, damage: u64) -> Result<Option<(u64, FrameHeader)>> {
        let mut from = damage.max(walk.end) + 1;
        let wanted = |header: &FrameHeader| {
            header.part == 0 && header.commit > walk.last_commit && header.first_row >= walk.rows
        };
        while let Some((at, header)) = self.find_header(from, wanted)? {
            let unwitnessed = Reader { promised: 0, witness: None, ..*self };
            if unwitnessed.rest_of_frame(header.clone(), at)?.is_ok() {
                return Ok(Some((at, header)));
            }
            from = at + FRAME_ALIGN;
        }
        Ok(None)
    }
}
