//! The harness keeps its own promises: the simulated disk is as nasty as a real one may be, and never worse. A suite
//! on a friendly disk would prove nothing.

mod faults;
mod legal;
mod names;
mod tools;
mod writes;

use std::path::Path;
use std::sync::Arc;

use harness::sim_disk::SimDisk;
use siltstone::disk::{Disk, DiskFile, Mode};

/// Crash images that are tried where one of them must show something.
const IMAGES: u64 = 2_000;

/// A disk with one durable file, and that file open for writing.
fn disk_with(path: &str, bytes: &[u8]) -> (SimDisk, Arc<dyn DiskFile>) {
    let disk = SimDisk::new();
    disk.write_file(path, bytes).unwrap();
    let file = disk.open(Path::new(path), Mode::Write).unwrap();
    (disk, file)
}

fn create(disk: &SimDisk, path: &str) -> Arc<dyn DiskFile> {
    disk.open(Path::new(path), Mode::Create).unwrap()
}

/// The bytes of a file in many crash images; `None` where the file is not there.
fn after_crashes(disk: &SimDisk, path: &str) -> impl Iterator<Item = Option<Vec<u8>>> {
    (0..IMAGES).map(move |seed| disk.crash(seed).read_file(path).ok())
}

/// Whether some crash image has this content.
fn may_become(disk: &SimDisk, path: &str, is_so: impl Fn(Option<&[u8]>) -> bool) -> bool {
    after_crashes(disk, path).any(|bytes| is_so(bytes.as_deref()))
}
