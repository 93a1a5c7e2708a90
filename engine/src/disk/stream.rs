//! Bytes one after the other into a file, in pieces that begin and end where a large page does: systems then keep them
//! in large pages, which are cheaper to look up when the file is mapped. A file may be filled by several at once.

use std::io;

use super::DiskFile;

/// Bytes of a large page.
const PAGE: u64 = 2 << 20;

/// A place in a file that moves on as bytes are put there. Holds up to a large page in memory.
pub(crate) struct Stream<'f> {
    file: &'f dyn DiskFile,
    /// Where the bytes that are held begin.
    offset: u64,
    held: Vec<u8>,
}

impl<'f> Stream<'f> {
    pub(crate) fn at(file: &'f dyn DiskFile, offset: u64) -> Self {
        Self { file, offset, held: Vec::new() }
    }

    /// Adds bytes; writes what fills a page.
    pub(crate) fn put(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let room = (PAGE - self.offset % PAGE) as usize - self.held.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.held.extend_from_slice(now);
            bytes = later;
            if now.len() == room {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Writes what is held.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if self.held.is_empty() {
            return Ok(());
        }
        self.file.write_at(&self.held, self.offset)?;
        self.offset += self.held.len() as u64;
        self.held.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Disk, Mode, RealDisk};

    #[test]
    fn two_that_fill_a_file_leave_every_byte_where_it_belongs() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("file");
        let file = RealDisk.open(&path, Mode::Create).unwrap();
        let expected: Vec<u8> = (0..5 * PAGE as usize + 777).map(|at| (at % 251) as u8).collect();
        // The second begins in the middle of a page, and fills up to the end of one exactly.
        let (first, rest) = expected.split_at(PAGE as usize + 12_345);
        let (second, third) = rest.split_at(3 * PAGE as usize - first.len());
        let mut streams = [
            (Stream::at(&*file, 0), first),
            (Stream::at(&*file, first.len() as u64), second),
            (Stream::at(&*file, 3 * PAGE), third),
        ];
        let mut size = 1;
        while streams.iter().any(|(_, left)| !left.is_empty()) {
            for (stream, left) in &mut streams {
                let (now, later) = left.split_at(size.min(left.len()));
                stream.put(now).unwrap();
                assert!(stream.held.len() < PAGE as usize);
                *left = later;
            }
            size = size * 3 % 4_999_999;
        }
        for (stream, _) in &mut streams {
            stream.flush().unwrap();
        }
        assert!(std::fs::read(&path).unwrap() == expected);
    }
}
