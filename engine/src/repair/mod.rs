//! Repairing: putting damaged bytes right where the checksums tell what they were, making again what can be made again,
//! and, when asked, taking out what cannot.
//!
//! A plan is made by reading only. A repair makes the same plan again under the lock of each collection, because the
//! files may have changed since, and carries it out file by file: each step leaves the old bytes or the new ones under
//! a name, so whatever interrupts it, the next repair goes on. The originals are kept in `aside/`.

mod document;
mod examine;
mod frozen;
mod item;
mod names;
mod promise;
mod quarantine;
mod replace;
mod rows;
mod segment;
mod spare;

use std::path::Path;

use siltstone_format::catalogue::{Catalogue, CatalogueEntry};
use siltstone_format::names::{FileKind, LOCK_FILE, WITNESS_FILE};

use self::examine::{Examined, examine};
use self::replace::{keep, replace};
use self::spare::{Spares, fetch};
use crate::disk::Mode;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::segment::{open_sealed, write_index};
use crate::{catalogue, lock, manifest, witness};

pub use item::{LostRow, PassedOver, Remedy, RepairItem, RepairOptions, RepairPlan, RepairReport, Returned};

/// How often backups are asked again, because what they had told of more that is missing.
const MOST_ROUNDS: usize = 8;

/// Says what a repair of the store at `root` would do. Reads every byte, as a deep verification does, at the speed of the
/// disk; changes nothing and takes no lock, so that what a writer is at work on may look damaged. Only when something is
/// beyond repair are backups unpacked, one after the other, each beside itself and for as long as it is looked at.
///
/// # Errors
/// [`Error::NotAStore`], [`Error::NewerFormat`], [`Error::NoSuchCollection`], or a disk that cannot be read. Damage is no
/// error: it is in the plan.
pub fn plan_repair(environment: &Environment, root: &Path, options: &RepairOptions) -> Result<RepairPlan> {
    let found = names::look(environment, root)?;
    let mut plan = RepairPlan { items: found.items, ..RepairPlan::default() };
    let Some(catalogue) = found.catalogue else { return Ok(plan) };
    let mut spares = Spares::new(environment, &options.backups);
    for entry in wanted(&catalogue, options.only.as_deref())? {
        let mut examined = match examine(environment, root, &entry)? {
            Ok(examined) => examined,
            Err(item) => {
                plan.items.push(item);
                continue;
            }
        };
        fetch(&mut examined, &mut spares, &mut |_, _| Ok(()))?;
        if options.quarantine {
            quarantine::outlook(&examined, &mut spares, &mut plan)?;
        }
        let hurt = examined.hurt_snapshots().into_iter();
        plan.hurt_snapshots.extend(hurt.map(|snapshot| (entry.name.clone(), snapshot)));
        plan.items.extend(examined.items);
    }
    plan.passed_over = spares.passed_over;
    Ok(plan)
}

/// Repairs the store at `root`. What is in the report as done is durable when this returns.
///
/// A corrected copy takes the place of a damaged file, byte for byte what the file was; segments that were left alone
/// for damage that is now put right are sealed; derived files are made again. Costs a deep verification, and for each
/// damaged file twice its length in writes and disk space, because the original is kept. Views that are open go on showing
/// what they mapped: open new ones.
///
/// # Errors
/// As [`plan_repair`]; [`Error::Locked`] while somebody writes to one of the collections; a disk that refuses. What was
/// done before the error stays done, and the next repair goes on.
pub fn repair(environment: &Environment, root: &Path, options: &RepairOptions) -> Result<RepairReport> {
    let mut report = RepairReport::default();
    let Some(catalogue) = names::put_right(environment, root, &mut report)? else { return Ok(report) };
    let mut spares = Spares::new(environment, &options.backups);
    for entry in wanted(&catalogue, options.only.as_deref())? {
        repair_collection(environment, root, &entry, options, &mut spares, &mut report)?;
    }
    report.passed_over = spares.passed_over;
    Ok(report)
}

fn wanted(catalogue: &Catalogue, only: Option<&[String]>) -> Result<Vec<CatalogueEntry>> {
    for name in only.unwrap_or_default() {
        if !catalogue.collections.iter().any(|entry| entry.name == *name) {
            return Err(Error::NoSuchCollection { name: name.clone(), similar: Vec::new() });
        }
    }
    let is_wanted = |entry: &&CatalogueEntry| only.is_none_or(|only| only.contains(&entry.name));
    Ok(catalogue.collections.iter().filter(is_wanted).cloned().collect())
}

fn repair_collection(
    environment: &Environment,
    root: &Path,
    entry: &CatalogueEntry,
    options: &RepairOptions,
    spares: &mut Spares<'_>,
    report: &mut RepairReport,
) -> Result<()> {
    let Some(mut examined) = mend_and_heal(environment, root, entry, report)? else { return Ok(()) };
    // A snapshot that came back may name segments that nobody missed before.
    for _ in 0..MOST_ROUNDS {
        if !examined.is_hurt() || !replace_from_backups(environment, root, entry, spares, report)? {
            break;
        }
        match mend_and_heal(environment, root, entry, report)? {
            Some(again) => examined = again,
            None => return Ok(()),
        }
    }
    if options.quarantine && examined.is_hurt() {
        return quarantine::take_out(environment, root, entry, options, spares, report);
    }
    let hurt = examined.hurt_snapshots().into_iter();
    report.hurt_snapshots.extend(hurt.map(|snapshot| (entry.name.clone(), snapshot)));
    let left = examined.items.into_iter().filter(|item| !report.done.contains(item));
    report.left.extend(left.collect::<Vec<_>>());
    Ok(())
}

fn mend_and_heal(
    environment: &Environment,
    root: &Path,
    entry: &CatalogueEntry,
    report: &mut RepairReport,
) -> Result<Option<Examined>> {
    let Some(examined) = mend(environment, root, entry, report)? else { return Ok(None) };
    for (segment, survey) in &examined.frozen {
        frozen::heal(&examined, *segment, survey, report)?;
    }
    Ok(Some(examined))
}

/// Puts files that are beyond repair back from backups, as far as these have them. Says whether there were any.
fn replace_from_backups(
    environment: &Environment,
    root: &Path,
    entry: &CatalogueEntry,
    spares: &mut Spares<'_>,
    report: &mut RepairReport,
) -> Result<bool> {
    let disk = &*environment.disk;
    let directory = catalogue::directory(root, &entry.directory());
    let _lock = lock::acquire(environment, directory.join(LOCK_FILE))?;
    let Ok(mut examined) = examine(environment, root, entry)? else { return Ok(false) };
    let (mut kept, mut found) = (Vec::new(), false);
    fetch(&mut examined, spares, &mut |correction, source| {
        match keep(environment, &directory, &correction.name) {
            Err(error) if error.is_missing_file() => {}
            original => kept.push(original?),
        }
        found = true;
        replace::publish(disk, &directory, correction, source)
    })?;
    report.kept.extend(kept);
    let is_fetched = |item: &&RepairItem| matches!(item.remedy, Remedy::Fetch { .. });
    report.done.extend(examined.items.iter().filter(is_fetched).cloned());
    Ok(found)
}

/// Puts everything right that needs no commit. Nothing to report when the collection is gone or beyond reading.
fn mend(
    environment: &Environment,
    root: &Path,
    entry: &CatalogueEntry,
    report: &mut RepairReport,
) -> Result<Option<Examined>> {
    let disk = &*environment.disk;
    let directory = catalogue::directory(root, &entry.directory());
    let _lock = match lock::acquire(environment, directory.join(LOCK_FILE)) {
        Err(error) if error.is_missing_file() => None,
        lock => Some(lock?),
    };
    if !catalogue::load(environment, root)?.collections.contains(entry) {
        return Ok(None);
    }
    // A sync that failed before may have left names that everybody sees and that are not on disk.
    catalogue::confirm(environment, root)?;
    let examined = match examine(environment, root, entry)? {
        Ok(examined) => examined,
        Err(item) => {
            report.left.push(item);
            return Ok(None);
        }
    };
    disk.sync_dir(&directory).map_err(Error::io("sync", &directory))?;
    for correction in &examined.corrections {
        report.kept.push(replace(environment, &directory, correction)?);
    }
    if let Some(beyond_repair) = examined.rebuilt {
        let old = beyond_repair.map(|generation| FileKind::Manifest(generation).file_name());
        if let Some(old) = &old {
            report.kept.push(keep(environment, &directory, old)?);
        }
        manifest::write(environment, &directory, &examined.manifest)?;
        if let Some(path) = old.map(|old| directory.join(old)) {
            disk.remove(&path).map_err(Error::io("remove", &path))?;
        }
    }
    if examined.witness_lost && examined.hurt.is_empty() {
        rewrite_witness(environment, &directory, &examined, report)?;
    }
    for (place, promise) in &examined.underived {
        write_index(&open_sealed(disk, place.clone(), *promise)?, disk)?;
    }
    let is_done = |item: &&RepairItem| match item.remedy {
        Remedy::Mend { .. } => !examined.is_frozen(&item.path),
        Remedy::Rebuild { .. } => !item.path.ends_with(WITNESS_FILE) || examined.hurt.is_empty(),
        Remedy::Derive { .. } => true,
        _ => false,
    };
    report.done.extend(examined.items.iter().filter(is_done).cloned());
    Ok(Some(examined))
}

/// A witness of the last commit: all that it could have named was just read and found good.
fn rewrite_witness(
    environment: &Environment,
    directory: &Path,
    examined: &Examined,
    report: &mut RepairReport,
) -> Result<()> {
    let disk = &*environment.disk;
    let found = witness::load(disk, directory, &examined.shared.id)?;
    if disk.open(&directory.join(WITNESS_FILE), Mode::Read).is_ok() {
        report.kept.push(keep(environment, directory, WITNESS_FILE)?);
    }
    let before = found.latest.unwrap_or_else(|| witness::blank(examined.shared.id));
    let slot = examined.last.clone().filter(|last| last.commit >= before.commit).unwrap_or(before.clone());
    witness::create(
        disk,
        directory,
        &siltstone_format::layout::WitnessSlot { sequence: before.sequence + 2, ..slot },
    )
}
