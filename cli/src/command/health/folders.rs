//! A collection against the folders that it was made from: what is gone, what is not embedded, what changed since.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

use rayon::prelude::*;

use super::findings::Findings;
use super::kind::{
    FOLDER_GONE, INCOMPLETE, Kind, MISSING, MISSING_UNFINISHED, ORPHANED, ORPHANED_UNFINISHED, Part, STALE,
    STALE_UNFINISHED, TEXT_DIFFERS, UNFINISHED,
};
use super::privacy::Names;
use super::stored::{Stored, StoredDocument};
use crate::command::context::Context;
use crate::exit::CliError;
use crate::ingest::chunk::{Chunk, chunk};
use crate::ingest::scan::{Document, Globs, RootState, Scan, ScanOptions, load, scan};
use crate::ingest::sources::{Scope, Source};
use crate::sources::{SourceRoot, SourceRoots};

/// Documents that are read together: they fill all processors, and memory stays flat.
const TOGETHER: usize = 128;

/// How a collection and its folders differ.
#[derive(Debug, Default)]
pub(super) struct Compared {
    /// Documents that can be embedded, in the store or not.
    pub(super) documents: u64,
    pub(super) orphaned: BTreeSet<String>,
    pub(super) missing: BTreeSet<String>,
    /// Changed since, or stored in part.
    pub(super) stale: BTreeSet<String>,
    /// What is stored is not what their file says, though the file did not change: to be made again whatever the digests
    /// say.
    pub(super) wrong: BTreeSet<String>,
    /// Passages of the orphans.
    pub(super) orphaned_rows: u64,
}

/// Stored texts by key, for a comparison of the very words; `None` compares digests of files only.
pub(super) type Texts = Option<HashMap<String, blake3::Hash>>;

/// What became of one document of the folder.
enum Looked {
    Missing,
    Current,
    Stale,
    Incomplete,
    TextDiffers,
    /// It holds nothing to embed any more.
    Emptied,
    /// It cannot be read now, or the store does not say what it was made from.
    Unknown(String),
}

/// A collection, and everything that a comparison with its folders needs to know.
pub(super) struct Comparison<'a> {
    pub(super) context: &'a Context,
    pub(super) names: &'a Names,
    pub(super) collection: &'a str,
    pub(super) stored: &'a Stored,
    pub(super) roots: &'a SourceRoots,
    pub(super) texts: &'a Texts,
    /// Somebody writes to it now.
    pub(super) being_written: bool,
}

impl Comparison<'_> {
    pub(super) fn compare(&self, findings: &mut Findings) -> Result<Compared, CliError> {
        let mut compared = Compared::default();
        let scans = self.scans(findings)?;
        // A name that any root has, or may have out of sight, is not gone.
        let is_gone = |id: &str| !scans.is_empty() && scans.iter().all(|scan| scan.is_gone(id));
        let documents = &self.stored.documents;
        compared.orphaned.extend(documents.keys().filter(|id| is_gone(id)).cloned());
        let (mut done, total) = (0, scans.iter().map(|scan| scan.documents.len() as u64).sum());
        // Of two roots that have a document of one name, the first counts.
        let is_first = |at: usize, id: &str| !scans.iter().take(at).any(|scan| scan.documents.contains(id));
        let all =
            scans.iter().enumerate().flat_map(|(at, scan)| scan.documents.iter().map(move |one| (at, one)));
        let mut found = all.filter(|(at, one)| is_first(*at, &one.id)).map(|(_, one)| one);
        loop {
            let group: Vec<Document> = found.by_ref().take(TOGETHER).collect();
            if group.is_empty() {
                break;
            }
            self.context.check_cancelled()?;
            if let Some(live) = self.context.live() {
                live.step("comparing with the documents", "files", done, total);
            }
            done += group.len() as u64;
            let looked: Vec<Option<Looked>> = group.par_iter().map(|document| self.look(document)).collect();
            for (document, looked) in group.iter().zip(looked) {
                if let Some(looked) = looked {
                    self.sort_in(document, looked, &mut compared, findings);
                }
            }
        }
        let orphans = compared.orphaned.iter().filter_map(|id| documents.get(id));
        compared.orphaned_rows = orphans.map(|one| one.rows).sum();
        self.note(&compared, findings);
        Ok(compared)
    }

    fn sort_in(&self, document: &Document, looked: Looked, compared: &mut Compared, findings: &mut Findings) {
        let id = document.id.clone();
        compared.documents += u64::from(!matches!(looked, Looked::Emptied));
        match looked {
            Looked::Missing => drop(compared.missing.insert(id)),
            Looked::Current => {}
            Looked::Stale | Looked::Incomplete => drop(compared.stale.insert(id)),
            Looked::TextDiffers => drop(compared.wrong.insert(id)),
            Looked::Emptied => drop(compared.orphaned.insert(id)),
            Looked::Unknown(reason) => {
                let place =
                    format!("{}: {}", self.names.collection(self.collection), self.names.document(&id));
                findings.skip(Part::Content, format!("{place}: {reason}"));
            }
        }
    }

    /// `None` for a file that is neither stored nor a document.
    fn look(&self, document: &Document) -> Option<Looked> {
        let cut =
            |text: &str| chunk(document.kind, document.file_name(), text, &self.context.settings.chunks);
        let loaded = load(document, self.roots.max_file_size_bytes)
            .and_then(|raw| Ok((raw.hash, raw.decode(document.kind)?.text)));
        let Some(known) = self.stored.documents.get(&document.id) else {
            // Empty, binary and otherwise unusable files are no documents, so they are not missing either.
            return loaded.is_ok_and(|(_, text)| !cut(&text).is_empty()).then_some(Looked::Missing);
        };
        let (found, text) = match loaded {
            Ok(loaded) => loaded,
            Err(reason) if reason.may_still_exist() => {
                return Some(Looked::Unknown("its file cannot be read".to_owned()));
            }
            Err(_) => return Some(Looked::Emptied),
        };
        let Some(hash) = &known.hash else {
            let reason = "the store does not say which version of it was embedded";
            return Some(Looked::Unknown(reason.to_owned()));
        };
        if *hash != found.to_hex().to_string() {
            return Some(if cut(&text).is_empty() { Looked::Emptied } else { Looked::Stale });
        }
        if known.is_incomplete() {
            return Some(Looked::Incomplete);
        }
        let Some(texts) = self.texts else { return Some(Looked::Current) };
        let chunks = cut(&text);
        let is_same = |chunk: &Chunk| {
            let key = format!("{}#{}", document.id, chunk.index);
            texts.get(&key).is_none_or(|text| *text == blake3::hash(chunk.text.as_bytes()))
        };
        // Cut with other limits, there would be other passages, and nothing can be said about the words.
        let differs = chunks.len() as u64 == known.rows && !chunks.iter().all(is_same);
        Some(if differs { Looked::TextDiffers } else { Looked::Current })
    }

    fn scans(&self, findings: &mut Findings) -> Result<Vec<Scan>, CliError> {
        let mut scans = Vec::new();
        for root in &self.roots.roots {
            self.context.check_cancelled()?;
            let found = scan(&source(self.collection, self.roots, root)?, &scan_options(self.roots));
            if let Some(reason) = why_unreachable(&found, self.names) {
                for part in [Part::Orphaned, Part::Missing, Part::Content] {
                    let name = self.names.collection(self.collection);
                    findings.skip(part, format!("{name}: {reason}"));
                }
            }
            if found.has_vanished() {
                let place =
                    format!("{}: {}", self.names.collection(self.collection), self.names.path(&found.root));
                findings.add(&FOLDER_GONE, Some(self.collection), 1, [place]);
            }
            scans.push(found);
        }
        Ok(scans)
    }

    fn note(&self, compared: &Compared, findings: &mut Findings) {
        // What an interrupted update, or one under way, has still to do is no failure of the store.
        let unfinished = self.roots.is_unfinished() || self.being_written;
        let name = self.names.collection(self.collection);
        let mut add = |kind: &'static Kind, ids: &[&String]| {
            let places = ids.iter().map(|id| format!("{name}: {}", self.names.document(id)));
            findings.add(kind, Some(self.collection), ids.len() as u64, places);
        };
        let is_incomplete =
            |id: &&String| self.stored.documents.get(*id).is_some_and(StoredDocument::is_incomplete);
        let (incomplete, stale): (Vec<&String>, Vec<&String>) =
            compared.stale.iter().partition(is_incomplete);
        let orphaned: Vec<&String> = compared.orphaned.iter().collect();
        let missing: Vec<&String> = compared.missing.iter().collect();
        match unfinished {
            true => {
                add(&ORPHANED_UNFINISHED, &orphaned);
                add(&MISSING_UNFINISHED, &missing);
                add(&STALE_UNFINISHED, &[stale, incomplete].concat());
            }
            false => {
                add(&ORPHANED, &orphaned);
                add(&MISSING, &missing);
                add(&STALE, &stale);
                add(&INCOMPLETE, &incomplete);
            }
        }
        add(&TEXT_DIFFERS, &compared.wrong.iter().collect::<Vec<_>>());
        if unfinished {
            findings.add(&UNFINISHED, Some(self.collection), 1, [name]);
        }
    }
}

/// How the last update looked for documents.
pub(super) fn scan_options(roots: &SourceRoots) -> ScanOptions {
    ScanOptions { max_file_size_bytes: roots.max_file_size_bytes, never_enter: roots.never_enter.clone() }
}

/// One folder of a collection, as `update` sees it.
pub(super) fn source(collection: &str, roots: &SourceRoots, root: &SourceRoot) -> Result<Source, CliError> {
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
}

fn why_unreachable(scan: &Scan, names: &Names) -> Option<String> {
    let root = names.path(&scan.root);
    match &scan.state {
        RootState::Listed if scan.unlisted.is_empty() => None,
        RootState::Listed => {
            let folders = scan.unlisted.iter().map(|one| names.path(&one.path));
            Some(format!("cannot be listed: {}", folders.take(3).collect::<Vec<_>>().join(", ")))
        }
        RootState::Empty => Some(format!("{root} holds no documents; is it mounted?")),
        RootState::Missing => Some(format!("{root} is not there")),
        RootState::Unreadable { message } => {
            Some(format!("{root} cannot be listed: {}", names.sentence(message)))
        }
    }
}
