//! File bytes as memory.
#![allow(unsafe_code)]

use std::ops::Deref;
use std::sync::Arc;

/// The first bytes of a file as memory: a memory map, or a copy where there are none. Cheap to clone. The first byte
/// is aligned to at least eight bytes, so rows can be cast in place.
///
/// A memory map of a file that somebody else truncates raises SIGBUS when the lost pages are touched. Siltstone
/// never truncates bytes that a map may show; other programs must not either.
#[derive(Debug, Clone)]
pub struct Map(Inner);

#[derive(Debug, Clone)]
enum Inner {
    Mapped(Arc<memmap2::Mmap>),
    Copied { words: Arc<Vec<u64>>, bytes: usize },
}

impl Map {
    /// Maps the first `length` bytes of `file`, which is at least that long.
    pub(super) fn of_file(file: &std::fs::File, length: usize) -> std::io::Result<Self> {
        if length == 0 {
            return Ok(Self::copy_of(&[]));
        }
        // SAFETY: a map is sound as long as no mapped byte changes or disappears. The engine maps only bytes of
        // committed frames and sealed files, never writes to or truncates them (it appends after them and renames
        // whole files), and a change by another program is documented as unsupported on `Map` and `DiskFile::map`.
        let map = unsafe { memmap2::MmapOptions::new().len(length).map(file)? };
        Ok(Self(Inner::Mapped(Arc::new(map))))
    }

    /// Asks the system to show the bytes in large pages where it can: those of a file that is read as a whole, since a page
    /// that is touched may bring two megabytes with it. A scan of code files takes a third less time with them.
    pub(crate) fn prefer_huge_pages(&self) {
        #[cfg(target_os = "linux")]
        if let Inner::Mapped(map) = &self.0 {
            // Advice that is not taken costs time and nothing else.
            drop(map.advise(memmap2::Advice::HugePage));
        }
    }

    /// Lets go of the pages that were touched: they leave this process's memory and come back, from the system's cache or
    /// the file, when they are touched again. Nothing that is borrowed from the map changes. A copy stays as it is.
    pub(crate) fn let_go(&self) {
        #[cfg(unix)]
        if let Inner::Mapped(map) = &self.0 {
            // SAFETY: the map is shared, read-only and backed by a file whose mapped bytes never change, so a page that
            // is dropped is read again with the same bytes; see `of_file`.
            let advised = unsafe { map.unchecked_advise(memmap2::UncheckedAdvice::DontNeed) };
            // Advice that is not taken costs memory and nothing else.
            drop(advised);
        }
    }

    /// A copy of `bytes`, for disks that cannot map.
    pub fn copy_of(bytes: &[u8]) -> Self {
        let words = bytes
            .chunks(8)
            .map(|chunk| {
                let mut word = [0; 8];
                word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
                u64::from_ne_bytes(word)
            })
            .collect();
        Self(Inner::Copied { words: Arc::new(words), bytes: bytes.len() })
    }
}

impl Deref for Map {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Inner::Mapped(map) => map,
            Inner::Copied { words, bytes } => {
                bytemuck::cast_slice::<u64, u8>(words).get(..*bytes).unwrap_or_default()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_the_same_bytes_and_is_aligned() {
        for length in 0..40u8 {
            let bytes: Vec<u8> = (0..length).collect();
            let map = Map::copy_of(&bytes);
            assert_eq!(&*map, bytes);
            assert_eq!(map.as_ptr().align_offset(8), 0);
        }
    }
}
