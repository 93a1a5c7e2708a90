//! A code file as a search uses it: mapped, never copied, each block checked when it is first touched in this process.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use siltstone_format::codes::{Geometry, SECOND_VALUES, TAIL_VALUES, check_block, decode_header};
use siltstone_format::{Digest, Flaw, Seed};

use super::bases::{Bases, Basis};
use super::query::{Second, Tail};
use crate::disk::{Disk, Map, Mode};
use crate::distance::head::HeadRow;
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

    /// Bytes of a head block, and of what levels 2 and 3 read of a row of a tail block.
    pub(crate) fn bytes(&self) -> (u64, u64, u64) {
        let Geometry { head_block, second, upper, .. } = self.geometry;
        (head_block as u64, second as u64, (upper - second) as u64)
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

    /// Asks the memory for what [`Codes::heads`] will read soon, where it does not follow what was read before.
    pub(crate) fn fetch_heads(&self, number: usize) {
        let from = self.geometry.head_offset(number) as usize;
        prefetch(self.map.get(from..from + self.geometry.head_block).unwrap_or_default());
    }

    /// A row of a tail block; `None` when the block is damaged.
    fn tail_row(&self, (number, row): (usize, usize)) -> Option<&[u8]> {
        let geometry = &self.geometry;
        let bytes = self.block(geometry.tail_offset(number), geometry.tail_block, self.tails.get(number))?;
        bytes.get(row * geometry.tail_row..(row + 1) * geometry.tail_row)
    }

    /// What level 2 needs of a row of a block; `None` when it is damaged.
    pub(crate) fn tail(&self, place: (usize, usize)) -> Option<Tail<'_>> {
        let (bits, bytes) = self.tail_row(place)?.split_at_checked(self.geometry.sign_bytes)?;
        let (fine, bytes) = bytes.split_at_checked(self.geometry.head_bytes)?;
        let values: &[f32] = bytemuck::try_cast_slice(bytes.get(..4 * TAIL_VALUES)?).ok()?;
        let &[scale, head_error, tail_norm, fine_error, sign_scale, sign_error] = values else { return None };
        let bits = bytemuck::try_cast_slice(bits).ok()?;
        Some(Tail { bits, fine, scale, head_error, tail_norm, fine_error, sign_scale, sign_error })
    }

    /// What level 3 needs of a row of a block; `None` when it is damaged.
    pub(crate) fn second(&self, place: (usize, usize)) -> Option<Second<'_>> {
        let bytes = self.tail_row(place)?.get(self.geometry.second..self.geometry.upper)?;
        let (bits, bytes) = bytes.split_at_checked(self.geometry.sign_bytes)?;
        let values: &[f32] = bytemuck::try_cast_slice(bytes.get(..4 * SECOND_VALUES)?).ok()?;
        let &[scale, error] = values else { return None };
        Some(Second { bits: bytemuck::try_cast_slice(bits).ok()?, scale, error })
    }

    /// Asks the memory for what [`Codes::tail`] will read soon.
    pub(crate) fn fetch_tail(&self, (number, row): (usize, usize)) {
        let from = self.geometry.tail_offset(number) as usize + row * self.geometry.tail_row;
        prefetch(self.map.get(from..from + self.geometry.second).unwrap_or_default());
    }

    /// Asks the memory for what [`Codes::second`] will read soon.
    pub(crate) fn fetch_second(&self, (number, row): (usize, usize)) {
        let from = self.geometry.tail_offset(number) as usize + row * self.geometry.tail_row;
        let range = from + self.geometry.second..from + self.geometry.upper;
        prefetch(self.map.get(range).unwrap_or_default());
    }

    /// Whether a tail block was looked at and found whole: then [`Codes::head`] costs less than the whole head block where
    /// few of its rows are wanted, and otherwise its check would cost more.
    pub(crate) fn has_good_tails(&self, number: usize) -> bool {
        self.tails.get(number).is_some_and(|checked| checked.load(Ordering::Relaxed) == GOOD)
    }

    /// What level 1 needs of one row, as the tail block has it once more; `None` when it is damaged.
    pub(crate) fn head(&self, place: (usize, usize)) -> Option<HeadRow<'_>> {
        let (geometry, bytes) = (&self.geometry, self.tail_row(place)?);
        let from = geometry.sign_bytes + geometry.head_bytes;
        let values: &[f32] = bytemuck::try_cast_slice(bytes.get(from..from + 12)?).ok()?;
        let &[scale, head_error, tail_norm] = values else { return None };
        let (codes, rest) = bytes.get(geometry.upper..)?.split_at_checked(geometry.head_bytes)?;
        let offset = f32::from_le_bytes(*rest.first_chunk()?);
        Some(HeadRow { codes, scale, head_error, tail_norm, offset })
    }

    /// Asks the memory for what [`Codes::head`] will read soon.
    pub(crate) fn fetch_head(&self, (number, row): (usize, usize)) {
        let (geometry, from) = (&self.geometry, self.geometry.tail_offset(number) as usize);
        let from = from + row * geometry.tail_row;
        let values = from + geometry.sign_bytes + geometry.head_bytes;
        prefetch(self.map.get(values..values + 12).unwrap_or_default());
        prefetch(self.map.get(from + geometry.upper..from + geometry.tail_row).unwrap_or_default());
    }

    /// Whether some block was found damaged, when nobody has been told yet.
    pub(crate) fn take_news_of_damage(&self) -> bool {
        self.damaged.load(Ordering::Relaxed) && !self.reported.swap(true, Ordering::Relaxed)
    }

    /// Lets go of the memory of what was read.
    pub(crate) fn let_go(&self) {
        self.map.let_go();
    }

    /// Length of the file.
    pub(crate) fn file_bytes(&self) -> u64 {
        self.map.len() as u64
    }

    /// Reads every block: everything that is wrong with the file. What was read does not stay in memory.
    pub(crate) fn check(&self) -> Vec<Flaw> {
        let flaws = self.flaws();
        self.let_go();
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
