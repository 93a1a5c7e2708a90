//! What a backup holds beside the store: ledgers, histories and logs, the list of sources, the settings. A restore in place
//! puts back what is lost and leaves what is there, which is newer: a ledger of money that was spent is never replaced by
//! an older one. A restore into a new directory puts all of it into a folder next to that directory, for the reader to
//! take from.

use std::path::{Path, PathBuf};

use siltstone::backup::{BackupInfo, BackupKind, Restored, extract};
use siltstone_format::backup::STORE_DIR;

use super::interruptible::environment;
use crate::command::context::Context;
use crate::exit::CliError;
use crate::{config, sources};

/// What became of the files beside the store.
#[derive(Debug, Default)]
pub(super) struct Beside {
    /// Those that were put back, where they are now.
    pub(super) put_back: Vec<PathBuf>,
    /// Those that stay in the backup, by their paths there, because there is one already.
    pub(super) left: Vec<String>,
}

/// The folder for what belongs beside a store that was restored into a new directory.
fn folder_beside(to: &Path) -> PathBuf {
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(".beside");
    to.with_file_name(name)
}

pub(super) fn put_back(
    context: &Context,
    backup: &BackupInfo,
    restored: &Restored,
    to: Option<&Path>,
) -> Result<Beside, CliError> {
    if backup.kind == BackupKind::Safety {
        return Ok(Beside::default());
    }
    let settings = &context.settings;
    let folder = to.map(folder_beside);
    let mut places: Vec<(String, PathBuf)> = Vec::new();
    for path in &restored.left {
        let place = match (&folder, path.strip_prefix("logs/")) {
            (Some(folder), _) => folder.join(path),
            (None, Some(name)) => settings.logs.join(name),
            (None, None) if path == config::FILE_NAME => context.config_file.clone(),
            // Nothing that this version puts into a backup.
            (None, None) => continue,
        };
        places.push((path.clone(), place));
    }
    let list = restored.store.join(sources::FILE_NAME);
    if !list.exists() {
        places.push((format!("{STORE_DIR}/{}", sources::FILE_NAME), list));
    }
    let is_lost = |place: &(String, PathBuf)| std::fs::symlink_metadata(&place.1).is_err();
    let lost: Vec<(String, PathBuf)> = places.iter().filter(|place| is_lost(place)).cloned().collect();
    for folder in lost.iter().filter_map(|(_, to)| to.parent()).filter(|one| !one.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| {
            CliError::failed(
                format!(
                    "the store is restored; cannot create {} for what was beside it: {error}",
                    folder.display()
                ),
                "make room or give the right to write there, and restore again",
            )
        })?;
    }
    let put_back = extract(&environment(context), backup, &lost)?;
    let is_left = |path: &&String| {
        let place = places.iter().find(|(known, _)| known == *path);
        place.is_none_or(|(_, to)| !put_back.contains(to))
    };
    let left = restored.left.iter().filter(is_left).cloned().collect();
    Ok(Beside { put_back, left })
}
