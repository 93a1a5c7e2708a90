//! The index of a backup: which files it has, how long each is, and its digest. It comes first in an archive and is a
//! document of its own in a repository, so whoever holds the index knows what must follow, and can refuse the rest.

use serde::{Deserialize, Serialize};

use crate::document::{self, hex, member};
use crate::limits::{MAX_NUMBER, MAX_PATH_BYTES};
use crate::names::check_name;
use crate::{Digest, Flaw, Id};

/// What the `format` member of an index says.
pub const BACKUP_FORMAT: &str = "siltstone backup";
/// The name of the index in an archive, whose first member it is.
pub const INDEX_FILE: &str = "backup.json";
/// The directory of the store in an archive.
pub const STORE_DIR: &str = "vectorstore";
const STRUCTURE: &str = "backup index";

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupIndex {
    /// [`BACKUP_FORMAT`].
    pub format: String,
    /// Format version, 1.
    pub version: u32,
    /// Random identity of the store.
    #[serde(with = "hex")]
    pub store: Id,
    /// The generation of its catalogue.
    pub generation: u64,
    /// When the backup was made, in milliseconds since 1970-01-01 UTC.
    pub created_at_ms: i64,
    /// What was damaged in the store then, a sentence each; empty for a sound backup.
    pub damage: Vec<String>,
    /// The snapshot that it shows instead of the last commits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// The collections, sorted by name.
    pub collections: Vec<BackupCollection>,
    /// The directories, sorted by path, parents before what is in them.
    pub directories: Vec<String>,
    /// The files, sorted by path, in the order in which an archive has them.
    pub files: Vec<BackupFile>,
}

/// A collection of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupCollection {
    /// Its name.
    pub name: String,
    /// Its identity, and so its directory in the backup.
    #[serde(with = "hex")]
    pub collection: Id,
    /// The last commit.
    pub commit: u64,
    /// Rows that count.
    pub rows: u64,
}

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupFile {
    /// Its path, relative, with `/` between the parts.
    pub path: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// The BLAKE3 of its bytes.
    #[serde(with = "hex")]
    pub blake3: Digest,
    /// When it was last changed, in nanoseconds since 1970-01-01 UTC, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified_at_ns: Option<i64>,
    /// The permission bits of Unix, if there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
    /// In a repository, the objects that it is joined from, by the BLAKE3 of their bytes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pieces: Vec<Piece>,
}

/// A part of a file, which a repository keeps as an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// The BLAKE3 of its bytes, and so the object's name.
    #[serde(with = "hex")]
    pub blake3: Digest,
    /// Its length in bytes.
    pub bytes: u64,
}

/// What a verification found of a backup, and when. It is kept beside the backup and is no part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// [`VERIFICATION_FORMAT`].
    pub format: String,
    /// Format version, 1.
    pub version: u32,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub verified_at_ms: i64,
    /// What was wrong, a sentence each; empty when all was as it should be.
    pub damage: Vec<String>,
}

/// What the `format` member of a [`Verification`] says.
pub const VERIFICATION_FORMAT: &str = "siltstone backup verification";

impl BackupIndex {
    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().fold(0, |sum, file| sum.saturating_add(file.bytes))
    }

    /// Rows of all collections.
    pub fn rows(&self) -> u64 {
        self.collections.iter().fold(0, |sum, one| sum.saturating_add(one.rows))
    }

    /// The bytes of the document.
    ///
    /// # Errors
    /// The value cannot be written as JSON.
    pub fn encode(&self) -> Result<Vec<u8>, String> {
        document::seal(self)
    }

    /// The index in `bytes`, and its digest. Every path in it stays below the directory that the backup is unpacked to.
    ///
    /// # Errors
    /// A [`Flaw`] when it is damaged, of a newer version, or says something that cannot be.
    pub fn decode(bytes: &[u8]) -> Result<(Self, Digest), Flaw> {
        let (index, digest) = document::open_versioned::<Self>((STRUCTURE, BACKUP_FORMAT), 0, bytes)?;
        let wrong =
            |field, expected: &str, found: &str| Err(member(STRUCTURE, bytes, field, expected, found));
        for paths in [index.directories.iter().collect(), index.files.iter().map(|f| &f.path).collect()] {
            let paths: Vec<&String> = paths;
            for path in &paths {
                if let Err(reason) = check_path(path) {
                    return wrong("path", &reason, path);
                }
            }
            if let Some([_, b]) = paths.windows(2).find(|pair| matches!(pair, [a, b] if a >= b)) {
                return wrong("path", "paths sorted and different", b);
            }
        }
        for file in &index.files {
            let joined = file.pieces.iter().try_fold(0u64, |sum, piece| sum.checked_add(piece.bytes));
            if file.bytes > MAX_NUMBER || !file.pieces.is_empty() && joined != Some(file.bytes) {
                return wrong("bytes", "the length of the pieces, within the limit", &file.bytes.to_string());
            }
        }
        if let Some([_, b]) =
            index.collections.windows(2).find(|pair| matches!(pair, [a, b] if a.name >= b.name))
        {
            return wrong("collections", "names sorted and different", &b.name);
        }
        for one in &index.collections {
            if let Err(reason) = check_name(&one.name) {
                return wrong("collections", &reason, &one.name);
            }
        }
        Ok((index, digest))
    }
}

impl Verification {
    /// The bytes of the document.
    ///
    /// # Errors
    /// The value cannot be written as JSON.
    pub fn encode(&self) -> Result<Vec<u8>, String> {
        document::seal(self)
    }

    /// The verification in `bytes`.
    ///
    /// # Errors
    /// A [`Flaw`] when it is damaged or of a newer version.
    pub fn decode(bytes: &[u8]) -> Result<Self, Flaw> {
        let opened = document::open_versioned::<Self>(("verification", VERIFICATION_FORMAT), 0, bytes);
        opened.map(|(verification, _)| verification)
    }
}

/// What is wrong with the path of an entry, or `Ok`: relative, without steps up, and the same on every system.
///
/// # Errors
/// What is expected.
pub fn check_path(path: &str) -> Result<(), String> {
    if path.is_empty() || path.len() > MAX_PATH_BYTES {
        return Err(format!("a path of 1 to {MAX_PATH_BYTES} bytes"));
    }
    if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err("a relative path that stays below its directory".to_owned());
    }
    if path.chars().any(|c| c.is_control() || matches!(c, '\\' | ':')) {
        return Err("a path without control characters, backslash and colon".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> BackupIndex {
        let file = |path: &str| BackupFile {
            path: path.to_owned(),
            bytes: 5,
            blake3: [7; 32],
            modified_at_ns: Some(-1),
            mode: None,
            pieces: vec![Piece { blake3: [7; 32], bytes: 5 }],
        };
        BackupIndex {
            format: BACKUP_FORMAT.to_owned(),
            version: 1,
            store: [1; 16],
            generation: 3,
            created_at_ms: 5,
            damage: Vec::new(),
            snapshot: None,
            collections: vec![BackupCollection { name: "a".into(), collection: [2; 16], commit: 1, rows: 4 }],
            directories: vec!["a".to_owned()],
            files: vec![file("a/b"), file("c")],
        }
    }

    #[test]
    fn an_index_goes_there_and_back() {
        let bytes = index().encode().unwrap();
        assert_eq!(BackupIndex::decode(&bytes).unwrap().0, index());
        assert_eq!((index().rows(), index().bytes()), (4, 10));
    }

    #[test]
    fn a_verification_goes_there_and_back() {
        let format = VERIFICATION_FORMAT.to_owned();
        let found = Verification { format, version: 1, verified_at_ms: 7, damage: vec!["a".to_owned()] };
        assert_eq!(Verification::decode(&found.encode().unwrap()), Ok(found));
    }

    #[test]
    fn paths_that_leave_their_directory_are_refused() {
        for bad in ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a/", "./a", "C:\\x", "a\\..\\b", "a\nb"]
        {
            assert!(check_path(bad).is_err(), "{bad}");
            let mut index = index();
            index.files[0].path = bad.to_owned();
            assert!(BackupIndex::decode(&index.encode().unwrap()).is_err(), "{bad}");
        }
        check_path("vectorstore/collections/00/segment-00000001.seg").unwrap();
    }

    #[test]
    fn lengths_that_do_not_add_up_and_doubles_are_refused() {
        let mut wrong = index();
        wrong.files[0].bytes = 6;
        assert!(BackupIndex::decode(&wrong.encode().unwrap()).is_err());
        let mut twice = index();
        twice.files[1].path = "a/b".to_owned();
        assert!(BackupIndex::decode(&twice.encode().unwrap()).is_err());
    }
}
