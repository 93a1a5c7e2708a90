//! Metadata and text: the values of a frame's rows joined end to end, cut into blocks of 64 KiB, each compressed and
//! checksummed by itself, so that fetching a row touches one or two blocks.

use std::cell::RefCell;

use rayon::prelude::*;
use zstd::bulk::Decompressor;

use crate::layout::Block;
use crate::limits::BLOCK_RAW_BYTES;
use crate::{Flaw, Seed};

/// Codec of a block that is stored as it is.
pub const CODEC_RAW: u32 = 0;
/// Codec of a block that is one zstd frame.
pub const CODEC_ZSTD: u32 = 1;

/// Whether blocks are compressed. Part of a writer's settings, not of the format: every reader reads both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Blocks are stored as they are.
    None,
    /// Blocks become zstd frames where that makes them smaller.
    #[default]
    Zstd,
}

const ZSTD_LEVEL: i32 = 3;

/// One of the two payload sections of a frame: its block entries and stored bytes.
#[derive(Debug, Clone, Copy)]
pub struct Section<'a> {
    pub(crate) structure: &'static str,
    pub(crate) raw_bytes: usize,
    pub(crate) entries: &'a [u8],
    pub(crate) stored: &'a [u8],
    /// Offset of the stored bytes in the file.
    pub(crate) offset: u64,
}

/// Cuts `raw` into blocks. Returns the entries, whose CRCs are still to be filled in, and the stored bytes of each.
/// Blocks are compressed in parallel: it is most of the work of making a frame.
pub(crate) fn encode(raw: &[u8], compression: Compression) -> Vec<(Block, Vec<u8>)> {
    // A compressor is made once a thread: its tables are larger than a block.
    let compressor = || match compression {
        Compression::None => None,
        Compression::Zstd => zstd::bulk::Compressor::new(ZSTD_LEVEL).ok(),
    };
    raw.par_chunks(BLOCK_RAW_BYTES)
        .map_init(compressor, |compressor, chunk| {
            let packed = compressor.as_mut().and_then(|compressor| compressor.compress(chunk).ok());
            let (codec, stored) = match packed {
                Some(packed) if packed.len() < chunk.len() => (CODEC_ZSTD, packed),
                _ => (CODEC_RAW, chunk.to_vec()),
            };
            let (stored_bytes, raw_bytes) = (stored.len() as u32, chunk.len() as u32);
            (Block { stored_bytes, raw_bytes, codec, crc: 0 }, stored)
        })
        .collect()
}

thread_local! {
    /// Made once a thread: its tables cost as much to set up as a block takes to decompress.
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

fn decompress(stored: &[u8], raw_bytes: usize) -> std::io::Result<Vec<u8>> {
    DECOMPRESSOR.with_borrow_mut(|kept| {
        let decompressor = match kept {
            Some(decompressor) => decompressor,
            None => kept.insert(Decompressor::new()?),
        };
        decompressor.decompress(stored, raw_bytes)
    })
}

/// Whether the bytes are one zstd frame, nothing before or after it, whose header promises `raw_bytes`.
fn is_one_zstd_frame(stored: &[u8], raw_bytes: usize) -> bool {
    matches!(zstd::zstd_safe::find_frame_compressed_size(stored), Ok(length) if length == stored.len())
        && matches!(zstd::zstd_safe::get_frame_content_size(stored), Ok(Some(size)) if size == raw_bytes as u64)
}

impl Section<'_> {
    /// The value of one row, which lies at `from..to` of the section and may have `most` bytes.
    ///
    /// # Errors
    /// As [`Section::read`]; also when the value is longer.
    pub(crate) fn value(
        &self,
        seed: &Seed,
        (from, to): (usize, usize),
        most: usize,
    ) -> Result<Vec<u8>, Flaw> {
        if to.saturating_sub(from) > most {
            let length = (self.stored.len() as u64).max(1);
            let (expected, found) = (format!("at most {most} bytes a row"), format!("{} bytes", to - from));
            return Err(Flaw::new(self.structure, "length", self.offset, length, expected, found));
        }
        self.read(seed, from, to)
    }

    /// The raw bytes `from..to` of the section, from the blocks that hold them.
    ///
    /// # Errors
    /// A [`Flaw`] when the range is none of the section's, or a block is damaged.
    pub(crate) fn read(&self, seed: &Seed, from: usize, to: usize) -> Result<Vec<u8>, Flaw> {
        if from > to || to > self.raw_bytes {
            let found = format!("{from}..{to}");
            let length = (self.stored.len() as u64).max(1);
            let expected = format!("a range within 0..{}", self.raw_bytes);
            return Err(Flaw::new(self.structure, "range", self.offset, length, expected, found));
        }
        let (first, end) = (from / BLOCK_RAW_BYTES, to.div_ceil(BLOCK_RAW_BYTES));
        let mut out = Vec::new();
        let mut at = 0usize;
        for (number, entry) in self.entries.chunks_exact(Block::BYTES).enumerate().take(end) {
            let Some(entry) = Block::get(entry) else { break };
            if number >= first && from < to {
                out.extend_from_slice(&self.block(seed, number, entry, at)?);
            }
            at += entry.stored_bytes as usize;
        }
        let start = from - first * BLOCK_RAW_BYTES;
        if from == to {
            return Ok(Vec::new());
        }
        match out.get(start..start + (to - from)) {
            Some(bytes) if start == 0 && bytes.len() == out.len() => Ok(out),
            Some(bytes) => Ok(bytes.to_vec()),
            None => {
                let length = (self.stored.len() as u64).max(1);
                let (expected, found) =
                    (format!("{to} raw bytes"), format!("{} from block {first}", out.len()));
                Err(Flaw::new(self.structure, "raw_bytes", self.offset, length, expected, found))
            }
        }
    }

    /// Decodes one block whose stored bytes begin at `at` in the section.
    fn block(&self, seed: &Seed, number: usize, entry: Block, at: usize) -> Result<Vec<u8>, Flaw> {
        let offset = self.offset + at as u64;
        let length = u64::from(entry.stored_bytes).max(1);
        let wrong = |field, expected: String, found: String| {
            Flaw::new(self.structure, field, offset, length, expected, found)
        };
        let raw_bytes = self.raw_bytes.saturating_sub(number * BLOCK_RAW_BYTES).min(BLOCK_RAW_BYTES);
        if entry.raw_bytes as usize != raw_bytes {
            return Err(wrong("raw_bytes", raw_bytes.to_string(), entry.raw_bytes.to_string()));
        }
        let Some(stored) = self.stored.get(at..).and_then(|rest| rest.get(..entry.stored_bytes as usize))
        else {
            return Err(wrong("stored_bytes", "within the section".into(), entry.stored_bytes.to_string()));
        };
        let crc = seed.crc(offset, stored);
        if crc != entry.crc {
            return Err(wrong("crc", format!("{:08x}", entry.crc), format!("{crc:08x}")));
        }
        let raw = match entry.codec {
            CODEC_RAW => stored.to_vec(),
            CODEC_ZSTD if !is_one_zstd_frame(stored, raw_bytes) => {
                let expected = format!("one zstd frame of {raw_bytes} bytes");
                return Err(wrong("zstd", expected, "something else".into()));
            }
            CODEC_ZSTD => match decompress(stored, raw_bytes) {
                Ok(raw) => raw,
                Err(error) => return Err(wrong("zstd", "a zstd frame".into(), error.to_string())),
            },
            other => return Err(wrong("codec", "0 or 1".into(), other.to_string())),
        };
        if raw.len() != raw_bytes {
            return Err(wrong("zstd", format!("{raw_bytes} raw bytes"), format!("{} raw bytes", raw.len())));
        }
        Ok(raw)
    }

    /// Every flaw of the section's blocks.
    pub(crate) fn flaws(&self, seed: &Seed) -> Vec<Flaw> {
        let mut at = 0usize;
        let mut flaws = Vec::new();
        for (number, entry) in self.entries.chunks_exact(Block::BYTES).enumerate() {
            let Some(entry) = Block::get(entry) else { break };
            if let Err(flaw) = self.block(seed, number, entry, at) {
                flaws.push(flaw);
            }
            at = at.saturating_add(entry.stored_bytes as usize);
        }
        if at != self.stored.len() && flaws.is_empty() {
            let (expected, found) = (format!("{} bytes", self.stored.len()), format!("{at} bytes"));
            let length = (self.stored.len() as u64).max(1);
            flaws.push(Flaw::new(self.structure, "stored_bytes", self.offset, length, expected, found));
        }
        flaws
    }
}
