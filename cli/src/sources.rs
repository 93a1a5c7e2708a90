//! Where the documents of each collection come from: what `update` remembers, so that `health` and the next run can
//! look there again. Kept in `sources.json` beside the collections; not part of the store's format, and not needed
//! to open or search it.
//!
//! Several processes may update several collections of one store at once, so an edit is made under a lock: that of the
//! file itself, taken on the very file that is still there under its name. A new content is written beside it, made
//! durable and renamed over it: whoever reads, without a lock, sees the old content or the new.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::exit::CliError;
use crate::ingest::sources::Known;

/// Its name in the store's directory.
pub(crate) const FILE_NAME: &str = "sources.json";
const FORMAT: &str = "siltstone sources";
const VERSION: u32 = 1;
/// 341 collections need 100 kB.
const MAX_BYTES: u64 = 64 << 20;

/// Where the documents of a collection come from, and how they are found there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SourceRoots {
    /// The framework that the collection holds.
    pub(crate) framework: String,
    /// The folders. A document's `file_path` is its path below one of them.
    pub(crate) roots: Vec<SourceRoot>,
    /// Larger files are no documents.
    pub(crate) max_file_size_bytes: u64,
    /// Folders that are never entered.
    pub(crate) never_enter: Vec<PathBuf>,
    /// When the last update of it began, in milliseconds since 1970-01-01 UTC.
    pub(crate) started_ms: Option<i64>,
    /// When the last update that came to its end did. Before `started_ms`: one was interrupted, or is under way.
    pub(crate) finished_ms: Option<i64>,
    /// How much of the folders the collection held when an update last counted.
    pub(crate) coverage: Option<Coverage>,
}

/// How many of the documents of a collection's folders are embedded, as it was counted at a moment: to count anew means to
/// read all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Coverage {
    /// Documents that can be embedded.
    pub(crate) documents: u64,
    /// Of these, in the store, in whichever version.
    pub(crate) embedded: u64,
    /// In milliseconds since 1970-01-01 UTC.
    pub(crate) counted_ms: i64,
}

impl Coverage {
    /// 0 to 1; nothing where there are no documents.
    pub(crate) fn ratio(&self) -> Option<f64> {
        (self.documents > 0).then(|| self.embedded as f64 / self.documents as f64)
    }
}

/// One folder of documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SourceRoot {
    /// Absolute.
    pub(crate) path: PathBuf,
    #[serde(default)]
    pub(crate) include: Vec<String>,
    #[serde(default)]
    pub(crate) exclude: Vec<String>,
}

impl SourceRoots {
    /// Whether the last update did not come to its end.
    pub(crate) fn is_unfinished(&self) -> bool {
        self.started_ms.is_some_and(|started| self.finished_ms.is_none_or(|finished| finished < started))
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Document {
    format: String,
    version: u32,
    collections: BTreeMap<String, SourceRoots>,
}

/// What is known of all collections. No file is nothing known.
pub(crate) fn load_all(store: &Path) -> Result<BTreeMap<String, SourceRoots>, CliError> {
    let path = store.join(FILE_NAME);
    match File::open(&path) {
        Ok(file) => read(&path, file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(failed("read", &path, &error)),
    }
}

/// The folders that are known, each with the collection that holds its documents.
pub(crate) fn known_roots(known: &BTreeMap<String, SourceRoots>) -> Vec<Known> {
    // What is hidden grows beside a collection that is not, from the same folder.
    let shown = known.iter().filter(|(collection, _)| !collection.starts_with('.'));
    let each = |(collection, roots): (&String, &SourceRoots)| {
        let (collection, framework) = (collection.clone(), roots.framework.clone());
        let known = |root: SourceRoot| Known {
            framework: framework.clone(),
            collection: collection.clone(),
            root: root.path,
            include: root.include,
            exclude: root.exclude,
        };
        roots.roots.iter().cloned().map(known).collect::<Vec<_>>()
    };
    shown.flat_map(each).collect()
}

/// Changes what is known, under the lock, durably.
pub(crate) fn edit(
    store: &Path,
    change: impl FnOnce(&mut BTreeMap<String, SourceRoots>),
) -> Result<(), CliError> {
    let path = store.join(FILE_NAME);
    let locked = lock(&path).map_err(|error| failed("lock", &path, &error))?;
    let mut collections = read(&path, &locked)?;
    change(&mut collections);
    let document = Document { format: FORMAT.to_owned(), version: VERSION, collections };
    let mut bytes = serde_json::to_vec_pretty(&document).map_err(|error| {
        CliError::failed(
            format!("the sources of {} cannot be written down: {error}", store.display()),
            "rename folders whose names are not UTF-8",
        )
    })?;
    bytes.push(b'\n');
    replace(store, &path, &bytes).map_err(|error| failed("write", &path, &error))
    // The lock, on the file that was replaced, goes with it.
}

fn failed(action: &str, path: &Path, error: &io::Error) -> CliError {
    CliError::failed(
        format!("cannot {action} {}: {error}", path.display()),
        "check the rights and the free space of the store's directory",
    )
}

fn read(path: &Path, file: impl Read) -> Result<BTreeMap<String, SourceRoots>, CliError> {
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(|error| failed("read", path, &error))?;
    // Made by whoever took the lock first, and not filled since.
    if bytes.is_empty() {
        return Ok(BTreeMap::new());
    }
    let unreadable = |reason: String| {
        CliError::failed(
            format!("{} cannot be understood: {reason}", path.display()),
            "remove it: `siltstone update` with each folder of documents writes it anew; the store itself is not affected",
        )
    };
    let document: Document = serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))?;
    match (document.format.as_str(), document.version) {
        (FORMAT, VERSION) => Ok(document.collections),
        (FORMAT, version) => Err(unreadable(format!("version {version}; this siltstone knows {VERSION}"))),
        (other, _) => Err(unreadable(format!("its format is {other:?}"))),
    }
}

/// Opens the file, creating it if need be, and locks it; again when somebody replaced it meanwhile.
fn lock(path: &Path) -> io::Result<File> {
    loop {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        file.lock()?;
        if is_still(&file, path)? {
            return Ok(file);
        }
    }
}

#[cfg(unix)]
fn is_still(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let here = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(there) => Ok((here.dev(), here.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(not(unix))]
fn is_still(_file: &File, _path: &Path) -> io::Result<bool> {
    // Elsewhere a file that is open cannot be replaced.
    Ok(true)
}

fn replace(directory: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = directory.join(format!("{FILE_NAME}.tmp"));
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    std::fs::rename(&temporary, path)?;
    #[cfg(unix)]
    File::open(directory)?.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roots(framework: &str) -> SourceRoots {
        let root = SourceRoot { path: "/docs".into(), include: vec!["*.md".into()], exclude: Vec::new() };
        SourceRoots {
            framework: framework.to_owned(),
            roots: vec![root],
            started_ms: Some(1),
            ..Default::default()
        }
    }

    fn load(store: &Path, collection: &str) -> Result<Option<SourceRoots>, CliError> {
        Ok(load_all(store)?.remove(collection))
    }

    fn record(store: &Path, collection: &str, roots: SourceRoots) -> Result<(), CliError> {
        edit(store, |known| {
            known.insert(collection.to_owned(), roots);
        })
    }

    #[test]
    fn what_is_recorded_is_loaded_and_nothing_else_changes() {
        let store = tempfile::tempdir().unwrap();
        assert_eq!(load(store.path(), "a").unwrap(), None);
        record(store.path(), "a", roots("A")).unwrap();
        record(store.path(), "b", roots("B")).unwrap();
        record(store.path(), "a", SourceRoots { finished_ms: Some(2), ..roots("A") }).unwrap();
        assert_eq!(load(store.path(), "b").unwrap(), Some(roots("B")));
        assert!(load(store.path(), "b").unwrap().unwrap().is_unfinished());
        assert!(!load(store.path(), "a").unwrap().unwrap().is_unfinished());
        let names: Vec<_> =
            std::fs::read_dir(store.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, [FILE_NAME]);
    }

    #[test]
    fn nothing_is_lost_when_many_record_at_once() {
        let store = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for worker in 0..8 {
                let path = store.path();
                scope.spawn(move || {
                    for round in 0..10 {
                        record(path, &format!("c{worker}_{round}"), roots("x")).unwrap();
                        load_all(path).unwrap();
                    }
                });
            }
        });
        assert_eq!(load_all(store.path()).unwrap().len(), 80);
    }

    #[test]
    fn a_file_that_cannot_be_understood_is_named_and_left_alone() {
        let store = tempfile::tempdir().unwrap();
        let path = store.path().join(FILE_NAME);
        for text in ["{", "[]", r#"{"format":"x","version":1,"collections":{}}"#] {
            std::fs::write(&path, text).unwrap();
            assert!(load_all(store.path()).unwrap_err().message.contains(FILE_NAME));
            assert!(record(store.path(), "a", roots("A")).is_err());
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        let newer = format!(r#"{{"format":"{FORMAT}","version":2,"collections":{{}}}}"#);
        std::fs::write(&path, newer).unwrap();
        assert!(load_all(store.path()).unwrap_err().message.contains("version 2"));
    }
}
