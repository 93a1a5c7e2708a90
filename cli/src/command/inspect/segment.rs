//! A segment from front to back: header page, frames, what lies between them, footer. After a flaw the walk goes on at
//! the next 512-byte boundary with a good frame header.

use std::io::{Read, Seek};

use siltstone_format::footer::{self, Footer};
use siltstone_format::layout::{FooterHeader, FrameHeader, Seal};
use siltstone_format::limits::{FRAME_ALIGN, HEADER_PAGE_BYTES};
use siltstone_format::{Digest, Flaw, Seed, header};

use super::file::unreadable;
use super::frame::{self, Expected};
use super::part::Part;
use super::place::Place;
use super::source::Source;
use crate::exit::CliError;

/// How much is read at a time while a good header is looked for.
const SCAN_BYTES: u64 = 1 << 20;

/// Takes parts as they are found.
pub(super) type Emit<'a> = &'a mut dyn FnMut(Part) -> Result<(), CliError>;

pub(super) fn walk<R: Read + Seek>(
    source: &mut Source<R>,
    fallback: Option<Place>,
    keys: bool,
    emit: Emit<'_>,
) -> Result<(), CliError> {
    let (place, chain) = header_page(source, fallback, emit)?;
    let Some(place) = place else {
        let at = HEADER_PAGE_BYTES;
        let rest = source.length.saturating_sub(at);
        let expected = "a collection's directory and a manifest that tell whose frames these are";
        let flaw =
            Flaw::new("segment", "identity", at, rest.max(1), expected, "neither; the rest cannot be read");
        return emit(Part::new("rest", at, rest).flaw(flaw));
    };
    let seed = place.seed();
    let sealed = seal(source, &seed);
    let end = sealed.as_ref().map_or(source.length, |(start, _)| *start);
    let mut walk = Walk {
        source,
        place,
        seed: &seed,
        end,
        expected: Expected::first(chain),
        frames: Vec::new(),
        whole: true,
    };
    walk.frames(keys, emit)?;
    let (frames, whole) = (walk.frames, walk.whole);
    match sealed {
        Some((start, seal)) => footer_part(source, &seed, start, &seal, (&frames, whole), emit),
        None => Ok(()),
    }
}

fn header_page<R: Read + Seek>(
    source: &mut Source<R>,
    fallback: Option<Place>,
    emit: Emit<'_>,
) -> Result<(Option<Place>, Option<Digest>), CliError> {
    let page = match source.read(0, HEADER_PAGE_BYTES) {
        Ok(page) => page,
        Err(flaw) => return emit(unreadable(flaw)).map(|()| (fallback, None)),
    };
    let part = Part::new("header page", 0, page.len() as u64);
    let decoded = match header::decode(&page) {
        Ok(decoded) => decoded,
        Err(flaw) => return emit(part.flaw(flaw)).map(|()| (fallback, None)),
    };
    let (header, identity) = (&decoded.header, &decoded.identity);
    let part = part
        .hex("collection", &header.collection)
        .fact("name", identity.name.as_str())
        .fact("segment", header.segment)
        .fact("previous_segment", header.previous_segment)
        .hex("previous_chain", &header.previous_chain)
        .fact("base_commit", header.base_commit)
        .fact("created_at_ms", header.created_at_ms)
        .fact("version", header.version)
        .fact("dims", header.dims)
        .fact("metric", identity.identity.metric.name())
        .fact("provider", identity.identity.provider.as_str())
        .fact("model", identity.identity.model.as_str())
        .fact("normalised", identity.identity.normalised)
        .fact("chunker", identity.identity.chunker.as_str())
        .hex("chain", &decoded.chain);
    // What still counted of the segments before, where a snapshot was restored.
    let part = match &identity.follows {
        Some(follows) => part
            .fact("follows_whole", runs(&follows.whole, "-"))
            .fact("follows_capped", runs(&follows.capped, " up to commit ")),
        None => part,
    };
    let place = Place { collection: header.collection, segment: header.segment, dims: header.dims };
    emit(part)?;
    Ok((Some(place), Some(decoded.chain)))
}

/// `1-3, 5-5`.
fn runs(pairs: &[(u64, u64)], between: &str) -> String {
    pairs.iter().map(|(first, second)| format!("{first}{between}{second}")).collect::<Vec<_>>().join(", ")
}

/// Where the footer begins, if the file ends with a good seal.
fn seal<R: Read + Seek>(source: &mut Source<R>, seed: &Seed) -> Option<(u64, Seal)> {
    let at = source.length.checked_sub(Seal::BYTES as u64)?;
    let bytes = source.read(at, Seal::BYTES as u64).ok()?;
    footer::locate(&bytes, source.length, seed).ok()
}

struct Walk<'a, R> {
    source: &'a mut Source<R>,
    place: Place,
    seed: &'a Seed,
    end: u64,
    expected: Expected,
    /// Offset, commit and rows of every frame with a good header.
    frames: Vec<(u64, u64, u32)>,
    /// Nothing was passed over.
    whole: bool,
}

impl<R: Read + Seek> Walk<'_, R> {
    fn frames(&mut self, keys: bool, emit: Emit<'_>) -> Result<(), CliError> {
        let mut at = HEADER_PAGE_BYTES;
        while at < self.end {
            at = match self.frame(at, keys, emit)? {
                Some(next) => next,
                None => self.gap(at, emit)?,
            };
        }
        if let Some(commit) = self.expected.unfinished_commit() {
            let flaw = Flaw::new(
                "commit",
                "last",
                at,
                1,
                "a frame that ends the commit",
                format!("commit {commit} without one"),
            );
            emit(Part::new("unfinished", at, 0).flaw(flaw))?;
        }
        Ok(())
    }

    /// Prints the frame at `at` and returns where the next one should begin; `None` when there is no good header.
    fn frame(&mut self, at: u64, keys: bool, emit: Emit<'_>) -> Result<Option<u64>, CliError> {
        let Ok(head) = self.source.read(at, FrameHeader::BYTES as u64) else { return Ok(None) };
        let Ok(header) = FrameHeader::decode(&head, self.seed, at) else { return Ok(None) };
        // A frame that claims more than there is, is read as far as it goes and found too short.
        let bytes = match self.source.read(at, header.frame_bytes.min(self.end - at)) {
            Ok(bytes) => bytes,
            Err(flaw) => {
                emit(unreadable(flaw))?;
                return Ok(None);
            }
        };
        let shown = frame::part(&bytes, &header, &self.place, self.seed, at, &mut self.expected, keys);
        self.frames.push((at, header.commit, header.rows));
        self.whole &= shown.is_whole;
        emit(shown.part)?;
        let next = at.saturating_add(header.frame_bytes);
        if shown.is_whole {
            return Ok(Some(next));
        }
        // A damaged frame may lie about its length: a good header inside it is the better guide.
        Ok(Some(
            self.find(at + FRAME_ALIGN).map_or(self.end.min(next.max(at + FRAME_ALIGN)), |found| {
                found.min(next.max(at + FRAME_ALIGN))
            }),
        ))
    }

    /// Prints bytes that are no frame, up to the next good header.
    fn gap(&mut self, at: u64, emit: Emit<'_>) -> Result<u64, CliError> {
        self.whole = false;
        let next = self.find(at + FRAME_ALIGN).unwrap_or(self.end);
        let head = self.source.read(at, FrameHeader::BYTES as u64);
        let (what, flaw) = match &head {
            Err(flaw) => ("unreadable", flaw.clone()),
            Ok(bytes) if bytes.starts_with(FooterHeader::MAGIC) => {
                let flaw = FooterHeader::decode(bytes, self.seed, at).err();
                let no_seal = || {
                    Flaw::new(
                        "seal",
                        "magic",
                        at,
                        next - at,
                        "a seal at the end of the file",
                        "none that is good",
                    )
                };
                ("footer", flaw.unwrap_or_else(no_seal))
            }
            Ok(bytes) => {
                let flaw = FrameHeader::decode(bytes, self.seed, at).err();
                let unknown =
                    || Flaw::new("frame header", "bytes", at, next - at, "a frame", "something else");
                ("gap", Flaw { length: next - at, ..flaw.unwrap_or_else(unknown) })
            }
        };
        let last = next == self.end;
        let part = Part::new(what, at, next - at).flaw(flaw);
        emit(part.fact("then", if last { "the end of the frames" } else { "a frame with a good header" }))?;
        self.expected = Expected::unknown();
        Ok(next)
    }

    /// The first 512-byte boundary from `from` on with a good frame header.
    fn find(&mut self, from: u64) -> Option<u64> {
        let mut at = from.next_multiple_of(FRAME_ALIGN);
        while at < self.end {
            if let Ok(bytes) = self.source.read(at, SCAN_BYTES.min(self.end - at)) {
                let sectors = (0u64..).zip(bytes.chunks(FRAME_ALIGN as usize));
                let mut places = sectors.map(|(number, sector)| (at + number * FRAME_ALIGN, sector));
                let found =
                    places.find(|(here, sector)| FrameHeader::decode(sector, self.seed, *here).is_ok());
                if let Some((here, _)) = found {
                    return Some(here);
                }
            }
            at = at.saturating_add(SCAN_BYTES);
        }
        None
    }
}

fn footer_part<R: Read + Seek>(
    source: &mut Source<R>,
    seed: &Seed,
    start: u64,
    seal: &Seal,
    (frames, whole): (&[(u64, u64, u32)], bool),
    emit: Emit<'_>,
) -> Result<(), CliError> {
    let bytes = match source.read(start, seal.footer_bytes) {
        Ok(bytes) => bytes,
        Err(flaw) => return emit(unreadable(flaw)),
    };
    let part = Part::new("footer", start, bytes.len() as u64);
    match footer::decode(&bytes, seal, seed, start) {
        Err(flaw) => emit(part.flaw(flaw)),
        Ok(decoded) => {
            let differs = (whole && !agrees(&decoded, frames)).then(|| {
                Flaw::new(
                    "footer",
                    "frames",
                    start,
                    bytes.len() as u64,
                    "the frames of this file",
                    "other frames",
                )
            });
            let header = &decoded.header;
            emit(
                part.fact("frames", header.frames)
                    .fact("kills", header.kills)
                    .fact("rows", header.rows)
                    .fact("first_commit", header.first_commit)
                    .fact("last_commit", header.last_commit)
                    .hex("chain", &header.chain)
                    .hex("digest", &decoded.digest)
                    .maybe_flaw(differs),
            )
        }
    }
}

fn agrees(footer: &Footer, frames: &[(u64, u64, u32)]) -> bool {
    footer.frames.iter().map(|frame| (frame.offset, frame.commit, frame.rows)).eq(frames.iter().copied())
}
