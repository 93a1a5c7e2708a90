//! All that the engine asks of a file system, as one small trait. Everything that touches files goes through it, so
//! that tests can cut the power, fail a call or lose unsynced bytes at any moment.
//!
//! What an implementation must promise, and what it need not:
//! - After [`DiskFile::sync`] returns `Ok`, the file's bytes and length survive power loss; after [`Disk::sync_dir`],
//!   the names in that directory do.
//! - Before that, any subset of the writes may survive, in any order, torn at sector boundaries.
//! - A failed sync says nothing: the caller never builds on the file again without rewriting what it needs.
//! - [`Disk::rename`] replaces the target atomically.

pub(crate) mod durable;
mod held;
mod map;
mod real;
mod stream;
mod volume;

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;

pub(crate) use held::HeldDisk;
pub use map::Map;
pub use real::RealDisk;
pub(crate) use stream::Stream;

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// An existing file, for reading.
    Read,
    /// An existing file, for reading and writing.
    Write,
    /// A new file, for reading and writing. An existing one is an error.
    Create,
}

/// An entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name, without the directory. Names that are not UTF-8 come with replacement characters.
    pub name: String,
    /// Whether it is a directory.
    pub is_dir: bool,
}

/// What a file has beside its bytes. `None` where the file system does not tell, or does not have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attributes {
    /// When it was last changed, in nanoseconds since 1970-01-01 UTC.
    pub modified_at_ns: Option<i64>,
    /// The permission bits of Unix.
    pub mode: Option<u32>,
}

/// What a path lies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Volume {
    /// How many bytes this user may still write; `None` where nobody knows.
    pub free_bytes: Option<u64>,
    /// The kind of network file system, if it is known to be one.
    pub network: Option<&'static str>,
}

/// A file system.
pub trait Disk: Debug + Send + Sync {
    /// Opens or creates a file.
    ///
    /// # Errors
    /// Those of the file system.
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn DiskFile>>;

    /// Creates a directory whose parent exists.
    ///
    /// # Errors
    /// Those of the file system; `AlreadyExists` when there is one.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// The entries of a directory, sorted by name.
    ///
    /// # Errors
    /// Those of the file system.
    fn list(&self, path: &Path) -> io::Result<Vec<Entry>>;

    /// Renames a file, replacing the target. Durable after the directory is synced.
    ///
    /// # Errors
    /// Those of the file system.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file, or an empty directory. A map of the file lives on.
    ///
    /// # Errors
    /// Those of the file system.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// Those of the file system.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Locks a file, creating it when it is missing, against every other holder in this and other processes until the
    /// returned file is dropped; `None` when somebody else holds it.
    ///
    /// # Errors
    /// Those of the file system.
    fn lock(&self, path: &Path) -> io::Result<Option<Arc<dyn DiskFile>>>;

    /// How many files this process may have open at once, more or less.
    fn most_open_files(&self) -> usize {
        256
    }

    /// What an existing path lies on. A disk that does not know says nothing.
    ///
    /// # Errors
    /// Those of the file system.
    fn volume(&self, path: &Path) -> io::Result<Volume> {
        let _ = path;
        Ok(Volume::default())
    }
}

/// An open file. Reads and writes name their place; there is no cursor.
pub trait DiskFile: Debug + Send + Sync {
    /// Length in bytes.
    ///
    /// # Errors
    /// Those of the file system.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file has no bytes.
    ///
    /// # Errors
    /// Those of the file system.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Fills `buffer` from `offset`.
    ///
    /// # Errors
    /// Those of the file system; `UnexpectedEof` when the file ends before.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`, growing the file as needed. Not durable before [`DiskFile::sync`].
    ///
    /// # Errors
    /// Those of the file system. Some of the bytes may have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Cuts the file to `length` bytes.
    ///
    /// # Errors
    /// Those of the file system.
    fn truncate(&self, length: u64) -> io::Result<()>;

    /// Makes the bytes and the length durable.
    ///
    /// # Errors
    /// Those of the file system. What is on disk afterwards is unknown.
    fn sync(&self) -> io::Result<()>;

    /// The first `length` bytes as memory, for as long as the map lives, whatever happens to the name of the file.
    /// The caller never lets the file become shorter than that.
    ///
    /// # Errors
    /// Those of the file system; `UnexpectedEof` when the file is shorter.
    fn map(&self, length: u64) -> io::Result<Map>;

    /// A number that a copy of the file would not have, if the file system has one.
    fn file_number(&self) -> Option<u64>;

    /// When it was last changed, and who may do what with it. A disk that has neither says nothing.
    ///
    /// # Errors
    /// Those of the file system.
    fn attributes(&self) -> io::Result<Attributes> {
        Ok(Attributes::default())
    }

    /// Gives the file these attributes, as far as the file system has them. Nothing is built on them, so they are not
    /// made durable by themselves.
    ///
    /// # Errors
    /// Those of the file system.
    fn set_attributes(&self, attributes: &Attributes) -> io::Result<()> {
        let _ = attributes;
        Ok(())
    }
}
