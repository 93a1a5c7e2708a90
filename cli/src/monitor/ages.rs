//! When what must be done regularly was last done well.

use siltstone::backup::{self, BackupInfo, BackupKind, Place};

use crate::command::context::Context;
use crate::command::health;
use crate::runs::RunRecord;

/// Moments, in milliseconds since 1970-01-01 UTC. `None`: never, as far as is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Ages {
    /// The end of the last run of update that ended with 0.
    pub(crate) update_ms: Option<i64>,
    /// When the newest sound backup that is not of a snapshot was made, and its size when it is an archive.
    pub(crate) backup_ms: Option<i64>,
    pub(crate) backup_bytes: Option<u64>,
    /// When a backup was last verified and found sound.
    pub(crate) verification_ms: Option<i64>,
    /// When a deep scan last came to its end over all of the store.
    pub(crate) deep_scan_ms: Option<i64>,
    /// When the store began: what was never done is due from then on.
    pub(crate) born_ms: Option<i64>,
    /// What kept any of these from being looked up.
    pub(crate) troubles: Vec<String>,
}

impl Ages {
    pub(crate) fn gather(context: &Context, runs: &[RunRecord]) -> Ages {
        let mut ages = Ages {
            update_ms: runs.iter().rev().find(|run| run.exit == 0).map(|run| run.finished_ms),
            deep_scan_ms: health::last_deep_scan_ms(context),
            born_ms: born_ms(context, runs),
            ..Ages::default()
        };
        let mut places = vec![Place::Directory(context.settings.backups.clone())];
        places.extend(context.settings.monitor.repository.clone().map(Place::Repository));
        let mut found: Vec<BackupInfo> = Vec::new();
        for place in &places {
            match backup::list(&context.environment, place) {
                Ok(infos) => found.extend(infos),
                Err(error) => ages.troubles.push(error.to_string()),
            }
        }
        found.retain(BackupInfo::is_current);
        let newest = found.iter().max_by_key(|info| info.created_at_ms);
        ages.backup_ms = newest.map(|info| info.created_at_ms);
        ages.backup_bytes = newest.filter(|info| info.kind == BackupKind::Archive).map(|info| info.bytes);
        ages.verification_ms = found.iter().filter_map(|info| info.verified_at_ms).max();
        ages
    }
}

/// The earlier of the first run that is known and the moment at which the store's directory was made, where the system
/// remembers that.
fn born_ms(context: &Context, runs: &[RunRecord]) -> Option<i64> {
    let created = std::fs::metadata(&context.settings.store).and_then(|meta| meta.created()).ok();
    let created = created.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    let created = created.and_then(|since| i64::try_from(since.as_millis()).ok());
    let first = runs.first().map(|run| run.started_ms);
    created.into_iter().chain(first).min()
}
