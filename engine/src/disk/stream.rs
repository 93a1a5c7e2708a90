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
