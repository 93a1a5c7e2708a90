//! Surveying a segment file: every byte is read once, frame by frame, and what single flipped bits, zeroed trailers or a
//! lost footer did to it is put right in memory. A mend counts only when a digest that lies elsewhere agrees with it.

use siltstone_format::checksum::digest;
use siltstone_format::footer::{self, Footer};
use siltstone_format::frame::{Frame, Geometry, check_trailer};
use siltstone_format::header::{self, HeaderPage};
use siltstone_format::layout::{
    FooterFrame, FooterHeader, FooterKill, FrameHeader, FrameTrailer, Kill, Seal,
};
use siltstone_format::limits::{FRAME_ALIGN, HEADER_PAGE_BYTES};
use siltstone_format::mend::{Mend, MendedFrame, mend_frame, mend_frame_header, mend_page, mend_seal};
use siltstone_format::{Digest, Flaw, Seed};

use super::promise::Promises;
use crate::disk::DiskFile;
use crate::error::{Error, Result};
use crate::segment::{Promise, SegmentPlace};

/// What a segment file is, and what would put it right.
#[derive(Debug)]
pub(super) struct Survey {
    /// What puts it right, confirmed.
    pub(super) mends: Vec<Mend>,
    /// What nothing puts right.
    pub(super) lost: Vec<Flaw>,
    /// The frames whose place in the segment is known.
    pub(super) frames: Vec<FooterFrame>,
    pub(super) kills: Vec<FooterKill>,
    /// Where the last of them ends, and the chain digest there, when nothing before is lost.
    pub(super) end: u64,
    pub(super) chain: Option<Digest>,
    /// Length of the file as it is, and as it should be.
    pub(super) found_bytes: u64,
    pub(super) right_bytes: u64,
}

impl Survey {
    /// Whether a corrected copy differs from the file.
    pub(super) fn is_mended(&self) -> bool {
        !self.mends.is_empty() || self.found_bytes != self.right_bytes
    }
}

impl Survey {
    /// Whether a frozen segment is whole, whole commits to its end, and is the one that its manifest froze.
    pub(super) fn passes(
        &self,
        file: &dyn DiskFile,
        place: &SegmentPlace,
        (end_bytes, last_commit, chain): (u64, u64, Digest),
    ) -> Result<bool> {
        // What comes after the last commit that counts is capped.
        let can_be_capped = || self.frames.iter().any(|frame| frame.commit == last_commit);
        let ends_whole = self
            .frames
            .last()
            .is_some_and(|last| last.last == 1 && (last.commit <= last_commit || can_be_capped()));
        if !self.lost.is_empty() || !ends_whole || end_bytes > self.end {
            return Ok(false);
        }
        let found = match end_bytes == self.end {
            true => self.chain,
            false => {
                let mut head = vec![0; FrameHeader::BYTES];
                file.read_at(&mut head, end_bytes).map_err(Error::io("read", &place.path()))?;
                mend_frame_header(&head, &place.seed(), end_bytes).map(|header| header.previous_chain)
            }
        };
        Ok(found.is_some_and(|found| found == chain || chain == [0; 32]))
    }
}

/// What a segment that no manifest promises anything about says itself: its length and the digest in its seal. The rows
/// and the last commit are those of its frames, and not known yet.
pub(super) fn own_promise(file: &dyn DiskFile, place: &SegmentPlace) -> Result<Option<Promise>> {
    let path = place.path();
    let bytes = file.len().map_err(Error::io("read", &path))?;
    let at = bytes.saturating_sub(Seal::BYTES as u64);
    let mut tail = vec![0; (bytes - at) as usize];
    file.read_at(&mut tail, at).map_err(Error::io("read", &path))?;
    let seal = mend_seal(&tail, &place.seed(), at);
    Ok(seal.map(|seal| Promise { bytes, rows: 0, last_commit: 0, digest: seal.digest }))
}

/// Reads a segment. `sealed` is what the manifest promises of a sealed one.
pub(super) fn survey(
    file: &dyn DiskFile,
    place: &SegmentPlace,
    sealed: Option<Promise>,
    promises: &Promises,
) -> Result<Survey> {
    let length = file.len().map_err(Error::io("read", &place.path()))?;
    let survey = Survey {
        mends: Vec::new(),
        lost: Vec::new(),
        frames: Vec::new(),
        kills: Vec::new(),
        end: HEADER_PAGE_BYTES,
        chain: None,
        found_bytes: length,
        right_bytes: length,
    };
    let mut surveyor = Surveyor { file, place, seed: place.seed(), length, sealed, promises, survey };
    let footer = surveyor.good_footer()?;
    surveyor.page(footer.as_ref())?;
    surveyor.frames(footer.as_ref())?;
    surveyor.ending()?;
    Ok(surveyor.survey)
}

struct Surveyor<'a> {
    file: &'a dyn DiskFile,
    place: &'a SegmentPlace,
    seed: Seed,
    length: u64,
    sealed: Option<Promise>,
    promises: &'a Promises,
    survey: Survey,
}

/// A frame that was read.
enum Read {
    /// It is as it was written.
    Good(FrameHeader, Digest, Vec<Kill>),
    /// It is not, but its own header says how long it is.
    Hurt(Box<MendedFrame>, Vec<Kill>),
    /// As before, and nothing in it can be told to be good.
    Lost(FrameHeader, Flaw),
}

impl Surveyor<'_> {
    fn read(&self, from: u64, to: u64) -> Result<Vec<u8>> {
        let to = to.min(self.length);
        let mut bytes = vec![0; to.saturating_sub(from) as usize];
        if bytes.is_empty() {
            return Ok(bytes);
        }
        self.file.read_at(&mut bytes, from).map_err(Error::io("read", &self.place.path()))?;
        Ok(bytes)
    }

    /// The footer, when it is the one that the manifest promises.
    fn good_footer(&self) -> Result<Option<Footer>> {
        let Some(promise) = self.sealed.filter(|promise| promise.bytes == self.length) else {
            return Ok(None);
        };
        let tail = self.read(self.length.saturating_sub(Seal::BYTES as u64), self.length)?;
        let Ok((start, seal)) = footer::locate(&tail, self.length, &self.seed) else { return Ok(None) };
        let footer = footer::decode(&self.read(start, self.length)?, &seal, &self.seed, start).ok();
        Ok(footer.filter(|footer| footer.digest == promise.digest))
    }

    /// The header page: right when it is the segment's own and the first frame continues it.
    fn page(&mut self, footer: Option<&Footer>) -> Result<()> {
        let found = self.read(0, HEADER_PAGE_BYTES)?;
        let first = self.header_at(HEADER_PAGE_BYTES)?.map(|header| header.previous_chain);
        let without_frames =
            footer.filter(|footer| footer.frames.is_empty()).map(|footer| footer.header.chain);
        let follows = first.or(without_frames);
        let flaw = match header::decode(&found) {
            Ok(page) if self.is_own(&page) => {
                self.survey.chain = Some(page.chain);
                return Ok(());
            }
            Ok(_) => {
                let expected = "the page of this segment of this collection";
                Flaw::new(
                    "segment header",
                    "collection and segment",
                    0,
                    HEADER_PAGE_BYTES,
                    expected,
                    "another",
                )
            }
            Err(flaw) if flaw.is_newer_format() => return Err(Error::flaw(&self.place.path(), flaw)),
            Err(flaw) => flaw,
        };
        match mend_page(&found) {
            Some((right, page)) if self.is_own(&page) && follows.is_none_or(|chain| chain == page.chain) => {
                self.survey.mends.extend(Mend::between("segment header", 0, &found, &right));
                self.survey.chain = Some(page.chain);
            }
            _ => {
                self.survey.lost.push(flaw);
                // The frames continue a page that is gone; the digest of the page stands in the first of them.
                self.survey.chain = follows;
            }
        }
        Ok(())
    }

    fn is_own(&self, page: &HeaderPage) -> bool {
        let of_file = (page.header.collection, page.header.segment, page.header.dims, page.header.metric);
        let place = self.place;
        of_file == (place.collection, place.segment, place.dims, place.metric)
    }

    fn header_at(&self, at: u64) -> Result<Option<FrameHeader>> {
        let head = self.read(at, at + FrameHeader::BYTES as u64)?;
        Ok(mend_frame_header(&head, &self.seed, at))
    }

    /// Whether the frames so far and their footer fill a sealed file.
    fn is_complete(&self) -> bool {
        let (frames, kills) = (self.survey.frames.len(), self.survey.kills.len());
        let content = FooterHeader::BYTES + frames * FooterFrame::BYTES + kills * FooterKill::BYTES;
        let footer_bytes = ((content + Seal::BYTES) as u64).next_multiple_of(FRAME_ALIGN);
        self.sealed.is_some_and(|promise| self.survey.end + footer_bytes == promise.bytes)
    }

    fn frames(&mut self, footer: Option<&Footer>) -> Result<()> {
        while self.survey.end < self.length && !self.is_complete() {
            let at = self.survey.end;
            let header = self.header_at(at)?;
            let fits = |header: &FrameHeader| {
                Geometry::of(header, self.place.dims, at).is_ok() && at + header.frame_bytes <= self.length
            };
            let Some(header) = header.filter(fits) else {
                let Some(next) = self.later_frame(at + FRAME_ALIGN)? else { return Ok(()) };
                let found = "no frame that can be read";
                let expected = "frames of durable commits";
                self.survey.lost.push(Flaw::new("segment", "frames", at, next - at, expected, found));
                (self.survey.end, self.survey.chain) = (next, None);
                continue;
            };
            let previous_chain = header.previous_chain;
            let end = at + header.frame_bytes;
            let read = self.frame(header, at)?;
            let is_sure = match &read {
                Read::Good(..) => true,
                Read::Hurt(mended, _) => self.is_confirmed(mended, end, footer)?,
                Read::Lost(..) => false,
            };
            let may_be_torn = self.sealed.is_none() && at >= self.promises.durable_end;
            if !is_sure && may_be_torn && self.later_frame(at + FRAME_ALIGN)?.is_none() {
                // An interrupted commit: never acknowledged, and cut off by the next writer.
                return Ok(());
            }
            if self.survey.chain.is_some_and(|chain| chain != previous_chain) {
                let before = self.survey.frames.last().map_or(0, |frame| frame.offset);
                let (expected, found) = ("the digest that the next frame names", "another digest");
                let length = (at - before).max(1);
                self.survey.lost.push(Flaw::new("frame", "chain", before, length, expected, found));
            }
            self.take(read, at, end, footer)?;
        }
        Ok(())
    }

    /// Reads a frame whose header is known.
    fn frame(&self, header: FrameHeader, at: u64) -> Result<Read> {
        let bytes = self.read(at, at + header.frame_bytes)?;
        let (seed, dims) = (&self.seed, self.place.dims);
        let geometry =
            Geometry::of(&header, dims, at).map_err(|flaw| Error::flaw(&self.place.path(), flaw))?;
        let kills = |bytes: &[u8]| {
            let index = bytes.get(geometry.index..geometry.keys).unwrap_or_default();
            Frame::kills_of_index(index, &header, geometry, seed, at)
        };
        let trailer_at = at + geometry.trailer as u64;
        let trailer =
            FrameTrailer::decode(bytes.get(geometry.trailer..).unwrap_or_default(), seed, trailer_at);
        if let Ok(trailer) = trailer
            && FrameHeader::decode(&bytes, seed, at).is_ok()
            && check_trailer(&trailer, &header, trailer_at).is_ok()
            && digest(bytes.get(..geometry.trailer).unwrap_or_default()) == trailer.chain
            && let Ok(kills) = kills(&bytes)
        {
            return Ok(Read::Good(header, trailer.chain, kills));
        }
        match mend_frame(&bytes, header.clone(), dims, seed, at) {
            Ok(mended) => {
                let mut right = bytes;
                for mend in &mended.mends {
                    let from = (mend.offset - at) as usize;
                    if let Some(place) = right.get_mut(from..from + mend.bytes.len()) {
                        place.copy_from_slice(&mend.bytes);
                    }
                }
                let kills = kills(&right).map_err(|flaw| Error::flaw(&self.place.path(), flaw))?;
                Ok(Read::Hurt(Box::new(mended), kills))
            }
            Err(flaw) => Ok(Read::Lost(header, flaw)),
        }
    }

    /// Whether a mended frame is the one that was written: its own trailer says so, or what follows it, or whoever
    /// remembers that it was durable.
    fn is_confirmed(&self, mended: &MendedFrame, end: u64, footer: Option<&Footer>) -> Result<bool> {
        if !mended.lost.is_empty() {
            return Ok(false);
        }
        let by_footer = footer
            .is_some_and(|footer| (footer.header.frames_end, footer.header.chain) == (end, mended.chain));
        Ok(mended.is_confirmed_by_itself()
            || by_footer
            || self.promises.confirm(end, &mended.chain)
            || self.header_at(end)?.is_some_and(|next| next.previous_chain == mended.chain))
    }

    fn take(&mut self, read: Read, at: u64, end: u64, footer: Option<&Footer>) -> Result<()> {
        let (header, chain, kills) = match read {
            Read::Good(header, chain, kills) => (header, Some(chain), kills),
            Read::Hurt(mended, kills) => match self.is_confirmed(&mended, end, footer)? {
                true => {
                    self.survey.mends.extend(mended.mends);
                    (mended.header, Some(mended.chain), kills)
                }
                false => {
                    let whole = || {
                        let (expected, found) = ("the digest that was committed", "another digest");
                        Flaw::new("frame", "chain", at, end - at, expected, found)
                    };
                    let lost = if mended.lost.is_empty() { vec![whole()] } else { mended.lost };
                    self.survey.lost.extend(lost);
                    (mended.header, mended.trailer.map(|trailer| trailer.chain), kills)
                }
            },
            Read::Lost(header, flaw) => {
                self.survey.lost.push(flaw);
                (header, None, Vec::new())
            }
        };
        let FrameHeader { commit, first_row, rows, kills: count, last, .. } = header;
        self.survey.frames.push(FooterFrame { offset: at, commit, first_row, rows, kills: count, last });
        let listed = |kill: Kill| FooterKill { segment: kill.segment, commit, row: kill.row, reserved: 0 };
        self.survey.kills.extend(kills.into_iter().map(listed));
        (self.survey.end, self.survey.chain) = (end, chain);
        Ok(())
    }

    /// The first place from `from` on with a good frame header that proves, or need not prove, that what lies before was
    /// durable: it was promised, or the header is of a commit after the next.
    fn later_frame(&self, from: u64) -> Result<Option<u64>> {
        let whole = self.survey.frames.iter().rfind(|frame| frame.last == 1).map_or(0, |frame| frame.commit);
        let is_durable = self.sealed.is_some() || from <= self.promises.durable_end;
        self.next_header(from, if is_durable || whole == 0 { 0 } else { whole + 2 })
    }

    /// The first place from `at` on with a good frame header of this commit or a later one.
    fn next_header(&self, at: u64, commit: u64) -> Result<Option<u64>> {
        const SCAN_BYTES: u64 = 1 << 20;
        let mut from = at.next_multiple_of(FRAME_ALIGN);
        while from < self.length {
            let bytes = self.read(from, from + SCAN_BYTES)?;
            for (number, sector) in (0u64..).zip(bytes.chunks(FRAME_ALIGN as usize)) {
                let here = from + number * FRAME_ALIGN;
                if FrameHeader::decode(sector, &self.seed, here).is_ok_and(|header| header.commit >= commit) {
                    return Ok(Some(here));
                }
            }
            from += SCAN_BYTES;
        }
        Ok(None)
    }

    /// What follows the last frame: the footer of a sealed segment, made again from its frames; nothing, or an interrupted
    /// commit, of any other.
    fn ending(&mut self) -> Result<()> {
        let (at, lost_before) = (self.survey.end, !self.survey.lost.is_empty());
        let Some(promise) = self.sealed else {
            let promised = self.promises.durable_end;
            let is_tail_known = self.promises.may_be_torn || at == self.length;
            if at < promised || !is_tail_known {
                let (expected, found) = ("whole commits that were durable", "other bytes, or none");
                let length = promised.max(self.length).saturating_sub(at).max(1);
                self.survey.lost.push(Flaw::new("segment", "tail", at, length, expected, found));
            }
            return Ok(());
        };
        let encoded =
            self.survey.chain.filter(|_| self.is_complete()).map(|chain| {
                footer::encode(&self.survey.frames, &self.survey.kills, (at, chain), &self.seed)
            });
        match encoded {
            Some((right, digest)) if digest == promise.digest => {
                let found = self.read(at, promise.bytes)?;
                let seal_at = right.len() - Seal::BYTES;
                let halves = found.split_at_checked(seal_at).unwrap_or((&found, &[]));
                let (footer, seal) = right.split_at(seal_at);
                let mends = Mend::between("footer", at, halves.0, footer).into_iter();
                let mends = mends.chain(Mend::between("seal", at + seal_at as u64, halves.1, seal));
                self.survey.mends.extend(mends);
                self.survey.right_bytes = promise.bytes;
            }
            // Frames that are lost are named already, and the footer can be good beside them.
            _ if lost_before && self.length == promise.bytes => {}
            encoded => {
                // Where there is room for more frames, some are lost.
                let field = if encoded.is_some() { "digest" } else { "frames" };
                let expected = format!("frames and a footer of {} bytes, as was promised", promise.bytes);
                let found = format!("{} bytes, frames up to {at}", self.length);
                let length = promise.bytes.max(self.length).saturating_sub(at).max(1);
                self.survey.lost.push(Flaw::new("segment", field, at, length, expected, found));
            }
        }
        Ok(())
    }
}
