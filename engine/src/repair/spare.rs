//! What backups still have of a damaged collection. A segment or a snapshot never changes, so the same file lies whole in a
//! backup that was made since it was written, and the digests that the store remembers of it tell that it is the same.
//!
//! Backups are unpacked one after the other, the newest first, each in a scratch directory beside it, until nothing is
//! missing any more. One that is damaged itself is passed over and named.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use siltstone_format::Id;
use siltstone_format::backup::STORE_DIR;
use siltstone_format::checksum::to_hex;
use siltstone_format::manifest::SnapshotEntry;
use siltstone_format::names::{COLLECTIONS_DIR, FileKind};
use siltstone_format::snapshot::Snapshot;

use super::examine::Examined;
use super::item::{PassedOver, Remedy};
use super::promise::Promises;
use super::replace::Correction;
use super::segment::{own_promise, survey};
use crate::backup::{self, BackupInfo, BackupKind, scratch};
use crate::disk::{Disk, DiskFile, Map, Mode, durable};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::restore::Wanted;
use crate::segment::{Promise, SegmentPlace};
use crate::{catalogue, collection::Shared};

/// The backups that may be taken from.
#[derive(Debug)]
pub(super) struct Spares<'a> {
    environment: &'a Environment,
    /// The newest first.
    backups: Vec<&'a BackupInfo>,
    pub(super) passed_over: Vec<PassedOver>,
}

/// A backup that lies unpacked.
pub(super) struct Unpacked<'a> {
    pub(super) backup: &'a BackupInfo,
    /// The store that was unpacked; it has one collection.
    pub(super) root: &'a Path,
    /// The name of the collection there.
    pub(super) name: &'a str,
}

impl<'a> Spares<'a> {
    pub(super) fn new(environment: &'a Environment, backups: &'a [BackupInfo]) -> Self {
        let is_usable = |one: &&BackupInfo| one.is_sound() && one.kind != BackupKind::Safety;
        let mut backups: Vec<_> = backups.iter().filter(is_usable).collect();
        backups.sort_by_key(|one| Reverse((one.created_at_ms, &one.name)));
        Self { environment, backups, passed_over: Vec::new() }
    }

    /// Unpacks the collection from one backup after the other until `look` says that it has seen enough. Of backups with the
    /// very same files only one is unpacked.
    pub(super) fn each(
        &mut self,
        collection: &Id,
        look: &mut dyn FnMut(&Unpacked<'_>) -> Result<bool>,
    ) -> Result<()> {
        let prefix = format!("{STORE_DIR}/{COLLECTIONS_DIR}/{}/", to_hex(collection));
        let mut seen = BTreeSet::new();
        for backup in self.backups.clone() {
            let content = match backup::open(self.environment, backup) {
                Err(error) => {
                    self.pass_over(backup, error)?;
                    continue;
                }
                Ok(content) => content,
            };
            let index = content.index();
            let Some(kept) = index.collections.iter().find(|one| one.collection == *collection) else {
                continue;
            };
            let name = kept.name.clone();
            let files = index.files.iter().filter(|file| file.path.starts_with(&prefix));
            let bytes = files.clone().map(|file| file.bytes).sum();
            let digests = files.map(|file| (file.path.clone(), file.blake3)).collect::<Vec<_>>();
            if seen.contains(&digests) {
                continue;
            }
            let wanted = (content, Wanted::Collection(*collection), bytes);
            let looked = scratch::unpacked(self.environment, backup, wanted, |root, _| {
                match look(&Unpacked { backup, root, name: &name }) {
                    Err(error) if is_in(&error, root) => Ok(Err(error)),
                    looked => looked.map(Ok),
                }
            });
            match looked? {
                Ok(Ok(true)) => return Ok(()),
                Ok(Ok(false)) => {
                    seen.insert(digests);
                }
                Ok(Err(error)) | Err(error) => self.pass_over(backup, error)?,
            }
        }
        Ok(())
    }

    /// Goes on without a backup that is damaged, of a newer version or gone. A disk that refuses is another matter: nothing
    /// may be given up for it.
    fn pass_over(&mut self, backup: &BackupInfo, error: Error) -> Result<()> {
        match &error {
            Error::Io { .. } | Error::Locked { .. } if !error.is_missing_file() => Err(error),
            _ => {
                let passed = PassedOver { backup: backup.name.clone(), reason: error.to_string() };
                if !self.passed_over.contains(&passed) {
                    self.passed_over.push(passed);
                }
                Ok(())
            }
        }
    }
}

/// Whether the damage lies in a file below `root`.
fn is_in(error: &Error, root: &Path) -> bool {
    matches!(error, Error::Damaged { path, .. } if path.starts_with(root))
}

/// A file that is beyond repair by itself: the same file from elsewhere would do.
#[derive(Debug)]
pub(super) enum Missing {
    Segment {
        place: SegmentPlace,
        /// What the manifest promises of it, when it lists it as sealed.
        sealed: Option<Promise>,
        promises: Promises,
        /// Whether the manifest lists it; otherwise only snapshots name it.
        is_listed: bool,
    },
    Snapshot(SnapshotEntry),
}

impl Missing {
    fn file_name(&self) -> String {
        match self {
            Self::Segment { place, .. } => FileKind::Segment(place.segment).file_name(),
            Self::Snapshot(entry) => FileKind::Snapshot(entry.file).file_name(),
        }
    }
}

/// Looks for what is missing in the backups. `put` is called with each copy that would do, as long as it lies unpacked, and
/// what it stands for is no longer beyond repair.
pub(super) fn fetch(
    examined: &mut Examined,
    spares: &mut Spares<'_>,
    put: &mut dyn FnMut(&Correction, &dyn DiskFile) -> Result<()>,
) -> Result<()> {
    let mut missing = std::mem::take(&mut examined.missing);
    let shared = Arc::clone(&examined.shared);
    let mut found: Vec<(Missing, String)> = Vec::new();
    if !missing.is_empty() {
        spares.each(&shared.id, &mut |unpacked| {
            let directory = catalogue::directory(unpacked.root, &shared.id);
            let mut still = Vec::new();
            for one in missing.drain(..) {
                match copy(&shared, &one, &directory)? {
                    Some((correction, source)) => {
                        put(&correction, &*source)?;
                        found.push((one, unpacked.backup.name.clone()));
                    }
                    None => still.push(one),
                }
            }
            missing = still;
            Ok(missing.is_empty())
        })?;
    }
    examined.missing = missing;
    for (one, backup) in found {
        let path = shared.directory.join(one.file_name());
        for item in examined.items.iter_mut().filter(|item| item.path == path) {
            if let Remedy::Quarantine { flaw } = &item.remedy {
                item.remedy = Remedy::Fetch { backup: backup.clone(), flaw: flaw.clone() };
            }
        }
        match one {
            Missing::Segment { place, .. } => examined.hurt.retain(|segment| *segment != place.segment),
            Missing::Snapshot(entry) => examined.lost_snapshots.retain(|name| *name != entry.name),
        }
    }
    Ok(())
}

/// What would do in the place of a file, from the directory of the same collection elsewhere.
fn copy(
    shared: &Shared,
    missing: &Missing,
    directory: &Path,
) -> Result<Option<(Correction, Arc<dyn DiskFile>)>> {
    let disk = &*shared.environment.disk;
    let name = missing.file_name();
    let Some(spare) = open(disk, &directory.join(&name))? else { return Ok(None) };
    let (place, sealed, promises, is_listed) = match missing {
        Missing::Segment { place, sealed, promises, is_listed } => (place, *sealed, promises, *is_listed),
        Missing::Snapshot(entry) => {
            let path = directory.join(&name);
            let bytes = durable::read_whole(disk, &path, siltstone_format::limits::MAX_DOCUMENT_BYTES)?;
            let is_it = Snapshot::decode(&bytes).is_ok_and(|(found, digest)| {
                (digest, &found.name, &found.collection) == (entry.digest, &entry.name, &shared.id)
            });
            let correction = Correction { name, mends: Vec::new(), bytes: bytes.len() as u64 };
            return Ok(is_it.then_some((correction, spare)));
        }
    };
    let length = |file: &dyn DiskFile| file.len().map_err(Error::io("read", &place.path()));
    let own = open(disk, &place.path())?;
    let own_bytes = own.as_deref().map_or(Ok(0), length)?;
    // More than is known to have counted would bring back what was undone since.
    let most = match (is_listed, sealed) {
        (true, Some(promise)) => promise.bytes,
        (true, None) => promises.durable_end.max(own_bytes),
        (false, _) => u64::MAX,
    };
    let head_bytes = length(&*spare)?.min(most);
    let joined = Joined { head: spare, head_bytes, tail: own, bytes: head_bytes.max(own_bytes.min(most)) };
    let sealed = if is_listed { sealed } else { own_promise(&joined, place)? };
    let surveyed = survey(&joined, place, sealed, promises)?;
    if !surveyed.lost.is_empty() || !promises.agree(&joined, place)? {
        return Ok(None);
    }
    let correction = Correction { name, mends: surveyed.mends, bytes: surveyed.right_bytes };
    Ok(Some((correction, Arc::new(joined))))
}

fn open(disk: &dyn Disk, path: &Path) -> Result<Option<Arc<dyn DiskFile>>> {
    match disk.open(path, Mode::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        file => file.map(Some).map_err(Error::io("open", path)),
    }
}

/// A segment as a backup has it, and after that what was appended since, as one file to be read.
#[derive(Debug)]
struct Joined {
    head: Arc<dyn DiskFile>,
    head_bytes: u64,
    tail: Option<Arc<dyn DiskFile>>,
    bytes: u64,
}

fn is_read_only<T>() -> io::Result<T> {
    Err(io::ErrorKind::ReadOnlyFilesystem.into())
}

impl DiskFile for Joined {
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let in_head = self.head_bytes.saturating_sub(offset).min(buffer.len() as u64) as usize;
        let Some((head, tail)) = buffer.split_at_mut_checked(in_head) else { return Ok(()) };
        if !head.is_empty() {
            self.head.read_at(head, offset)?;
        }
        match &self.tail {
            _ if tail.is_empty() => Ok(()),
            Some(file) => file.read_at(tail, offset + in_head as u64),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn write_at(&self, _bytes: &[u8], _offset: u64) -> io::Result<()> {
        is_read_only()
    }

    fn truncate(&self, _length: u64) -> io::Result<()> {
        is_read_only()
    }

    fn sync(&self) -> io::Result<()> {
        is_read_only()
    }

    fn map(&self, _length: u64) -> io::Result<Map> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn file_number(&self) -> Option<u64> {
        None
    }
}
