//! Reading by offset, with failures as flaws: a sector that cannot be read is one more thing that is wrong with a file.

use std::io::{self, Read, Seek, SeekFrom};

use siltstone_format::Flaw;

/// A file, or bytes that stand for one.
#[derive(Debug)]
pub(super) struct Source<R> {
    reader: R,
    pub(super) length: u64,
}

impl<R: Read + Seek> Source<R> {
    pub(super) fn new(reader: R, length: u64) -> Source<R> {
        Source { reader, length }
    }

    /// Up to `most` bytes from `offset` on: fewer at the end of the file.
    pub(super) fn read(&mut self, offset: u64, most: u64) -> Result<Vec<u8>, Flaw> {
        // The length of the file bounds what is allocated, whatever a damaged field asks for.
        let wanted = most.min(self.length.saturating_sub(offset));
        let mut bytes = Vec::new();
        let result = (|| {
            self.reader.seek(SeekFrom::Start(offset))?;
            bytes
                .try_reserve_exact(usize::try_from(wanted).unwrap_or(usize::MAX))
                .map_err(io::Error::other)?;
            self.reader.by_ref().take(wanted).read_to_end(&mut bytes)
        })();
        match result {
            Ok(_) => Ok(bytes),
            Err(error) => {
                Err(Flaw::new("file", "read", offset, wanted.max(1), "bytes that can be read", error))
            }
        }
    }
}
