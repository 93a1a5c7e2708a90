//! From a key to its rows in one segment: through the key index file where there is a good one, else through a list
//! made from the segment itself.

use std::sync::OnceLock;

use siltstone_format::checksum::key_hash;
use siltstone_format::key_index::{ENTRIES_PER_BLOCK, block_offset, check_block, decode_header, encode};
use siltstone_format::layout::KeyIndexEntry;
use siltstone_format::limits::KEY_INDEX_BLOCK_BYTES;
use siltstone_format::{Flaw, Seed};

use super::Segment;
use crate::disk::{Disk, Map, Mode, durable};
use crate::error::{Error, Result};

/// How a segment's keys are looked up.
#[derive(Debug)]
pub(super) struct Lookup {
    file: Option<IndexFile>,
    /// Made when there is no file, or a block of it turns out to be damaged.
    listed: OnceLock<Listed>,
}

/// The keys of a segment as they were read from it.
#[derive(Debug)]
struct Listed {
    /// Hash and row of every key that can be read, sorted.
    entries: Vec<KeyIndexEntry>,
    /// The first damage that hides some key.
    damage: Option<Flaw>,
}

#[derive(Debug)]
struct IndexFile {
    map: Map,
    seed: Seed,
    entries: usize,
}

impl Lookup {
    /// Opens the index file of a sealed segment, if there is one and it belongs to it.
    pub(super) fn open(segment: &Segment, disk: &dyn Disk) -> Self {
        Self { file: open_file(segment, disk), listed: OnceLock::new() }
    }

    /// The rows whose keys have this hash, rising. A damaged key may have it: that is an error, unless damage is passed
    /// over.
    pub(super) fn candidates(&self, segment: &Segment, hash: u64, skip_damage: bool) -> Result<Vec<u32>> {
        if let Some(rows) = self.file.as_ref().and_then(|file| file.candidates(hash)) {
            return Ok(rows);
        }
        let listed = match self.listed.get() {
            Some(listed) => listed,
            None => {
                let made = list(segment)?;
                self.listed.get_or_init(|| made)
            }
        };
        if let Some(flaw) = listed.damage.as_ref().filter(|_| !skip_damage) {
            return Err(segment.damaged(flaw.clone()));
        }
        let entries = &listed.entries;
        let from = entries.partition_point(|entry| entry.hash < hash);
        let same = entries.get(from..).unwrap_or_default().iter().take_while(|entry| entry.hash == hash);
        Ok(same.map(|entry| entry.row).collect())
    }
}

fn open_file(segment: &Segment, disk: &dyn Disk) -> Option<IndexFile> {
    let digest = segment.digest?;
    let file = disk.open(&segment.place.index_path(), Mode::Read).ok()?;
    let length = file.len().ok()?;
    let seed = segment.place.seed();
    let map = file.map(length).ok()?;
    let header = decode_header(&map, length, &seed).ok()?;
    let fits = header.segment_digest == digest && header.entries == u64::from(segment.rows);
    fits.then_some(IndexFile { map, seed, entries: header.entries as usize })
}

impl IndexFile {
    /// The entries of a block, or `None` when it is damaged. 4 KiB are checked in about the time of a cache miss or
    /// two, so a block is checked whenever it is touched.
    fn block(&self, number: usize) -> Option<impl Iterator<Item = KeyIndexEntry> + '_> {
        let from = block_offset(number) as usize;
        let bytes = self.map.get(from..from + KEY_INDEX_BLOCK_BYTES)?;
        let entries = check_block(bytes, number, &self.seed).ok()?;
        let count = self.entries.saturating_sub(number * ENTRIES_PER_BLOCK).min(ENTRIES_PER_BLOCK);
        Some(entries.chunks_exact(KeyIndexEntry::BYTES).take(count).filter_map(KeyIndexEntry::get))
    }

    fn candidates(&self, hash: u64) -> Option<Vec<u32>> {
        let blocks = self.entries.div_ceil(ENTRIES_PER_BLOCK);
        // The last block whose first hash is smaller may hold the first equal one.
        let (mut low, mut high) = (0, blocks);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.block(middle)?.next()?.hash < hash {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        let mut rows = Vec::new();
        for number in low.saturating_sub(1)..blocks {
            for entry in self.block(number)? {
                if entry.hash > hash {
                    return Some(rows);
                }
                if entry.hash == hash {
                    rows.push(entry.row);
                }
            }
        }
        Some(rows)
    }
}

/// Reads every key of a segment.
fn list(segment: &Segment) -> Result<Listed> {
    let mut listed = Listed { entries: Vec::with_capacity(segment.rows as usize), damage: None };
    for (number, at) in segment.frames.iter().enumerate() {
        let frame = match segment.frame(number) {
            Err(Error::Damaged { flaw, .. }) => {
                listed.damage.get_or_insert(*flaw);
                continue;
            }
            frame => frame?,
        };
        for row in 0..at.rows {
            match frame.key(row) {
                Some(Ok(key)) => {
                    listed.entries.push(KeyIndexEntry { hash: key_hash(key), row: at.first_row + row });
                }
                Some(Err(flaw)) => {
                    listed.damage.get_or_insert(flaw);
                }
                None => break,
            }
        }
    }
    listed.entries.sort_unstable_by_key(|entry| (entry.hash, entry.row));
    Ok(listed)
}

/// Writes the key index file of a sealed segment.
pub(crate) fn write_index(segment: &Segment, disk: &dyn Disk) -> Result<()> {
    let Some(digest) = segment.digest else { return Ok(()) };
    let listed = list(segment)?;
    if let Some(flaw) = listed.damage {
        return Err(segment.damaged(flaw));
    }
    let bytes = encode(&segment.place.collection, segment.place.segment, digest, &listed.entries);
    let path = segment.place.index_path();
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    durable::publish(disk, &segment.place.directory, &name, &bytes)
}
