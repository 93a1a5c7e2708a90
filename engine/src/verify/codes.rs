//! Verifying what search codes are made of: the bases of the store, and the code file of each sealed segment. All of it is
//! derived, so nothing that is found here costs a row or changes an answer.

use std::path::Path;

use siltstone_format::Flaw;
use siltstone_format::names::{BASES_DIR, TEMPORARY_SUFFIX, basis_file, basis_of};

use super::collection::Collector;
use super::{Depth, Finding, Report, Severity};
use crate::codes::{Bases, Codes, load_basis};
use crate::collection::Shared;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::segment::Segment;

/// Rows that a segment has at least to be worth a code file.
const LEAST_ROWS: u32 = 32;

/// Checks the code file of a sealed segment. There should be one when the store has a basis for its vectors.
pub(super) fn verify(
    segment: &Segment,
    shared: &Shared,
    depth: Depth,
    collector: &mut Collector<'_>,
) -> Result<()> {
    let Some(digest) = segment.digest else { return Ok(()) };
    let disk = &*shared.environment.disk;
    let path = segment.place.codes_path();
    match Codes::open(disk, &shared.root, &shared.bases, &segment.place, (digest, segment.rows)) {
        Ok(codes) => {
            collector.report.files += 1;
            if depth == Depth::Deep {
                codes.check().into_iter().for_each(|flaw| collector.add(&path, Severity::Derived, flaw));
                collector.report.bytes += codes.file_bytes();
            }
        }
        Err(Error::Damaged { flaw, .. }) => collector.add(&path, Severity::Derived, *flaw),
        Err(error) if error.is_missing_file() => {
            let wanted = segment.rows >= LEAST_ROWS
                && shared.bases.newest(disk, &shared.root, &shared.identity)?.is_some();
            if wanted {
                let found = "none; searches read the rows instead";
                collector.add(
                    &path,
                    Severity::Derived,
                    Flaw::new("codes", "file", 0, 1, "a code file", found),
                );
            }
        }
        Err(error) => {
            let flaw = Flaw::new("codes", "file", 0, 1, "a code file", &error);
            collector.add(&path, Severity::Derived, flaw);
        }
    }
    Ok(())
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
