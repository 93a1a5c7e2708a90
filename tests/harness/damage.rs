//! Damage as data: what a medium may do to files that were durable. Each value says what it does, so that a failing
//! test prints it, and can be applied to any copy of the image.
//!
//! The functions below list damage of one kind to one file. They leave out what would change nothing.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::sim_disk::SimDisk;

/// One fault of the medium.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Damage {
    /// One bit is the other way round; bit 0 is the lowest of the first byte.
    Flip {
        /// The file.
        path: PathBuf,
        /// The bit, counted from the start of the file.
        bit: u64,
    },
    /// The file ends early.
    Truncate {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        length: u64,
    },
    /// Bytes read as zeros.
    Zero(Piece),
    /// Two pieces of equal length have changed places.
    Swap(Piece, Piece),
    /// Other bytes are there: of an older time, or meant for another place.
    Overwrite {
        /// The file.
        path: PathBuf,
        /// The first byte.
        offset: u64,
        /// What is there now.
        bytes: Vec<u8>,
    },
    /// The file is gone.
    Remove(PathBuf),
}

/// A piece of a file. What lies past the end of the file does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The file.
    pub path: PathBuf,
    /// The first byte.
    pub offset: u64,
    /// How many bytes.
    pub length: u64,
}

impl Piece {
    fn range(&self, length: usize) -> Range<usize> {
        let end = length.min((self.offset + self.length) as usize);
        end.min(self.offset as usize)..end
    }
}

impl Damage {
    /// Does it to a disk.
    ///
    /// # Errors
    /// `NotFound` when the file is missing.
    pub fn apply(&self, disk: &SimDisk) -> io::Result<()> {
        let change = |path: &PathBuf, change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = disk.read_file(path)?;
            change(&mut bytes);
            disk.write_file(path, bytes)
        };
        match self {
            Self::Flip { path, bit } => change(path, &|bytes| {
                bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
            }),
            Self::Truncate { path, length } => change(path, &|bytes| bytes.truncate(*length as usize)),
            Self::Zero(piece) => change(&piece.path, &|bytes| {
                let range = piece.range(bytes.len());
                bytes[range].fill(0);
            }),
            Self::Swap(a, b) => {
                let (old_a, old_b) = (read(disk, a)?, read(disk, b)?);
                change(&a.path, &|bytes| put(bytes, a.offset, &old_b))?;
                change(&b.path, &|bytes| put(bytes, b.offset, &old_a))
            }
            Self::Overwrite { path, offset, bytes: new } => change(path, &|bytes| put(bytes, *offset, new)),
            Self::Remove(path) => disk.remove_file(path),
        }
    }

    /// The files that it changes.
    pub fn paths(&self) -> Vec<&Path> {
        match self {
            Self::Flip { path, .. } | Self::Truncate { path, .. } | Self::Overwrite { path, .. } => {
                vec![path]
            }
            Self::Remove(path) => vec![path],
            Self::Zero(piece) => vec![&piece.path],
            Self::Swap(a, b) => vec![&a.path, &b.path],
        }
    }

    /// A copy of a pristine disk with this damage.
    ///
    /// # Errors
    /// `NotFound` when the file is missing.
    pub fn on(&self, pristine: &SimDisk) -> io::Result<SimDisk> {
        let disk = pristine.clone_image();
        self.apply(&disk)?;
        Ok(disk)
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let piece =
            |p: &Piece| format!("bytes {}..{} of {}", p.offset, p.offset + p.length, p.path.display());
        match self {
            Self::Flip { path, bit } => {
                write!(f, "flip bit {} of byte {} of {}", bit % 8, bit / 8, path.display())
            }
            Self::Truncate { path, length } => write!(f, "cut {} to {length} bytes", path.display()),
            Self::Zero(zeroed) => write!(f, "zero {}", piece(zeroed)),
            Self::Swap(a, b) => write!(f, "swap {} and {}", piece(a), piece(b)),
            Self::Overwrite { path, offset, bytes } => {
                write!(f, "other {} bytes at {offset} of {}", bytes.len(), path.display())
            }
            Self::Remove(path) => write!(f, "remove {}", path.display()),
        }
    }
}

fn read(disk: &SimDisk, piece: &Piece) -> io::Result<Vec<u8>> {
    let bytes = disk.read_file(&piece.path)?;
    Ok(bytes[piece.range(bytes.len())].to_vec())
}

/// Overwrites within the file: what would go past its end is dropped.
fn put(bytes: &mut [u8], offset: u64, new: &[u8]) {
    bytes.iter_mut().skip(offset as usize).zip(new).for_each(|(to, from)| *to = *from);
}

/// Every bit of a range of bytes, each flipped alone.
pub fn flips(path: &Path, bytes: Range<u64>) -> impl Iterator<Item = Damage> + use<> {
    let path = path.to_path_buf();
    (bytes.start * 8..bytes.end * 8).map(move |bit| Damage::Flip { path: path.clone(), bit })
}

/// Every length from nothing to one byte less than all.
pub fn truncations(disk: &SimDisk, path: &Path) -> io::Result<impl Iterator<Item = Damage> + use<>> {
    let path = path.to_path_buf();
    let length = disk.read_file(&path)?.len() as u64;
    Ok((0..length).map(move |length| Damage::Truncate { path: path.clone(), length }))
}

/// Every aligned block that has another byte than zero, zeroed.
pub fn zeroed_blocks(disk: &SimDisk, path: &Path, block_bytes: u64) -> io::Result<Vec<Damage>> {
    let blocks = blocks(disk, path, block_bytes)?.into_iter();
    Ok(blocks.filter(|(_, bytes)| bytes.iter().any(|&b| b != 0)).map(|(at, _)| Damage::Zero(at)).collect())
}

/// Every pair of different aligned blocks of equal length, of one file or of two, swapped.
pub fn swapped_blocks(disk: &SimDisk, a: &Path, b: &Path, block_bytes: u64) -> io::Result<Vec<Damage>> {
    let (in_a, in_b) = (blocks(disk, a, block_bytes)?, blocks(disk, b, block_bytes)?);
    let mut swaps = Vec::new();
    for (place, (piece, bytes)) in in_a.iter().enumerate() {
        for (other, other_bytes) in in_b.iter().skip(if a == b { place + 1 } else { 0 }) {
            if bytes.len() == other_bytes.len() && bytes != other_bytes {
                swaps.push(Damage::Swap(piece.clone(), other.clone()));
            }
        }
    }
    Ok(swaps)
}

/// Every write that landed elsewhere: each aligned block of `from` over each different one of `to`.
pub fn misplaced_blocks(disk: &SimDisk, from: &Path, to: &Path, block_bytes: u64) -> io::Result<Vec<Damage>> {
    let sources = blocks(disk, from, block_bytes)?;
    let mut writes = Vec::new();
    for (piece, old) in blocks(disk, to, block_bytes)? {
        for (_, new) in &sources {
            if new.iter().zip(&old).any(|(new, old)| new != old) {
                let (path, offset) = (piece.path.clone(), piece.offset);
                writes.push(Damage::Overwrite { path, offset, bytes: new.clone() });
            }
        }
    }
    Ok(writes)
}

/// Every aligned block that was different at an older moment, as it was then.
pub fn replayed_blocks(
    older: &SimDisk,
    disk: &SimDisk,
    path: &Path,
    block_bytes: u64,
) -> io::Result<Vec<Damage>> {
    let now = blocks(disk, path, block_bytes)?;
    let replays =
        blocks(older, path, block_bytes)?.into_iter().zip(now).filter_map(|((at, old), (_, now))| {
            let differs = old.iter().zip(&now).any(|(old, now)| old != now);
            differs.then_some(Damage::Overwrite { path: at.path, offset: at.offset, bytes: old })
        });
    Ok(replays.collect())
}

/// The aligned blocks of a file with their bytes; the last one may be shorter.
fn blocks(disk: &SimDisk, path: &Path, block_bytes: u64) -> io::Result<Vec<(Piece, Vec<u8>)>> {
    let bytes = disk.read_file(path)?;
    let blocks = (0..).zip(bytes.chunks(block_bytes as usize)).map(|(number, block)| {
        let (offset, length) = (number * block_bytes, block.len() as u64);
        (Piece { path: path.to_path_buf(), offset, length }, block.to_vec())
    });
    Ok(blocks.collect())
}
