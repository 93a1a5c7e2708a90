//! `siltstone backup verify`.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use siltstone::backup::{self, BackupKind};

use super::interruptible::{ended, environment};
use super::{Found, PassedOver, PlaceArgs, Shown, find};
use crate::command::context::Context;
use crate::exit::{CliError, Exit};
use crate::render::units::{bytes, counted};

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The backup: its path, its name as `backup list` shows it, or `latest`
    #[arg(value_name = "FILE|latest")]
    pub(crate) file: String,
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
}

#[derive(Debug, Serialize)]
struct Verified<'a> {
    backup: Shown,
    sound: bool,
    files: u64,
    bytes: u64,
    rows: u64,
    /// Whether the archive as a whole was compared with the digest beside it; null in a repository.
    whole_digest: Option<bool>,
    damage: &'a [String],
    passed_over: &'a [PassedOver],
}

pub(super) fn run(args: &VerifyArgs, context: &Context) -> Result<Exit, CliError> {
    let Found { backup: found, passed_over, is_newer_damaged } =
        find(context, &args.place.place(context), &args.file)?;
    let report = backup::verify(&environment(context), &found);
    let report = report.map_err(|error| ended(context, error))?;
    let whole_digest = (found.kind == BackupKind::Archive).then(|| digest_of(&found.path).exists());
    let is_sound = report.damage.is_empty();
    // A sound backup that is not the newest does not show that the newest can be restored.
    let exit = if is_sound && !is_newer_damaged { Exit::Pass } else { Exit::Found };
    if context.json {
        let (files, bytes, rows) = (report.files, report.bytes, report.rows);
        let (backup, damage) = (Shown::from(&report.backup), report.damage.as_slice());
        let passed_over = passed_over.as_slice();
        context.print_json(&Verified {
            backup,
            sound: is_sound,
            files,
            bytes,
            rows,
            whole_digest,
            damage,
            passed_over,
        })?;
        return Ok(exit);
    }
    if is_sound {
        context.output.line(format!(
            "{}: {} in {} ({}) read, restored in a scratch directory and verified there",
            found.name,
            counted(report.rows, "row", "rows"),
            counted(report.files, "file", "files"),
            bytes(report.bytes)
        ))?;
        if whole_digest == Some(false) {
            context.notices.warning(&format!(
                "{} is missing: every member was compared with the index in the archive, the archive as a whole with \
                 nothing; `b3sum {} > {}`, in its directory, writes it anew",
                digest_of(&found.path).display(),
                name_of(&found.path),
                name_of(&digest_of(&found.path)),
            ));
        }
        if is_newer_damaged {
            let create = "`siltstone backup create` makes a new one";
            context.notices.warning(&format!("this is not the newest backup, which is damaged; {create}"));
        }
        return Ok(exit);
    }
    context.output.line(format!("{}: {}", found.name, context.style.red("damaged")))?;
    for damage in report.damage.iter().take(20) {
        context.output.line(format!("    {damage}"))?;
    }
    context.notices.warning("`latest` passes it by from now on; `siltstone backup list` shows the others");
    Ok(exit)
}

/// The file with the digest of an archive.
fn digest_of(archive: &Path) -> PathBuf {
    let mut path = archive.as_os_str().to_owned();
    path.push(".b3");
    path.into()
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
