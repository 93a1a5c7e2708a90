//! `siltstone backup`: whole stores in archives or in a repository, and back.

mod beside;
mod create;
mod interruptible;
mod list;
mod prune;
mod restore;
mod verify;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;
use siltstone::backup::{self, BackupInfo, BackupKind, Place};

use super::context::Context;
use crate::exit::{CliError, Exit};

#[derive(Debug, Subcommand)]
pub(crate) enum BackupCommand {
    /// Back up the whole store; an update may be running
    Create(create::CreateArgs),
    /// Show the backups, and what the store was before each restore
    List(PlaceArgs),
    /// Read a backup to its last byte and rehearse its restore
    Verify(verify::VerifyArgs),
    /// Put a backup back in place of the store, or into a new directory
    Restore(restore::RestoreArgs),
    /// Remove old backups; the newest good one always stays
    Prune(prune::PruneArgs),
}

/// Where backups are.
#[derive(Debug, Args)]
pub(crate) struct PlaceArgs {
    /// A repository, which keeps what its backups share once [default: archives, in `backups` of siltstone.toml]
    #[arg(long, value_name = "DIR")]
    pub(crate) repository: Option<PathBuf>,
}

impl PlaceArgs {
    fn place(&self, context: &Context) -> Place {
        match &self.repository {
            Some(repository) => Place::Repository(repository.clone()),
            None => Place::Directory(context.settings.backups.clone()),
        }
    }
}

pub(crate) fn run(command: &BackupCommand, context: &Context) -> Result<Exit, CliError> {
    match command {
        BackupCommand::Create(args) => create::run(args, context),
        BackupCommand::List(args) => list::run(args, context),
        BackupCommand::Verify(args) => verify::run(args, context),
        BackupCommand::Restore(args) => restore::run(args, context),
        BackupCommand::Prune(args) => prune::run(args, context),
    }
}

/// A backup as JSON.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    name: String,
    path: PathBuf,
    kind: &'static str,
    created_at_ms: i64,
    bytes: u64,
    /// Not known of a safety copy.
    rows: Option<u64>,
    collections: Vec<String>,
    sound: bool,
    damage: Vec<String>,
    /// The snapshot that it shows instead of the last commits.
    snapshot: Option<String>,
    verified_at_ms: Option<i64>,
    verification: Vec<String>,
}

impl From<&BackupInfo> for Shown {
    fn from(info: &BackupInfo) -> Shown {
        let kind = match info.kind {
            BackupKind::Archive => "archive",
            BackupKind::Repository => "repository",
            BackupKind::Safety => "safety",
        };
        Shown {
            name: info.name.clone(),
            path: info.path.clone(),
            kind,
            created_at_ms: info.created_at_ms,
            bytes: info.bytes,
            rows: (info.kind != BackupKind::Safety).then_some(info.rows),
            collections: info.collections.clone(),
            sound: info.is_sound(),
            damage: info.damage.clone(),
            snapshot: info.snapshot.clone(),
            verified_at_ms: info.verified_at_ms,
            verification: info.verification.clone(),
        }
    }
}

/// The backup that FILE names.
struct Found {
    backup: BackupInfo,
    /// What `latest` passed over to get there.
    passed_over: Vec<PassedOver>,
    /// Whether one of those is damaged: then the newest backup is not what `latest` gives.
    is_newer_damaged: bool,
}

/// A backup that is newer than what `latest` gives.
#[derive(Debug, Serialize)]
struct PassedOver {
    name: String,
    reason: String,
}

impl From<&BackupInfo> for PassedOver {
    fn from(info: &BackupInfo) -> PassedOver {
        let state = list::state(info);
        let reason = match info.damage.iter().chain(&info.verification).next() {
            Some(damage) => format!("{state}: {damage}"),
            None => state,
        };
        PassedOver { name: info.name.clone(), reason }
    }
}

/// The backup that FILE names. A path counts from where the user stands. Warns of each that `latest` passes over.
fn find(context: &Context, place: &Place, which: &str) -> Result<Found, CliError> {
    let (mut passed_over, mut is_newer_damaged) = (Vec::new(), false);
    let found = match which {
        "latest" => backup::latest(&context.environment, place).and_then(|latest| {
            passed_over = latest.passed_over.iter().map(PassedOver::from).collect();
            // One of a snapshot would be passed over whole as well: it says nothing about the newest of the store.
            is_newer_damaged =
                latest.passed_over.iter().any(|info| info.snapshot.is_none() && !info.is_sound());
            latest.found(place)
        }),
        _ => backup::find(&context.environment, place, &context.settings.store, which),
    };
    for PassedOver { name, reason } in &passed_over {
        context.notices.warning(&format!("`latest` passes over {name}, which is {reason}"));
    }
    let backup = found.map_err(|error| {
        let exit = CliError::from(error);
        let list = match place {
            Place::Directory(_) => context.siltstone("backup list"),
            Place::Repository(path) => {
                context.siltstone(&format!("backup list --repository {}", super::context::quoted(path)))
            }
        };
        match exit.exit {
            Exit::Usage => {
                let code = if is_newer_damaged { Exit::Found } else { Exit::Failed };
                CliError::new(code, exit.message, format!("`{list}` shows what there is"))
            }
            _ => exit,
        }
    })?;
    Ok(Found { backup, passed_over, is_newer_damaged })
}

/// Says what a network mount means for what was just done there.
fn note_network(context: &Context, path: &Path) {
    let volume = path.ancestors().find_map(|path| context.environment.disk.volume(path).ok());
    if let Some(kind) = volume.and_then(|volume| volume.network) {
        context.notices.warning(&format!(
            "{} lies on a network mount ({kind}): locks may hold on this machine only, and a sync is as good as the \
             server's; write to it from one machine at a time",
            path.display()
        ));
    }
}
