//! Bringing collections up to date with their documents.
//!
//! ```text
//! scan --> load and hash --> unchanged? --no--> chunk --> vectors: reused | staged | embedded --> one commit a document
//!                                                                         (paid: staged at once)
//! ```
//!
//! The store is the checkpoint: a document's row metadata holds the digest of its file, so a run knows by itself what is
//! done, and an interrupted run is continued by the next. Vectors that cost money are committed as they arrive, to a
//! hidden staging collection under the hash of their text; a document is published from there when all of it is
//! there, in one commit. Until then its old chunks stay.

mod collection;
mod guard;
mod job;
mod mend;
mod other_folder;
mod progress;
mod report;
mod staging;
mod stored;
mod vectors;

use siltstone::{Error, Store};

use crate::command::compact;
use crate::command::context::Context;
use crate::command::embedder;
use crate::command::update::UpdateArgs;
use crate::exit::{CliError, Exit};
use crate::ingest::sources::{SourceRules, Split, plan_sources};
use crate::render::units::counted;
use crate::sources;

pub(crate) use mend::{Mended, Mending, mend};

use collection::{Extent, Run};
use progress::Progress;
use report::Report;

/// The update of all frameworks that the command line or the configuration names.
pub(crate) fn run(args: &UpdateArgs, context: &Context) -> Result<Exit, CliError> {
    let settings = &context.settings;
    let embedder = settings.embedder.embedder()?;
    let identity = embedder::identity_of(&*embedder, &settings.chunks.identity());
    let store = open_or_create(args, context)?;
    let known = match &store {
        Some(store) => sources::load_all(store.path())?,
        None => Default::default(),
    };
    let rules = SourceRules {
        framework: args.framework.clone(),
        split: match (args.split, args.no_split) {
            (true, _) => Split::Always,
            (_, true) => Split::Never,
            _ => Split::Auto,
        },
        known_roots: known
            .values()
            .flat_map(|roots| roots.roots.iter().map(|root| root.path.clone()))
            .collect(),
        ..settings.source_rules()
    };
    let planned = plan_sources(&args.paths, &rules)?;
    for (path, message) in &planned.unlisted_trees {
        context.notices.warning(&format!("{}: {message}; nothing of it is removed", path.display()));
    }
    let mut report = Report::new(settings, &identity, args.dry_run);
    report.unlisted(&planned.unlisted_trees);
    report.skipped(&planned.skipped);
    let progress = Progress::new(context);
    let extent =
        Extent { dry_run: args.dry_run, allow_mass_removal: args.allow_mass_removal, ..Extent::everything() };
    for source in &planned.sources {
        if context.cancel.is_cancelled() {
            report.interrupted = true;
            break;
        }
        let run = Run {
            source,
            context,
            extent: &extent,
            scan_options: settings.scan_options(),
            identity: &identity,
            embedder: &*embedder,
            progress: &progress,
        };
        let ended = other_folder::refuse(source, &known).and_then(|()| match &store {
            Some(store) => run.update(store),
            None => run.plan_only(),
        });
        report.add(source, ended);
    }
    progress.finish();
    if let Some(store) = &store
        && !args.dry_run
    {
        // What was done is reported whatever becomes of this note of it.
        report.unrecorded = finish(store, &mut report).err();
        if context.settings.compact.after_update && !report.interrupted {
            give_space_back(store, &report, context);
        }
        if !report.interrupted {
            encode(store, context);
        }
    }
    report.print(context)
}

/// Compacts the collections that were brought up to date. Never fails an update.
fn give_space_back(store: &Store, report: &Report, context: &Context) {
    for name in report.updated() {
        if context.cancel.is_cancelled() {
            return;
        }
        // A collection of which there was nothing to store was never made.
        if let Ok(collection) = store.collection(name) {
            compact::after_update(context, &collection);
        }
    }
}

/// The store, created when it is missing; `None` when there is none and nothing may be written.
fn open_or_create(args: &UpdateArgs, context: &Context) -> Result<Option<Store>, CliError> {
    let path = &context.settings.store;
    match Store::open_in(context.environment.clone(), path) {
        Ok(store) => Ok(Some(store)),
        Err(Error::NotAStore { .. }) if args.dry_run => Ok(None),
        Err(Error::NotAStore { found, .. }) => {
            if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                std::fs::create_dir_all(parent).map_err(|error| {
                    let message = format!("cannot create {}: {error}", parent.display());
                    CliError::failed(message, "choose another place with --store")
                })?;
            }
            let store = Store::create_in(context.environment.clone(), path).map_err(|error| match error {
                Error::PathTaken { .. } => CliError::new(
                    Exit::NoStore,
                    format!("no store at {}: {found}", path.display()),
                    "choose another place with --store, or move what is there",
                ),
                error => error.into(),
            })?;
            context.notices.notice(&format!("created the store {}", path.display()));
            Ok(Some(store))
        }
        Err(error) => Err(error.into()),
    }
}

/// Makes search codes for what is new. They are derived: without them searches take longer and say the same, so an
/// update does not fail for them.
fn encode(store: &Store, context: &Context) {
    match store.encode() {
        Ok(done) if done.segments > 0 => context.notices.detail(&format!(
            "search codes for {} in {}",
            counted(done.rows, "row", "rows"),
            counted(done.segments, "segment", "segments")
        )),
        Ok(_) => {}
        Err(error) => context.notices.warning(&format!("no search codes for what is new: {error}")),
    }
}

/// Remembers when each collection was brought up to date: one edit for all of them.
fn finish(store: &Store, report: &mut Report) -> Result<(), CliError> {
    let finished = report.finished();
    if finished.is_empty() {
        return Ok(());
    }
    sources::edit(store.path(), |known| {
        for (name, roots) in finished {
            let entry = known.entry(name).or_default();
            let started_ms = entry.started_ms.or(roots.started_ms);
            *entry = sources::SourceRoots { started_ms, ..roots };
        }
    })
}
