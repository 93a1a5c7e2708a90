//! Files as streams: an archive is written and read front to back, in bounded memory, and hashed on the way.

use std::io::{self, BufRead, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use siltstone_format::Digest;

use crate::disk::DiskFile;

/// How much is read or written at once.
pub(crate) const CHUNK_BYTES: usize = 1 << 20;

/// Writes a file front to back.
#[derive(Debug)]
pub(super) struct FileWriter {
    file: Arc<dyn DiskFile>,
    at: u64,
    buffer: Vec<u8>,
    hasher: blake3::Hasher,
}

impl FileWriter {
    pub(super) fn new(file: Arc<dyn DiskFile>) -> Self {
        Self { file, at: 0, buffer: Vec::with_capacity(CHUNK_BYTES), hasher: blake3::Hasher::new() }
    }

    /// Writes what is left, makes the file durable, and returns its length and the digest of all that was written.
    pub(super) fn finish(mut self) -> io::Result<(u64, Digest)> {
        self.flush()?;
        self.file.sync()?;
        Ok((self.at, *self.hasher.finalize().as_bytes()))
    }
}

impl Write for FileWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_at(&self.buffer, self.at)?;
        self.hasher.update(&self.buffer);
        self.at += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

/// What the disk said when it refused to read: a decoder passes errors on as its own, and damage must not be mistaken
/// for a disk that cannot be read.
#[derive(Debug, Clone, Default)]
pub(super) struct Refusal(Arc<Mutex<Option<io::Error>>>);

impl Refusal {
    fn note(&self, error: io::Error) -> io::Error {
        let kind = error.kind();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        kind.into()
    }

    pub(super) fn take(&self) -> Option<io::Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Reads a file front to back.
#[derive(Debug)]
pub(super) struct FileReader {
    file: Arc<dyn DiskFile>,
    length: u64,
    /// Where the next chunk begins.
    at: u64,
    buffer: Vec<u8>,
    consumed: usize,
    hasher: blake3::Hasher,
    pub(super) refusal: Refusal,
}

impl FileReader {
    pub(super) fn new(file: Arc<dyn DiskFile>) -> io::Result<Self> {
        let length = file.len()?;
        let (hasher, refusal) = (blake3::Hasher::new(), Refusal::default());
        Ok(Self { file, length, at: 0, buffer: Vec::new(), consumed: 0, hasher, refusal })
    }

    /// Where the next byte that is taken lies in the file.
    pub(super) fn position(&self) -> u64 {
        self.at - (self.buffer.len() - self.consumed) as u64
    }

    /// The digest of the whole file. Reads what was not read yet.
    pub(super) fn digest(&mut self) -> io::Result<Digest> {
        loop {
            let left = self.fill_buf()?.len();
            if left == 0 {
                return Ok(*self.hasher.finalize().as_bytes());
            }
            self.consume(left);
        }
    }
}

impl Read for FileReader {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let mut available = self.fill_buf()?;
        let count = available.read(to)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for FileReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.consumed == self.buffer.len() && self.at < self.length {
            self.buffer.resize((CHUNK_BYTES as u64).min(self.length - self.at) as usize, 0);
            self.consumed = 0;
            if let Err(error) = self.file.read_at(&mut self.buffer, self.at) {
                self.buffer.clear();
                return Err(self.refusal.note(error));
            }
            self.hasher.update(&self.buffer);
            self.at += self.buffer.len() as u64;
        }
        Ok(self.buffer.get(self.consumed..).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.consumed = (self.consumed + count).min(self.buffer.len());
    }
}

/// Calls `each` with the first `length` bytes of a file, chunk by chunk, and returns their digest.
pub(crate) fn read_through<E>(
    file: &dyn DiskFile,
    length: u64,
    refused: impl Fn(io::Error) -> E,
    mut each: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<Digest, E> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; (CHUNK_BYTES as u64).min(length) as usize];
    let mut at = 0;
    while at < length {
        let count = (buffer.len() as u64).min(length - at) as usize;
        let chunk = buffer.get_mut(..count).unwrap_or_default();
        file.read_at(chunk, at).map_err(&refused)?;
        hasher.update(chunk);
        each(chunk)?;
        at += count as u64;
    }
    Ok(*hasher.finalize().as_bytes())
}
