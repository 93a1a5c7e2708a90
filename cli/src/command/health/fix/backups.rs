//! Which backups there are to take from what the store itself does not tell any more: all that the configuration knows of,
//! archives and repositories alike.

use std::path::PathBuf;

use siltstone::backup::{self, BackupInfo, Place};

use crate::command::context::Context;

/// Every backup in the places that are configured or named. A place that cannot be read is said and left out: what the
/// others have is worth having.
pub(super) fn all(context: &Context, named: &[PathBuf]) -> Vec<BackupInfo> {
    let mut found = Vec::new();
    for place in places(context, named) {
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
fn places(context: &Context, named: &[PathBuf]) -> Vec<Place> {
    let (backups, configured) = (&context.settings.backups, &context.settings.monitor.repository);
    let inside = std::fs::read_dir(backups).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut repositories: Vec<PathBuf> = std::iter::once(backups.to_owned())
        .chain(inside)
        .filter(|path| Place::is_repository(&context.environment, path))
        .chain(configured.clone())
        .chain(named.iter().cloned())
        .collect();
    repositories.sort();
    repositories.dedup();
    let archives = Place::Directory(backups.to_owned());
    std::iter::once(archives).chain(repositories.into_iter().map(Place::Repository)).collect()
}
