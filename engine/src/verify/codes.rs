//! Verifying what makes searches fast: the bases of the store, the code file and the attribute index of each sealed
//! segment. All of it is derived, so nothing that is found here costs a row or changes an answer.

use std::path::{Path, PathBuf};

use siltstone_format::Flaw;
use siltstone_format::names::{BASES_DIR, TEMPORARY_SUFFIX, basis_file, basis_of};

use super::collection::Collector;
use super::{Depth, Finding, Report, Severity};
use crate::attributes::Attributes;
use crate::codes::{Bases, Codes, load_basis};
use crate::collection::Shared;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::segment::Segment;

/// Rows that a segment has at least to be worth a code file and an attribute index.
const LEAST_ROWS: u32 = 32;

/// Checks the code file and the attribute index of a sealed segment. There should be both when the store has a basis for
/// its vectors.
pub(super) fn verify(
    segment: &Segment,
    shared: &Shared,
    depth: Depth,
    collector: &mut Collector<'_>,
) -> Result<()> {
    let Some(digest) = segment.digest else { return Ok(()) };
    let (disk, place, of) = (&*shared.environment.disk, &segment.place, (digest, segment.rows));
    let wanted =
        segment.rows >= LEAST_ROWS && shared.bases.newest(disk, &shared.root, &shared.identity)?.is_some();
    let opened = Codes::open(disk, &shared.root, &shared.bases, place, of);
    let codes = checked(place.codes_path(), "codes", "a code file", opened, wanted, collector);
    let opened = Attributes::open(disk, place, of);
    let (path, what) = (place.attributes_path(), "an attribute index");
    let attributes = checked(path, "attribute index", what, opened, wanted, collector);
    if depth == Depth::Deep {
        for (path, bytes, flaws) in [
            codes.map(|codes| (codes.path().to_owned(), codes.file_bytes(), codes.check())),
            attributes.map(|index| (index.path().to_owned(), index.file_bytes(), index.check())),
        ]
        .into_iter()
        .flatten()
        {
            flaws.into_iter().for_each(|flaw| collector.add(&path, Severity::Derived, flaw));
            collector.report.bytes += bytes;
        }
    }
    Ok(())
}

/// The derived file that was opened; or a finding, also that there is none, if there should be one.
fn checked<T>(
    path: PathBuf,
    structure: &'static str,
    what: &str,
    opened: Result<T>,
    wanted: bool,
    collector: &mut Collector<'_>,
) -> Option<T> {
    let flaw = match opened {
        Ok(file) => {
            collector.report.files += 1;
            return Some(file);
        }
        Err(Error::Damaged { flaw, .. }) => *flaw,
        Err(error) if error.is_missing_file() && !wanted => return None,
        Err(error) if error.is_missing_file() => {
            Flaw::new(structure, "file", 0, 1, what, "none; searches read the rows instead")
        }
        Err(error) => Flaw::new(structure, "file", 0, 1, what, &error),
    };
    collector.add(&path, Severity::Derived, flaw);
    None
}

/// Checks the bases of a store.
pub(super) fn verify_bases(environment: &Environment, root: &Path, report: &mut Report) -> Result<()> {
    let disk = &*environment.disk;
    let directory = Bases::directory(root);
    let entries = match disk.list(&directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io("list", &directory)(error)),
    };
    for entry in entries {
        let path = directory.join(&entry.name);
        let (severity, flaw) = match basis_of(&entry.name) {
            Some(digest) if basis_file(&digest) == entry.name => {
                report.files += 1;
                match load_basis(disk, root, &digest) {
                    Ok(_) => continue,
                    Err(Error::Damaged { flaw, .. }) => (Severity::Derived, *flaw),
                    Err(error) => (Severity::Derived, Flaw::new("basis", "file", 0, 1, "a basis", &error)),
                }
            }
            _ => {
                let found = match entry.name.ends_with(TEMPORARY_SUFFIX) {
                    true => "an unfinished file",
                    false => "a file that is not siltstone's",
                };
                (Severity::Note, Flaw::new("store", BASES_DIR, 0, 1, "only bases", found))
            }
        };
        report.findings.push(Finding { collection: None, path, severity, flaw });
    }
    Ok(())
}
