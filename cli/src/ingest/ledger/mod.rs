//! The ledger of requests that may cost money: lines of JSON under `logs/`, only ever appended to.
//!
//! A request is written down before it is sent, with what it may cost, and again when it has ended, with what it did
//! cost. The first line is durable before anything is sent; one that is never followed by the second counts as spent.
//! So neither a kill nor a second process can spend a day's money twice. Whoever writes holds the lock of a file beside
//! the ledger, reads what others wrote since, and decides on that. A line that a kill cut short is passed over: its
//! request was not sent yet, or stays reserved.
//!
//! A ledger that has grown is renamed and a new one begun. Nothing is ever removed: what became of a key is asked
//! after months.

mod entry;
mod tally;

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

pub(crate) use entry::{Entry, Outcome, Reserved, Settled};
pub(crate) use tally::Tally;

use crate::render::units::stamp;

const NAME: &str = "requests";
const ENDING: &str = "jsonl";
/// Some 25,000 requests.
const MAX_BYTES: u64 = 16 << 20;

/// The ledger of a folder of logs.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    folder: PathBuf,
    max_bytes: u64,
}

/// What failed, and where.
#[derive(Debug)]
pub(crate) struct LedgerError {
    pub(crate) path: PathBuf,
    pub(crate) error: io::Error,
}

impl Ledger {
    pub(crate) fn new(folder: &Path) -> Ledger {
        Ledger { folder: folder.to_owned(), max_bytes: MAX_BYTES }
    }

    /// The file that is appended to.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join(format!("{NAME}.{ENDING}"))
    }

    /// Appends what `decide` makes of the money spent today, with all processes in view; nothing when it decides
    /// against. Durable when it returns.
    pub(crate) fn reserve<E: From<LedgerError>>(
        &self,
        tally: &mut Tally,
        now_ms: i64,
        decide: impl FnOnce(f64) -> Result<Reserved, E>,
    ) -> Result<Reserved, E> {
        let path = self.path();
        let at = |error| LedgerError { path: path.clone(), error };
        let _lock = self.lock().map_err(at)?;
        self.rotate(now_ms).map_err(at)?;
        tally.catch_up(self, now_ms).map_err(at)?;
        let reserved = decide(tally.spent_usd())?;
        let file = self.append(&Entry::Reserved(reserved.clone())).map_err(at)?;
        file.sync_data().map_err(at)?;
        Ok(reserved)
    }

    /// Appends how a request ended. Not made durable: without this line the request counts as it was reserved.
    pub(crate) fn settle(&self, settled: Settled) -> Result<(), LedgerError> {
        let path = self.path();
        let at = |error| LedgerError { path: path.clone(), error };
        let _lock = self.lock().map_err(at)?;
        self.append(&Entry::Settled(settled)).map(drop).map_err(at)
    }

    /// The lock goes with the file that is returned.
    fn lock(&self) -> io::Result<File> {
        std::fs::create_dir_all(&self.folder)?;
        let path = self.folder.join(format!("{NAME}.lock"));
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        file.lock()?;
        Ok(file)
    }

    fn append(&self, entry: &Entry) -> io::Result<File> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(self.path())?;
        if file.seek(SeekFrom::End(0))? > 0 {
            // A line that somebody did not finish is ended, so that this one stands alone.
            let mut last = [0];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                line.insert(0, b'\n');
            }
        }
        file.write_all(&line)?;
        Ok(file)
    }

    fn rotate(&self, now_ms: i64) -> io::Result<()> {
        let path = self.path();
        match std::fs::metadata(&path) {
            Ok(meta) if meta.len() >= self.max_bytes => {}
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        }
        let free = (1..)
            .map(|number| self.folder.join(format!("{NAME}-{}-{number:03}.{ENDING}", stamp(now_ms))))
            .find(|path| !path.exists());
        free.map_or(Ok(()), |free| std::fs::rename(&path, free))
    }

    /// The files of earlier times, oldest first.
    fn rotated(&self) -> io::Result<Vec<String>> {
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.starts_with(&format!("{NAME}-")) && name.ends_with(&format!(".{ENDING}")) {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// All lines, oldest first. Those that cannot be understood are passed over.
    pub(crate) fn read(&self, each: impl FnMut(Entry)) -> Result<(), LedgerError> {
        self.read_since(i64::MIN, each)
    }

    /// As [`Ledger::read`], without the files that were put aside before a moment. Those that are read begin before it.
    pub(crate) fn read_since(&self, since_ms: i64, mut each: impl FnMut(Entry)) -> Result<(), LedgerError> {
        let mut rotated = self.rotated().map_err(|error| LedgerError { path: self.folder.clone(), error })?;
        // A moment that is none leaves nothing out.
        if jiff::Timestamp::from_millisecond(since_ms).is_ok() {
            let first = format!("{NAME}-{}", stamp(since_ms));
            rotated.retain(|name| *name >= first);
        }
        let paths = rotated.iter().map(|name| self.folder.join(name)).chain([self.path()]);
        for path in paths {
            read_from(&path, 0, &mut each).map_err(|error| LedgerError { path, error })?;
        }
        Ok(())
    }
}

/// Reads the lines of a file from an offset on; returns where the last whole one ends.
fn read_from(path: &Path, offset: u64, each: &mut impl FnMut(Entry)) -> io::Result<u64> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    file.seek(SeekFrom::Start(offset))?;
    let mut reader = io::BufReader::new(file);
    let (mut at, mut line) = (offset, Vec::new());
    loop {
        line.clear();
        let read = io::BufRead::read_until(&mut reader, b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            return Ok(at);
        }
        at += read as u64;
        if let Ok(entry) = serde_json::from_slice(&line) {
            each(entry);
        }
    }
}

#[cfg(test)]
mod tests;
