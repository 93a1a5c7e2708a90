//! An attribute index file as a search uses it: mapped, never copied, each block checked when it is first touched in this
//! process.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use siltstone_format::attributes::{Content, Index, block_offset, blocks, check_block, decode_header};
use siltstone_format::limits::ATTRIBUTE_BLOCK_BYTES;
use siltstone_format::{Digest, Flaw, Seed};

use crate::disk::{Disk, Map, Mode};
use crate::error::{Error, Result};
use crate::segment::SegmentPlace;

/// Whether a block was looked at, and what was found.
const UNKNOWN: u8 = 0;
const GOOD: u8 = 1;
const BAD: u8 = 2;

/// The attribute index of a segment.
#[derive(Debug)]
pub(crate) struct Attributes {
    path: PathBuf,
    pub(super) index: Index<Blocks>,
    reported: AtomicBool,
}

/// The blocks of a mapped file.
#[derive(Debug)]
pub(super) struct Blocks {
    map: Map,
    seed: Seed,
    checked: Vec<AtomicU8>,
    damaged: AtomicBool,
}

impl Content for Blocks {
    fn block(&self, number: u64) -> Option<&[u8]> {
        let (checked, from) = (self.checked.get(number as usize)?, block_offset(number) as usize);
        let block = self.map.get(from..from + ATTRIBUTE_BLOCK_BYTES)?;
        match checked.load(Ordering::Relaxed) {
            GOOD => block.split_last_chunk::<4>().map(|(content, _)| content),
            BAD => None,
            _ => {
                let content = check_block(block, number, &self.seed).ok();
                checked.store(if content.is_some() { GOOD } else { BAD }, Ordering::Relaxed);
                self.damaged.fetch_or(content.is_none(), Ordering::Relaxed);
                content
            }
        }
    }
}

impl Attributes {
    /// Opens the index file of a sealed segment.
    ///
    /// # Errors
    /// There is none; its header is damaged; it was made from another segment.
    pub(crate) fn open(disk: &dyn Disk, place: &SegmentPlace, (digest, rows): (Digest, u32)) -> Result<Self> {
        let path = place.attributes_path();
        let file = disk.open(&path, Mode::Read).map_err(Error::io("open", &path))?;
        let length = file.len().map_err(Error::io("read", &path))?;
        let map = file.map(length).map_err(Error::io("map", &path))?;
        let seed = place.seed();
        let header = decode_header(&map, length, &seed).map_err(|flaw| Error::flaw(&path, flaw))?;
        if header.segment_digest != digest || header.rows != u64::from(rows) {
            let (field, expected) = ("segment_digest", "that of the segment");
            let flaw = Flaw::new("attribute header", field, 0, 4096, expected, "another: it is stale");
            return Err(Error::flaw(&path, flaw));
        }
        let checked = (0..blocks(header.content_bytes)).map(|_| AtomicU8::new(UNKNOWN)).collect();
        let content = Blocks { map, seed, checked, damaged: AtomicBool::new(false) };
        Ok(Self { path, index: Index::new(&header, content), reported: AtomicBool::new(false) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether some block was found damaged, when nobody has been told yet.
    pub(crate) fn take_news_of_damage(&self) -> bool {
        self.index.content().damaged.load(Ordering::Relaxed) && !self.reported.swap(true, Ordering::Relaxed)
    }

    /// Length of the file.
    pub(crate) fn file_bytes(&self) -> u64 {
        self.index.content().map.len() as u64
    }

    /// Lets go of the memory of what was read.
    pub(crate) fn let_go(&self) {
        self.index.content().map.let_go();
    }

    /// Reads every block: everything that is wrong with the file. What was read does not stay in memory.
    pub(crate) fn check(&self) -> Vec<Flaw> {
        let content = self.index.content();
        let flaw = |number: u64| {
            let from = block_offset(number) as usize;
            let block = content.map.get(from..from + ATTRIBUTE_BLOCK_BYTES).unwrap_or_default();
            check_block(block, number, &content.seed).err()
        };
        let mut flaws: Vec<Flaw> = (0..content.checked.len() as u64).filter_map(flaw).collect();
        if flaws.is_empty() {
            flaws.extend(self.index.check());
        }
        self.let_go();
        flaws
    }
}
