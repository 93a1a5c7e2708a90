//! Walking the frames of a segment that is not sealed, to find where the last whole commit ends, and to tell what an
//! ordinary interruption leaves behind (a tear) from damage.

use std::path::Path;

use siltstone_format::checksum::digest;
use siltstone_format::frame::{Frame, Geometry, check_trailer};
use siltstone_format::header::HeaderPage;
use siltstone_format::layout::{FooterFrame, FooterKill, FrameHeader, FrameTrailer, Kill, WitnessSlot};
use siltstone_format::limits::{FRAME_ALIGN, HEADER_PAGE_BYTES, MAX_SEGMENT_FRAMES};
use siltstone_format::witness::Witness;
use siltstone_format::{Digest, Flaw};

use super::open::{SegmentPlace, read};
use crate::disk::DiskFile;
use crate::error::{Error, Result};

/// What is known beforehand about how far a segment reaches.
#[derive(Debug, Clone)]
pub(crate) struct Reach {
    /// The last commit that was durable.
    pub(crate) promise: Option<WitnessSlot>,
    /// What lies beyond does not count, in bytes.
    pub(crate) limit: u64,
    /// Whether bytes after the last whole commit can be what an interruption left.
    pub(crate) may_be_torn: bool,
}

impl Reach {
    /// Of an open segment. A witness that is damaged or missing is not what a power cut leaves, and cannot tell that a
    /// tail was never committed.
    pub(crate) fn of_open(witness: &Witness) -> Self {
        Self { promise: witness.latest.clone(), limit: u64::MAX, may_be_torn: witness.flaws.is_empty() }
    }

    /// Of a segment of which the manifest says where it ends, and with which digest; zeros when that is not known.
    pub(crate) fn promised(place: &SegmentPlace, commit: u64, end_bytes: u64, chain: Digest) -> Self {
        let (collection, segment) = (place.collection, place.segment);
        let promise = WitnessSlot { collection, sequence: 1, segment, commit, end_bytes, chain };
        Self { promise: Some(promise), limit: end_bytes, may_be_torn: false }
    }
}

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

    /// Before the first frame of a segment whose header page cannot be read: what the page would say of the first frame
    /// is taken from that frame.
    pub(crate) fn without_page(flaw: Flaw) -> Self {
        Self {
            frames: Vec::new(),
            kills: Vec::new(),
            rows: 0,
            end: HEADER_PAGE_BYTES,
            chain: [0; 32],
            last_commit: 0,
            greatest_commit: 0,
            gaps: vec![flaw],
        }
    }

    /// Goes on from where the walk ended. Frames that were promised to be there are only looked at from outside (header, trailer, kills); those after them are read and hashed in full.
    ///
    /// Damage does not end the walk: frames after it are found by their headers, and of a frame whose header and index
    /// are good the rows can be read, each under its own checksum.
    pub(crate) fn advance(
        &mut self,
        file: &dyn DiskFile,
        place: &SegmentPlace,
        reach: &Reach,
    ) -> Result<Stop> {
        let path = place.path();
        let length = file.len().map_err(Error::io("read", &path))?.min(reach.limit);
        let witness = reach.promise.as_ref().filter(|slot| slot.segment == place.segment);
        let promised = witness.map_or(0, |slot| slot.end_bytes);
        self.greatest_commit = self.greatest_commit.max(witness.map_or(0, |slot| slot.commit));
        let reader = Reader { file, path: &path, place, length, promised, witness };
        let mut part = 0;
        if self.frames.is_empty() && !self.gaps.is_empty() {
            let Some((at, header)) = reader.find_header(self.end, |_| true)? else { return Ok(Stop::Damage) };
            part = self.anchor(at, &header);
        }
        loop {
            let flaw = self.run(&reader, part)?;
            let later = match flaw.is_some() || self.end < length {
                true => reader.find_header(self.end, |header| header.commit >= self.last_commit + 2)?,
                false => None,
            };
            let is_tail = later.is_none() && self.end >= promised;
            if is_tail && self.gaps.is_empty() && self.end < length && !reach.may_be_torn {
                // Without a witness nobody can say that this tail was not committed: whatever rows it has are shown.
                let expected = "a whole commit, or an intact witness that tells that it never was one";
                let (from, found) = (self.end, "other bytes");
                let flaw = Flaw::new("segment", "tail", from, length - from, expected, found);
                self.salvage(&reader, flaw, length)?;
                self.note_later(&reader)?;
                return Ok(Stop::Damage);
            }
            if is_tail {
                return Ok(match (self.gaps.is_empty(), self.end < length) {
                    (false, _) => Stop::Damage,
                    (true, true) => Stop::Tear { file_bytes: length },
                    (true, false) => Stop::End,
                });
            }
            // Something durable is wrong or missing: all that lies before a later commit, or was promised, was durable.
            let flaw = flaw.unwrap_or_else(|| {
                let found = format!("{} bytes with {} commits", self.end, self.last_commit);
                let expected = format!("commit {} up to byte {promised}", self.greatest_commit);
                let length = promised.saturating_sub(self.end).max(1);
                Flaw::new("segment", "length", self.end, length, expected, found)
            });
            let durable = later.map_or(promised, |(at, _)| at);
            self.salvage(&reader, flaw, durable)?;
            let Some((at, header)) = reader.find_header(durable, |header| self.precedes(header))? else {
                self.note_later(&reader)?;
                return Ok(Stop::Damage);
            };
            let kept = (self.end, self.chain, self.rows, self.last_commit);
            part = self.anchor(at, &header);
            if !reader.is_good(&header, at)?
                && reader.find_header(at + 1, |later| later.commit > header.commit)?.is_none()
            {
                // Nothing proves that this one was ever whole.
                (self.end, self.chain, self.rows, self.last_commit) = kept;
                self.note_later(&reader)?;
                return Ok(Stop::Damage);
            }
        }
    }

    /// Goes on at a frame by what its own header says of the frames before; returns its part.
    fn anchor(&mut self, at: u64, header: &FrameHeader) -> u32 {
        (self.end, self.chain, self.rows) = (at, header.previous_chain, header.first_row);
        self.last_commit = header.commit.saturating_sub(1);
        header.part
    }

    /// Whether a frame may come after the frames so far, with frames missing in between.
    fn precedes(&self, header: &FrameHeader) -> bool {
        let last = self.frames.last();
        let is_next_part = last.is_some_and(|last| header.commit == last.commit && header.part > 0);
        (header.commit > self.last_commit || is_next_part) && header.first_row >= self.rows
    }

    /// Takes every frame before `end` whose header and index are good, and lists the bytes in between as gaps. `flaw`
    /// is why the walk cannot simply go on.
    fn salvage(&mut self, reader: &Reader<'_>, flaw: Flaw, end: u64) -> Result<()> {
        let mut flaw = Some(flaw);
        let (mut from, mut at) = (self.end, self.end);
        let gap = |from: u64, to: u64, flaw: &mut Option<Flaw>| {
            let found = "no frame that can be read";
            let lost = || Flaw::new("segment", "frames", from, to - from, "frames of durable commits", found);
            match flaw.take() {
                Some(first) if (from..to).contains(&first.offset) => {
                    Flaw { length: first.length.max(to - first.offset), ..first }
                }
                other => {
                    *flaw = other;
                    lost()
                }
            }
        };
        let mut gaps = Vec::new();
        while let Some((found, header)) = reader.find_header(at, |header| self.precedes(header))? {
            if found >= end {
                break;
            }
            let Some(hurt) = reader.hurt_frame(header, found)? else {
                at = found + FRAME_ALIGN;
                continue;
            };
            if from < found {
                gaps.push(gap(from, found, &mut flaw));
            }
            at = found + hurt.header.frame_bytes;
            from = at;
            self.rows = hurt.header.first_row + hurt.header.rows;
            (self.end, self.chain, self.last_commit) = (at, hurt.chain, hurt.header.commit);
            self.greatest_commit = self.greatest_commit.max(hurt.header.commit);
            self.frames.push(entry(found, &hurt.header));
            self.kills.extend(hurt.kills);
        }
        if from < end {
            gaps.push(gap(from, end, &mut flaw));
        }
        self.gaps.extend(flaw.into_iter().chain(gaps));
        Ok(())
    }

    /// Takes commit after commit, until bytes are missing or wrong; says what is wrong.
    fn run(&mut self, reader: &Reader<'_>, mut part: u32) -> Result<Option<Flaw>> {
        loop {
            let mut cursor = Cursor {
                at: self.end,
                chain: self.chain,
                rows: self.rows,
                commit: self.last_commit + 1,
                part: std::mem::take(&mut part),
                frames: Vec::new(),
                kills: Vec::new(),
            };
            loop {
                if cursor.at >= reader.length {
                    return Ok(None);
                }
                let good = match reader.good_frame(&cursor)? {
                    Ok(good) => good,
                    Err(flaw) => return Ok(Some(flaw)),
                };
                let header = good.header;
                cursor.frames.push(entry(cursor.at, &header));
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
            if hashed && digest(part.get(..geometry.trailer).unwrap_or_default()) != trailer.chain {
                let found = "another digest of the frame's bytes";
                let expected = "the trailer's digest";
                return Ok(Err(Flaw::new("frame", "chain", at, header.frame_bytes, expected, found)));
            }
            match Frame::kills_of_index(index, &header, geometry, &seed, at) {
                Ok(found) => kills = found,
                Err(flaw) => return Ok(Err(flaw)),
            }
        }
        if let Some(witness) = self.promise_at(end)
            && witness.chain != trailer.chain
        {
            let expected = format!("commit {} and its digest, as in the witness", witness.commit);
            let found = format!("commit {} with another digest", header.commit);
            return Ok(Err(Flaw::new("frame", "chain", at, header.frame_bytes, expected, found)));
        }
        let kills = footer_kills(kills, header.commit);
        Ok(Ok(Good { chain: trailer.chain, kills, header }))
    }

    /// What is promised to end here. Where a promise has no digest, that is not known.
    fn promise_at(&self, end: u64) -> Option<&WitnessSlot> {
        self.witness.filter(|slot| slot.end_bytes == end && slot.chain != [0; 32])
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

    /// A frame whose header is good, when its index is too: its rows can be checked one by one.
    fn hurt_frame(&self, header: FrameHeader, at: u64) -> Result<Option<Good>> {
        let seed = self.place.seed();
        let Ok(geometry) = Geometry::of(&header, self.place.dims, at) else { return Ok(None) };
        if at + header.frame_bytes > self.length {
            return Ok(None);
        }
        let bytes = read(self.file, self.path, at, header.frame_bytes as usize)?;
        let index = bytes.get(geometry.index..geometry.keys).unwrap_or_default();
        let Ok(kills) = Frame::kills_of_index(index, &header, geometry, &seed, at) else { return Ok(None) };
        let trailer = bytes.get(geometry.trailer..).unwrap_or_default();
        let chain = match FrameTrailer::decode(trailer, &seed, at + geometry.trailer as u64) {
            // An old version of the frame, with everything in it good.
            Ok(trailer)
                if self
                    .promise_at(at + header.frame_bytes)
                    .is_some_and(|slot| slot.chain != trailer.chain) =>
            {
                return Ok(None);
            }
            Ok(trailer) => trailer.chain,
            Err(_) => digest(bytes.get(..geometry.trailer).unwrap_or_default()),
        };
        Ok(Some(Good { chain, kills: footer_kills(kills, header.commit), header }))
    }

    /// Whether a frame with this header is whole, whatever the witness says.
    fn is_good(&self, header: &FrameHeader, at: u64) -> Result<bool> {
        let unwitnessed = Reader { promised: 0, witness: None, ..*self };
        Ok(unwitnessed.rest_of_frame(header.clone(), at)?.is_ok())
    }
}

fn entry(offset: u64, header: &FrameHeader) -> FooterFrame {
    let &FrameHeader { commit, first_row, rows, kills, last, .. } = header;
    FooterFrame { offset, commit, first_row, rows, kills, last }
}

fn footer_kills(kills: Vec<Kill>, commit: u64) -> Vec<FooterKill> {
    let listed = |kill: Kill| FooterKill { segment: kill.segment, commit, row: kill.row, reserved: 0 };
    kills.into_iter().map(listed).collect()
}
