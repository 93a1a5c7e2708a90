//! The structure of every file, as `siltstone inspect` prints it: offsets, counts, digests and flaws. No key, no row and no
//! text is part of that.

use std::path::{Path, PathBuf};

use serde_json::Value;
use siltstone_format::names::{BASES_DIR, CATALOGUE_FILE, COLLECTIONS_DIR, basis_of};

use super::Gather;
use super::locks::directories;
use crate::command::health::Names;
use crate::command::inspect;
use crate::exit::CliError;

/// Parts of a file without a flaw, and with one, that are listed.
const MOST_PARTS: usize = 2_000;

pub(super) fn structure(report: &mut Gather<'_>) -> Result<(), CliError> {
    let store = report.context.settings.store.clone();
    let catalogue = store.join(CATALOGUE_FILE);
    if catalogue.is_file() {
        file(report, &store, &catalogue)?;
    }
    let bases = std::fs::read_dir(store.join(BASES_DIR)).into_iter().flatten().flatten();
    let is_basis =
        |path: &PathBuf| path.file_name().is_some_and(|name| basis_of(&name.to_string_lossy()).is_some());
    let mut bases: Vec<PathBuf> = bases.map(|entry| entry.path()).filter(is_basis).collect();
    bases.sort();
    for path in &bases {
        file(report, &store, path)?;
    }
    for directory in directories(&store.join(COLLECTIONS_DIR)) {
        for path in inspect::files_of_collection(&directory).unwrap_or_default() {
            file(report, &store, &path)?;
        }
    }
    Ok(())
}

fn file(report: &mut Gather<'_>, store: &Path, path: &Path) -> Result<(), CliError> {
    let (context, names) = (report.context, report.names);
    let inside = path.strip_prefix(store).unwrap_or(path).display().to_string();
    report.section(&format!("structure/{inside}.json"), "its structure, without rows", || {
        let mut found = inspect::gather(context, path, MOST_PARTS)?;
        clean(&mut found, names);
        Ok(found)
    })
}

/// Takes out lines, which hold texts, and with hidden names whatever names something.
fn clean(file: &mut Value, names: &Names) {
    if let Some(path) = file.get_mut("path") {
        *path = names.path(path.as_str().unwrap_or_default().as_ref()).into();
    }
    for part in file.get_mut("parts").and_then(Value::as_array_mut).into_iter().flatten() {
        let kind = part.get("part").and_then(Value::as_str).unwrap_or_default().to_owned();
        if let Some(part) = part.as_object_mut() {
            part.remove("lines");
        }
        if !names.are_hidden() {
            continue;
        }
        for (name, value) in part.get_mut("facts").and_then(Value::as_object_mut).into_iter().flatten() {
            let Some(text) = value.as_str() else { continue };
            *value = match name.as_str() {
                "name" if kind == "snapshot" => names.show("snapshot", text).into(),
                "name" if kind == "attribute field" => names.show("field", text).into(),
                "name" => names.collection(text).into(),
                "model" => names.show("model", text).into(),
                "provider" => names.provider(text).into(),
                _ => continue,
            };
        }
        for flaw in part.get_mut("flaws").and_then(Value::as_array_mut).into_iter().flatten() {
            for quoted in ["expected", "found"] {
                if let Some(text) = flaw.get_mut(quoted) {
                    *text = Value::Null;
                }
            }
        }
    }
}
