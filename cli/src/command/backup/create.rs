//! `siltstone backup create`.

use std::path::Path;

use clap::Args;
use serde::Serialize;
use siltstone::backup::{self, BackupOptions, Extra, Place};
use siltstone_format::backup::{STORE_DIR, check_path};

use super::interruptible::{ended, environment};
use super::{PlaceArgs, Shown, note_network};
use crate::command::context::Context;
use crate::config;
use crate::exit::{CliError, Exit};
use crate::render::units::bytes;
use crate::sources;

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    /// Only the moments that this snapshot keeps, of the collections that have it
    #[arg(long, value_name = "NAME")]
    pub(crate) snapshot: Option<String>,
}

#[derive(Debug, Serialize)]
struct Made {
    backup: Shown,
    added_bytes: u64,
}

/// Endings of what is taken from the directory of logs: history and ledgers, which are text.
const LOGS: [&str; 5] = ["csv", "json", "jsonl", "log", "txt"];

pub(super) fn run(args: &CreateArgs, context: &Context) -> Result<Exit, CliError> {
    let place = args.place.place(context);
    let parent = place.path().parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        std::fs::create_dir_all(parent).map_err(|error| {
            CliError::failed(
                format!("cannot create {}: {error}", parent.display()),
                "choose another place with `backups` in siltstone.toml, or with --repository",
            )
        })?;
    }
    let store = &context.settings.store;
    let options = BackupOptions { snapshot: args.snapshot.clone(), extras: extras(context) };
    let made = backup::create(&environment(context), store, &place, &options);
    let made = made.map_err(|error| ended(context, error))?;
    for path in [store.as_path(), place.path()] {
        note_network(context, path);
    }
    let info = &made.backup;
    let exit = if info.is_sound() { Exit::Pass } else { Exit::Found };
    if context.json {
        context.print_json(&Made { backup: Shown::from(info), added_bytes: made.added_bytes })?;
        return Ok(exit);
    }
    let rows = Context::rows_in(info.rows, info.collections.len());
    let size = match place {
        Place::Directory(_) => bytes(info.bytes),
        Place::Repository(_) => format!("{} added for {}", bytes(made.added_bytes), bytes(info.bytes)),
    };
    context.output.line(format!("{}: {rows}, {size}", info.path.display()))?;
    for damage in info.damage.iter().take(5) {
        context.output.line(format!("    {} {damage}", context.style.red("damaged:")))?;
    }
    if !info.is_sound() {
        context.notices.warning(
            "the store is damaged; the backup holds it as it is, and `latest` passes it by: mend the store with `siltstone \
             health --deep-scan --fix`, then back it up again",
        );
    }
    if let Some(name) = &info.snapshot {
        context.notices.notice(&format!(
            "it shows the snapshot {name}: `latest` passes it by; to verify or restore it, name it"
        ));
    }
    Ok(exit)
}

/// What belongs to the store beside its own files. Never `.env`, and never a file whose name speaks of a key.
fn extras(context: &Context) -> Vec<Extra> {
    let settings = &context.settings;
    let mut extras = vec![
        Extra {
            from: settings.store.join(sources::FILE_NAME),
            path: format!("{STORE_DIR}/{}", sources::FILE_NAME),
        },
        Extra { from: context.config_file.clone(), path: config::FILE_NAME.to_owned() },
    ];
    let entries = std::fs::read_dir(&settings.logs).into_iter().flatten().flatten();
    let mut logs: Vec<_> = entries.map(|entry| entry.path()).filter(|path| is_log(path)).collect();
    logs.sort();
    for from in logs {
        let name = from.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let path = format!("logs/{name}");
        if check_path(&path).is_ok() {
            extras.push(Extra { from, path });
        }
    }
    extras
}

fn is_log(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
    let is_file = std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file());
    is_file && !name.starts_with('.') && !name.contains("key") && LOGS.contains(&ending.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_environments_nor_keys_are_taken() {
        let scratch = tempfile::tempdir().unwrap();
        for (name, is_taken) in [
            ("history.jsonl", true),
            (".env", false),
            ("api-key.txt", false),
            ("openai.pem", false),
            ("a.LOG", true),
        ] {
            let path = scratch.path().join(name);
            std::fs::write(&path, "x").unwrap();
            assert_eq!(is_log(&path), is_taken, "{name}");
        }
        #[cfg(unix)]
        {
            let link = scratch.path().join("link.log");
            std::os::unix::fs::symlink(scratch.path().join(".env"), &link).unwrap();
            assert!(!is_log(&link));
        }
    }
}
