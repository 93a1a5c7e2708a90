//! One frame: its counts and sizes, every check that it allows, and how it follows the frame before.

use siltstone_format::frame::Frame;
use siltstone_format::layout::FrameHeader;
use siltstone_format::{Digest, Flaw, Seed};

use super::part::Part;
use super::place::Place;

/// What the next frame should say, as far as that is known.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    /// Chain digest, when the frame before was whole.
    chain: Option<Digest>,
    /// First row, when no frame was passed over.
    first_row: Option<u32>,
    /// Commit and part of the frame before.
    before: Option<(u64, u32)>,
    /// Whether the frame before ended its commit.
    ended: bool,
}

impl Expected {
    pub(super) fn first(chain: Option<Digest>) -> Expected {
        Expected { chain, first_row: Some(0), before: None, ended: true }
    }

    pub(super) fn unknown() -> Expected {
        Expected { chain: None, first_row: None, before: None, ended: true }
    }

    /// The commit whose last frame has not come.
    pub(super) fn unfinished_commit(&self) -> Option<u64> {
        self.before.filter(|_| !self.ended).map(|(commit, _)| commit)
    }

    fn flaw(&self, header: &FrameHeader, at: u64) -> Option<Flaw> {
        let wrong = |field, expected: String, found: String| {
            Some(Flaw::new("frame header", field, at, FrameHeader::BYTES as u64, expected, found))
        };
        if self.chain.is_some_and(|chain| chain != header.previous_chain) {
            return wrong("previous_chain", "the digest of the frame before".into(), "another digest".into());
        }
        if let Some(row) = self.first_row.filter(|row| *row != header.first_row) {
            return wrong("first_row", row.to_string(), header.first_row.to_string());
        }
        let found = format!("part {} of commit {}", header.part, header.commit);
        match self.before {
            Some((commit, part))
                if !self.ended && (header.commit, header.part) != (commit, part.saturating_add(1)) =>
            {
                wrong("commit, part", format!("part {} of commit {commit}", part.saturating_add(1)), found)
            }
            Some((commit, _)) if self.ended && (header.commit <= commit || header.part != 0) => {
                wrong("commit, part", format!("part 0 of a commit after {commit}"), found)
            }
            _ => None,
        }
    }
}

/// A frame as it is printed.
pub(super) struct Shown {
    pub(super) part: Part,
    /// All of it is there and nothing in it is wrong.
    pub(super) is_whole: bool,
}

pub(super) fn part(
    bytes: &[u8],
    header: &FrameHeader,
    place: &Place,
    seed: &Seed,
    at: u64,
    expected: &mut Expected,
    keys: bool,
) -> Shown {
    let part = Part::new("frame", at, header.frame_bytes)
        .fact("commit", header.commit)
        .fact("part", header.part)
        .fact("last", header.last == 1)
        .fact("committed_at_ms", header.committed_at_ms)
        .fact("first_row", header.first_row)
        .fact("rows", header.rows)
        .fact("keys", header.keys)
        .fact("kills", header.kills)
        .fact("frame_bytes", header.frame_bytes)
        .fact("vector_bytes", u64::from(header.rows) * u64::from(place.dims) * 4)
        .fact("key_bytes", header.key_bytes)
        .fact("metadata_bytes", header.metadata_stored_bytes)
        .fact("metadata_raw_bytes", header.metadata_raw_bytes)
        .fact("text_bytes", header.text_stored_bytes)
        .fact("text_raw_bytes", header.text_raw_bytes);
    let out_of_place = expected.flaw(header, at);
    let (mut part, chain) = match Frame::with_header(header, bytes, place.dims, seed, at) {
        Err(flaw) => (part.flaw(flaw), None),
        Ok(frame) => {
            let mut part = part.hex("chain", &frame.chain());
            part.flaws = frame.flaws(header);
            if keys {
                part.lines = lines(&frame, header);
            }
            let chain = part.flaws.is_empty().then(|| frame.chain());
            (part, chain)
        }
    };
    let is_whole = chain.is_some();
    part.flaws.extend(out_of_place);
    *expected = Expected {
        chain,
        first_row: header.first_row.checked_add(header.rows).filter(|_| is_whole),
        before: Some((header.commit, header.part)),
        ended: header.last == 1,
    };
    Shown { part, is_whole }
}

/// One line a row, then one a kill.
fn lines(frame: &Frame<'_>, header: &FrameHeader) -> Vec<String> {
    let key = |number: u32| match frame.key(number) {
        Some(Ok(key)) => format!("{key:?}"),
        Some(Err(flaw)) => format!("({flaw})"),
        None => "(no such key)".to_owned(),
    };
    let row =
        |number: u32| format!("row {}: {}", u64::from(header.first_row) + u64::from(number), key(number));
    let rows = (0..header.rows).map(row);
    let kill = |kill: siltstone_format::layout::Kill| {
        let verb = if kill.key < header.rows { "replaces" } else { "deletes" };
        format!("{verb} row {} of segment {}: {}", kill.row, kill.segment, key(kill.key))
    };
    rows.chain(frame.kills().map(kill)).collect()
}
