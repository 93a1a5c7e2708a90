//! Which backups there are to take from what the store itself does not tell any more: all that the configuration knows of,
//! archives and repositories alike.

use std::path::{Path, PathBuf};

use siltstone::backup::{self, BackupInfo, Place};

use crate::command::context::Context;

/// What lies in a repository, by which it is known.
const MARK: &str = "repository.json";

/// Every backup in the places that are configured or named. A place that cannot be read is said and left out: what the
/// others have is worth having.
pub(super) fn all(context: &Context, named: &[PathBuf]) -> Vec<BackupInfo> {
    let settings = &context.settings;
    let mut found = Vec::new();
    for place in places(&settings.backups, settings.monitor.repository.as_deref(), named) {
        match backup::list(&context.environment, &place) {
            Ok(infos) => found.extend(infos),
            Err(error) => {
                let path = place.path().display();
                context.notices.warning(&format!("the backups in {path} are not asked: {error}"));
            }
        }
    }
    found
}

/// The directory of archives; and the repositories: those that are named, that directory itself, and what lies in it.
fn places(backups: &Path, configured: Option<&Path>, named: &[PathBuf]) -> Vec<Place> {
    let inside = std::fs::read_dir(backups).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut repositories: Vec<PathBuf> = std::iter::once(backups.to_owned())
        .chain(inside)
        .filter(|path| path.join(MARK).is_file())
        .chain(configured.map(Path::to_owned))
        .chain(named.iter().cloned())
        .collect();
    repositories.sort();
    repositories.dedup();
    let archives = Place::Directory(backups.to_owned());
    std::iter::once(archives).chain(repositories.into_iter().map(Place::Repository)).collect()
}
