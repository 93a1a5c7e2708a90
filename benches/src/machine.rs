//! The machine's own speed: plain writes with `fdatasync`, and plain reads of memory.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use siltstone::disk::{Disk, Map, Mode, RealDisk};

/// Appends `bytes` to `file` and makes them durable.
pub fn append_and_sync(file: &File, bytes: &[u8]) -> Duration {
    use std::io::Write;
    let start = Instant::now();
    (&*file).write_all(bytes).expect("the raw file can be written");
    file.sync_data().expect("the raw file can be synced");
    start.elapsed()
}

/// The segment files of every collection of a store, mapped: the memory that a search passes over.
pub fn map_segments(store: &Path) -> Vec<Map> {
    let mut maps = Vec::new();
    for collection in std::fs::read_dir(store.join("collections")).expect("a store") {
        for entry in std::fs::read_dir(collection.expect("an entry").path()).expect("a collection") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|extension| extension == "seg") {
                let file = RealDisk.open(&path, Mode::Read).expect("a segment");
                maps.push(file.map(file.len().expect("a length")).expect("a map"));
            }
        }
    }
    maps
}

/// Reads every byte once, as fast as it goes, and returns something that depends on all of them.
pub fn read_all(maps: &[Map]) -> u64 {
    let mut lanes = [0u64; 32];
    for map in maps {
        for chunk in map.chunks_exact(256) {
            for (lane, word) in lanes.iter_mut().zip(chunk.chunks_exact(8)) {
                *lane = lane.wrapping_add(u64::from_le_bytes(word.try_into().expect("eight bytes")));
            }
        }
    }
    lanes.iter().fold(0, |sum, lane| sum.wrapping_add(*lane))
}

/// A line of `/proc/self/status` in KiB: `VmRSS`, `RssAnon`, `RssFile`.
pub fn status_kib(line: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let value = status.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(':'))?;
    value.split_whitespace().next()?.parse().ok()
}

/// Touches so much memory and gives it back. A virtual machine gets memory from its host page by page, at the first
/// touch, which costs more than writing the page: a file whose cache falls on new pages would be timed with that.
pub fn touch_memory(bytes: usize) {
    let mut memory = vec![0u8; bytes];
    memory.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
    std::hint::black_box(&memory);
}
