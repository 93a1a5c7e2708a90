//! Archives: one file that plain `tar` and `zstd` unpack. The index comes first, then the directories, then the files, in
//! the order of the index; each in a zstd frame of its own. A reader accepts exactly what the index announces: an entry
//! that would leave its directory, a link or a device cannot even be asked for.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use siltstone_format::Digest;
use siltstone_format::backup::{BackupIndex, INDEX_FILE};
use siltstone_format::limits::MAX_DOCUMENT_BYTES;

use super::capture::Capture;
use super::content::{Content, Receive, damaged};
use super::frames::{FrameReader, FrameWriter};
use super::member::{BLOCK_BYTES, END, Member, padding};
use super::stream::{CHUNK_BYTES, FileReader, FileWriter, Refusal, read_through};
use super::survey::vanished;
use crate::disk::{Disk, DiskFile, Mode};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::event::Event;

/// Writes an archive into an empty file and makes it durable. Returns its length and its digest.
pub(super) fn write(
    environment: &Environment,
    (file, path): (Arc<dyn DiskFile>, &Path),
    index: &BackupIndex,
    capture: &Capture,
) -> Result<(u64, Digest)> {
    let failed = |error| Error::io("write", path)(error);
    let document = index.encode().map_err(|reason| Error::invalid("backup index", reason))?;
    let mut frames = FrameWriter::new(FileWriter::new(file)).map_err(failed)?;
    let created_at_s = index.created_at_ms.max(0) as u64 / 1000;
    let first = Member {
        path: INDEX_FILE.to_owned(),
        bytes: document.len() as u64,
        is_dir: false,
        modified_at_s: created_at_s,
        mode: 0o644,
    };
    frames.write(&header(&first)?).map_err(failed)?;
    frames.write(&document).map_err(failed)?;
    frames.write(zeros(first.bytes)).map_err(failed)?;
    for directory in &index.directories {
        frames = frames.next().map_err(failed)?;
        let member = Member::of_directory(directory, index.created_at_ms);
        frames.write(&header(&member)?).map_err(failed)?;
    }
    for entry in &index.files {
        frames = frames.next().map_err(failed)?;
        frames.write(&header(&Member::of_file(entry))?).map_err(failed)?;
        let source = capture.source(&entry.path);
        let opened = capture.open(&*environment.disk, &entry.path)?;
        let digest = read_through(
            &opened,
            entry.bytes,
            |error| vanished(&source, error),
            |chunk| frames.write(chunk).map_err(failed),
        )?;
        if digest != entry.blake3 {
            return Err(vanished(&source, io::ErrorKind::UnexpectedEof.into()));
        }
        frames.write(zeros(entry.bytes)).map_err(failed)?;
        environment.observer.event(&Event::BackedUp { path: source, bytes: entry.bytes });
    }
    frames = frames.next().map_err(failed)?;
    frames.write(&END).map_err(failed)?;
    frames.finish().and_then(FileWriter::finish).map_err(failed)
}

fn header(member: &Member) -> Result<Vec<u8>> {
    let refused = |error| Error::invalid("path in a backup", format!("{}: {error}", member.path));
    member.encode().map_err(refused)
}

fn zeros(bytes: u64) -> &'static [u8] {
    END.get(..padding(bytes)).unwrap_or_default()
}

/// An archive whose index was read.
pub(super) struct Archive {
    path: PathBuf,
    index: BackupIndex,
    frames: FrameReader,
    refusal: Refusal,
    bytes: u64,
    /// The digest that the whole file must have, when a sidecar tells it.
    expected: Option<Digest>,
}

impl Archive {
    /// Opens an archive and reads its index.
    pub(super) fn open(disk: &dyn Disk, path: &Path, expected: Option<Digest>) -> Result<Self> {
        let file = disk.open(path, Mode::Read).map_err(Error::io("open", path))?;
        let bytes = file.len().map_err(Error::io("read", path))?;
        let reader = FileReader::new(file).map_err(Error::io("read", path))?;
        let refusal = reader.refusal.clone();
        let frames = FrameReader::new(reader);
        let mut archive = Raw { path, frames, refusal, bytes };
        archive.next(INDEX_FILE)?;
        let member = archive.header(INDEX_FILE)?;
        if member.path != INDEX_FILE || member.is_dir || member.bytes > MAX_DOCUMENT_BYTES {
            return Err(archive.damaged(INDEX_FILE, "the index", format!("{:?}", member.path)));
        }
        let mut document = vec![0; member.bytes as usize];
        archive.exactly(INDEX_FILE, &mut document)?;
        archive.end(INDEX_FILE, member.bytes)?;
        let (index, _) = BackupIndex::decode(&document).map_err(|flaw| match flaw.is_newer_format() {
            true => Error::flaw(path, flaw),
            false => archive.damaged(INDEX_FILE, "an index", flaw),
        })?;
        let Raw { frames, refusal, .. } = archive;
        Ok(Self { path: path.to_owned(), index, frames, refusal, bytes, expected })
    }
}

impl Content for Archive {
    fn index(&self) -> &BackupIndex {
        &self.index
    }

    fn deliver(self: Box<Self>, to: &mut dyn Receive) -> Result<()> {
        let Self { path, index, frames, refusal, bytes, expected } = *self;
        let mut raw = Raw { path: &path, frames, refusal, bytes };
        let delivered = raw.members(&index, to);
        let Raw { frames, refusal, .. } = raw;
        delivered?;
        if to.is_satisfied() {
            return Ok(());
        }
        let Some(mut reader) = frames.into_reader() else { return Ok(()) };
        let digest = reader.digest().map_err(|error| {
            let error = refusal.take().unwrap_or(error);
            Error::io("read", &path)(error)
        })?;
        match expected.filter(|expected| *expected != digest) {
            None => Ok(()),
            Some(_) => {
                let (expected, found) =
                    ("the digest in its .b3 file", "another; every member is as the index says");
                Err(damaged(&path, "the archive as a whole", (0, bytes), expected, found))
            }
        }
    }
}

/// An archive as frames with members in them.
struct Raw<'a> {
    path: &'a Path,
    frames: FrameReader,
    refusal: Refusal,
    bytes: u64,
}

impl Raw<'_> {
    fn members(&mut self, index: &BackupIndex, to: &mut dyn Receive) -> Result<()> {
        for directory in &index.directories {
            self.next(directory)?;
            self.expect(&Member::of_directory(directory, index.created_at_ms))?;
            self.end(directory, 0)?;
            to.directory(directory)?;
        }
        let mut buffer = vec![0; CHUNK_BYTES];
        for file in &index.files {
            if to.is_satisfied() {
                return Ok(());
            }
            let name = &file.path;
            self.next(name)?;
            self.expect(&Member::of_file(file))?;
            to.begin(file)?;
            let mut hasher = blake3::Hasher::new();
            let mut left = file.bytes;
            while left > 0 {
                let chunk = buffer.get_mut(..left.min(CHUNK_BYTES as u64) as usize).unwrap_or_default();
                self.exactly(name, chunk)?;
                hasher.update(chunk);
                to.chunk(chunk)?;
                left -= chunk.len() as u64;
            }
            if hasher.finalize().as_bytes() != &file.blake3 {
                return Err(self.damaged(name, "the digest in the index", "another digest"));
            }
            self.end(name, file.bytes)?;
            to.end()?;
        }
        if to.is_satisfied() {
            return Ok(());
        }
        let end = "the end of the archive";
        self.next(end)?;
        let mut zeros = END;
        self.exactly(end, &mut zeros)?;
        if zeros != END {
            return Err(self.damaged(end, "zeros", "other bytes"));
        }
        self.end(end, 0)?;
        match self.frames.next() {
            Ok(false) => Ok(()),
            Ok(true) => Err(self.damaged(end, "nothing after it", "more bytes")),
            Err(error) => Err(self.failed(end, error)),
        }
    }

    /// Begins the frame of a member.
    fn next(&mut self, member: &str) -> Result<()> {
        match self.frames.next() {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.damaged(member, "in the archive", "the end of the file")),
            Err(error) => Err(self.failed(member, error)),
        }
    }

    fn header(&mut self, name: &str) -> Result<Member> {
        let mut block = [0; BLOCK_BYTES];
        self.exactly(name, &mut block)?;
        Member::decode(&block).map_err(|found| self.damaged(name, "a header", found))
    }

    fn expect(&mut self, expected: &Member) -> Result<()> {
        let found = self.header(&expected.path)?;
        match found == *expected {
            true => Ok(()),
            false => Err(self.damaged(&expected.path, "a header as the index says", format!("{found:?}"))),
        }
    }

    /// Fills the buffer from the frame.
    fn exactly(&mut self, member: &str, buffer: &mut [u8]) -> Result<()> {
        match self.frames.fill(buffer) {
            Ok(count) if count == buffer.len() => Ok(()),
            Ok(_) => Err(self.damaged(member, "as long as the index says", "a shorter frame")),
            Err(error) => Err(self.failed(member, error)),
        }
    }

    /// What follows a member's bytes: zeros up to a whole block, and the end of its frame, with its checksum.
    fn end(&mut self, member: &str, bytes: u64) -> Result<()> {
        let mut zeros = vec![0; padding(bytes)];
        self.exactly(member, &mut zeros)?;
        match self.frames.fill(&mut [0]) {
            Ok(0) if zeros.iter().all(|byte| *byte == 0) => Ok(()),
            Ok(_) => Err(self.damaged(member, "zeros up to the end of its frame", "other bytes")),
            Err(error) => Err(self.failed(member, error)),
        }
    }

    fn damaged(&self, member: &str, expected: &str, found: impl std::fmt::Display) -> Error {
        let at = self.frames.begins_at;
        damaged(self.path, member, (at, self.bytes.saturating_sub(at)), expected, found)
    }

    /// A disk that refuses, or else bytes that are no frame.
    fn failed(&self, member: &str, error: io::Error) -> Error {
        match self.refusal.take() {
            Some(refusal) => Error::io("read", self.path)(refusal),
            None => self.damaged(member, "a zstd frame", error),
        }
    }
}
