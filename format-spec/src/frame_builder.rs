//! Collects rows, keys, kills and payload and turns them into the bytes of a frame.

use crate::checksum::{Digest, digest_of};
use crate::frame::Geometry;
use crate::layout::{FrameHeader, FrameTrailer, Kill};
use crate::limits::{FRAME_ALIGN, MAX_FRAME_KILLS, MAX_FRAME_RAW_BYTES, MAX_FRAME_ROWS};
use crate::payload::{self, Compression};
use crate::{Flaw, Seed};

/// A frame that is being filled.
#[derive(Debug, Clone)]
pub struct FrameBuilder {
    compression: Compression,
    dims: u32,
    /// The elements of the rows, as the frame holds them.
    elements: Vec<u8>,
    rows: u32,
    squared_norms: Vec<u8>,
    row_keys: Vec<u8>,
    row_key_ends: Vec<u32>,
    gone_keys: Vec<u8>,
    gone_key_ends: Vec<u32>,
    kills: Vec<PendingKill>,
    metadata: Vec<u8>,
    metadata_ends: Vec<u8>,
    text: Vec<u8>,
    text_ends: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct PendingKill {
    segment: u64,
    row: u32,
    key: KillKey,
}

#[derive(Debug, Clone, Copy)]
enum KillKey {
    OfRow(u32),
    Gone(u32),
}

/// Where a frame goes and what it continues.
#[derive(Debug, Clone)]
pub struct Place {
    /// Where it will begin in the segment file, in bytes.
    pub offset: u64,
    /// Index in the segment of its first row.
    pub first_row: u32,
    /// Its commit.
    pub commit: u64,
    /// When it is committed, in milliseconds since 1970-01-01 UTC.
    pub committed_at_ms: i64,
    /// Chain digest before it.
    pub previous_chain: Digest,
    /// Its place in its commit, from 0.
    pub part: u32,
    /// Whether it ends its commit.
    pub last: bool,
}

/// A finished frame.
#[derive(Debug, Clone)]
pub struct EncodedFrame {
    /// Its header.
    pub header: FrameHeader,
    /// All of its bytes.
    pub bytes: Vec<u8>,
    /// Chain digest after it.
    pub chain: Digest,
}

/// What a frame has around its rows. The rows are most of its bytes and stay with the builder, so that they can be
/// written while the rest is still being made.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The header.
    pub header: FrameHeader,
    /// The bytes before the rows.
    pub head: Vec<u8>,
    /// The bytes after the rows, up to the end of the frame.
    pub tail: Vec<u8>,
    /// Chain digest after the frame.
    pub chain: Digest,
}

/// One row, checked by the caller: finite elements, a valid key, metadata and text within their limits.
#[derive(Debug, Clone, Copy)]
pub struct NewRow<'a> {
    /// Its key.
    pub key: &'a str,
    /// Its elements; the caller's slice of `dims` elements.
    pub vector: &'a [f32],
    /// The canonical sum of the squares of its elements.
    pub squared_norm: f64,
    /// Its metadata, a JSON object or nothing.
    pub metadata: &'a [u8],
    /// Its text.
    pub text: &'a str,
}

impl FrameBuilder {
    /// An empty frame for vectors of `dims`.
    pub fn new(dims: u32, compression: Compression) -> Self {
        Self {
            compression,
            dims,
            elements: Vec::new(),
            rows: 0,
            squared_norms: Vec::new(),
            row_keys: Vec::new(),
            row_key_ends: Vec::new(),
            gone_keys: Vec::new(),
            gone_key_ends: Vec::new(),
            kills: Vec::new(),
            metadata: Vec::new(),
            metadata_ends: Vec::new(),
            text: Vec::new(),
            text_ends: Vec::new(),
        }
    }

    /// Adds a row and returns its place in the frame. A vector that is longer or shorter than `dims` is cut or
    /// filled with zeros: callers check first.
    pub fn push_row(&mut self, row: NewRow<'_>) -> u32 {
        let place = self.rows;
        let end = self.elements.len() + self.dims as usize * 4;
        let vector = row.vector.get(..self.dims as usize).unwrap_or(row.vector);
        match cfg!(target_endian = "little") {
            true => self.elements.extend_from_slice(bytemuck::cast_slice(vector)),
            false => self.elements.extend(vector.iter().flat_map(|element| element.to_le_bytes())),
        }
        self.elements.resize(end, 0);
        self.squared_norms.extend_from_slice(&row.squared_norm.to_le_bytes());
        self.row_keys.extend_from_slice(row.key.as_bytes());
        self.row_key_ends.push(self.row_keys.len() as u32);
        self.metadata.extend_from_slice(row.metadata);
        self.metadata_ends.extend_from_slice(&(self.metadata.len() as u32).to_le_bytes());
        self.text.extend_from_slice(row.text.as_bytes());
        self.text_ends.extend_from_slice(&(self.text.len() as u32).to_le_bytes());
        self.rows += 1;
        place
    }

    /// Row `row` of `segment` is superseded by the row at `place` of this frame, which has the same key.
    pub fn push_superseded(&mut self, segment: u64, row: u32, place: u32) {
        self.kills.push(PendingKill { segment, row, key: KillKey::OfRow(place) });
    }

    /// Row `row` of `segment`, whose key is `key`, is deleted.
    pub fn push_deleted(&mut self, segment: u64, row: u32, key: &str) {
        let place = self.gone_key_ends.len() as u32;
        self.gone_keys.extend_from_slice(key.as_bytes());
        self.gone_key_ends.push(self.gone_keys.len() as u32);
        self.kills.push(PendingKill { segment, row, key: KillKey::Gone(place) });
    }

    /// Number of rows so far.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// Whether neither rows nor kills were added.
    pub fn is_empty(&self) -> bool {
        self.rows == 0 && self.kills.is_empty()
    }

    /// Whether another row and kill still fit the limits on counts.
    pub fn has_room(&self) -> bool {
        self.rows < MAX_FRAME_ROWS && (self.kills.len() as u32) < MAX_FRAME_KILLS
    }

    /// About how many bytes the frame holds before compression.
    pub fn approximate_bytes(&self) -> usize {
        let index = self.rows as usize * 28 + self.kills.len() * 32;
        FrameHeader::BYTES
            + self.elements.len()
            + index
            + self.row_keys.len()
            + self.gone_keys.len()
            + self.metadata.len()
            + self.text.len()
    }

    /// The bytes of the frame. The builder is empty afterwards and keeps its settings.
    ///
    /// # Errors
    /// A [`Flaw`] when the frame would break a limit of the format.
    pub fn finish(&mut self, seed: &Seed, place: &Place) -> Result<EncodedFrame, Flaw> {
        let Surroundings { header, head, tail, chain } = self.surround(seed, place)?;
        let bytes = [&*head, self.elements(), &*tail].concat();
        self.clear();
        Ok(EncodedFrame { header, bytes, chain })
    }

    /// The bytes of the rows, which follow the head of the frame.
    pub fn elements(&self) -> &[u8] {
        &self.elements
    }

    /// Forgets what was added, and keeps the memory for what comes next.
    pub fn clear(&mut self) {
        let Self { elements, squared_norms, row_keys, row_key_ends, gone_keys, gone_key_ends, .. } = self;
        [elements, squared_norms, row_keys, gone_keys].into_iter().for_each(Vec::clear);
        [row_key_ends, gone_key_ends].into_iter().for_each(Vec::clear);
        let Self { metadata, metadata_ends, text, text_ends, .. } = self;
        [metadata, metadata_ends, text, text_ends].into_iter().for_each(Vec::clear);
        self.kills.clear();
        self.rows = 0;
    }

    /// The checksum of each row of a frame that begins at `offset`.
    fn row_crcs(&self, seed: &Seed, offset: u64) -> Vec<u8> {
        let row_bytes = self.dims as usize * 4;
        let places = (offset + Geometry::ROWS as u64..).step_by(row_bytes.max(1));
        let rows = self.elements.chunks_exact(row_bytes.max(1)).zip(places);
        rows.flat_map(|(row, place)| seed.crc(place, row).to_le_bytes()).collect()
    }

    /// What the frame has around its rows; the builder is left as it is.
    ///
    /// # Errors
    /// A [`Flaw`] when the frame would break a limit of the format.
    pub fn surround(&self, seed: &Seed, place: &Place) -> Result<Surroundings, Flaw> {
        for (field, raw) in [("metadata_raw_bytes", &self.metadata), ("text_raw_bytes", &self.text)] {
            if raw.len() as u64 > MAX_FRAME_RAW_BYTES {
                let (length, expected) =
                    (FrameHeader::BYTES as u64, format!("at most {MAX_FRAME_RAW_BYTES}"));
                return Err(Flaw::new("frame header", field, place.offset, length, expected, raw.len()));
            }
        }
        // From here on every length below fits a u32: blocks are never longer than what they hold.
        let (metadata, (text, row_crcs)) = rayon::join(
            || payload::encode(&self.metadata, self.compression),
            || {
                let text = || payload::encode(&self.text, self.compression);
                rayon::join(text, || self.row_crcs(seed, place.offset))
            },
        );
        let stored = |blocks: &[(crate::layout::Block, Vec<u8>)]| -> u32 {
            blocks.iter().map(|(block, _)| block.stored_bytes).sum()
        };
        let keys = self.row_key_ends.len() + self.gone_key_ends.len();
        let mut header = FrameHeader {
            frame_bytes: 0,
            commit: place.commit,
            committed_at_ms: place.committed_at_ms,
            previous_chain: place.previous_chain,
            first_row: place.first_row,
            rows: self.rows,
            keys: keys as u32,
            kills: self.kills.len() as u32,
            key_bytes: (self.row_keys.len() + self.gone_keys.len()) as u32,
            metadata_raw_bytes: self.metadata.len() as u32,
            metadata_stored_bytes: stored(&metadata),
            metadata_blocks: metadata.len() as u32,
            text_raw_bytes: self.text.len() as u32,
            text_stored_bytes: stored(&text),
            text_blocks: text.len() as u32,
            part: place.part,
            last: u32::from(place.last),
            index_crc: 0,
        };
        let content = FrameHeader::BYTES
            + self.elements.len()
            + self.rows as usize * 20
            + keys * 8
            + self.kills.len() * Kill::BYTES
            + (metadata.len() + text.len()) * crate::layout::Block::BYTES
            + self.row_keys.len()
            + self.gone_keys.len()
            + header.metadata_stored_bytes as usize
            + header.text_stored_bytes as usize;
        header.frame_bytes = ((content + FrameTrailer::BYTES) as u64).next_multiple_of(FRAME_ALIGN);
        let geometry = Geometry::of(&header, self.dims, place.offset)?;

        let before = Geometry::ROWS + self.elements.len();
        let mut tail = Vec::with_capacity((header.frame_bytes as usize).saturating_sub(before));
        tail.extend_from_slice(&row_crcs);
        tail.extend_from_slice(&self.squared_norms);
        tail.extend_from_slice(&self.metadata_ends);
        tail.extend_from_slice(&self.text_ends);

        let all_keys = [&*self.row_keys, &*self.gone_keys].concat();
        let base = self.row_keys.len() as u32;
        let gone = self.gone_key_ends.iter().map(|end| base + end);
        let ends: Vec<u32> = self.row_key_ends.iter().copied().chain(gone).collect();
        for end in &ends {
            tail.extend_from_slice(&end.to_le_bytes());
        }
        let mut from = 0;
        for end in &ends {
            let key = all_keys.get(from as usize..*end as usize).unwrap_or_default();
            let offset = place.offset + geometry.keys as u64 + u64::from(from);
            tail.extend_from_slice(&seed.crc(offset, key).to_le_bytes());
            from = *end;
        }
        for kill in &self.kills {
            let key = match kill.key {
                KillKey::OfRow(row) => row,
                KillKey::Gone(gone) => self.rows + gone,
            };
            Kill { segment: kill.segment, row: kill.row, key }.put(&mut tail);
        }
        for (blocks, at) in [(&metadata, geometry.metadata), (&text, geometry.text)] {
            let mut offset = place.offset + at as u64;
            for (block, stored) in blocks {
                let crc = seed.crc(offset, stored);
                crate::layout::Block { crc, ..*block }.put(&mut tail);
                offset += u64::from(block.stored_bytes);
            }
        }
        header.index_crc = seed.crc(place.offset + geometry.index as u64, &tail);
        tail.extend_from_slice(&all_keys);
        for (_, stored) in metadata.iter().chain(&text) {
            tail.extend_from_slice(stored);
        }
        tail.resize(geometry.trailer.saturating_sub(before), 0);
        let head = header.encode(seed, place.offset);
        let chain = digest_of([&*head, &*self.elements, &*tail]);
        let trailer =
            FrameTrailer { frame_bytes: header.frame_bytes, commit: header.commit, chain, part: header.part };
        tail.extend_from_slice(&trailer.encode(seed, place.offset + geometry.trailer as u64));
        Ok(Surroundings { header, head, tail, chain })
    }
}
