//! What the files of a collection were when they were read last, so that one of which neither size nor times have changed
//! need not be read again. Kept in `seen/` beside the collections, one file each; derived, and no part of the format.
//!
//! A stamp says which digest the file had, and the store says of which digest a document was made: only both together
//! make a document unchanged. So deleting or damaging this costs reading, and never an embedding. The file is read from
//! front to back beside the documents, in the order of their ids, and written anew the same way: it needs no memory.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::ingest::scan::Stamp;

/// Its folder in the store's directory.
const FOLDER: &str = "seen";
const MAGIC: &[u8] = b"siltstone seen 1\n";
const DIGEST_BYTES: u64 = 32;
const BUFFER_BYTES: usize = 1 << 16;

/// The digest of a file's bytes, or as much of it as is needed.
pub(super) type Short = [u8; 16];

/// What a file was when it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) stamp: Stamp,
    pub(super) hash: Short,
}

/// The old list, as far as it was read, and the new one, as far as it was written.
#[derive(Debug)]
pub(super) struct SeenFiles {
    path: PathBuf,
    old: Option<Old>,
    new: Option<New>,
}

#[derive(Debug)]
struct Old {
    reader: BufReader<io::Take<File>>,
    next: Option<(String, Seen)>,
}

#[derive(Debug)]
struct New {
    temporary: PathBuf,
    file: File,
    /// What is to be written next.
    buffer: Vec<u8>,
    hasher: blake3::Hasher,
}

impl SeenFiles {
    /// The list of a collection. One that is missing, damaged or of another collection is an empty one. With `may_change`
    /// a new one is begun; where that fails there will be none, and the next run reads more.
    pub(super) fn open(store: &Path, collection: &str, may_change: bool) -> SeenFiles {
        let folder = store.join(FOLDER);
        let path = folder.join(collection);
        let old = Old::open(&path, collection).ok();
        let begun =
            may_change.then(|| std::fs::create_dir_all(&folder).and_then(|()| New::begin(&path, collection)));
        SeenFiles { path, old, new: begun.and_then(Result::ok) }
    }

    /// None, and none to be.
    pub(super) fn none() -> SeenFiles {
        SeenFiles { path: PathBuf::new(), old: None, new: None }
    }

    /// Forgets what is known of a collection that is no more.
    pub(super) fn forget(store: &Path, collection: &str) {
        // One that stays is of no use to anybody, and harms nobody.
        let _ = std::fs::remove_file(store.join(FOLDER).join(collection));
    }

    /// What a document's file was. To be asked in the order of ids.
    pub(super) fn look_up(&mut self, id: &str) -> Option<Seen> {
        let old = self.old.as_mut()?;
        while old.next.as_ref().is_some_and(|(next, _)| next.as_str() < id) {
            old.advance();
        }
        old.next.as_ref().filter(|(next, _)| next == id).map(|(_, seen)| *seen)
    }

    /// Notes what a document's file is. In the order of ids as well.
    pub(super) fn note(&mut self, id: &str, seen: &Seen) {
        if self.new.as_mut().is_some_and(|new| new.put(id, seen).is_err()) {
            self.new = None;
        }
    }

    /// Puts the new list in the place of the old one. When the documents were not looked at to the end, the old one says
    /// what it said of those from `unlooked` on.
    pub(super) fn finish(mut self, unlooked: Option<&str>) {
        if let (Some(from), Some(old)) = (unlooked, self.old.as_mut()) {
            while let Some((id, seen)) = old.next.take() {
                if id.as_str() >= from && self.new.as_mut().is_some_and(|new| new.put(&id, &seen).is_err()) {
                    self.new = None;
                }
                old.advance();
            }
        }
        drop(self.old.take());
        if let Some(new) = self.new.take() {
            // A list that cannot be written costs the next run some reading.
            let _ = new.publish(&self.path);
        }
    }
}

impl Old {
    fn open(path: &Path, collection: &str) -> io::Result<Old> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len().checked_sub(DIGEST_BYTES).ok_or(io::ErrorKind::InvalidData)?;
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader((&mut file).take(length))?;
        let mut digest = [0; DIGEST_BYTES as usize];
        file.read_exact(&mut digest)?;
        if *hasher.finalize().as_bytes() != digest {
            return Err(io::ErrorKind::InvalidData.into());
        }
        file.seek(SeekFrom::Start(0))?;
        let mut reader = BufReader::new(file.take(length));
        let mut head = vec![0; MAGIC.len()];
        reader.read_exact(&mut head)?;
        if head != MAGIC || read_text(&mut reader)? != collection {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut old = Old { reader, next: None };
        old.advance();
        Ok(old)
    }

    fn advance(&mut self) {
        self.next = read_entry(&mut self.reader).ok();
    }
}

impl New {
    fn begin(path: &Path, collection: &str) -> io::Result<New> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let temporary = path.with_file_name(format!("{name}.tmp"));
        let file = File::create(&temporary)?;
        let mut new = New { temporary, file, buffer: MAGIC.to_vec(), hasher: blake3::Hasher::new() };
        put_text(&mut new.buffer, collection);
        Ok(new)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.hasher.update(&self.buffer);
        self.file.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    fn put(&mut self, id: &str, seen: &Seen) -> io::Result<()> {
        if self.buffer.len() > BUFFER_BYTES {
            self.flush()?;
        }
        put_text(&mut self.buffer, id);
        self.buffer.extend(seen.stamp.size_bytes.to_le_bytes());
        self.buffer.extend(seen.stamp.modified_ns.to_le_bytes());
        self.buffer.extend(seen.stamp.changed_ns.to_le_bytes());
        self.buffer.extend(seen.stamp.file_number.to_le_bytes());
        self.buffer.extend(seen.hash);
        Ok(())
    }

    /// Not made durable: what a power cut leaves of it is found out by its digest.
    fn publish(mut self, path: &Path) -> io::Result<()> {
        self.flush()?;
        let digest = self.hasher.finalize();
        self.file.write_all(digest.as_bytes())?;
        std::fs::rename(&self.temporary, path)
    }
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    // Ids and names are at most a thousand bytes long.
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    bytes.extend(length.to_le_bytes());
    bytes.extend(text.bytes().take(usize::from(length)));
}

fn read_text(reader: &mut impl Read) -> io::Result<String> {
    let mut text = vec![0; usize::from(u16::from_le_bytes(read_array(reader)?))];
    reader.read_exact(&mut text)?;
    String::from_utf8(text).map_err(|_| io::ErrorKind::InvalidData.into())
}

fn read_array<const N: usize>(reader: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn read_entry(reader: &mut impl Read) -> io::Result<(String, Seen)> {
    let id = read_text(reader)?;
    let stamp = Stamp {
        size_bytes: u64::from_le_bytes(read_array(reader)?),
        modified_ns: i64::from_le_bytes(read_array(reader)?),
        changed_ns: i64::from_le_bytes(read_array(reader)?),
        file_number: u64::from_le_bytes(read_array(reader)?),
    };
    Ok((id, Seen { stamp, hash: read_array(reader)? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(number: u64) -> Seen {
        let stamp = Stamp { size_bytes: number, modified_ns: -1, changed_ns: 5, file_number: 7 };
        Seen { stamp, hash: [number as u8; 16] }
    }

    fn write(store: &Path, ids: &[&str]) {
        let mut files = SeenFiles::open(store, "docs", true);
        for (number, id) in (0..).zip(ids) {
            files.look_up(id);
            files.note(id, &seen(number));
        }
        files.finish(None);
    }

    fn known(store: &Path, ids: &[&str]) -> Vec<bool> {
        let mut files = SeenFiles::open(store, "docs", false);
        ids.iter().map(|id| files.look_up(id).is_some()).collect()
    }

    #[test]
    fn what_was_noted_is_found_in_order_and_the_gone_are_forgotten() {
        let store = tempfile::tempdir().unwrap();
        write(store.path(), &["a", "b/c", "b/d", "e"]);
        assert_eq!(
            known(store.path(), &["a", "b", "b/c", "b/cc", "b/d", "e", "f"]),
            [true, false, true, false, true, true, false]
        );
        let mut files = SeenFiles::open(store.path(), "docs", false);
        assert_eq!(files.look_up("b/d"), Some(seen(2)));
        write(store.path(), &["a", "e"]);
        assert_eq!(known(store.path(), &["a", "b/c", "e"]), [true, false, true]);
        assert!(SeenFiles::open(store.path(), "other", false).look_up("a").is_none());
    }

    #[test]
    fn a_run_that_is_interrupted_keeps_what_is_known_of_the_rest() {
        let store = tempfile::tempdir().unwrap();
        write(store.path(), &["a", "b", "c", "d"]);
        let mut files = SeenFiles::open(store.path(), "docs", true);
        files.look_up("a");
        files.note("a", &seen(9));
        files.look_up("b");
        files.finish(Some("c"));
        assert_eq!(known(store.path(), &["a", "b", "c", "d"]), [true, false, true, true]);
        let names: Vec<_> = std::fs::read_dir(store.path().join(FOLDER))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["docs"]);
    }

    #[test]
    fn any_flipped_bit_and_any_cut_makes_it_empty() {
        let store = tempfile::tempdir().unwrap();
        write(store.path(), &["a", "b"]);
        let path = store.path().join(FOLDER).join("docs");
        let whole = std::fs::read(&path).unwrap();
        let is_empty = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            known(store.path(), &["a", "b"]) == [false, false]
        };
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(is_empty(&bytes), "bit {bit}");
        }
        assert!((0..whole.len()).all(|length| is_empty(&whole[..length])));
        assert!(!is_empty(&whole));
    }
}
