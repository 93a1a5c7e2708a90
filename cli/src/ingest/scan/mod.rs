//! Finds the documents of one source: names, kinds, sizes and times, nothing opened.
//!
//! Decisions, so that nobody has to guess:
//! - Ignore files are honoured: `.siltstoneignore` everywhere, `.gitignore` also outside a git repository (those of
//!   parent folders only inside one, so that a stray `~/.gitignore` hides nothing). Settings of the user's own git
//!   are not read: two machines must see the same documents. Hidden files and folders are passed by.
//! - Links to folders are never followed, so there are no loops; each is reported. A link to a file is a document under
//!   its own name. The source root itself may be a link: it was named on purpose.
//! - Files over the size limit, pipes, dangling links and names that are not UTF-8 are reported, never fatal.
//! - The answer is sorted by document id, in byte order: the same on every file system.

mod documents;
mod globs;
mod kind;
mod load;
mod skipped;
mod stamp;
mod walk;

pub(crate) use documents::Documents;
pub(crate) use globs::{BadGlob, Globs};
pub(crate) use kind::{Kind, Language};
pub(crate) use load::load;
pub(crate) use skipped::{Reason, Skipped};
pub(crate) use stamp::Stamp;
pub(crate) use walk::{scan, walker};

use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One file that can be read and cut into chunks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Document {
    /// Path below the source root with `/` between the parts: the document's name in the store.
    pub(crate) id: String,
    /// The source root.
    pub(crate) root: Arc<Path>,
    pub(crate) framework: Arc<str>,
    pub(crate) kind: Kind,
    pub(crate) size_bytes: u64,
    pub(crate) stamp: Option<Stamp>,
}

impl Document {
    /// Where it lies.
    pub(crate) fn path(&self) -> PathBuf {
        self.root.join(&self.id)
    }

    /// The last part of the id, for instance to name a document that has no title.
    pub(crate) fn file_name(&self) -> &str {
        self.id.rsplit('/').next().unwrap_or(&self.id)
    }
}

/// How the source root was found. The guard against mass removal acts on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RootState {
    /// Listed from top to bottom, except for what [`Scan::unlisted`] names.
    Listed,
    /// There, readable, and holding not one document: an unmounted disk looks like this.
    Empty,
    /// Not there.
    Missing,
    /// There, but the operating system refuses to list it.
    Unreadable { message: String },
}

/// A folder below the root that could not be listed. Documents under it may exist unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unlisted {
    pub(crate) path: PathBuf,
    /// Ids below here begin with this and a `/`; `None` when the folder's name is not UTF-8.
    pub(crate) id_prefix: Option<String>,
    pub(crate) message: String,
}

/// What a scan of one source found.
#[derive(Clone, Debug)]
pub(crate) struct Scan {
    pub(crate) root: PathBuf,
    pub(crate) state: RootState,
    /// False when only some files were named: then nothing can be said about the others.
    pub(crate) covers_all: bool,
    pub(crate) documents: Documents,
    pub(crate) skipped: Vec<Skipped>,
    pub(crate) unlisted: Vec<Unlisted>,
}

impl Scan {
    /// Whether the root is gone by itself: see [`has_vanished`].
    pub(crate) fn has_vanished(&self) -> bool {
        self.state == RootState::Missing && has_vanished(&self.root)
    }

    /// Whether a document that is stored but was not found is known to be gone, rather than merely out of sight.
    ///
    /// False for everything when the root is missing, empty or unreadable, below folders that could not be listed, and
    /// for files that are there but cannot be read.
    pub(crate) fn is_gone(&self, id: &str) -> bool {
        let under = |prefix: &str| id.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'));
        let hidden = self.unlisted.iter().any(|folder| folder.id_prefix.as_deref().is_none_or(under));
        let unreadable =
            self.skipped.iter().any(|one| one.reason.may_still_exist() && one.id.as_deref() == Some(id));
        self.covers_all
            && self.state == RootState::Listed
            && !hidden
            && !unreadable
            && !self.documents.contains(id)
    }
}

/// What to look for, besides the source itself.
#[derive(Clone, Debug)]
pub(crate) struct ScanOptions {
    pub(crate) max_file_size_bytes: u64,
    /// Folders never entered: the store, the backups, the logs. Need not exist.
    pub(crate) never_enter: Vec<PathBuf>,
}

/// Whether a folder is not there while the one above it is, with other folders in it that hold something: somebody removed
/// or renamed it. When nothing is beside it either, a disk that is not mounted looks the same, and so does another machine.
pub(crate) fn has_vanished(root: &Path) -> bool {
    let beside = root.parent().and_then(|above| std::fs::read_dir(above).ok());
    let holds_something = |entry: std::fs::DirEntry| {
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        let holds = std::fs::read_dir(entry.path()).is_ok_and(|mut inside| inside.next().is_some());
        !is_hidden && holds && entry.file_name() != "lost+found"
    };
    matches!(root.try_exists(), Ok(false)) && beside.is_some_and(|all| all.flatten().any(holds_something))
}

/// The path without links and dots when it exists, else the absolute path as it stands.
pub(crate) fn real_path(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests;
