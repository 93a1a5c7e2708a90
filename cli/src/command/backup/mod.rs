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
            verified_at_ms: info.verified_at_ms,
            verification: info.verification.clone(),
        }
    }
}

/// The backup that FILE names. A path counts from where the user stands.
fn find(context: &Context, place: &Place, which: &str) -> Result<BackupInfo, CliError> {
    backup::find(&context.environment, place, &context.settings.store, which).map_err(|error| {
        let exit = CliError::from(error);
        let list = match place {
            Place::Directory(_) => context.siltstone("backup list"),
            Place::Repository(path) => {
                context.siltstone(&format!("backup list --repository {}", super::context::quoted(path)))
            }
        };
        match exit.exit {
            Exit::Usage => CliError::failed(exit.message, format!("`{list}` shows what there is")),
            _ => exit,
        }
    })
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
