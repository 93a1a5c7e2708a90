//! `siltstone report`: what somebody else needs to know about an incident, in one file that can be sent. It reads, takes
//! no lock, and writes nothing but that file: on a damaged store, and beside whoever holds its locks.
//!
//! ```text
//! machine, settings, status, health, verification, locks, files, structure, logs --cleaned of keys--> report_....tar.zst
//! ```
//!
//! A part that cannot be had is no reason to do without the others: it says why in its place. No vector, no text of a
//! passage and no key goes in.

mod bundle;
mod files;
mod locks;
mod logs;
mod machine;
mod redact;
mod settings;
mod state;
mod structure;

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::context::Context;
use super::health::Names;
use crate::exit::{CliError, Exit};
use crate::render::units::{bytes, counted, stamp};
use crate::render::{file, json};
use bundle::{Bundle, Listed};
use redact::Redaction;

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// The file to write [default: report_YYYYMMDD_HHMMSS.tar.zst in the working directory]
    #[arg(long, value_name = "FILE.tar.zst")]
    pub(crate) output: Option<PathBuf>,
    /// Hide paths, names and document ids, as `health --privacy` does; leave out logs that name them
    #[arg(long)]
    pub(crate) privacy: bool,
}

#[derive(Debug, Serialize)]
struct Written<'a> {
    report: &'a std::path::Path,
    bytes: u64,
    privacy: bool,
    contents: &'a [Listed],
}

pub(crate) fn run(args: &ReportArgs, context: &Context) -> Result<Exit, CliError> {
    let now_ms = context.environment.clock.now_ms();
    let stem = format!("report_{}", stamp(now_ms).replace('-', "_"));
    let path = args.output.clone().unwrap_or_else(|| PathBuf::from(format!("{stem}.tar.zst")));
    keep_out(context, &path)?;
    let names = Names::new(&context.settings.store, args.privacy);
    let bundle = Bundle::new(&stem, now_ms, Redaction::new(context, args.privacy));
    let mut report = Gather { context, names: &names, bundle: bundle.map_err(failed)? };
    report.everything()?;
    let (packed, contents) = report.bundle.finish(args.privacy).map_err(failed)?;
    file::replace(&path, &packed).map_err(|error| {
        CliError::failed(
            format!("cannot write the report to {}: {error}", path.display()),
            "name a place that can be written with --output",
        )
    })?;
    let size = packed.len() as u64;
    if context.json {
        let privacy = args.privacy;
        context.print_json(&Written { report: &path, bytes: size, privacy, contents: &contents })?;
        return Ok(Exit::Pass);
    }
    for one in &contents {
        let why = one.error.as_deref().map_or_else(String::new, |error| format!(" (not had: {error})"));
        context.output.line(format!("  {:<48} {:>9}  {}{why}", one.path, bytes(one.bytes), one.what))?;
    }
    let files = counted(contents.len() as u64, "file", "files");
    context.output.line(format!("{}: {files}, {}", path.display(), bytes(size)))?;
    context
        .notices
        .notice("no key, text or vector is in it; look through it before you send it all the same");
    Ok(Exit::Pass)
}

/// A report never changes what it is about.
fn keep_out(context: &Context, path: &std::path::Path) -> Result<(), CliError> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let real = crate::ingest::scan::real_path;
    let (folder, store) = (real(parent.unwrap_or(".".as_ref())), real(&context.settings.store));
    match folder.starts_with(&store) {
        false => Ok(()),
        true => Err(CliError::usage(
            format!("{} lies inside the store, which a report leaves as it is", path.display()),
            "name a place outside of it with --output",
        )),
    }
}

fn failed(error: std::io::Error) -> CliError {
    CliError::failed(format!("the report cannot be packed: {error}"), "free some memory and try again")
}

/// A report under way.
struct Gather<'a> {
    context: &'a Context,
    names: &'a Names,
    bundle: Bundle,
}

impl Gather<'_> {
    fn everything(&mut self) -> Result<(), CliError> {
        let (context, names) = (self.context, self.names);
        self.section("machine.json", "version, platform, space and mounts", || {
            Ok(machine::machine(context, names))
        })?;
        self.section("settings.json", "what is configured, without keys", || {
            Ok(settings::settings(context, names))
        })?;
        self.section("locks.json", "who holds locks", || Ok(locks::locks(context, names)))?;
        self.section("files.json", "every file of the store, with its length and age", || {
            files::listing(context, names)
        })?;
        self.section("status.json", "what `status --json` shows", || state::status(context, names))?;
        self.section("health.json", "what `health --json` finds", || state::health(context, names))?;
        self.section("verification.json", "every byte verified: findings", || {
            state::verification(context, names)
        })?;
        files::documents(self)?;
        structure::structure(self)?;
        logs::logs(self)
    }

    /// Adds a document, or why it cannot be had.
    fn section(
        &mut self,
        path: &str,
        what: &str,
        gather: impl FnOnce() -> Result<Value, CliError>,
    ) -> Result<(), CliError> {
        self.context.check_cancelled()?;
        self.context.notices.detail(&format!("report: {what}"));
        let (value, error) = match gather() {
            Ok(value) => (value, None),
            Err(error) if error.exit == Exit::Interrupted => return Err(error),
            Err(error) => {
                let message = self.names.sentence(&error.message);
                (serde_json::json!({ "error": message }), Some(message))
            }
        };
        let text = json::text(&value)? + "\n";
        self.bundle.add(path, what, &text, error).map_err(failed)
    }
}
