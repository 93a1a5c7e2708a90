//! What every kind of backup gives: an index, and the files that it names, checked against it while they are delivered.

use siltstone_format::Flaw;
use siltstone_format::backup::{BackupFile, BackupIndex};
use std::path::Path;

use crate::error::{Error, Result};

/// Takes what is delivered. A file is good only once `end` is called; before that any error may follow.
pub(crate) trait Receive {
    fn directory(&mut self, path: &str) -> Result<()>;
    fn begin(&mut self, file: &BackupFile) -> Result<()>;
    fn chunk(&mut self, bytes: &[u8]) -> Result<()>;
    fn end(&mut self) -> Result<()>;
    /// Whether nothing that may still come is wanted: then delivery ends here.
    fn is_satisfied(&self) -> bool {
        false
    }
}

/// A backup that can be read.
pub(crate) trait Content {
    fn index(&self) -> &BackupIndex;

    /// Delivers every directory and every file, in the order of the index. Memory stays small however long they are.
    ///
    /// # Errors
    /// Damage, named by the member and its place; what the receiver refuses; a disk that cannot be read.
    fn deliver(self: Box<Self>, to: &mut dyn Receive) -> Result<()>;
}

/// Takes everything and keeps nothing: what is left is that it could be read.
#[derive(Debug, Default)]
pub(crate) struct Discard;

impl Receive for Discard {
    fn directory(&mut self, _path: &str) -> Result<()> {
        Ok(())
    }
    fn begin(&mut self, _file: &BackupFile) -> Result<()> {
        Ok(())
    }
    fn chunk(&mut self, _bytes: &[u8]) -> Result<()> {
        Ok(())
    }
    fn end(&mut self) -> Result<()> {
        Ok(())
    }
}

/// The error for a damaged member of the backup at `path`.
pub(super) fn damaged(
    path: &Path,
    member: &str,
    (offset, length): (u64, u64),
    expected: &str,
    found: impl std::fmt::Display,
) -> Error {
    let expected = format!("{member}: {expected}");
    Error::flaw(path, Flaw::new(BACKUP, "member", offset, length.max(1), expected, found))
}

/// The structure that flaws in a backup name.
pub(crate) const BACKUP: &str = "backup";
