//! Members of an archive: the header that `tar` reads, one block of 512 bytes (POSIX ustar), and the zeros after a file.

use siltstone_format::backup::BackupFile;
use tar::{EntryType, Header};

/// Length of a block of a tar archive.
pub(super) const BLOCK_BYTES: usize = 512;
/// Two blocks of zeros end an archive.
pub(super) const END: [u8; 2 * BLOCK_BYTES] = [0; 2 * BLOCK_BYTES];

/// A member as its header describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) path: String,
    pub(super) bytes: u64,
    pub(super) is_dir: bool,
    pub(super) modified_at_s: u64,
    pub(super) mode: u32,
}

impl Member {
    pub(super) fn of_file(file: &BackupFile) -> Self {
        Self {
            path: file.path.clone(),
            bytes: file.bytes,
            is_dir: false,
            modified_at_s: file.modified_at_ns.map_or(0, |ns| ns.max(0) as u64 / 1_000_000_000),
            mode: file.mode.unwrap_or(0o644),
        }
    }

    pub(super) fn of_directory(path: &str, created_at_ms: i64) -> Self {
        let modified_at_s = created_at_ms.max(0) as u64 / 1000;
        Self { path: path.to_owned(), bytes: 0, is_dir: true, modified_at_s, mode: 0o755 }
    }

    /// The header block.
    pub(super) fn encode(&self) -> std::io::Result<Vec<u8>> {
        let mut header = Header::new_ustar();
        header.set_entry_type(if self.is_dir { EntryType::Directory } else { EntryType::Regular });
        header.set_path(&self.path)?;
        header.set_size(self.bytes);
        header.set_mode(self.mode);
        header.set_mtime(self.modified_at_s);
        header.set_uid(0);
        header.set_gid(0);
        header.set_cksum();
        Ok(header.as_bytes().to_vec())
    }

    /// What a header block says; `Err` with what is wrong or refused.
    pub(super) fn decode(block: &[u8]) -> Result<Self, String> {
        let mut header = Header::new_ustar();
        let bytes = header.as_mut_bytes();
        if block.len() != bytes.len() {
            return Err(format!("a header of {} bytes", block.len()));
        }
        bytes.copy_from_slice(block);
        let stored = header.cksum().map_err(|error| error.to_string())?;
        let mut again = header.clone();
        again.set_cksum();
        if again.cksum().map_err(|error| error.to_string())? != stored {
            return Err("another checksum of the header".to_owned());
        }
        let is_dir = match header.entry_type() {
            EntryType::Directory => true,
            EntryType::Regular => false,
            other => return Err(format!("an entry that is neither file nor directory but {other:?}")),
        };
        let path = header.path().map_err(|error| error.to_string())?;
        let number = |result: std::io::Result<u64>| result.map_err(|error| error.to_string());
        Ok(Self {
            path: path.to_string_lossy().trim_end_matches('/').to_owned(),
            bytes: number(header.size())?,
            is_dir,
            modified_at_s: number(header.mtime())?,
            mode: header.mode().map_err(|error| error.to_string())?,
        })
    }
}

/// How many zeros follow a file of this length.
pub(super) fn padding(bytes: u64) -> usize {
    (bytes.next_multiple_of(BLOCK_BYTES as u64) - bytes) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_go_there_and_back_and_strange_ones_are_refused() {
        let member = Member {
            path: format!("vectorstore/collections/{}/segment-00000001.seg", "0".repeat(32)),
            bytes: 1 << 40,
            is_dir: false,
            modified_at_s: 1_700_000_000,
            mode: 0o640,
        };
        assert_eq!(Member::decode(&member.encode().unwrap()), Ok(member));
        let mut link = Header::new_ustar();
        link.set_entry_type(EntryType::Symlink);
        link.set_path("x").unwrap();
        link.set_cksum();
        assert!(Member::decode(link.as_bytes()).unwrap_err().contains("Symlink"));
        assert!(Member::decode(&[0; 512]).is_err());
        assert_eq!((padding(0), padding(1), padding(512)), (0, 511, 0));
    }
}
