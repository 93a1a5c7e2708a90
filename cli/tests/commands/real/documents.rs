//! Documents that people wrote, from this machine: READMEs, changelogs, notes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Short ones, because the server embeds seven passages a second; and none so short that it says nothing.
const BYTES: std::ops::RangeInclusive<u64> = 200..=1_500;

/// Copies so many different documents into a folder, fewer where there are fewer; returns how many.
pub(crate) fn copy(into: &Path, wanted: usize) -> usize {
    let mut found = Vec::new();
    for root in roots() {
        below(&root, &mut found);
    }
    // In an order that mixes what lies together, the same on every run.
    found.sort_by_key(|path| *blake3::hash(path.as_os_str().as_encoded_bytes()).as_bytes());
    let (mut seen, mut copied) = (BTreeSet::new(), 0);
    for path in found {
        if copied == wanted {
            break;
        }
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        if text.trim().is_empty() || !seen.insert(blake3::hash(text.as_bytes()).to_hex().to_string()) {
            continue;
        }
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let folder = into.join(format!("part{}", copied % 7));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{copied:03}-{name}")), text).unwrap();
        copied += 1;
    }
    copied
}

/// `SILTSTONE_DOCS`, else what Debian and Cargo have put there.
fn roots() -> Vec<PathBuf> {
    if let Some(named) = std::env::var_os("SILTSTONE_DOCS") {
        return std::env::split_paths(&named).collect();
    }
    let cargo = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo = cargo.or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cargo")));
    let mut roots = vec![PathBuf::from("/usr/share/doc")];
    roots.extend(cargo.map(|cargo| cargo.join("registry/src")));
    roots
}

fn below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, Ok(kind)) = (entry.path(), entry.file_type()) else { continue };
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        if kind.is_dir() {
            below(&path, found);
        } else if kind.is_file()
            && ["md", "html", "rst", "txt"].contains(&ending)
            && entry.metadata().is_ok_and(|meta| BYTES.contains(&meta.len()))
        {
            found.push(path);
        }
    }
}
