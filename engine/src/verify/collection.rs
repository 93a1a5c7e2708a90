//! Verifying one collection.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use siltstone_format::Flaw;
use siltstone_format::catalogue::CatalogueEntry;
use siltstone_format::manifest::Manifest;
use siltstone_format::names::{ASIDE_DIR, FileKind, WITNESS_FILE};
use siltstone_format::snapshot::SnapshotSegment;

use super::{Depth, Finding, Report, Severity, codes, segment};
use crate::collection::Shared;
use crate::disk::HeldDisk;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::segment::open_sealed;
use crate::view::{At, OnDamage, build, open_parts, sealed_promise};
use crate::{catalogue, manifest, snapshot, witness};

/// Collects what is found about one collection.
pub(super) struct Collector<'a> {
    pub(super) report: Report,
    pub(super) name: &'a str,
}

impl Collector<'_> {
    pub(super) fn add(&mut self, path: &Path, severity: Severity, flaw: Flaw) {
        let finding =
            Finding { collection: Some(self.name.to_owned()), path: path.to_owned(), severity, flaw };
        // Several checks may meet the same damage.
        if !self.report.findings.contains(&finding) {
            self.report.findings.push(finding);
        }
    }

    /// Damage becomes a finding; any other error ends the verification.
    pub(super) fn take<T>(&mut self, result: Result<T>) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(Error::Damaged { path, flaw, .. }) => {
                self.add(&path, Severity::Damage, *flaw);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// How often to start over when a writer changes the collection meanwhile.
const ATTEMPTS: usize = 5;

pub(crate) fn verify(
    environment: &Environment,
    root: &Path,
    entry: &CatalogueEntry,
    depth: Depth,
) -> Result<Report> {
    let directory = catalogue::directory(root, &entry.directory());
    let mut attempt = 1;
    loop {
        let mut collector =
            Collector { report: Report { collections: 1, ..Report::default() }, name: &entry.name };
        let before = generation(environment, &directory);
        let held = held(environment, &directory);
        let result = one_pass(&held, root, entry, &directory, depth, &mut collector);
        let changed = before != generation(environment, &directory);
        let again = match &result {
            Ok(()) => changed && !collector.report.findings.is_empty(),
            Err(error) => changed && error.is_missing_file(),
        };
        if !again || attempt == ATTEMPTS {
            return match result {
                Err(error) if error.is_missing_file() => {
                    let flaw = Flaw::new("collection", "file", 0, 1, "a file that can be opened", &error);
                    collector.add(&directory, Severity::Damage, flaw);
                    Ok(collector.report)
                }
                result => result.map(|()| collector.report),
            };
        }
        attempt += 1;
    }
}

/// The environment of a reader whom no compaction takes a file away.
fn held(environment: &Environment, directory: &Path) -> Environment {
    let disk = Arc::new(HeldDisk::hold(&environment.disk, directory));
    Environment { disk, ..environment.clone() }
}

/// Checks the search codes of a collection, and if wanted the key indexes, to their last byte. Of segments that are damaged, and of a collection without a
/// manifest, there is nothing to be said here.
pub(super) fn verify_derived(
    environment: &Environment,
    root: &Path,
    entry: &CatalogueEntry,
    with_keys: bool,
) -> Result<Report> {
    let directory = catalogue::directory(root, &entry.directory());
    let environment = held(environment, &directory);
    let disk = &*environment.disk;
    let mut collector =
        Collector { report: Report { collections: 1, ..Report::default() }, name: &entry.name };
    let manifest = match manifest::current(disk, &directory, &entry.collection) {
        Err(error) if error.is_damage() || error.is_missing_file() => return Ok(collector.report),
        manifest => manifest?,
    };
    let shared = Shared::new(&environment, root, &manifest, &entry.name).lying_in(&directory);
    for listed in &manifest.segments {
        let Some(promise) = sealed_promise(&listed.state) else { continue };
        match open_sealed(disk, shared.place(listed.segment), promise) {
            Err(error) if error.is_damage() || error.is_missing_file() => {}
            sealed => {
                let sealed = sealed?;
                codes::verify(&sealed, &shared, Depth::Deep, &mut collector)?;
                if with_keys {
                    segment::verify_index(&sealed, &shared, Depth::Deep, &mut collector)?;
                }
            }
        }
    }
    Ok(collector.report)
}

fn generation(environment: &Environment, directory: &Path) -> Option<u64> {
    manifest::generations(&environment.disk.list(directory).ok()?).pop()
}

fn one_pass(
    environment: &Environment,
    root: &Path,
    entry: &CatalogueEntry,
    directory: &Path,
    depth: Depth,
    collector: &mut Collector<'_>,
) -> Result<()> {
    let disk = &*environment.disk;
    let witness = witness::load(disk, directory, &entry.collection)?;
    collector.report.files += 1;
    for flaw in &witness.flaws {
        collector.add(&directory.join(WITNESS_FILE), Severity::Damage, flaw.clone());
    }
    collector.report.files += 1;
    let Some(manifest) = collector.take(manifest::current(disk, directory, &entry.collection))? else {
        return Ok(());
    };
    let shared = Arc::new(Shared::new(environment, root, &manifest, &entry.name).lying_in(directory));
    let mut snapshots = Vec::new();
    for entry in &manifest.snapshots {
        collector.report.files += 1;
        snapshots.extend(collector.take(snapshot::load(&shared, entry).map_err(snapshot::missing))?);
    }
    for listed in &manifest.segments {
        collector.report.files += 1;
        segment::verify(&shared, listed, &witness, depth, collector)?;
    }
    let held = snapshot::held(&manifest, &snapshots);
    for named in held.values() {
        collector.report.files += 1;
        segment::verify_held(&shared, named, depth, collector)?;
    }
    strangers(environment, directory, &manifest, &held, collector)?;

    // What the parts mean to each other.
    let mut damage = Vec::new();
    let parts = open_parts(&shared, &manifest, &witness, At::Now, OnDamage::Skip, &mut damage)?;
    for found in &damage {
        collector.add(&found.path, Severity::Damage, found.flaw.clone());
    }
    let mut moments = vec![(parts, At::Now)];
    for snapshot in &snapshots {
        let (mut damage, at) = (Vec::new(), At::Snapshot(snapshot));
        let parts = open_parts(&shared, &manifest, &witness, at, OnDamage::Skip, &mut damage)?;
        for found in damage {
            collector.add(&found.path, Severity::Damage, found.flaw);
        }
        // Kills and keys of listed segments are checked with the last commit, unless they count only in part there.
        let is_apart = |segment| held.contains_key(&segment) || manifest.cap(segment) < u64::MAX;
        if parts.iter().any(|part| is_apart(part.place.segment)) {
            moments.push((parts, at));
        }
    }
    if depth == Depth::Deep && !collector.report.is_damaged() {
        for (parts, at) in moments {
            let view = build(&shared, &manifest, parts, at, OnDamage::Fail, Vec::new());
            segment::verify_keys(&view, collector)?;
        }
    }
    Ok(())
}

/// Notes what lies in the directory without belonging to the current manifest.
fn strangers(
    environment: &Environment,
    directory: &Path,
    manifest: &Manifest,
    held: &BTreeMap<u64, SnapshotSegment>,
    collector: &mut Collector<'_>,
) -> Result<()> {
    let disk = &*environment.disk;
    for entry in disk.list(directory).map_err(Error::io("list", directory))? {
        let path = directory.join(&entry.name);
        let owned = |number| manifest.lists(number) || held.contains_key(&number);
        let found = match FileKind::of(&entry.name) {
            None => "a file that is not siltstone's",
            Some(FileKind::Temporary) => "an unfinished file; the next writer removes it",
            Some(FileKind::Segment(number)) if !owned(number) && manifest.retired.contains(&number) => {
                "a segment that no longer counts; the next writer removes it"
            }
            Some(FileKind::Segment(number)) if !owned(number) => "a segment that the manifest does not name",
            Some(FileKind::KeyIndex(number)) if !owned(number) => "the index of a segment that is gone",
            Some(FileKind::Codes(number)) if !owned(number) => "the codes of a segment that is gone",
            Some(FileKind::Attributes(number)) if !owned(number) => {
                "the attribute index of a segment that is gone"
            }
            Some(FileKind::Snapshot(file)) if manifest.snapshots.iter().all(|entry| entry.file != file) => {
                "a snapshot that the manifest does not name"
            }
            Some(FileKind::Manifest(generation)) if generation < manifest.generation => "an old manifest",
            Some(FileKind::Aside) => {
                let aside = directory.join(ASIDE_DIR);
                let kept = disk.list(&aside).map_err(Error::io("list", &aside))?;
                if !kept.is_empty() {
                    let files =
                        if kept.len() == 1 { "1 file".to_owned() } else { format!("{} files", kept.len()) };
                    let found = format!(
                        "{files} kept of what was cut off, replaced or taken out; they can go when nobody needs them"
                    );
                    let flaw = Flaw::new("collection", "aside", 0, 1, "nothing that was put aside", found);
                    collector.add(&aside, Severity::Note, flaw);
                }
                continue;
            }
            Some(_) => continue,
        };
        let flaw = Flaw::new("collection", "file", 0, 1, "only files that the manifest names", found);
        collector.add(&path, Severity::Note, flaw);
    }
    Ok(())
}
