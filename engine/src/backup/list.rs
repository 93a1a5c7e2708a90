//! Which backups there are, and which is the latest that is good.

use std::io;
use std::path::{Path, PathBuf};

use siltstone_format::backup::BackupIndex;
use siltstone_format::limits::MAX_DOCUMENT_BYTES;
use siltstone_format::names::{CATALOGUE_FILE, SAFETY_PREFIX};

use super::Archive;
use super::content::Content;
use super::repository::{self, BACKUPS, INDEX_SUFFIX};
use super::shelf::{self, SUFFIX};
use crate::disk::{Disk, Mode, durable};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::safety;
use crate::stamp::moment;

/// Where backups are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A directory of archives.
    Directory(PathBuf),
    /// A repository.
    Repository(PathBuf),
}

impl Place {
    /// Its path.
    pub fn path(&self) -> &Path {
        match self {
            Self::Directory(path) | Self::Repository(path) => path,
        }
    }

    /// Whether a directory says that it is a repository, even one that cannot be read: listing it then says why.
    pub fn is_repository(environment: &Environment, path: &Path) -> bool {
        repository::is_marked(&*environment.disk, path)
    }
}

/// What a backup is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackupKind {
    /// An archive.
    Archive,
    /// The index of a backup in a repository.
    Repository,
    /// The state of a store before a restore, which lies in the store itself.
    Safety,
}

/// A backup, as listings show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupInfo {
    /// Its name: that of its file, without the ending.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// What it is.
    pub kind: BackupKind,
    /// When it was made, in milliseconds since 1970-01-01 UTC: as its index says, or its name where that cannot be read; 0
    /// where neither does.
    pub created_at_ms: i64,
    /// Bytes of an archive on disk. A backup in a repository shares them with others: the bytes of its files.
    pub bytes: u64,
    /// Rows that count, of all collections.
    pub rows: u64,
    /// Names of the collections.
    pub collections: Vec<String>,
    /// What was damaged in the store when it was made; or why the backup itself cannot be read.
    pub damage: Vec<String>,
    /// The snapshot that it shows instead of the last commits.
    pub snapshot: Option<String>,
    /// When it was last verified, in milliseconds since 1970-01-01 UTC. It was read back when it was made, too.
    pub verified_at_ms: Option<i64>,
    /// What was wrong with it at its last verification.
    pub verification: Vec<String>,
}

impl BackupInfo {
    /// Whether the store was whole when it was made, and nothing speaks against the backup since.
    pub fn is_sound(&self) -> bool {
        self.damage.is_empty() && self.verification.is_empty()
    }

    /// Whether `latest` may mean it: it is sound, and shows the last commits of its time, not those of a snapshot.
    pub fn is_current(&self) -> bool {
        self.is_sound() && self.snapshot.is_none()
    }

    fn of(path: &Path, kind: BackupKind, ending: &str, read: Result<BackupIndex>) -> Self {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let name = name.strip_suffix(ending).unwrap_or(&name).to_owned();
        let stem = name.trim_start_matches(SAFETY_PREFIX).trim_start_matches(shelf::PREFIX);
        let mut info = Self {
            created_at_ms: moment(stem).unwrap_or(0),
            name,
            path: path.to_owned(),
            kind,
            bytes: 0,
            rows: 0,
            collections: Vec::new(),
            damage: Vec::new(),
            snapshot: None,
            verified_at_ms: None,
            verification: Vec::new(),
        };
        match read {
            Ok(index) => {
                (info.created_at_ms, info.bytes, info.rows) =
                    (index.created_at_ms, index.bytes(), index.rows());
                info.collections = index.collections.into_iter().map(|one| one.name).collect();
                (info.damage, info.snapshot) = (index.damage, index.snapshot);
            }
            Err(error) => info.damage.push(error.to_string()),
        }
        info
    }

    fn with_verification(mut self, disk: &dyn Disk) -> Self {
        if let Some(found) = shelf::verification(disk, &self.path) {
            (self.verified_at_ms, self.verification) = (Some(found.verified_at_ms), found.damage);
        }
        self
    }
}

/// What is known of an archive. One that cannot be read is damaged; nothing but a disk that refuses is an error.
pub(super) fn archive_info(disk: &dyn Disk, path: &Path) -> Result<BackupInfo> {
    let read = Archive::open(disk, path, None).map(|archive| archive.index().clone());
    if let Err(error @ Error::Io { .. }) = read {
        return Err(error);
    }
    let bytes = disk.open(path, Mode::Read).and_then(|file| file.len()).map_err(Error::io("read", path))?;
    let info = BackupInfo::of(path, BackupKind::Archive, SUFFIX, read);
    Ok(BackupInfo { bytes, ..info }.with_verification(disk))
}

/// As [`archive_info`], of a backup in a repository.
pub(super) fn stored_info(disk: &dyn Disk, path: &Path) -> Result<BackupInfo> {
    let read = repository::read_index(disk, path);
    if let Err(error @ Error::Io { .. }) = read {
        return Err(error);
    }
    Ok(BackupInfo::of(path, BackupKind::Repository, INDEX_SUFFIX, read).with_verification(disk))
}

/// The backups in a place, the oldest first. Reads their indexes only.
///
/// # Errors
/// A directory that is no repository, where one is named; a disk that cannot be read. A place that is not there has none.
pub fn list(environment: &Environment, place: &Place) -> Result<Vec<BackupInfo>> {
    let disk = &*environment.disk;
    let directory = match place {
        Place::Directory(directory) => directory.clone(),
        Place::Repository(root) => root.join(BACKUPS),
    };
    let entries = match disk.list(&directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(Error::io("list", &directory))?,
    };
    if let Place::Repository(root) = place {
        repository::check(disk, root)?;
    }
    let mut found = Vec::new();
    for entry in entries.iter().filter(|entry| !entry.is_dir) {
        let path = directory.join(&entry.name);
        let info = match place {
            Place::Directory(_) if shelf::is_archive(&entry.name) => archive_info(disk, &path),
            Place::Repository(_) if repository::is_index(&entry.name) => stored_info(disk, &path),
            _ => continue,
        };
        match info {
            // Pruned meanwhile.
            Err(error) if error.is_missing_file() => {}
            info => found.push(info?),
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// The safety copies of the store at `root`, the oldest first: what it was before each restore.
///
/// # Errors
/// A disk that cannot be read.
pub fn safety_copies(environment: &Environment, root: &Path) -> Result<Vec<BackupInfo>> {
    let disk = &*environment.disk;
    match disk.list(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        _ => {}
    }
    // A restore that died before it changed anything may have kept what is still the store.
    let current = durable::read_whole(disk, &root.join(CATALOGUE_FILE), MAX_DOCUMENT_BYTES).ok();
    let mut files = safety::files(environment, root)?;
    files.retain(|file| Some(&file.bytes) != current.as_ref());
    let infos = files.into_iter().map(|file| {
        let index = Err(Error::invalid("safety copy", "the catalogue was damaged already"));
        let info = BackupInfo::of(&file.path, BackupKind::Safety, ".json", index);
        let (mut collections, mut bytes) = (Vec::new(), file.bytes.len() as u64);
        for entry in file.catalogue.iter().flat_map(|catalogue| &catalogue.collections) {
            collections.push(entry.name.clone());
            let directory = crate::catalogue::directory(root, &entry.directory());
            for entry in disk.list(&directory).unwrap_or_default().iter().filter(|entry| !entry.is_dir) {
                let file = disk.open(&directory.join(&entry.name), Mode::Read);
                bytes += file.and_then(|file| file.len()).unwrap_or(0);
            }
        }
        let damage = if file.catalogue.is_some() { Vec::new() } else { info.damage.clone() };
        BackupInfo { bytes, collections, damage, ..info }
    });
    Ok(infos.collect())
}

/// What `latest` means in a place: the newest backup that is sound and not of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latest {
    /// The backup; `None` when there is none of this kind.
    pub backup: Option<BackupInfo>,
    /// The newer ones, which are damaged or of a snapshot, the newest first. Without such a backup, all there are.
    pub passed_over: Vec<BackupInfo>,
}

impl Latest {
    /// The backup itself, of `place`.
    ///
    /// # Errors
    /// [`Error::Invalid`] when there is none.
    pub fn found(self, place: &Place) -> Result<BackupInfo> {
        let count = self.passed_over.len();
        self.backup.ok_or_else(|| {
            let place = place.path().display();
            let reason = match count {
                0 => format!("there is none in {place}"),
                _ => format!("none of the {count} in {place} is sound and not of a snapshot"),
            };
            Error::invalid("backup", reason)
        })
    }
}

/// The newest backup that is sound and not of a snapshot, and what is passed over to get there. Reads indexes only.
///
/// # Errors
/// As [`list`].
pub fn latest(environment: &Environment, place: &Place) -> Result<Latest> {
    let mut passed_over = Vec::new();
    for info in list(environment, place)?.into_iter().rev() {
        if info.is_current() {
            return Ok(Latest { backup: Some(info), passed_over });
        }
        passed_over.push(info);
    }
    Ok(Latest { backup: None, passed_over })
}

/// The backup that is meant: `latest`, as [`latest`] finds it; the path of a file; or the name of one in `place`, or of a
/// safety copy of the store at `root`.
///
/// # Errors
/// [`Error::Invalid`] when there is none; a disk that cannot be read.
pub fn find(environment: &Environment, place: &Place, root: &Path, which: &str) -> Result<BackupInfo> {
    let disk = &*environment.disk;
    if which == "latest" {
        return latest(environment, place)?.found(place);
    }
    let path = Path::new(which);
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = |info: &BackupInfo| info.name == name || info.path.file_name() == path.file_name();
    if siltstone_format::names::is_safety_copy(&name)
        || siltstone_format::names::is_safety_copy(&format!("{name}.json"))
    {
        let found = safety_copies(environment, root)?.into_iter().find(stem);
        return found.ok_or_else(|| none(which, root));
    }
    let is_file =
        !path.as_os_str().is_empty() && disk.open(path, Mode::Read).is_ok_and(|file| file.len().is_ok());
    if is_file && name.ends_with(SUFFIX) {
        return archive_info(disk, path);
    }
    if is_file && repository::is_index(&name) {
        return stored_info(disk, path);
    }
    if is_file {
        let reason =
            format!("{which} is neither an archive (*{SUFFIX}) nor the index of a backup in a repository");
        return Err(Error::invalid("backup", reason));
    }
    list(environment, place)?.into_iter().find(stem).ok_or_else(|| none(which, place.path()))
}

fn none(which: &str, place: &Path) -> Error {
    Error::invalid("backup", format!("there is no {which:?} in {}", place.display()))
}
