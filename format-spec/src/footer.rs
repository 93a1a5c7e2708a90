//! The footer of a sealed segment: where its frames are and what they kill, so that opening it reads no frame.

use crate::checksum::{Digest, digest};
use crate::frame::{INDEX_KEY_BYTES, INDEX_ROW_BYTES};
use crate::layout::{FooterFrame, FooterHeader, FooterKill, FrameHeader, FrameTrailer, Kill, Seal};
use crate::limits::{
    FRAME_ALIGN, HEADER_PAGE_BYTES, MAX_FRAME_BYTES, MAX_FRAME_KILLS, MAX_FRAME_ROWS, MAX_NUMBER,
    MAX_SEGMENT_FRAMES, MAX_SEGMENT_ROWS,
};
use crate::{Flaw, Seed};

/// A footer as a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Footer {
    /// Its header.
    pub header: FooterHeader,
    /// The frames, in order.
    pub frames: Vec<FooterFrame>,
    /// The kills, in the order of the frames.
    pub kills: Vec<FooterKill>,
    /// The digest of the segment.
    pub digest: Digest,
}

/// The bytes of a footer that begins at `frames_end`, after frames whose last chain digest is `chain`.
pub fn encode(
    frames: &[FooterFrame],
    kills: &[FooterKill],
    (frames_end, chain): (u64, Digest),
    seed: &Seed,
) -> (Vec<u8>, Digest) {
    let content = FooterHeader::BYTES + frames.len() * FooterFrame::BYTES + kills.len() * FooterKill::BYTES;
    let footer_bytes = ((content + Seal::BYTES) as u64).next_multiple_of(FRAME_ALIGN);
    let header = FooterHeader {
        footer_bytes,
        frames: frames.len() as u64,
        kills: kills.len() as u64,
        rows: frames.iter().map(|frame| u64::from(frame.rows)).sum(),
        first_commit: frames.first().map_or(0, |frame| frame.commit),
        last_commit: frames.last().map_or(0, |frame| frame.commit),
        frames_end,
        chain,
    };
    let mut bytes = header.encode(seed, frames_end);
    frames.iter().for_each(|frame| frame.put(&mut bytes));
    kills.iter().for_each(|kill| kill.put(&mut bytes));
    bytes.resize(footer_bytes as usize - Seal::BYTES, 0);
    let digest = digest(&bytes);
    let at = frames_end + bytes.len() as u64;
    bytes.extend_from_slice(&Seal { footer_bytes, digest }.encode(seed, at));
    (bytes, digest)
}

/// Where the footer begins in a file of `file_bytes`, from the file's last 64 bytes.
///
/// # Errors
/// A [`Flaw`] when there is no seal, or its length cannot be.
pub fn locate(seal: &[u8], file_bytes: u64, seed: &Seed) -> Result<(u64, Seal), Flaw> {
    let Some(at) = file_bytes.checked_sub(Seal::BYTES as u64) else {
        return Err(Flaw::short("seal", 0, Seal::BYTES as u64, file_bytes));
    };
    let seal = Seal::decode(seal, seed, at)?;
    let room = file_bytes.saturating_sub(HEADER_PAGE_BYTES);
    let least = (FooterHeader::BYTES + Seal::BYTES) as u64;
    match file_bytes.checked_sub(seal.footer_bytes) {
        Some(start) if (least..=room).contains(&seal.footer_bytes) => Ok((start, seal)),
        _ => {
            let expected = format!("{least} to {room}");
            Err(Flaw::new("seal", "footer_bytes", at, Seal::BYTES as u64, expected, seal.footer_bytes))
        }
    }
}

/// The footer in exactly `bytes`, which begin at `offset` in the file and end with `seal`.
///
/// # Errors
/// A [`Flaw`] when any byte of it is wrong.
pub fn decode(bytes: &[u8], seal: &Seal, seed: &Seed, offset: u64) -> Result<Footer, Flaw> {
    let length = bytes.len() as u64;
    let wrong = |field, expected: String, found: String| {
        Err(Flaw::new("footer", field, offset, length.max(1), expected, found))
    };
    let header = FooterHeader::decode(bytes, seed, offset)?;
    let covered = bytes.get(..bytes.len().saturating_sub(Seal::BYTES)).unwrap_or_default();
    if digest(covered) != seal.digest {
        let found = crate::checksum::to_hex(&digest(covered));
        return wrong("digest", crate::checksum::to_hex(&seal.digest), found);
    }
    if header.footer_bytes != length || seal.footer_bytes != length || header.frames_end != offset {
        let found = format!("{} bytes at {}", header.footer_bytes, header.frames_end);
        return wrong("footer_bytes", format!("{length} bytes at {offset}"), found);
    }
    let room = (covered.len() - FooterHeader::BYTES) as u64;
    let needs = header
        .frames
        .checked_mul(FooterFrame::BYTES as u64)
        .zip(header.kills.checked_mul(FooterKill::BYTES as u64))
        .and_then(|(frames, kills)| frames.checked_add(kills));
    let fits = |needs: u64| needs <= room && room - needs < FRAME_ALIGN;
    if header.frames > MAX_SEGMENT_FRAMES || !needs.is_some_and(fits) {
        let found = format!("{} frames, {} kills", header.frames, header.kills);
        return wrong("frames and kills", format!("entries that fill {room} bytes"), found);
    }
    let entries = covered.get(FooterHeader::BYTES..).unwrap_or_default();
    let (frames, rest) =
        entries.split_at_checked(header.frames as usize * FooterFrame::BYTES).unwrap_or_default();
    let (kills, zeros) = rest.split_at_checked(header.kills as usize * FooterKill::BYTES).unwrap_or_default();
    if zeros.iter().any(|&byte| byte != 0) {
        return wrong("padding", "zero".into(), "another byte".into());
    }
    let frames: Vec<_> = frames.chunks_exact(FooterFrame::BYTES).filter_map(FooterFrame::get).collect();
    let kills: Vec<_> = kills.chunks_exact(FooterKill::BYTES).filter_map(FooterKill::get).collect();
    check_entries(&frames, &kills, offset)?;
    let row: u64 = frames.iter().map(|frame| u64::from(frame.rows)).sum();
    let commit_of = |frame: Option<&FooterFrame>| frame.map_or(0, |frame| frame.commit);
    let span = (commit_of(frames.first()), commit_of(frames.last()));
    if row != header.rows || row > MAX_SEGMENT_ROWS || span != (header.first_commit, header.last_commit) {
        let found =
            format!("{} rows of commits {} to {}", header.rows, header.first_commit, header.last_commit);
        return wrong("rows", format!("{row} rows of commits {} to {}", span.0, span.1), found);
    }
    Ok(Footer { header, frames, kills, digest: seal.digest })
}

/// What a frame of so many rows and kills takes at least: vectors of one element, keys of one byte, no payload.
fn least_bytes(frame: &FooterFrame) -> u64 {
    let row = 4 + INDEX_ROW_BYTES + INDEX_KEY_BYTES + 1;
    let fixed = (FrameHeader::BYTES + FrameTrailer::BYTES) as u64;
    let kills = u64::from(frame.kills) * Kill::BYTES as u64;
    (fixed + u64::from(frame.rows) * row + kills).next_multiple_of(FRAME_ALIGN)
}

/// Checks that the entries of a footer at `end` describe a run of whole commits from the end of the header page on.
fn check_entries(frames: &[FooterFrame], kills: &[FooterKill], end: u64) -> Result<(), Flaw> {
    let wrong = |field, expected: String, found: String| {
        let length =
            FooterHeader::BYTES + frames.len() * FooterFrame::BYTES + kills.len() * FooterKill::BYTES;
        Err(Flaw::new("footer", field, end, length as u64, expected, found))
    };
    // The first frame begins where the page ends, each other one somewhere after the one before.
    let (mut from, mut to) = (HEADER_PAGE_BYTES, HEADER_PAGE_BYTES);
    let (mut row, mut commit, mut commit_ended) = (0u64, 0u64, true);
    let mut kills_left = kills;
    for frame in frames {
        let follows = if commit_ended { frame.commit > commit } else { frame.commit == commit };
        let lies = (from..=to).contains(&frame.offset)
            && frame.offset.is_multiple_of(FRAME_ALIGN)
            && frame.offset < end;
        let counts = frame.rows <= MAX_FRAME_ROWS && frame.kills <= MAX_FRAME_KILLS && frame.last <= 1;
        if !follows || !lies || !counts || frame.commit > MAX_NUMBER || u64::from(frame.first_row) != row {
            let found = format!("row {} of commit {} at {}", frame.first_row, frame.commit, frame.offset);
            return wrong("frame entry", format!("row {row} after commit {commit} at {from} to {to}"), found);
        }
        let Some((own, rest)) = kills_left.split_at_checked(frame.kills as usize) else {
            return wrong(
                "kills of a frame",
                format!("at most {}", kills_left.len()),
                frame.kills.to_string(),
            );
        };
        let is_own = |kill: &FooterKill| {
            kill.commit == frame.commit && kill.reserved == 0 && (1..=MAX_NUMBER).contains(&kill.segment)
        };
        if let Some(kill) = own.iter().find(|kill| !is_own(kill)) {
            let found = format!("commit {}, segment {}", kill.commit, kill.segment);
            return wrong("kill entry", format!("commit {} and zeros in reserved", frame.commit), found);
        }
        (from, to) = (frame.offset + least_bytes(frame), frame.offset.saturating_add(MAX_FRAME_BYTES));
        (row, commit, commit_ended) = (row + u64::from(frame.rows), frame.commit, frame.last == 1);
        kills_left = rest;
    }
    if !commit_ended || !kills_left.is_empty() || !(from..=to).contains(&end) {
        let found = format!("{} kills without a frame, frames up to {from} at least", kills_left.len());
        return wrong("last frame entry", format!("the end of a commit and of the frames at {end}"), found);
    }
    Ok(())
}
