//! Verifying: reading what a store consists of and reporting, as data, everything that is not as the format says.
//! Nothing is changed, and no lock is taken.

mod codes;
pub(crate) mod collection;
mod segment;

use std::path::{Path, PathBuf};

use siltstone_format::Flaw;
use siltstone_format::catalogue::{Catalogue, CatalogueEntry};
use siltstone_format::checksum::from_hex;
use siltstone_format::names::{
    ASIDE_DIR, BASES_DIR, CATALOGUE_FILE, COLLECTIONS_DIR, LOCK_FILE, TEMPORARY_SUFFIX, is_hidden,
    is_safety_copy,
};

use crate::catalogue;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::safety;

/// How much is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Structure: documents, headers, footers, the end of the open segment. No vectors. Milliseconds a collection.
    Quick,
    /// Every byte of every file, and what the bytes mean to each other. At the speed of the disk.
    Deep,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing to worry about: an interrupted commit, a file that is not siltstone's.
    Note,
    /// A derived file is damaged or missing. No row is lost and no answer is wrong; it can be made again.
    Derived,
    /// Stored bytes are not what was written.
    Damage,
}

/// Something that is not as it should be, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The collection, if the file belongs to one.
    pub collection: Option<String>,
    /// The file.
    pub path: PathBuf,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong: structure, field, offset and length in the file, what was expected and what was found.
    pub flaw: Flaw,
}

/// What a verification read and found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// The findings, in the order of collections and files.
    pub findings: Vec<Finding>,
    /// How many collections were looked at.
    pub collections: u64,
    /// How many files were looked at.
    pub files: u64,
    /// How many bytes were read.
    pub bytes: u64,
    /// How many rows were verified, those that no longer count included; 0 for a quick verification.
    pub rows: u64,
}

impl Report {
    /// Whether any stored bytes are damaged.
    pub fn is_damaged(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Damage)
    }

    fn merge(&mut self, other: Self) {
        self.findings.extend(other.findings);
        self.collections += other.collections;
        self.files += other.files;
        self.bytes += other.bytes;
        self.rows += other.rows;
    }
}

/// Verifies the store at `root`, or only the collections named in `only`. Goes on after damage as far as it can.
///
/// # Errors
/// [`Error::NotAStore`], [`Error::NewerFormat`], [`Error::NoSuchCollection`], or a disk that cannot be read. Damage is no
/// error: it is in the report.
pub fn verify(
    environment: &Environment,
    root: &Path,
    depth: Depth,
    only: Option<&[String]>,
) -> Result<Report> {
    let mut report = Report { files: 1, ..Report::default() };
    let catalogue = match the_catalogue(environment, root, only)? {
        Ok(catalogue) => catalogue,
        Err(finding) => {
            report.findings.push(finding);
            return Ok(report);
        }
    };
    if only.is_none() {
        strangers(environment, root, &catalogue, &mut report)?;
        codes::verify_bases(environment, root, &mut report)?;
    }
    for entry in wanted(&catalogue, only) {
        report.merge(collection::verify(environment, root, &entry, depth)?);
    }
    Ok(report)
}

/// Verifies the bases of the store at `root`, and the search codes of all collections, or of those named in `only`, to the
/// last byte. All that is found is derived: [`Store::encode`](crate::Store::encode) makes it again.
///
/// # Errors
/// As [`verify`]. A catalogue that is damaged hides everything: the report is then empty.
pub fn verify_codes(environment: &Environment, root: &Path, only: Option<&[String]>) -> Result<Report> {
    derived(environment, root, only, false)
}

/// As [`verify_codes`], with the key indexes, which [`repair`](crate::repair()) makes again: every derived file, every block.
/// Reads no rows and no texts, so it costs about a tenth of a deep verification.
///
/// # Errors
/// As [`verify_codes`].
pub fn verify_derived(environment: &Environment, root: &Path, only: Option<&[String]>) -> Result<Report> {
    derived(environment, root, only, true)
}

fn derived(
    environment: &Environment,
    root: &Path,
    only: Option<&[String]>,
    with_keys: bool,
) -> Result<Report> {
    let mut report = Report::default();
    let Ok(catalogue) = the_catalogue(environment, root, only)? else { return Ok(report) };
    codes::verify_bases(environment, root, &mut report)?;
    for entry in wanted(&catalogue, only) {
        report.merge(collection::verify_derived(environment, root, &entry, with_keys)?);
    }
    report.findings.retain(|finding| finding.severity == Severity::Derived);
    Ok(report)
}

/// The catalogue, which must have the collections named in `only`; or what is wrong with it.
fn the_catalogue(
    environment: &Environment,
    root: &Path,
    only: Option<&[String]>,
) -> Result<std::result::Result<Catalogue, Finding>> {
    let opened = crate::store::Store::open_in(environment.clone(), root);
    let catalogue = match opened.and_then(|_| catalogue::load(environment, root)) {
        Err(Error::Damaged { path, flaw, .. }) => {
            let severity = Severity::Damage;
            return Ok(Err(Finding { collection: None, path, severity, flaw: *flaw }));
        }
        catalogue => catalogue?,
    };
    for name in only.unwrap_or_default() {
        if !catalogue.collections.iter().any(|entry| entry.name == *name) {
            return Err(Error::NoSuchCollection { name: name.clone(), similar: Vec::new() });
        }
    }
    Ok(Ok(catalogue))
}

/// The collections to look at, hidden ones last.
fn wanted(catalogue: &Catalogue, only: Option<&[String]>) -> Vec<CatalogueEntry> {
    let mut wanted = catalogue.collections.clone();
    wanted.retain(|entry| only.is_none_or(|only| only.contains(&entry.name)));
    wanted.sort_by_key(|entry| is_hidden(&entry.name));
    wanted
}

/// Notes what lies in the store without belonging to it.
fn strangers(
    environment: &Environment,
    root: &Path,
    catalogue: &Catalogue,
    report: &mut Report,
) -> Result<()> {
    let disk = &*environment.disk;
    let mut note = |path: PathBuf, found: &str| {
        let flaw = Flaw::new("store", "file", 0, 1, "only siltstone's own files", found);
        report.findings.push(Finding { collection: None, path, severity: Severity::Note, flaw });
    };
    for entry in disk.list(root).map_err(Error::io("list", root))? {
        match entry.name.as_str() {
            CATALOGUE_FILE | COLLECTIONS_DIR | LOCK_FILE | ASIDE_DIR | BASES_DIR => {}
            // Kept beside the collections by the command line; not part of the format.
            "sources.json" | "seen" => {}
            name if is_safety_copy(name) => {}
            name if name.ends_with(TEMPORARY_SUFFIX) => note(root.join(name), "an unfinished file"),
            name => note(root.join(name), "a file that is not siltstone's"),
        }
    }
    let parent = root.join(COLLECTIONS_DIR);
    let kept = safety::directories(environment, root)?;
    for entry in disk.list(&parent).map_err(Error::io("list", &parent))? {
        let listed = from_hex::<16>(&entry.name).is_some_and(|id| {
            kept.contains(&id) || catalogue.collections.iter().any(|entry| entry.directory() == id)
        });
        if !listed {
            note(parent.join(&entry.name), "a directory that the catalogue does not name");
        }
    }
    Ok(())
}
