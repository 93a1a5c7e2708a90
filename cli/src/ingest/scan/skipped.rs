//! What a scan left out, and why: findings, never errors that stop a run.

use std::fmt;
use std::path::PathBuf;

/// One thing that was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Skipped {
    pub(crate) path: PathBuf,
    /// The document id it would have had; `None` when its name is not UTF-8 or it lies outside the source.
    pub(crate) id: Option<String>,
    pub(crate) reason: Reason,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The name says it is no document: a picture, an archive, data.
    NotADocument,
    /// Larger than the limit.
    TooLarge { size_bytes: u64, limit_bytes: u64 },
    /// Nothing in it, or nothing but white space.
    Empty,
    /// NUL bytes or too many control characters.
    Binary { at_byte: usize },
    /// Not UTF-8, and too much of it to be a slip of the encoding.
    NotUtf8 { at_byte: usize },
    /// Machine-made source: very long lines that no one reads.
    Minified,
    /// A link to a folder. These are never followed, so no loop can arise.
    LinkedFolder { target: PathBuf },
    /// A link to nothing.
    DanglingLink,
    /// A socket, a pipe or a device.
    NotAFile,
    /// The file name is not UTF-8, so it cannot be a key in the store.
    NameNotUtf8,
    /// The path below the root is longer than a key in the store may be.
    NameTooLong { bytes: usize, limit: usize },
    /// A file beside the folders of a tree whose children are the frameworks.
    OutsideFrameworks,
    /// The operating system refused.
    Unreadable { message: String },
    /// Somebody writes to it.
    Changing,
    /// An ignore file holds a pattern that means nothing; the other lines of it still apply.
    BadIgnoreLine { message: String },
}

impl Reason {
    /// Whether an operator should look at it. A picture among the pages is normal, an unreadable page is not.
    pub(crate) fn is_problem(&self) -> bool {
        !matches!(self, Reason::NotADocument | Reason::Empty | Reason::Minified | Reason::LinkedFolder { .. })
    }

    /// Whether the document may well exist, unchanged, behind this. What is stored of it must then be kept: a
    /// permission lost for a day is no reason to throw embeddings away.
    pub(crate) fn may_still_exist(&self) -> bool {
        matches!(self, Reason::Unreadable { .. } | Reason::Changing | Reason::DanglingLink)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::NotADocument => f.write_str("not a document"),
            Reason::TooLarge { size_bytes, limit_bytes } => write!(
                f,
                "{size_bytes} bytes, over the limit of {limit_bytes}; raise MAX_FILE_SIZE_MB to take it"
            ),
            Reason::Empty => f.write_str("empty"),
            Reason::Binary { at_byte } => write!(f, "binary (control bytes from byte {at_byte})"),
            Reason::NotUtf8 { at_byte } => {
                write!(f, "not UTF-8 (first at byte {at_byte}); convert it, for example with iconv")
            }
            Reason::Minified => f.write_str("minified or generated source"),
            Reason::LinkedFolder { target } => {
                write!(f, "a link to the folder {}; name that folder as a PATH to take it", target.display())
            }
            Reason::DanglingLink => f.write_str("a link to a file that is not there"),
            Reason::NotAFile => f.write_str("a socket, pipe or device"),
            Reason::NameNotUtf8 => f.write_str("the file name is not UTF-8; rename it to take it"),
            Reason::NameTooLong { bytes, limit } => {
                write!(f, "its path below the source is {bytes} bytes long, over the limit of {limit}")
            }
            Reason::OutsideFrameworks => {
                f.write_str("beside the framework folders; use --no-split to take the tree as one collection")
            }
            Reason::Unreadable { message } => write!(f, "cannot be read: {message}"),
            Reason::Changing => f.write_str("it changes while it is read; it is left for the next run"),
            Reason::BadIgnoreLine { message } => write!(f, "ignore file: {message}"),
        }
    }
}
