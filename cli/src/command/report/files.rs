//! The store's directory as it lies there, and its documents: catalogue, manifests, snapshots, list of sources. The latter
//! are copied whole, because an operator or a tool may want to read what this version of siltstone cannot.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use siltstone_format::checksum::from_hex;
use siltstone_format::limits::MAX_DOCUMENT_BYTES;
use siltstone_format::names::{
    ASIDE_DIR, BASES_DIR, CATALOGUE_FILE, COLLECTIONS_DIR, FileKind, LOCK_FILE, basis_of, is_safety_copy,
};

use super::Gather;
use super::locks::directories;
use crate::command::context::Context;
use crate::command::health::Names;
use crate::exit::CliError;
use crate::sources;

const MOST_FILES: usize = 50_000;
/// All documents together.
const MOST_DOCUMENT_BYTES: u64 = 64 << 20;

/// Every file of the store.
pub(super) fn listing(context: &Context, names: &Names) -> Result<Value, CliError> {
    let store = &context.settings.store;
    let (mut files, mut left_out, mut unreadable) = (Vec::new(), 0u64, Vec::new());
    let mut folders = vec![store.clone()];
    while let Some(folder) = folders.pop() {
        context.check_cancelled()?;
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) => {
                let why = error.kind().to_string();
                unreadable.push(json!({ "path": names.path(&folder), "error": why }));
                continue;
            }
        };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            let Ok(meta) = std::fs::symlink_metadata(&path) else { continue };
            if files.len() < MOST_FILES {
                files.push(described(store, &path, &meta, names));
            } else {
                left_out += 1;
            }
            folders.extend(meta.is_dir().then_some(path));
        }
    }
    Ok(json!({ "store": names.path(store), "files": files, "left_out": left_out, "unreadable": unreadable }))
}

fn described(store: &Path, path: &Path, meta: &std::fs::Metadata, names: &Names) -> Value {
    let modified = meta.modified().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    let modified_ms = modified.and_then(|since| i64::try_from(since.as_millis()).ok());
    let kind = match meta.file_type() {
        kind if kind.is_dir() => "directory",
        kind if kind.is_file() => "file",
        kind if kind.is_symlink() => "link",
        _ => "other",
    };
    let inside = path.strip_prefix(store).unwrap_or(path);
    let shown = match names.are_hidden() && !is_own(inside) {
        true => None,
        false => Some(crate::render::plain::name(&inside.display().to_string())),
    };
    json!({
        "path": shown, "kind": kind, "bytes": meta.len(), "modified_ms": modified_ms, "mode": mode(meta),
        // As other parts of the report name it.
        "known_as": names.are_hidden().then(|| names.path(path)),
    })
}

/// Whether siltstone chose every part of the path: then it names nothing of the user's.
fn is_own(path: &Path) -> bool {
    path.iter().all(|part| {
        let part = part.to_string_lossy();
        let fixed = [COLLECTIONS_DIR, BASES_DIR, ASIDE_DIR, LOCK_FILE, CATALOGUE_FILE, sources::FILE_NAME];
        fixed.contains(&part.as_ref())
            || from_hex::<16>(&part).is_some()
            || FileKind::of(&part).is_some_and(|kind| !matches!(kind, FileKind::Temporary))
            || basis_of(&part).is_some()
            || is_safety_copy(&part)
    })
}

#[cfg(unix)]
fn mode(meta: &std::fs::Metadata) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    Some(format!("{:o}", meta.permissions().mode() & 0o7777))
}

#[cfg(not(unix))]
fn mode(_meta: &std::fs::Metadata) -> Option<String> {
    None
}

/// Adds the documents of the store, as they are. They name collections and folders, so that a report that hides names
/// has their structure only.
pub(super) fn documents(report: &mut Gather<'_>) -> Result<(), CliError> {
    if report.names.are_hidden() {
        return Ok(());
    }
    let store = report.context.settings.store.clone();
    let mut paths = vec![store.join(CATALOGUE_FILE), store.join(sources::FILE_NAME)];
    for directory in directories(&store.join(COLLECTIONS_DIR)) {
        let entries = std::fs::read_dir(&directory).into_iter().flatten().flatten();
        let is_document = |path: &PathBuf| {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            matches!(FileKind::of(&name), Some(FileKind::Manifest(_) | FileKind::Snapshot(_)))
        };
        let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_document).collect();
        found.sort();
        paths.extend(found);
    }
    let mut left = MOST_DOCUMENT_BYTES;
    for path in paths {
        let Ok(meta) = std::fs::metadata(&path) else { continue };
        let inside = path.strip_prefix(&store).unwrap_or(&path).display().to_string();
        let what = "as it is in the store";
        let (text, error) = match std::fs::read(&path) {
            _ if meta.len() > MAX_DOCUMENT_BYTES.min(left) => {
                (String::new(), Some("it is too long for a report".to_owned()))
            }
            Ok(bytes) => (String::from_utf8_lossy(&bytes).into_owned(), None),
            Err(error) => (String::new(), Some(error.to_string())),
        };
        left -= text.len().min(left as usize) as u64;
        report.bundle.add(&format!("store/{inside}"), what, &text, error).map_err(super::failed)?;
    }
    Ok(())
}
