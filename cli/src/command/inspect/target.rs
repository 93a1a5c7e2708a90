//! From what was named to the files to print.

use std::path::{Path, PathBuf};

use siltstone_format::catalogue::Catalogue;
use siltstone_format::checksum::to_hex;
use siltstone_format::limits::MAX_DOCUMENT_BYTES;
use siltstone_format::names::{CATALOGUE_FILE, COLLECTIONS_DIR, FileKind};

use crate::command::context::Context;
use crate::config::nearest;
use crate::exit::{CliError, Exit};
use crate::render::units::listed;

pub(super) fn files(target: &str, context: &Context) -> Result<Vec<PathBuf>, CliError> {
    let path = Path::new(target);
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    if path.is_dir() {
        if path.join(CATALOGUE_FILE).is_file() {
            return Ok(vec![path.join(CATALOGUE_FILE)]);
        }
        let found = of_collection(path)?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    of_collection(&named(target, context)?)
}

/// The directory of the collection of this name, by the catalogue alone: its own files may be damaged.
fn named(target: &str, context: &Context) -> Result<PathBuf, CliError> {
    let store = context.settings.store.as_path();
    let path = store.join(CATALOGUE_FILE);
    let neither = |why: String, next: String| {
        CliError::usage(format!("{target:?} is no file of a store, and no collection: {why}"), next)
    };
    let length = std::fs::metadata(&path).map(|meta| meta.len());
    let bytes = match length {
        Ok(length) if length > MAX_DOCUMENT_BYTES => {
            return Err(neither(
                format!("{} is too long", path.display()),
                "name a file of the store instead".into(),
            ));
        }
        _ => std::fs::read(&path),
    };
    let bytes = bytes.map_err(|error| {
        let why = format!("there is no store at {} ({error})", store.display());
        neither(why, "name an existing file, or the store with --store".into())
    })?;
    let catalogue = Catalogue::decode(&bytes).map_err(|flaw| {
        CliError::new(
            Exit::Found,
            format!("{} is damaged: {flaw}", path.display()),
            format!(
                "inspect it, or the directories below {}, by their paths",
                store.join(COLLECTIONS_DIR).display()
            ),
        )
    })?;
    let names: Vec<&str> = catalogue.0.collections.iter().map(|entry| entry.name.as_str()).collect();
    match catalogue.0.collections.iter().find(|entry| entry.name == target) {
        Some(entry) => Ok(store.join(COLLECTIONS_DIR).join(to_hex(&entry.directory()))),
        None => {
            let next = match nearest(target, names.iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None if names.is_empty() => "the store has no collections".to_owned(),
                None => format!("there are: {}", listed(&names, 10)),
            };
            Err(neither(format!("{} does not name it", path.display()), next))
        }
    }
}

/// The files of a collection that have structure, in the order in which they are read when it is opened.
pub(crate) fn of_collection(directory: &Path) -> Result<Vec<PathBuf>, CliError> {
    let entries = std::fs::read_dir(directory).map_err(|error| {
        CliError::failed(
            format!("cannot list {}: {error}", directory.display()),
            "check the path and the rights to it",
        )
    })?;
    let mut found: Vec<(u8, String)> = Vec::new();
    for name in entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()) {
        let rank = match FileKind::of(&name) {
            Some(FileKind::Manifest(_)) => 0,
            Some(FileKind::Witness) => 1,
            Some(FileKind::Snapshot(_)) => 2,
            Some(FileKind::Segment(_)) => 3,
            Some(FileKind::KeyIndex(_)) => 4,
            Some(FileKind::Codes(_)) => 5,
            Some(FileKind::Attributes(_)) => 6,
            _ => continue,
        };
        found.push((rank, name));
    }
    found.sort();
    Ok(found.into_iter().map(|(_, name)| directory.join(name)).collect())
}
