//! The catalogue: put right, or made again from the directories of the collections, which know their names.

use std::collections::BTreeSet;
use std::path::Path;

use siltstone_format::catalogue::{Catalogue, CatalogueEntry};
use siltstone_format::checksum::from_hex;
use siltstone_format::names::{
    CATALOGUE_FILE, COLLECTIONS_DIR, DROPPED_FILE, FileKind, LOCK_FILE, is_hidden,
};

use super::document::{self, Document};
use super::examine::of_mends;
use super::item::{Remedy, RepairItem, RepairReport};
use super::replace::{Correction, keep, replace};
use crate::disk::Mode;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::store::Store;
use crate::{catalogue, lock, manifest};

/// The catalogue as it should be, and what is to be done about the file.
pub(super) struct Found {
    pub(super) catalogue: Option<Catalogue>,
    pub(super) items: Vec<RepairItem>,
    step: Step,
}

enum Step {
    Nothing,
    Correct(Correction),
    Write,
}

/// Reads the catalogue.
pub(super) fn look(environment: &Environment, root: &Path) -> Result<Found> {
    match Store::open_in(environment.clone(), root) {
        Ok(_) | Err(Error::Damaged { .. }) => {}
        Err(error) => return Err(error),
    }
    let path = root.join(CATALOGUE_FILE);
    match document::catalogue(&*environment.disk, root)? {
        Document::Good(catalogue) => {
            Ok(Found { catalogue: Some(catalogue), items: Vec::new(), step: Step::Nothing })
        }
        Document::Mended(catalogue, correction) => {
            let file = environment.disk.open(&path, Mode::Read).map_err(Error::io("open", &path))?;
            let items = of_mends(None, &path, &*file, &correction.mends)?;
            Ok(Found { catalogue: Some(catalogue), items, step: Step::Correct(correction) })
        }
        Document::Lost(flaw) => {
            let catalogue = rebuilt(environment, root)?;
            let is_rebuilt = catalogue.is_some();
            let remedy = |flaw| if is_rebuilt { Remedy::Rebuild { flaw } } else { Remedy::None { flaw } };
            let items = vec![RepairItem::of_flaw(None, path, flaw, remedy)];
            Ok(Found { catalogue, items, step: if is_rebuilt { Step::Write } else { Step::Nothing } })
        }
    }
}

/// Puts the catalogue right, under the store's lock.
pub(super) fn put_right(
    environment: &Environment,
    root: &Path,
    report: &mut RepairReport,
) -> Result<Option<Catalogue>> {
    let found = look(environment, root)?;
    if found.items.is_empty() {
        return Ok(found.catalogue);
    }
    let _lock = lock::acquire_soon(environment, &root.join(LOCK_FILE))?;
    let Found { catalogue, items, step } = look(environment, root)?;
    match (step, &catalogue) {
        (Step::Correct(correction), _) => {
            report.kept.push(replace(environment, root, &correction)?);
            report.done.extend(items);
        }
        (Step::Write, Some(catalogue)) => {
            if environment.disk.open(&root.join(CATALOGUE_FILE), Mode::Read).is_ok() {
                report.kept.push(keep(environment, root, CATALOGUE_FILE)?);
            }
            let store = environment.entropy.id().map_err(Error::io("draw random bytes for", root))?;
            catalogue::write(environment, root, &Catalogue { store, ..catalogue.clone() })?;
            report.done.extend(items);
        }
        _ => report.left.extend(items),
    }
    Ok(catalogue)
}

/// A catalogue of all collections that there are, by the names in their manifests; `None` when these cannot be told: two
/// have one name, one that has rows has none that can be read, or one is hidden and may have been meant to take the
/// place of another.
fn rebuilt(environment: &Environment, root: &Path) -> Result<Option<Catalogue>> {
    let disk = &*environment.disk;
    let parent = root.join(COLLECTIONS_DIR);
    let (mut collections, mut names) = (Vec::new(), BTreeSet::new());
    for entry in disk.list(&parent).map_err(Error::io("list", &parent))? {
        let Some(lies_in) = from_hex::<16>(&entry.name).filter(|_| entry.is_dir) else { continue };
        let directory = parent.join(&entry.name);
        // One that was restored lies in a directory of another name.
        let collection = manifest::owner(disk, &directory).unwrap_or(lies_in);
        let inside = disk.list(&directory).map_err(Error::io("list", &directory))?;
        if inside.iter().any(|entry| entry.name == DROPPED_FILE) {
            continue;
        }
        let read = match manifest::generations(&inside).pop() {
            Some(newest) => Some(document::manifest(disk, &directory, &collection, newest)?),
            None => None,
        };
        let name = match read {
            Some(Document::Good(manifest) | Document::Mended(manifest, _)) => manifest.name,
            _ => match manifest::rebuilt(environment, &directory, collection) {
                Ok(manifest) => manifest.name,
                Err(Error::Damaged { .. }) => {
                    let is_segment = |name: &str| matches!(FileKind::of(name), Some(FileKind::Segment(_)));
                    match inside.iter().any(|entry| is_segment(&entry.name)) {
                        true => return Ok(None),
                        // It was never finished.
                        false => continue,
                    }
                }
                Err(error) => return Err(error),
            },
        };
        if is_hidden(&name) || !names.insert(name.clone()) {
            return Ok(None);
        }
        let directory = (lies_in != collection).then_some(lies_in);
        collections.push(CatalogueEntry { name, collection, directory });
    }
    collections.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Some(Catalogue { collections, ..Catalogue::empty([0; 16]) }))
}
