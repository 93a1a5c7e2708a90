//! The walk itself.

use super::{
    Documents, Globs, Kind, Reason, RootState, Scan, ScanOptions, Skipped, Stamp, Unlisted, real_path,
};
use crate::ingest::sources::{Scope, Source};
use ignore::{DirEntry, WalkBuilder};
use rayon::prelude::*;
use std::io;
use std::path::{MAIN_SEPARATOR_STR, Path, PathBuf};

/// The longest document id: the store's keys hold 1,024 bytes, and the chunk's number must fit too.
pub(super) const LONGEST_ID: usize = 1_000;

/// So many entries are listed while as many are looked at.
const TOGETHER: usize = 2_048;

/// Lists the documents of `source`. Never fails: what went wrong is in the answer.
pub(crate) fn scan(source: &Source, options: &ScanOptions) -> Scan {
    let root = real_path(&source.root);
    let mut found = Collector::new(source, options, &root);
    let state = match std::fs::read_dir(&root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => RootState::Missing,
        Err(error) => RootState::Unreadable { message: error.to_string() },
        Ok(_) => {
            match &source.scope {
                Scope::Tree => found.walk(),
                Scope::Files(files) => files.iter().for_each(|file| found.named_file(file)),
            }
            if found.documents.is_empty() { RootState::Empty } else { RootState::Listed }
        }
    };
    found.documents.settle();
    found.skipped.sort_by(|a, b| a.path.cmp(&b.path));
    found.unlisted.sort_by(|a, b| a.path.cmp(&b.path));
    let Collector { documents, skipped, unlisted, .. } = found;
    Scan { state, covers_all: source.scope == Scope::Tree, documents, skipped, unlisted, root }
}

/// A walker with the rules of [`super`], shared with the code that looks for framework folders.
pub(crate) fn walker(root: &Path, never_enter: &[PathBuf], globs: &Globs) -> WalkBuilder {
    let mut builder = WalkBuilder::new(root);
    let (base, never, globs) = (root.to_owned(), never_enter.to_vec(), globs.clone());
    builder
        .standard_filters(false)
        .hidden(true)
        .git_ignore(true)
        .require_git(false)
        .parents(inside_git(root))
        .add_custom_ignore_filename(".siltstoneignore")
        .follow_links(false)
        .filter_entry(move |entry| {
            let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
            let relative = entry.path().strip_prefix(&base).unwrap_or_else(|_| Path::new(""));
            let pruned = is_folder && entry.depth() > 0 && globs.prunes(relative);
            !pruned && !never.iter().any(|folder| folder == entry.path())
        });
    builder
}

/// Whether a folder belongs to a git repository, whose outer `.gitignore` files then apply.
fn inside_git(folder: &Path) -> bool {
    folder.ancestors().any(|ancestor| ancestor.join(".git").exists())
}

/// What was found.
struct Collector<'a> {
    source: &'a Source,
    options: &'a ScanOptions,
    root: &'a Path,
    documents: Documents,
    skipped: Vec<Skipped>,
    unlisted: Vec<Unlisted>,
}

impl<'a> Collector<'a> {
    fn new(source: &'a Source, options: &'a ScanOptions, root: &'a Path) -> Collector<'a> {
        let documents = Documents::new(root, &source.framework);
        Collector { source, options, root, documents, skipped: Vec::new(), unlisted: Vec::new() }
    }

    fn walk(&mut self) {
        let never: Vec<PathBuf> = self.options.never_enter.iter().map(|folder| real_path(folder)).collect();
        let mut walk = walker(self.root, &never, &self.source.globs).build();
        let mut take = || walk.by_ref().take(TOGETHER).collect::<Vec<_>>();
        let look = |entries: &[Result<DirEntry, ignore::Error>]| {
            let mut found = Collector::new(self.source, self.options, self.root);
            for entry in entries {
                match entry {
                    Ok(entry) => found.entry(entry),
                    Err(error) => found.failure(error),
                }
            }
            found
        };
        // To list folders is a tenth of the work; to ask for sizes and times, file by file, is the rest.
        let mut listed = take();
        while !listed.is_empty() {
            let look_at_all = || listed.par_chunks(TOGETHER / 16).map(look).collect::<Vec<_>>();
            let (found, next) = rayon::join(look_at_all, &mut take);
            for mut one in found {
                self.documents.append(&one.documents);
                self.skipped.append(&mut one.skipped);
                self.unlisted.append(&mut one.unlisted);
            }
            listed = next;
        }
    }

    fn entry(&mut self, entry: &DirEntry) {
        if let Some(error) = entry.error() {
            let message = error.to_string();
            self.skip(entry.path(), Reason::BadIgnoreLine { message });
        }
        let Some(kind) = entry.file_type() else { return };
        if kind.is_dir() {
            return;
        }
        let path = entry.path();
        let relative = path.strip_prefix(self.root).unwrap_or(path);
        if !self.source.globs.takes(relative) {
            return;
        }
        // `metadata` follows a link, unlike the entry's own type.
        match std::fs::metadata(path) {
            Ok(meta) if meta.is_dir() => {
                self.skip(path, Reason::LinkedFolder { target: real_path(path) });
            }
            Ok(meta) => {
                let asked_for = self.source.globs.names(relative);
                self.file(path, &meta, asked_for);
            }
            Err(error) if kind.is_symlink() && error.kind() == io::ErrorKind::NotFound => {
                self.skip(path, Reason::DanglingLink);
            }
            Err(error) => self.skip(path, Reason::Unreadable { message: error.to_string() }),
        }
    }

    /// A file that was named on the command line: its extension does not matter, ignore files do not apply.
    fn named_file(&mut self, file: &Path) {
        match std::fs::metadata(file) {
            Ok(meta) => self.file(file, &meta, true),
            Err(error) => self.skip(file, Reason::Unreadable { message: error.to_string() }),
        }
    }

    fn file(&mut self, path: &Path, meta: &std::fs::Metadata, asked_for: bool) {
        let kind = path.file_name().and_then(|name| Kind::of(&name.to_string_lossy()));
        let Some(kind) = kind.or(asked_for.then_some(Kind::Text)) else {
            return self.skip(path, Reason::NotADocument);
        };
        let limit_bytes = self.options.max_file_size_bytes;
        let size_bytes = meta.len();
        let reason = match self.id_of(path) {
            None => Reason::NameNotUtf8,
            Some(id) if id.len() > LONGEST_ID => Reason::NameTooLong { bytes: id.len(), limit: LONGEST_ID },
            Some(_) if !meta.is_file() => Reason::NotAFile,
            Some(_) if size_bytes == 0 => Reason::Empty,
            Some(_) if size_bytes > limit_bytes => Reason::TooLarge { size_bytes, limit_bytes },
            Some(id) => {
                self.documents.push(&id, kind, size_bytes, Stamp::of(meta));
                return;
            }
        };
        self.skip(path, reason);
    }

    fn skip(&mut self, path: &Path, reason: Reason) {
        self.skipped.push(Skipped { path: path.to_owned(), id: self.id_of(path), reason });
    }

    /// A folder that could not be listed, or a file of which not even the type could be learnt.
    fn failure(&mut self, error: &ignore::Error) {
        let path = path_in(error).unwrap_or(self.root).to_owned();
        let message = error.io_error().map_or_else(|| error.to_string(), |io| io.to_string());
        self.unlisted.push(Unlisted { id_prefix: self.id_of(&path), path, message });
    }

    fn id_of(&self, path: &Path) -> Option<String> {
        let relative = path.strip_prefix(self.root).ok()?.to_str()?;
        Some(relative.replace(MAIN_SEPARATOR_STR, "/"))
    }
}

fn path_in(error: &ignore::Error) -> Option<&Path> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => path_in(err),
        ignore::Error::Loop { child, .. } => Some(child),
        _ => None,
    }
}
