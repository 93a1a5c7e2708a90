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
mod consent;
mod estimate;
mod group;
mod guard;
mod job;
mod journal;
mod mend;
mod other_folder;
mod pending;
mod progress;
mod read_back;
mod reembed;
mod report;
mod seen;
mod staging;
mod stored;
mod texts;
mod vanished;
mod vectors;

use std::collections::BTreeMap;

use siltstone::{EmbeddingIdentity, Error, Store};

use crate::command::compact;
use crate::command::context::Context;
use crate::command::embedder;
use crate::command::update::UpdateArgs;
use crate::exit::{CliError, Exit};
use crate::ingest::embed::Embedder;
use crate::ingest::sources::{Source, SourceRules, Split, plan_sources};
use crate::render::units::counted;
use crate::sources::{self, SourceRoots};

pub(crate) use consent::to_pay;
pub(crate) use mend::{Mended, Mending, mend};

use collection::{Extent, Run};
use progress::Progress;
use report::{Cost, Report};
use texts::Texts;

/// The update of all frameworks that the command line or the configuration names.
pub(crate) fn run(args: &UpdateArgs, context: &Context) -> Result<Exit, CliError> {
    let result = update(args, context);
    if let Err(error) = &result
        && !args.dry_run
    {
        journal::refused(context, error, counts(args, context, error));
    }
    result
}

/// Whether a run that could not begin is one that failed. A mistyped command line is none, and neither is one that met
/// somebody else or was called off; settings with which no run can begin are for those who look after the store.
fn counts(args: &UpdateArgs, context: &Context, error: &CliError) -> bool {
    match error.exit {
        Exit::Locked | Exit::Interrupted => false,
        Exit::Usage => !names_embedder(args) && context.settings.embedder.embedder().is_err(),
        _ => true,
    }
}

/// Whether the command line says what embeds.
fn names_embedder(args: &UpdateArgs) -> bool {
    args.embedder.is_some() || args.base_url.is_some() || args.model.is_some() || args.dims.is_some()
}

/// A PATH that is not there, and of which the store knows nothing, is a slip of the pen: no disk that is not mounted.
fn check_paths(
    args: &UpdateArgs,
    sources: &[Source],
    known: &BTreeMap<String, SourceRoots>,
) -> Result<(), CliError> {
    let is_known =
        |source: &Source| known.values().any(|roots| roots.roots.iter().any(|root| root.path == source.root));
    let wrong = sources.iter().find(|source| !source.root.exists() && !is_known(source));
    match wrong.filter(|_| !args.paths.is_empty()) {
        None => Ok(()),
        Some(source) => Err(CliError::usage(
            format!("{} is not there, and no document of it was ever indexed", source.root.display()),
            "check the path; `siltstone update --help` shows how documents are named",
        )),
    }
}

fn update(args: &UpdateArgs, context: &Context) -> Result<Exit, CliError> {
    let started_ms = context.environment.clock.now_ms();
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
        known: sources::known_roots(&known),
        ..settings.source_rules()
    };
    let planned = plan_sources(&args.paths, &rules)?;
    check_paths(args, &planned.sources, &known)?;
    for (path, message) in &planned.unlisted_trees {
        context.notices.warning(&format!("{}: {message}; nothing of it is removed", path.display()));
    }
    let budget = context.budget.as_deref().filter(|_| staging::is_paid(embedder.identity()));
    let price = budget.and_then(|budget| budget.terms().usd_per_million_tokens);
    let mut report = Report::new(settings, &identity, args.dry_run);
    report.priced(price);
    report.names_embedder(names_embedder(args));
    report.unlisted(&planned.unlisted_trees);
    report.skipped(&planned.skipped);
    let mut progress = Progress::new(context);
    let all = Frameworks {
        context,
        sources: &planned.sources,
        known: &known,
        store: store.as_ref(),
        identity: &identity,
        reembed: args.reembed,
    };
    let extent = Extent {
        dry_run: args.dry_run,
        allow_mass_removal: args.allow_mass_removal,
        verify_content: args.verify_content,
        ..Extent::everything()
    };
    if let Some(budget) = budget.filter(|_| !args.dry_run) {
        consent::to_pay(budget, args.force, context, || {
            let extent = Extent { dry_run: true, ..extent.clone() };
            let mut estimate = Report::new(settings, &identity, true);
            all.run(&extent, &*embedder, &progress, &mut estimate);
            progress.finish();
            estimate.tokens_to_send()
        })?;
    }
    if !args.dry_run {
        journal::began(context, planned.sources.len());
        progress.publish(context, planned.sources.len());
    }
    all.run(&extent, &*embedder, &progress, &mut report);
    progress.finish();
    if let Some(budget) = budget.filter(|_| !args.dry_run) {
        report.cost =
            budget.terms().run_usd.map(|limit_usd| Cost { spent_usd: budget.spent_usd(), limit_usd });
        if let Some(trouble) = budget.trouble() {
            context.notices.warning(&format!("the ledger of requests is incomplete: {trouble}"));
        }
    }
    if let Some(store) = &store
        && !args.dry_run
    {
        // What was done is reported whatever becomes of this note of it.
        report.unrecorded = finish(store, &mut report).err();
        vanished::let_go(store, &report, context);
        progress.stage("giving space back");
        if context.settings.compact.after_update && !report.interrupted {
            give_space_back(store, &report, context);
        }
        if !report.interrupted {
            progress.stage("making search codes");
            encode(store, &report, context);
        }
    }
    let exit = report.print(context)?;
    if !args.dry_run {
        journal::ended(context, &report, started_ms, progress.machine_peak_bytes());
    }
    Ok(exit)
}

/// The frameworks of a run, and what all of them need.
struct Frameworks<'a> {
    context: &'a Context,
    sources: &'a [Source],
    /// What the store remembers of where its documents come from.
    known: &'a BTreeMap<String, SourceRoots>,
    store: Option<&'a Store>,
    identity: &'a EmbeddingIdentity,
    /// Whether what has another embedding is embedded anew.
    reembed: bool,
}

impl Frameworks<'_> {
    /// One after the other, until one is interrupted or a limit of cost is met.
    fn run(&self, extent: &Extent, embedder: &dyn Embedder, progress: &Progress, report: &mut Report) {
        let context = self.context;
        let mut texts = Texts::default();
        for source in self.sources {
            if context.cancel.is_cancelled() {
                report.interrupted = true;
                return;
            }
            if report.is_over_limit() {
                report.not_begun += 1;
                continue;
            }
            if let Some(budget) = &context.budget {
                budget.framework(&source.framework);
            }
            let run = Run {
                source,
                context,
                extent,
                scan_options: context.settings.scan_options(),
                identity: self.identity,
                embedder,
                progress,
            };
            if let Err(error) = other_folder::refuse(source, self.known) {
                report.refuse(source, error);
                continue;
            }
            let ended = match self.store {
                Some(store) if self.reembed => run.reembed(store, &mut texts),
                Some(store) => run.update(store, &mut texts),
                None => run.plan_only(&mut texts),
            };
            report.add(source, ended);
        }
    }
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
fn encode(store: &Store, report: &Report, context: &Context) {
    let done = if report.has_changed() { store.encode() } else { store.encode_missing() };
    match done {
        Ok(done) if done.segments > 0 => context.notices.detail(&format!(
            "search codes for {} in {}",
            counted(done.rows, "row", "rows"),
            counted(done.segments, "segment", "segments")
        )),
        Ok(_) => {}
        Err(error) => context.notices.warning(&format!("no search codes for what is new: {error}")),
    }
}

/// Remembers when each collection was brought up to date, and how far it is: one edit for all of them.
fn finish(store: &Store, report: &mut Report) -> Result<(), CliError> {
    let (finished, coverages) = (report.finished(), report.coverages());
    if finished.is_empty() && coverages.is_empty() && report.let_go().next().is_none() {
        return Ok(());
    }
    let gone = report.let_go();
    sources::edit(store.path(), |known| {
        for (name, roots) in finished {
            let entry = known.entry(name).or_default();
            let started_ms = entry.started_ms.or(roots.started_ms);
            *entry = sources::SourceRoots { started_ms, ..roots };
        }
        for (name, coverage) in coverages {
            known.entry(name).and_modify(|roots| roots.coverage = Some(coverage));
        }
        for name in gone {
            known.remove(&name);
        }
    })
}
