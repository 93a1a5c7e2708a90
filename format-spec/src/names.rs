//! Names of collections, snapshots and files.

use crate::Digest;
use crate::checksum::{from_hex, to_hex};
use crate::limits::{MAX_NAME_BYTES, MAX_NUMBER};

/// File name of the catalogue in a store directory.
pub const CATALOGUE_FILE: &str = "catalogue.json";
/// Directory of the collections in a store directory.
pub const COLLECTIONS_DIR: &str = "collections";
/// Directory of the bases in a store directory. Derived.
pub const BASES_DIR: &str = "bases";
const BASIS_EXTENSION: &str = "basis";
/// File name of a witness in a collection directory.
pub const WITNESS_FILE: &str = "witness";
/// File name of a lock, in a store directory and in a collection directory. Its content is for people.
pub const LOCK_FILE: &str = "lock";
/// Directory in a collection directory for bytes that were cut or replaced.
pub const ASIDE_DIR: &str = "aside";
/// File in a collection directory that says that the collection is being dropped: once no catalogue names it, whoever
/// edits the catalogue next removes the rest.
pub const DROPPED_FILE: &str = "dropped";
/// How the names of unfinished files end. Nobody reads them; the next writer removes them.
pub const TEMPORARY_SUFFIX: &str = ".tmp";

/// How the name of a safety copy begins: a catalogue as it was before a restore replaced it.
pub const SAFETY_PREFIX: &str = "safety_";

/// Whether a file of this name in a store directory is a safety copy.
pub fn is_safety_copy(name: &str) -> bool {
    name.strip_prefix(SAFETY_PREFIX).and_then(|rest| rest.strip_suffix(".json")).is_some_and(|stem| {
        !stem.is_empty() && stem.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_')
    })
}

/// What a file in a collection directory is, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileKind {
    /// A segment, with its number.
    Segment(u64),
    /// The key index of a segment, with its number. Derived.
    KeyIndex(u64),
    /// The search codes of a segment, with its number. Derived.
    Codes(u64),
    /// The attribute index of a segment, with its number. Derived.
    Attributes(u64),
    /// A manifest, with its generation.
    Manifest(u64),
    /// A snapshot, with the generation that first named it.
    Snapshot(u64),
    /// The witness.
    Witness,
    /// The lock.
    Lock,
    /// The mark of a collection that is being dropped.
    Dropped,
    /// The directory of bytes put aside.
    Aside,
    /// An unfinished file.
    Temporary,
}

impl FileKind {
    /// The kind of the file with this name, or `None` when the name is not one of siltstone's.
    pub fn of(name: &str) -> Option<Self> {
        match name {
            WITNESS_FILE => return Some(Self::Witness),
            LOCK_FILE => return Some(Self::Lock),
            DROPPED_FILE => return Some(Self::Dropped),
            ASIDE_DIR => return Some(Self::Aside),
            _ if name.ends_with(TEMPORARY_SUFFIX) => return Some(Self::Temporary),
            _ => {}
        }
        let (stem, extension) = name.rsplit_once('.')?;
        let (word, digits) = stem.rsplit_once('-')?;
        let number = digits
            .parse::<u64>()
            .ok()
            .filter(|n| (1..=MAX_NUMBER).contains(n) && format!("{n:08}") == digits)?;
        match (word, extension) {
            ("segment", "seg") => Some(Self::Segment(number)),
            ("segment", "keys") => Some(Self::KeyIndex(number)),
            ("segment", "codes") => Some(Self::Codes(number)),
            ("segment", "attributes") => Some(Self::Attributes(number)),
            ("manifest", "json") => Some(Self::Manifest(number)),
            ("snapshot", "json") => Some(Self::Snapshot(number)),
            _ => None,
        }
    }

    /// The name of the file. Unfinished files have no one name; theirs is the suffix alone.
    pub fn file_name(self) -> String {
        match self {
            Self::Segment(n) => format!("segment-{n:08}.seg"),
            Self::KeyIndex(n) => format!("segment-{n:08}.keys"),
            Self::Codes(n) => format!("segment-{n:08}.codes"),
            Self::Attributes(n) => format!("segment-{n:08}.attributes"),
            Self::Manifest(n) => format!("manifest-{n:08}.json"),
            Self::Snapshot(n) => format!("snapshot-{n:08}.json"),
            Self::Witness => WITNESS_FILE.to_owned(),
            Self::Lock => LOCK_FILE.to_owned(),
            Self::Dropped => DROPPED_FILE.to_owned(),
            Self::Aside => ASIDE_DIR.to_owned(),
            Self::Temporary => TEMPORARY_SUFFIX.to_owned(),
        }
    }
}

/// The name of the basis file with this digest.
pub fn basis_file(digest: &Digest) -> String {
    format!("{}.{BASIS_EXTENSION}", to_hex(digest))
}

/// The digest of the basis in the file of this name, or `None` when the name is not that of a basis.
pub fn basis_of(name: &str) -> Option<Digest> {
    name.rsplit_once('.')
        .filter(|(_, extension)| *extension == BASIS_EXTENSION)
        .and_then(|(stem, _)| from_hex(stem))
}

/// What is wrong with a name of a collection or snapshot, or `Ok`.
///
/// 1 to 128 bytes of `A-Z a-z 0-9 _ . -`, beginning with a letter, a digit or `_`. A collection whose name begins
/// with `.` is hidden: listings and searches pass it by unless it is named.
///
/// # Errors
/// A sentence that says which character or length is refused.
pub fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("a name must not be empty".to_owned());
    }
    if name.len() > MAX_NAME_BYTES {
        return Err(format!("the name is {} bytes long; at most {MAX_NAME_BYTES} are allowed", name.len()));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if let Some((at, c)) = name.char_indices().find(|(_, c)| !allowed(*c)) {
        return Err(format!("the character {c:?} at byte {at} is not one of A-Z a-z 0-9 _ . -"));
    }
    match name.trim_start_matches('.').chars().next() {
        _ if name.starts_with("..") => Err("a name must not begin with two dots".to_owned()),
        Some(c) if c.is_ascii_alphanumeric() || c == '_' => Ok(()),
        _ => Err("a name must begin with a letter, a digit or _".to_owned()),
    }
}

/// Whether a collection of this name is hidden.
pub fn is_hidden(name: &str) -> bool {
    name.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_go_there_and_back_and_strangers_are_strangers() {
        for kind in [
            FileKind::Segment(1),
            FileKind::KeyIndex(123_456_789),
            FileKind::Codes(2),
            FileKind::Attributes(3),
            FileKind::Manifest(7),
            FileKind::Snapshot(7),
            FileKind::Witness,
            FileKind::Lock,
            FileKind::Dropped,
            FileKind::Aside,
        ] {
            assert_eq!(FileKind::of(&kind.file_name()), Some(kind));
        }
        assert_eq!(basis_of(&basis_file(&[0xa5; 32])), Some([0xa5; 32]));
        assert_eq!((basis_of("a5.basis"), basis_of("notes.txt")), (None, None));
        for name in [
            "segment-1.seg",
            "segment-00000000.seg",
            "segment-18446744073709551615.seg",
            "segment--0000001.seg",
            "notes.txt",
            "",
            "segment-",
        ] {
            assert_eq!(FileKind::of(name), None, "{name}");
        }
    }

    #[test]
    fn names_are_checked_character_by_character() {
        for good in ["apple_docs_SwiftUI", "a", "_x", "9", "v1.2-rc", ".staging.apple_docs"] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for bad in ["", "a/b", "a b", "..", "../x", ".", "-x", "é", "a\0", &"x".repeat(129)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
