//! What can go wrong, sorted by what the caller can do next.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use siltstone_format::Flaw;

use crate::distance::Refused;
use crate::filter::FilterError;
use crate::lock::Holder;

/// The result of the engine's calls.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong. [`Error::next_step`] says what to do about it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The file system refused. Nothing that was committed is lost; after a failed commit the writer is poisoned and
    /// a new one must be opened.
    Io {
        /// What was being done: `read`, `sync`, ...
        action: &'static str,
        /// To which file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Bytes on disk are not what was written.
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong in it, and where.
        flaw: Box<Flaw>,
        /// The store looks like a copy that was taken while it was written.
        copied: bool,
    },
    /// A newer version of siltstone wrote this.
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// The version or feature that is not known.
        flaw: Box<Flaw>,
    },
    /// There is no store at this path.
    NotAStore {
        /// The path.
        path: PathBuf,
        /// What is there instead.
        found: String,
    },
    /// A store is at this path already, or something else that must not be overwritten.
    PathTaken {
        /// The path.
        path: PathBuf,
        /// What is there.
        found: String,
    },
    /// No collection has this name.
    NoSuchCollection {
        /// The name.
        name: String,
        /// Names that are like it.
        similar: Vec<String>,
    },
    /// A collection of this name exists.
    CollectionExists {
        /// The name.
        name: String,
    },
    /// No snapshot of the collection has this name.
    NoSuchSnapshot {
        /// The collection.
        collection: String,
        /// The name.
        name: String,
        /// The names that there are.
        existing: Vec<String>,
    },
    /// A snapshot of this name exists.
    SnapshotExists {
        /// The collection.
        collection: String,
        /// The name.
        name: String,
    },
    /// The vectors of a collection come from elsewhere.
    IdentityMismatch {
        /// The collection.
        collection: String,
        /// What differs: the collection's against the caller's.
        difference: String,
    },
    /// Somebody else writes.
    Locked {
        /// The lock file.
        path: PathBuf,
        /// Who holds it, if they said so.
        holder: Option<Holder>,
    },
    /// An earlier call of this writer failed in a way that leaves the state of the disk unknown.
    Poisoned {
        /// The collection.
        collection: String,
        /// The earlier error.
        reason: String,
    },
    /// A vector that cannot be stored or searched for.
    Vector {
        /// The key of the row, or what the vector is for.
        subject: String,
        /// Why not.
        refused: Refused,
    },
    /// A filter that cannot be read.
    Filter(FilterError),
    /// An argument that cannot be used.
    Invalid {
        /// Which: `key`, `metadata`, `collection name`, ...
        what: &'static str,
        /// Why not.
        reason: String,
    },
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }

    pub(crate) fn invalid(what: &'static str, reason: impl fmt::Display) -> Self {
        Self::Invalid { what, reason: reason.to_string() }
    }

    /// The error for a flaw in the file at `path`.
    pub fn flaw(path: &Path, flaw: Flaw) -> Self {
        let (path, flaw) = (path.to_owned(), Box::new(flaw));
        match flaw.is_newer_format() {
            true => Self::NewerFormat { path, flaw },
            false => Self::Damaged { path, flaw, copied: false },
        }
    }

    /// Whether the cause is a file that is not there.
    pub fn is_missing_file(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// Whether bytes on disk are damaged.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }

    /// What to do next, in a sentence.
    pub fn next_step(&self) -> String {
        match self {
            Self::Io { source, path, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    "free some space and run the command again; nothing that was committed is lost".into()
                }
                io::ErrorKind::ReadOnlyFilesystem => {
                    "mount the file system for writing, or choose another store; reading needs no right to write".into()
                }
                io::ErrorKind::PermissionDenied => {
                    format!("give this user the right to use {}, or choose another store", path.display())
                }
                io::ErrorKind::NotFound => format!("check the path {}", path.display()),
                _ => "check the disk and the system log, then open the store again and run `siltstone health`".into(),
            },
            Self::Damaged { copied: true, .. } => {
                "this directory looks like a copy that was taken while a writer was at work: copy it again while no \
                 writer runs, or save what is whole with `siltstone recover --to NEW_DIRECTORY`"
                    .into()
            }
            Self::Damaged { flaw, .. } if flaw.structure == crate::backup::content::BACKUP => {
                "nothing was restored from it: choose another backup, `siltstone backup list` shows them".into()
            }
            Self::Damaged { .. } => {
                "mend it with `siltstone health --deep-scan --fix` (with --dry-run it only says how), or go back with \
                 `siltstone backup restore latest`; until then `--skip-damaged` searches the rest, and \
                 `siltstone recover --to NEW_DIRECTORY` saves what is whole"
                    .into()
            }
            Self::NewerFormat { .. } => "use the version of siltstone that wrote it, or a newer one".into(),
            Self::NotAStore { .. } => "create one with `siltstone init`, or name another with `--store`".into(),
            Self::PathTaken { .. } => "choose another path, or move what is there".into(),
            Self::NoSuchCollection { similar, .. } if !similar.is_empty() => {
                format!("did you mean {}?", similar.join(" or "))
            }
            Self::NoSuchCollection { .. } => "`siltstone status` lists the collections".into(),
            Self::CollectionExists { .. } => "open it instead, or choose another name".into(),
            Self::NoSuchSnapshot { existing, .. } if existing.is_empty() => "the collection has no snapshots".into(),
            Self::NoSuchSnapshot { existing, .. } => format!("there are: {}", existing.join(", ")),
            Self::SnapshotExists { .. } => "choose another name, or drop the old one".into(),
            Self::IdentityMismatch { .. } => {
                "use the embedder that made the collection, or embed into a new collection: vectors of different models \
                 must not be mixed"
                    .into()
            }
            Self::Locked { .. } => {
                "wait until it is done (`--lock-wait 10m` does), or stop it (`siltstone stop` does)".into()
            }
            Self::Poisoned { .. } => "open the collection for writing again: it recovers what was committed".into(),
            Self::Vector { .. } => "embed the text again, or leave it out".into(),
            Self::Filter(_) => "correct the filter".into(),
            Self::Invalid { .. } => "correct the argument".into(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { action, path, source } => write!(f, "cannot {action} {}: {source}", path.display()),
            Self::Damaged { path, flaw, .. } => write!(f, "{} is damaged: {flaw}", path.display()),
            Self::NewerFormat { path, flaw } => {
                write!(f, "{} was written by a newer version of siltstone: {flaw}", path.display())
            }
            Self::NotAStore { path, found } => write!(f, "no store at {}: {found}", path.display()),
            Self::PathTaken { path, found } => write!(f, "{} is taken: {found}", path.display()),
            Self::NoSuchCollection { name, .. } => write!(f, "no collection is named {name:?}"),
            Self::CollectionExists { name } => write!(f, "a collection named {name:?} exists already"),
            Self::NoSuchSnapshot { collection, name, .. } => {
                write!(f, "collection {collection:?} has no snapshot named {name:?}")
            }
            Self::SnapshotExists { collection, name } => {
                write!(f, "collection {collection:?} has a snapshot named {name:?} already")
            }
            Self::IdentityMismatch { collection, difference } => {
                write!(f, "collection {collection:?} holds other embeddings: {difference}")
            }
            Self::Locked { path, holder: Some(holder) } => {
                write!(f, "{} is held by {holder}", path.display())
            }
            Self::Locked { path, holder: None } => {
                write!(f, "{} is held by another process that has not said who it is yet", path.display())
            }
            Self::Poisoned { collection, reason } => {
                write!(f, "the writer of {collection:?} stopped after an earlier error: {reason}")
            }
            Self::Vector { subject, refused } => write!(f, "the vector of {subject:?} is refused: {refused}"),
            Self::Filter(error) => write!(f, "the filter cannot be read: {error}"),
            Self::Invalid { what, reason } => write!(f, "{what} is refused: {reason}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl From<FilterError> for Error {
    fn from(error: FilterError) -> Self {
        Self::Filter(error)
    }
}
