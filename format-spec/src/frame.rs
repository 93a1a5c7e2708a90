//! Frames: one batch of rows, keys, kills and payload, made durable by one sync.
//!
//! A frame is header, rows, index, keys, metadata, text, zeros, trailer, in this order. Where each section lies
//! follows from the counts in the header, so there are no offsets that could contradict them.

use crate::checksum::Digest;
use crate::layout::{Block, FrameHeader, FrameTrailer, Kill};
use crate::limits::{
    BLOCK_RAW_BYTES, FRAME_ALIGN, MAX_DIMS, MAX_FRAME_BYTES, MAX_FRAME_KILLS, MAX_FRAME_RAW_BYTES,
    MAX_FRAME_ROWS, MAX_KEY_BYTES, MAX_METADATA_BYTES, MAX_NUMBER, MAX_TEXT_BYTES, MIN_DIMS,
};
use crate::payload::Section;
use crate::{Flaw, Seed};

/// Where the sections of a frame lie, in bytes from the start of the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Length of one row.
    pub row_bytes: usize,
    /// End of the rows, start of the index.
    pub index: usize,
    /// Start of the keys.
    pub keys: usize,
    /// Start of the metadata blocks.
    pub metadata: usize,
    /// Start of the text blocks.
    pub text: usize,
    /// Start of the zeros.
    pub zeros: usize,
    /// Start of the trailer.
    pub trailer: usize,
}

/// Bytes of index for each row, each key.
pub(crate) const INDEX_ROW_BYTES: u64 = 4 + 8 + 4 + 4;
pub(crate) const INDEX_KEY_BYTES: u64 = 4 + 4;

impl Geometry {
    /// Start of the rows.
    pub const ROWS: usize = FrameHeader::BYTES;

    /// The geometry that follows from a header's counts.
    ///
    /// # Errors
    /// A [`Flaw`] when a count is beyond its limit or the counts do not give the length.
    pub fn of(header: &FrameHeader, dims: u32, offset: u64) -> Result<Self, Flaw> {
        let wrong = |field, expected: String, found: u64| {
            Err(Flaw::new("frame header", field, offset, FrameHeader::BYTES as u64, expected, found))
        };
        let most = |limit: u32| format!("at most {limit}");
        if !(MIN_DIMS..=MAX_DIMS).contains(&dims) {
            return wrong("dims of the segment", format!("{MIN_DIMS} to {MAX_DIMS}"), dims.into());
        }
        if header.rows > MAX_FRAME_ROWS {
            return wrong("rows", most(MAX_FRAME_ROWS), header.rows.into());
        }
        if header.first_row.checked_add(header.rows).is_none() {
            return wrong(
                "first_row",
                format!("at most {}", u32::MAX - header.rows),
                header.first_row.into(),
            );
        }
        if header.kills > MAX_FRAME_KILLS {
            return wrong("kills", most(MAX_FRAME_KILLS), header.kills.into());
        }
        if header.keys < header.rows || header.keys - header.rows > header.kills {
            return wrong("keys", "one a row and at most one more a kill".into(), header.keys.into());
        }
        if header.commit == 0 || header.commit > MAX_NUMBER {
            return wrong("commit", format!("1 to {MAX_NUMBER}"), header.commit);
        }
        if header.last > 1 {
            return wrong("last", "0 or 1".into(), header.last.into());
        }
        for (field, raw) in
            [("metadata_raw_bytes", header.metadata_raw_bytes), ("text_raw_bytes", header.text_raw_bytes)]
        {
            if u64::from(raw) > MAX_FRAME_RAW_BYTES {
                return wrong(field, format!("at most {MAX_FRAME_RAW_BYTES}"), raw.into());
            }
        }
        let blocks = |raw: u32| (raw as usize).div_ceil(BLOCK_RAW_BYTES) as u32;
        if header.metadata_blocks != blocks(header.metadata_raw_bytes) {
            let expected = blocks(header.metadata_raw_bytes).to_string();
            return wrong("metadata_blocks", expected, header.metadata_blocks.into());
        }
        if header.text_blocks != blocks(header.text_raw_bytes) {
            return wrong(
                "text_blocks",
                blocks(header.text_raw_bytes).to_string(),
                header.text_blocks.into(),
            );
        }
        // Sums of u32 products: far below u64's end.
        let row_bytes = u64::from(dims) * 4;
        let index = Self::ROWS as u64 + u64::from(header.rows) * row_bytes;
        let keys = index
            + u64::from(header.rows) * INDEX_ROW_BYTES
            + u64::from(header.keys) * INDEX_KEY_BYTES
            + u64::from(header.kills) * Kill::BYTES as u64
            + (u64::from(header.metadata_blocks) + u64::from(header.text_blocks)) * Block::BYTES as u64;
        let metadata = keys + u64::from(header.key_bytes);
        let text = metadata + u64::from(header.metadata_stored_bytes);
        let zeros = text + u64::from(header.text_stored_bytes);
        let frame_bytes = (zeros + FrameTrailer::BYTES as u64).next_multiple_of(FRAME_ALIGN);
        if frame_bytes != header.frame_bytes || frame_bytes > MAX_FRAME_BYTES {
            return wrong(
                "frame_bytes",
                format!("{frame_bytes}, at most {MAX_FRAME_BYTES}"),
                header.frame_bytes,
            );
        }
        Ok(Self {
            row_bytes: row_bytes as usize,
            index: index as usize,
            keys: keys as usize,
            metadata: metadata as usize,
            text: text as usize,
            zeros: zeros as usize,
            trailer: frame_bytes as usize - FrameTrailer::BYTES,
        })
    }
}

/// A frame over its bytes. Making one checks the header and that every section is there; everything else is checked
/// when it is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    bytes: &'a [u8],
    seed: &'a Seed,
    offset: u64,
    geometry: Geometry,
    rows: u32,
    keys: u32,
    kills: u32,
    metadata_raw_bytes: u32,
    text_raw_bytes: u32,
    metadata_blocks: u32,
    index_crc: u32,
}

impl<'a> Frame<'a> {
    /// The frame at the start of `bytes`, which lie at `offset` of a segment file with vectors of `dims`.
    ///
    /// # Errors
    /// A [`Flaw`] in the header, or too few bytes.
    pub fn new(bytes: &'a [u8], dims: u32, seed: &'a Seed, offset: u64) -> Result<(Self, FrameHeader), Flaw> {
        let header = FrameHeader::decode(bytes, seed, offset)?;
        let frame = Self::with_header(&header, bytes, dims, seed, offset)?;
        Ok((frame, header))
    }

    /// As [`Frame::new`], for a header that was decoded before.
    ///
    /// # Errors
    /// A [`Flaw`] in the header's counts, or too few bytes.
    pub fn with_header(
        header: &FrameHeader,
        bytes: &'a [u8],
        dims: u32,
        seed: &'a Seed,
        offset: u64,
    ) -> Result<Self, Flaw> {
        let geometry = Geometry::of(header, dims, offset)?;
        let Some(bytes) = bytes.get(..geometry.trailer + FrameTrailer::BYTES) else {
            return Err(Flaw::short("frame", offset, header.frame_bytes, bytes.len() as u64));
        };
        Ok(Self {
            bytes,
            seed,
            offset,
            geometry,
            rows: header.rows,
            keys: header.keys,
            kills: header.kills,
            metadata_raw_bytes: header.metadata_raw_bytes,
            text_raw_bytes: header.text_raw_bytes,
            metadata_blocks: header.metadata_blocks,
            index_crc: header.index_crc,
        })
    }

    /// Number of rows.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// Where the sections lie.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn section(&self, from: usize, to: usize) -> &'a [u8] {
        self.bytes.get(from..to).unwrap_or_default()
    }

    /// All rows, contiguous, as they lie in the file. Not checked.
    pub fn row_section(&self) -> &'a [u8] {
        self.section(Geometry::ROWS, self.geometry.index)
    }

    /// The bytes of a table of the index: `count` entries of `width` bytes, `skip` bytes into the index.
    fn table(&self, skip: u64, count: u32, width: usize) -> &'a [u8] {
        let from = self.geometry.index + skip as usize;
        self.section(from, from + count as usize * width)
    }

    fn word(table: &[u8], at: u32) -> Option<u32> {
        table.get(at as usize * 4..)?.first_chunk::<4>().map(|word| u32::from_le_bytes(*word))
    }

    fn row_crcs(&self) -> &'a [u8] {
        self.table(0, self.rows, 4)
    }

    /// The squared norms of all rows as they lie in the file, eight bytes each.
    pub fn squared_norm_section(&self) -> &'a [u8] {
        self.table(u64::from(self.rows) * 4, self.rows, 8)
    }

    fn metadata_ends(&self) -> &'a [u8] {
        self.table(u64::from(self.rows) * 12, self.rows, 4)
    }

    fn text_ends(&self) -> &'a [u8] {
        self.table(u64::from(self.rows) * 16, self.rows, 4)
    }

    fn key_ends(&self) -> &'a [u8] {
        self.table(u64::from(self.rows) * INDEX_ROW_BYTES, self.keys, 4)
    }

    fn key_crcs(&self) -> &'a [u8] {
        self.table(u64::from(self.rows) * INDEX_ROW_BYTES + u64::from(self.keys) * 4, self.keys, 4)
    }

    fn after_keys(&self) -> u64 {
        u64::from(self.rows) * INDEX_ROW_BYTES + u64::from(self.keys) * INDEX_KEY_BYTES
    }

    fn kill_table(&self) -> &'a [u8] {
        self.table(self.after_keys(), self.kills, Kill::BYTES)
    }

    fn block_tables(&self) -> (&'a [u8], &'a [u8]) {
        let from = self.geometry.index + self.after_keys() as usize + self.kills as usize * Kill::BYTES;
        let blocks = self.section(from, self.geometry.keys);
        blocks.split_at_checked(self.metadata_blocks as usize * Block::BYTES).unwrap_or_default()
    }

    fn index_flaw(&self, field: &'static str, expected: String, found: String) -> Flaw {
        let length = (self.geometry.keys - self.geometry.index) as u64;
        let offset = self.offset + self.geometry.index as u64;
        Flaw::new("frame index", field, offset, length.max(1), expected, found)
    }

    /// Checks the index: its CRC, and that every end in it rises and stays within its section. Costs one pass over
    /// the index; whoever reads more than the row section should call it once for each frame.
    ///
    /// # Errors
    /// A [`Flaw`] that spans the index.
    pub fn check_index(&self) -> Result<(), Flaw> {
        let index = self.section(self.geometry.index, self.geometry.keys);
        let crc = self.seed.crc(self.offset + self.geometry.index as u64, index);
        if crc != self.index_crc {
            return Err(self.index_flaw("crc", format!("{:08x}", self.index_crc), format!("{crc:08x}")));
        }
        let key_bytes = (self.geometry.metadata - self.geometry.keys) as u32;
        for (field, table, total, most) in [
            ("metadata_end", self.metadata_ends(), self.metadata_raw_bytes, MAX_METADATA_BYTES),
            ("text_end", self.text_ends(), self.text_raw_bytes, MAX_TEXT_BYTES),
            ("key_end", self.key_ends(), key_bytes, MAX_KEY_BYTES),
        ] {
            let mut before = 0u32;
            for end in table.chunks_exact(4).filter_map(|word| Self::word(word, 0)) {
                let most = total.min(before.saturating_add(most as u32));
                if end < before || end > most {
                    return Err(self.index_flaw(field, format!("{before}..={most}"), end.to_string()));
                }
                before = end;
            }
            if before != total {
                return Err(self.index_flaw(field, format!("{total} at the end"), before.to_string()));
            }
        }
        if let Some(kill) = self.kills().find(|kill| !can_be(kill, self.keys)) {
            return Err(self.index_flaw("kill", format!("a key below {}", self.keys), format!("{kill:?}")));
        }
        Ok(())
    }

    /// The kills, in order.
    pub fn kills(&self) -> impl Iterator<Item = Kill> + use<'a> {
        self.kill_table().chunks_exact(Kill::BYTES).filter_map(Kill::get)
    }

    /// The bytes of a row, checked against its CRC; `None` when the frame has no such row.
    ///
    /// # Errors
    /// A [`Flaw`] that spans the row.
    pub fn row(&self, row: u32) -> Option<Result<&'a [u8], Flaw>> {
        let from = row as usize * self.geometry.row_bytes;
        let bytes = self.row_section().get(from..from + self.geometry.row_bytes)?;
        let stored = Self::word(self.row_crcs(), row)?;
        let offset = self.offset + (Geometry::ROWS + from) as u64;
        let crc = self.seed.crc(offset, bytes);
        if crc == stored {
            return Some(Ok(bytes));
        }
        let (expected, found) = (format!("{stored:08x}"), format!("{crc:08x}"));
        Some(Err(Flaw::new("row", "crc", offset, bytes.len() as u64, expected, found)))
    }

    /// The squared norm of a row, as stored.
    pub fn squared_norm(&self, row: u32) -> Option<f64> {
        let bytes = self.squared_norm_section().get(row as usize * 8..)?.first_chunk::<8>()?;
        Some(f64::from_le_bytes(*bytes))
    }

    fn range(table: &[u8], at: u32) -> Option<(usize, usize)> {
        let from = match at.checked_sub(1) {
            Some(before) => Self::word(table, before)?,
            None => 0,
        };
        Some((from as usize, Self::word(table, at)? as usize))
    }

    /// Key number `at` of the frame, not checked; `None` when there is none or it is not UTF-8.
    pub fn key_unchecked(&self, at: u32) -> Option<&'a str> {
        let (from, to) = Self::range(self.key_ends(), at)?;
        let keys = self.section(self.geometry.keys, self.geometry.metadata);
        std::str::from_utf8(keys.get(from..to)?).ok()
    }

    /// Key number `at` of the frame (a row's own number is its key's), checked; `None` when there is none.
    ///
    /// # Errors
    /// A [`Flaw`] that spans the key.
    pub fn key(&self, at: u32) -> Option<Result<&'a str, Flaw>> {
        let (from, to) = Self::range(self.key_ends(), at)?;
        let stored = Self::word(self.key_crcs(), at)?;
        let offset = self.offset + (self.geometry.keys + from) as u64;
        let length = (to.saturating_sub(from) as u64).max(1);
        let wrong = |field, expected: String, found: String| {
            Some(Err(Flaw::new("key", field, offset, length, expected, found)))
        };
        let keys = self.section(self.geometry.keys, self.geometry.metadata);
        let Some(bytes) = keys.get(from..to) else {
            return wrong("key_end", format!("within {} bytes", keys.len()), format!("{from}..{to}"));
        };
        let crc = self.seed.crc(offset, bytes);
        if crc != stored {
            return wrong("crc", format!("{stored:08x}"), format!("{crc:08x}"));
        }
        match std::str::from_utf8(bytes) {
            Ok(key) if !key.is_empty() && key.len() <= MAX_KEY_BYTES => Some(Ok(key)),
            Ok(key) => wrong("length", format!("1 to {MAX_KEY_BYTES} bytes"), format!("{} bytes", key.len())),
            Err(error) => wrong("text", "UTF-8".into(), error.to_string()),
        }
    }

    fn metadata_section(&self) -> Section<'a> {
        let (entries, _) = self.block_tables();
        Section {
            structure: "metadata block",
            raw_bytes: self.metadata_raw_bytes as usize,
            entries,
            stored: self.section(self.geometry.metadata, self.geometry.text),
            offset: self.offset + self.geometry.metadata as u64,
        }
    }

    fn text_section(&self) -> Section<'a> {
        let (_, entries) = self.block_tables();
        Section {
            structure: "text block",
            raw_bytes: self.text_raw_bytes as usize,
            entries,
            stored: self.section(self.geometry.text, self.geometry.zeros),
            offset: self.offset + self.geometry.text as u64,
        }
    }

    /// The metadata of a row, a JSON object or nothing, from the one or two blocks that hold it; `None` when the frame
    /// has no such row.
    ///
    /// # Errors
    /// A [`Flaw`] that spans the block.
    pub fn metadata(&self, row: u32) -> Option<Result<Vec<u8>, Flaw>> {
        let (from, to) = Self::range(self.metadata_ends(), row)?;
        Some(self.metadata_section().value(self.seed, (from, to), MAX_METADATA_BYTES))
    }

    /// The text of a row, from the blocks that hold it; `None` when the frame has no such row.
    ///
    /// # Errors
    /// A [`Flaw`] that spans the block.
    pub fn text(&self, row: u32) -> Option<Result<String, Flaw>> {
        let (from, to) = Self::range(self.text_ends(), row)?;
        let section = self.text_section();
        Some(section.value(self.seed, (from, to), MAX_TEXT_BYTES).and_then(|bytes| {
            String::from_utf8(bytes).map_err(|error| {
                let length = (section.stored.len() as u64).max(1);
                Flaw::new("text block", "text", section.offset, length, "UTF-8", error)
            })
        }))
    }

    /// The metadata of all rows joined, and where each ends: what a filter reads.
    ///
    /// # Errors
    /// A [`Flaw`] that spans the first damaged block.
    pub fn all_metadata(&self) -> Result<(Vec<u8>, Vec<u32>), Flaw> {
        let raw = self.metadata_section().read(self.seed, 0, self.metadata_raw_bytes as usize)?;
        Ok((raw, self.metadata_ends().chunks_exact(4).filter_map(|word| Self::word(word, 0)).collect()))
    }

    /// The trailer, checked against its own CRC and the header's counts.
    ///
    /// # Errors
    /// A [`Flaw`] that spans the trailer.
    pub fn trailer(&self, header: &FrameHeader) -> Result<FrameTrailer, Flaw> {
        let offset = self.offset + self.geometry.trailer as u64;
        let bytes = self.bytes.get(self.geometry.trailer..).unwrap_or_default();
        let trailer = FrameTrailer::decode(bytes, self.seed, offset)?;
        check_trailer(&trailer, header, offset)?;
        Ok(trailer)
    }

    /// The chain digest of this frame, computed from its bytes.
    pub fn chain(&self) -> Digest {
        crate::checksum::digest(self.section(0, self.geometry.trailer))
    }

    /// The kills in the bytes of an index that were read by themselves, checked against the header's CRC. `at` is the
    /// offset of the frame.
    ///
    /// # Errors
    /// A [`Flaw`] that spans the index.
    pub fn kills_of_index(
        index: &[u8],
        header: &FrameHeader,
        geometry: Geometry,
        seed: &Seed,
        at: u64,
    ) -> Result<Vec<Kill>, Flaw> {
        let offset = at + geometry.index as u64;
        let crc = seed.crc(offset, index);
        if crc != header.index_crc {
            let (expected, found) = (format!("{:08x}", header.index_crc), format!("{crc:08x}"));
            return Err(Flaw::new(
                "frame index",
                "crc",
                offset,
                (index.len() as u64).max(1),
                expected,
                found,
            ));
        }
        let skip = u64::from(header.rows) * INDEX_ROW_BYTES + u64::from(header.keys) * INDEX_KEY_BYTES;
        let kills = index.get(skip as usize..).unwrap_or_default().chunks_exact(Kill::BYTES);
        let kills: Vec<Kill> = kills.take(header.kills as usize).filter_map(Kill::get).collect();
        if let Some(kill) = kills.iter().find(|kill| !can_be(kill, header.keys)) {
            let (length, expected) = (index.len() as u64, format!("a key below {}", header.keys));
            return Err(Flaw::new("frame index", "kill", offset, length, expected, format!("{kill:?}")));
        }
        Ok(kills)
    }

    /// The stored CRC of each row, in order. Not checked.
    pub(crate) fn stored_row_crcs(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.row_crcs().chunks_exact(4).filter_map(|word| Self::word(word, 0))
    }

    /// Where each key ends in the keys section, and its stored CRC. Not checked.
    pub(crate) fn stored_keys(&self) -> impl Iterator<Item = (u32, u32)> + use<'a> {
        let words = |table: &'a [u8]| table.chunks_exact(4).filter_map(|word| Self::word(word, 0));
        words(self.key_ends()).zip(words(self.key_crcs()))
    }

    /// The entries of the metadata and of the text blocks. Not checked.
    pub(crate) fn stored_blocks(&self) -> (Vec<Block>, Vec<Block>) {
        let entries = |table: &[u8]| table.chunks_exact(Block::BYTES).filter_map(Block::get).collect();
        let (metadata, text) = self.block_tables();
        (entries(metadata), entries(text))
    }

    /// Every flaw of the rows, keys and blocks, each by its own checksum in the index, which is taken for good.
    pub(crate) fn content_flaws(&self) -> Vec<Flaw> {
        let mut flaws: Vec<Flaw> = (0..self.rows).filter_map(|row| self.row(row)?.err()).collect();
        flaws.extend((0..self.keys).filter_map(|key| self.key(key)?.err()));
        flaws.extend(self.metadata_section().flaws(self.seed));
        flaws.extend(self.text_section().flaws(self.seed));
        flaws
    }

    /// Every flaw of the frame: trailer, digest, and each index, row, key, block and padding by itself, so that the
    /// damage is located as closely as the checksums allow. Reads every byte.
    pub fn flaws(&self, header: &FrameHeader) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        let trailer = self.trailer(header);
        let sound = match &trailer {
            Ok(trailer) => trailer.chain == self.chain(),
            Err(flaw) => {
                flaws.push(flaw.clone());
                false
            }
        };
        if let Err(flaw) = self.check_index() {
            // Row, key and block checksums lie in the index: without it nothing below can be judged one by one.
            flaws.push(flaw);
            return flaws;
        }
        flaws.extend(self.content_flaws());
        let zeros = self.section(self.geometry.zeros, self.geometry.trailer);
        if let Some(at) = zeros.iter().position(|&byte| byte != 0) {
            let offset = self.offset + (self.geometry.zeros + at) as u64;
            flaws.push(Flaw::new("frame padding", "zeros", offset, 1, "zero", "another byte"));
        }
        if !sound && flaws.is_empty() {
            let found = "another digest of the frame's bytes";
            flaws.push(Flaw::new(
                "frame",
                "chain",
                self.offset,
                header.frame_bytes,
                "the trailer's digest",
                found,
            ));
        }
        flaws
    }
}

/// Whether a kill can stand in a frame with this many keys.
fn can_be(kill: &Kill, keys: u32) -> bool {
    kill.key < keys && (1..=MAX_NUMBER).contains(&kill.segment)
}

/// Checks that a trailer belongs to a header.
///
/// # Errors
/// A [`Flaw`] that spans the trailer, which lies at `offset`.
pub fn check_trailer(trailer: &FrameTrailer, header: &FrameHeader, offset: u64) -> Result<(), Flaw> {
    let of_header = (header.frame_bytes, header.commit, header.part);
    let of_trailer = (trailer.frame_bytes, trailer.commit, trailer.part);
    if of_header == of_trailer {
        return Ok(());
    }
    let (expected, found) = (format!("{of_header:?}"), format!("{of_trailer:?}"));
    let field = "frame_bytes, commit, part";
    Err(Flaw::new("frame trailer", field, offset, FrameTrailer::BYTES as u64, expected, found))
}
