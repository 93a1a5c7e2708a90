//! One collection against its documents: a pass over its metadata, and a look at the folders that it was made from.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

use serde_json::Value;
use siltstone::View;

use super::component::MOST_EXAMPLES;
use super::metadata;
use crate::config::FieldType;
use crate::exit::CliError;
use crate::ingest::cancel::Cancel;
use crate::ingest::chunk::{ChunkLimits, chunk};
use crate::ingest::scan::{Document, Globs, RootState, Scan, ScanOptions, load, scan};
use crate::ingest::sources::{Scope, Source};
use crate::sources::SourceRoots;

/// What a collection holds.
#[derive(Debug, Default)]
pub(super) struct Stored {
    pub(super) rows: u64,
    /// Rows of each document.
    documents: HashMap<String, u64>,
    pub(super) flawed_rows: u64,
    pub(super) flaws: Vec<String>,
}

/// Reads the metadata of every row.
pub(super) fn stored(view: &View, required: &BTreeMap<String, FieldType>) -> Result<Stored, CliError> {
    let mut stored = Stored::default();
    view.for_each_metadata(|key, metadata| {
        stored.rows += 1;
        if let Some(flaw) = metadata::flaw(metadata, required) {
            stored.flawed_rows += 1;
            if stored.flaws.len() < MOST_EXAMPLES {
                stored.flaws.push(format!("{key}: {flaw}"));
            }
        }
        if let Some(path) = metadata.get("file_path").and_then(Value::as_str) {
            match stored.documents.get_mut(path) {
                Some(rows) => *rows += 1,
                None => {
                    stored.documents.insert(path.to_owned(), 1);
                }
            }
        }
        Ok(())
    })?;
    Ok(stored)
}

/// How a collection and its folders differ.
#[derive(Debug, Default)]
pub(super) struct Compared {
    pub(super) orphaned_documents: u64,
    pub(super) orphaned_rows: u64,
    pub(super) orphans: Vec<String>,
    pub(super) missing_documents: u64,
    pub(super) missing: Vec<String>,
    /// Documents that can be embedded, in the store or not.
    pub(super) documents: u64,
    /// Folders that could not be looked at, with the reason: nothing is said about their documents.
    pub(super) unreachable: Vec<String>,
}

pub(super) fn compare(
    collection: &str,
    stored: &Stored,
    roots: &SourceRoots,
    limits: &ChunkLimits,
    cancel: &Cancel,
) -> Result<Compared, CliError> {
    let mut compared = Compared::default();
    let mut scans = Vec::new();
    for source in sources_of(collection, roots)? {
        if cancel.is_cancelled() {
            return Err(CliError::interrupted());
        }
        let options = ScanOptions {
            max_file_size_bytes: roots.max_file_size_bytes,
            never_enter: roots.never_enter.clone(),
        };
        let found = scan(&source, &options);
        compared.unreachable.extend(why_unreachable(&found));
        scans.push(found);
    }
    // A name that any root has, or may have out of sight, is not gone.
    let is_gone = |id: &str| !scans.is_empty() && scans.iter().all(|scan| scan.is_gone(id));
    let mut orphans: Vec<(&str, u64)> = stored
        .documents
        .iter()
        .filter(|(id, _)| is_gone(id))
        .map(|(id, rows)| (id.as_str(), *rows))
        .collect();
    orphans.sort_unstable();
    compared.orphaned_documents = orphans.len() as u64;
    compared.orphaned_rows = orphans.iter().map(|(_, rows)| rows).sum();
    compared.orphans = orphans.iter().take(MOST_EXAMPLES).map(|(id, _)| (*id).to_owned()).collect();
    let mut seen = BTreeSet::new();
    for document in scans.iter().flat_map(|scan| &scan.documents).filter(|one| seen.insert(one.id.as_str())) {
        if cancel.is_cancelled() {
            return Err(CliError::interrupted());
        }
        if stored.documents.contains_key(&document.id) {
            compared.documents += 1;
        } else if can_be_embedded(document, roots.max_file_size_bytes, limits) {
            compared.documents += 1;
            compared.missing_documents += 1;
            if compared.missing.len() < MOST_EXAMPLES {
                compared.missing.push(document.id.clone());
            }
        }
    }
    Ok(compared)
}

fn sources_of(collection: &str, roots: &SourceRoots) -> Result<Vec<Source>, CliError> {
    let source = |root: &crate::sources::SourceRoot| {
        let globs = Globs::new(&root.include, &root.exclude).map_err(|error| {
            CliError::failed(
                format!("the sources of {collection}: {error}"),
                format!("correct the pattern, then run `siltstone update {}`", root.path.display()),
            )
        })?;
        Ok(Source {
            framework: roots.framework.clone(),
            collection: collection.to_owned(),
            root: PathBuf::from(&root.path),
            scope: Scope::Tree,
            globs,
        })
    };
    roots.roots.iter().map(source).collect()
}

fn why_unreachable(scan: &Scan) -> Option<String> {
    let root = scan.root.display();
    match &scan.state {
        RootState::Listed if scan.unlisted.is_empty() => None,
        RootState::Listed => {
            let folders = scan.unlisted.iter().map(|one| format!("{} ({})", one.path.display(), one.message));
            Some(format!("cannot be listed: {}", folders.take(3).collect::<Vec<_>>().join(", ")))
        }
        RootState::Empty => Some(format!("{root} holds no documents; is it mounted?")),
        RootState::Missing => Some(format!("{root} is not there")),
        RootState::Unreadable { message } => Some(format!("{root} cannot be listed: {message}")),
    }
}

/// Empty, binary and otherwise unusable files are no documents, so they are not missing either. Only asked of files that
/// are not in the store.
fn can_be_embedded(document: &Document, max_bytes: u64, limits: &ChunkLimits) -> bool {
    load(document, max_bytes)
        .is_ok_and(|loaded| !chunk(document.kind, document.file_name(), &loaded.text, limits).is_empty())
}
