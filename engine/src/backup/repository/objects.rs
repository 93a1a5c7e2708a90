//! Objects: pieces of files, each compressed and named by the digest of its bytes.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use siltstone_format::Digest;
use siltstone_format::backup::{BackupFile, Piece};
use siltstone_format::checksum::{digest, to_hex};
use siltstone_format::names::TEMPORARY_SUFFIX;

use super::super::content::damaged;
use super::super::frames::LEVEL;
use super::super::shelf;
use super::super::survey::{check_room, vanished};
use crate::disk::{Disk, DiskFile, Mode, durable};
use crate::environment::Environment;
use crate::error::{Error, Result};

/// Length of a piece; the last of a file is shorter. What a backup stores again of a segment that grew is less than this.
const PIECE_BYTES: u64 = 1 << 20;
/// Longest piece that is read.
const MOST_PIECE_BYTES: u64 = 64 << 20;
/// How the name of an object ends.
pub(super) const OBJECT_SUFFIX: &str = ".zst";

/// The objects of a repository, while a backup is added.
pub(super) struct Objects<'a> {
    disk: &'a dyn Disk,
    root: &'a Path,
    changed: BTreeSet<PathBuf>,
    added_bytes: u64,
}

impl<'a> Objects<'a> {
    pub(super) fn new(disk: &'a dyn Disk, root: &'a Path) -> Self {
        Self { disk, root, changed: BTreeSet::new(), added_bytes: 0 }
    }

    /// Keeps a file as objects; returns its pieces. Of what is there already nothing is written.
    pub(super) fn put_file(
        &mut self,
        environment: &Environment,
        repository: &Path,
        (file, source): (&dyn DiskFile, &Path),
        entry: &BackupFile,
    ) -> Result<Vec<Piece>> {
        let mut hasher = blake3::Hasher::new();
        let mut pieces = Vec::new();
        let mut at = 0;
        while at < entry.bytes {
            let mut bytes = vec![0; PIECE_BYTES.min(entry.bytes - at) as usize];
            file.read_at(&mut bytes, at).map_err(|error| vanished(source, error))?;
            hasher.update(&bytes);
            let piece = Piece { blake3: digest(&bytes), bytes: bytes.len() as u64 };
            // Of an object that is there already the name need not be durable: whoever wrote it may have died.
            let path = object_path(self.root, &piece.blake3);
            self.changed.extend(path.parent().map(Path::to_owned));
            if !self.has(&piece)? {
                check_room(environment, repository, piece.bytes)?;
                self.put(&piece, &bytes)?;
            }
            pieces.push(piece);
            at += bytes.len() as u64;
        }
        match hasher.finalize().as_bytes() == &entry.blake3 {
            true => Ok(pieces),
            false => Err(vanished(source, io::ErrorKind::UnexpectedEof.into())),
        }
    }

    /// Whether a piece is there and good.
    fn has(&self, piece: &Piece) -> Result<bool> {
        match read_object(self.disk, self.root, piece) {
            Ok(_) => Ok(true),
            Err(error) if error.is_missing_file() || error.is_damage() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Writes an object and reads it back. Its name is durable once [`Objects::settle`] returns.
    fn put(&mut self, piece: &Piece, bytes: &[u8]) -> Result<()> {
        let path = object_path(self.root, &piece.blake3);
        let directory = path.parent().unwrap_or(self.root).to_owned();
        match self.disk.create_dir(&directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Error::io("create", &directory)(error));
            }
            _ => {}
        }
        let stored = compress(bytes).map_err(Error::io("compress", &path))?;
        let temporary = shelf::beside(&path, TEMPORARY_SUFFIX);
        match self.disk.remove(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::io("remove", &temporary)(error));
            }
            _ => {}
        }
        let file = self.disk.open(&temporary, Mode::Create).map_err(Error::io("create", &temporary))?;
        file.write_at(&stored, 0).map_err(Error::io("write", &temporary))?;
        file.sync().map_err(Error::io("sync", &temporary))?;
        let mut again = vec![0; stored.len()];
        file.read_at(&mut again, 0).map_err(Error::io("read", &temporary))?;
        if decompress(&again, piece.bytes).as_deref().ok() != Some(bytes) {
            let found = "other bytes, right after they were written";
            return Err(damaged(
                &temporary,
                "an object",
                (0, stored.len() as u64),
                "what was written",
                found,
            ));
        }
        self.disk.rename(&temporary, &path).map_err(Error::io("rename", &temporary))?;
        self.added_bytes += stored.len() as u64;
        Ok(())
    }

    /// Makes the names of all new objects durable. Returns how many bytes they have.
    pub(super) fn settle(self) -> Result<u64> {
        for directory in &self.changed {
            self.disk.sync_dir(directory).map_err(Error::io("sync", directory))?;
        }
        self.disk.sync_dir(self.root).map_err(Error::io("sync", self.root))?;
        Ok(self.added_bytes)
    }
}

fn compress(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), LEVEL)?;
    encoder.include_checksum(true)?;
    io::Write::write_all(&mut encoder, bytes)?;
    encoder.finish()
}

/// The bytes of one zstd frame that has exactly so many, and nothing after it.
fn decompress(stored: &[u8], bytes: u64) -> io::Result<Vec<u8>> {
    let mut decoder = zstd::stream::Decoder::with_buffer(stored)?.single_frame();
    let mut raw = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(&mut decoder, bytes + 1), &mut raw)?;
    match raw.len() as u64 == bytes && decoder.finish().is_empty() {
        true => Ok(raw),
        false => Err(io::Error::new(io::ErrorKind::InvalidData, "another length")),
    }
}

/// Where an object lies.
pub(super) fn object_path(objects: &Path, digest: &Digest) -> PathBuf {
    let name = to_hex(digest);
    objects.join(name.get(..2).unwrap_or_default()).join(format!("{name}{OBJECT_SUFFIX}"))
}

/// The bytes of an object, checked.
pub(super) fn read_object(disk: &dyn Disk, objects: &Path, piece: &Piece) -> Result<Vec<u8>> {
    let path = object_path(objects, &piece.blake3);
    if piece.bytes > MOST_PIECE_BYTES {
        let reason = format!("a piece of {} bytes, at most {MOST_PIECE_BYTES} are read", piece.bytes);
        return Err(Error::invalid("backup index", reason));
    }
    let stored = durable::read_whole(disk, &path, MOST_PIECE_BYTES + (1 << 20))?;
    let expected = "one zstd frame with the bytes that its name is the digest of";
    let wrong = |found: String| damaged(&path, "an object", (0, stored.len() as u64), expected, found);
    let raw = decompress(&stored, piece.bytes).map_err(|error| wrong(error.to_string()))?;
    match digest(&raw) == piece.blake3 {
        true => Ok(raw),
        false => Err(wrong("another digest".to_owned())),
    }
}
