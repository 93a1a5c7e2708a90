//! A code file as a search uses it: mapped, never copied, each block checked when it is first touched in this process.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use siltstone_format::codes::{Geometry, TAIL_VALUES, check_block, decode_header};
use siltstone_format::{Digest, Flaw, Seed};

use super::bases::{Bases, Basis};
use super::query::Tail;
use crate::disk::{Disk, Map, Mode};
use crate::distance::head::{BLOCK_ROWS, HeadBlock, Lanes};
use crate::distance::prefetch::prefetch;
use crate::error::{Error, Result};
use crate::segment::SegmentPlace;

/// Whether a block was looked at, and what was found.
const UNKNOWN: u8 = 0;
const GOOD: u8 = 1;
const BAD: u8 = 2;

/// The codes of a segment.
#[derive(Debug)]
pub(crate) struct Codes {
    path: PathBuf,
    map: Map,
    seed: Seed,
    geometry: Geometry,
    basis: Arc<Basis>,
    heads: Vec<AtomicU8>,
    tails: Vec<AtomicU8>,
    damaged: AtomicBool,
    reported: AtomicBool,
}

impl Codes {
    /// Opens the code file of a sealed segment and the basis that it names.
    ///
    /// # Errors
    /// There is none; it is damaged; it was made from another segment; its basis is missing or damaged.
    pub(crate) fn open(
        disk: &dyn Disk,
        root: &Path,
        bases: &Bases,
        place: &SegmentPlace,
        (digest, rows): (Digest, u32),
    ) -> Result<Self> {
        let path = place.codes_path();
        let file = disk.open(&path, Mode::Read).map_err(Error::io("open", &path))?;
        let length = file.len().map_err(Error::io("read", &path))?;
        let map = file.map(length).map_err(Error::io("map", &path))?;
        map.prefer_huge_pages();
        let seed = place.seed();
        let (header, geometry) =
            decode_header(&map, length, &seed).map_err(|flaw| Error::flaw(&path, flaw))?;
        if header.segment_digest != digest || header.rows != u64::from(rows) || header.dims != place.dims {
            let flaw = Flaw::new(
                "code header",
                "segment_digest",
                0,
                4096,
                "that of the segment",
                "another: it is stale",
            );
            return Err(Error::flaw(&path, flaw));
        }
        let basis = bases.get(disk, root, &header.basis).map_err(|error| {
            let flaw =
                Flaw::new("code header", "basis", 0, 4096, "a basis that can be read", error.to_string());
            Error::flaw(&path, flaw)
        })?;
        if basis.head() != header.head as usize || basis.dims() != header.dims as usize {
            let flaw = Flaw::new(
                "code header",
                "head",
                0,
                4096,
                format!("{} directions", basis.head()),
                header.head,
            );
            return Err(Error::flaw(&path, flaw));
        }
        let unknown = || (0..geometry.blocks).map(|_| AtomicU8::new(UNKNOWN)).collect();
        let (heads, tails) = (unknown(), unknown());
        Ok(Self {
            path,
            map,
            seed,
            geometry,
            basis,
            heads,
            tails,
            damaged: AtomicBool::new(false),
            reported: AtomicBool::new(false),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn basis(&self) -> &Arc<Basis> {
        &self.basis
    }

    /// Number of blocks.
    pub(crate) fn blocks(&self) -> usize {
        self.geometry.blocks
    }

    /// Bytes of a head block and of a row of a tail block.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        (self.geometry.head_block as u64, self.geometry.tail_row as u64)
    }

    fn block(&self, offset: u64, length: usize, checked: Option<&AtomicU8>) -> Option<&[u8]> {
        let (checked, from) = (checked?, offset as usize);
        let bytes = self.map.get(from..from + length)?;
        match checked.load(Ordering::Relaxed) {
            GOOD => Some(bytes),
            BAD => None,
            _ => {
                let good = check_block(bytes, &self.seed, offset).is_ok();
                checked.store(if good { GOOD } else { BAD }, Ordering::Relaxed);
                self.damaged.fetch_or(!good, Ordering::Relaxed);
                good.then_some(bytes)
            }
        }
    }

    /// The heads of a block; `None` when it is damaged.
    pub(crate) fn heads(&self, number: usize) -> Option<HeadBlock<'_>> {
        let geometry = &self.geometry;
        let bytes = self.block(geometry.head_offset(number), geometry.head_block, self.heads.get(number))?;
        let (codes, values) = bytes.split_at_checked(BLOCK_ROWS * geometry.head_bytes)?;
        let values: &[Lanes<f32>] = bytemuck::try_cast_slice(values.get(..16 * BLOCK_ROWS)?).ok()?;
        let [scale, head_error, tail_norm, offset] = values else { return None };
        Some(HeadBlock { codes, scale, head_error, tail_norm, offset })
    }

    /// What the tail block has of a row of a block; `None` when it is damaged.
    pub(crate) fn tail(&self, (number, row): (usize, usize)) -> Option<Tail<'_>> {
        let geometry = &self.geometry;
        let bytes = self.block(geometry.tail_offset(number), geometry.tail_block, self.tails.get(number))?;
        let bytes = bytes.get(row * geometry.tail_row..(row + 1) * geometry.tail_row)?;
        let (bits, bytes) = bytes.split_at_checked(geometry.sign_bytes)?;
        let (fine, bytes) = bytes.split_at_checked(geometry.head_bytes)?;
        let values: &[f32] = bytemuck::try_cast_slice(bytes.get(..4 * TAIL_VALUES)?).ok()?;
        let &[scale, head_error, tail_norm, fine_error, sign_scale, sign_error] = values else { return None };
        let bits = bytemuck::try_cast_slice(bits).ok()?;
        Some(Tail { bits, fine, scale, head_error, tail_norm, fine_error, sign_scale, sign_error })
    }

    /// Asks the memory for what [`Codes::tail`] will read soon.
    pub(crate) fn fetch_tail(&self, (number, row): (usize, usize)) {
        let from = self.geometry.tail_offset(number) as usize + row * self.geometry.tail_row;
        prefetch(self.map.get(from..from + self.geometry.tail_row).unwrap_or_default());
    }

    /// Whether some block was found damaged, when nobody has been told yet.
    pub(crate) fn take_news_of_damage(&self) -> bool {
        self.damaged.load(Ordering::Relaxed) && !self.reported.swap(true, Ordering::Relaxed)
    }

    /// Length of the file.
    pub(crate) fn file_bytes(&self) -> u64 {
        self.map.len() as u64
    }

    /// Reads every block: everything that is wrong with the file. What was read does not stay in memory.
    pub(crate) fn check(&self) -> Vec<Flaw> {
        let flaws = self.flaws();
        self.map.let_go();
        flaws
    }

    fn flaws(&self) -> Vec<Flaw> {
        let geometry = &self.geometry;
        let heads = (0..geometry.blocks).map(|number| (geometry.head_offset(number), geometry.head_block));
        let tails = (0..geometry.blocks).map(|number| (geometry.tail_offset(number), geometry.tail_block));
        heads
            .chain(tails)
            .filter_map(|(offset, length)| {
                let bytes = self.map.get(offset as usize..offset as usize + length).unwrap_or_default();
                check_block(bytes, &self.seed, offset).err()
            })
            .collect()
    }
}
