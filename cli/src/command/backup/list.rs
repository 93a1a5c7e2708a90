//! `siltstone backup list`.

use serde::Serialize;
use siltstone::backup::{self, BackupInfo, BackupKind};

use super::{PlaceArgs, Shown};
use crate::command::context::Context;
use crate::exit::{CliError, Exit};
use crate::render::table::Table;
use crate::render::units::{bytes, count, moment};

#[derive(Debug, Serialize)]
struct Backups {
    backups: Vec<Shown>,
}

pub(super) fn run(args: &PlaceArgs, context: &Context) -> Result<Exit, CliError> {
    let place = args.place(context);
    let mut all = backup::list(&context.environment, &place)?;
    all.extend(backup::safety_copies(&context.environment, &context.settings.store)?);
    if context.json {
        context.print_json(&Backups { backups: all.iter().map(Shown::from).collect() })?;
        return Ok(Exit::Pass);
    }
    if all.is_empty() {
        let place = place.path().display();
        context.notices.notice(&format!("no backups in {place}; `siltstone backup create` makes one"));
        return Ok(Exit::Pass);
    }
    let mut table = Table::new(&["backup", "size", "rows", "created", "last verified", "state"], 1, 3);
    for info in &all {
        let created = match info.created_at_ms {
            0 => "?".to_owned(),
            ms => moment(ms),
        };
        let rows = match info.kind {
            BackupKind::Safety => String::new(),
            _ => count(info.rows),
        };
        let verified = info.verified_at_ms.map_or_else(|| "when made".to_owned(), moment);
        let verified = if info.kind == BackupKind::Safety { String::new() } else { verified };
        table.row(vec![info.name.clone(), bytes(info.bytes), rows, created, verified, state(info)]);
    }
    for line in table.lines() {
        context.output.line(line)?;
    }
    Ok(Exit::Pass)
}

/// What a backup is good for, in a few words.
pub(super) fn state(info: &BackupInfo) -> String {
    let state = match (info.kind, info.damage.is_empty(), info.verification.is_empty()) {
        (BackupKind::Safety, true, _) => "before a restore",
        (BackupKind::Safety, false, _) => "before a restore, damaged",
        (_, true, true) => "good",
        (_, false, _) if !info.collections.is_empty() => "of a damaged store",
        _ => "damaged",
    };
    match &info.snapshot {
        Some(name) if info.is_sound() => format!("of snapshot {name}"),
        Some(name) => format!("{state}, of snapshot {name}"),
        None => state.to_owned(),
    }
}
