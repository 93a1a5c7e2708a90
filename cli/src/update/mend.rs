//! A part of an update, for whoever knows what is wrong with a collection: the same scan, the same guard against mass
//! removal, the same commits, and a report as data.

use std::collections::BTreeSet;

use siltstone::Store;

use crate::command::context::Context;
use crate::command::embedder;
use crate::exit::{CliError, Exit};
use crate::ingest::embed::{EmbedError, Embedder};
use crate::ingest::scan::ScanOptions;
use crate::ingest::sources::Source;
use crate::sources;

use super::collection::{Extent, Run};
use super::progress::Progress;
use super::texts::Texts;

/// What is to be done in one collection.
#[derive(Debug)]
pub(crate) struct Mending {
    pub(crate) source: Source,
    /// How the collection's documents were looked for.
    pub(crate) scan_options: ScanOptions,
    /// Embed documents that are not in the store.
    pub(crate) new: bool,
    /// Embed documents that changed.
    pub(crate) changed: bool,
    /// Remove documents that are gone.
    pub(crate) gone: bool,
    /// Embed these afresh.
    pub(crate) again: BTreeSet<String>,
    /// Send no more tokens than this, by the estimate.
    pub(crate) most_tokens: Option<u64>,
}

/// What became of it.
#[derive(Debug, Default)]
pub(crate) struct Mended {
    /// Documents that were embedded, or would be.
    pub(crate) embedded: u64,
    pub(crate) removed: Vec<String>,
    /// Documents that could not be embedded, and why.
    pub(crate) failed: Vec<(String, String)>,
    /// Why documents that are gone were kept.
    pub(crate) held_back: Option<String>,
    /// Documents that the limit of tokens left out.
    pub(crate) over_limit: u64,
    /// Tokens by the estimate; without a dry run those of what was embedded.
    pub(crate) tokens: u64,
    /// Why it ended early.
    pub(crate) stopped: Option<CliError>,
}

/// Does it, or with `dry_run` says what it would come to.
pub(crate) fn mend(
    context: &Context,
    store: &Store,
    embedder: &dyn Embedder,
    mending: &Mending,
    dry_run: bool,
) -> Result<Mended, CliError> {
    let extent = Extent {
        dry_run,
        allow_mass_removal: false,
        new: mending.new,
        changed: mending.changed,
        gone: mending.gone,
        again: mending.again.clone(),
        most_tokens: mending.most_tokens,
        // Whoever found something wrong has read the files.
        verify_content: true,
    };
    let identity = embedder::identity_of(embedder, &context.settings.chunks.identity());
    if let Some(budget) = &context.budget {
        budget.framework(&mending.source.framework);
    }
    let progress = Progress::new(context);
    let run = Run {
        source: &mending.source,
        context,
        extent: &extent,
        scan_options: mending.scan_options.clone(),
        identity: &identity,
        embedder,
        progress: &progress,
    };
    let ended = run.update(store, &mut Texts::default());
    progress.finish();
    let mut ended = ended?;
    let (roots, coverage) = (ended.roots.take().filter(|_| !dry_run), ended.coverage);
    if roots.is_some() || coverage.is_some() {
        sources::edit(store.path(), |known| {
            known.extend(roots);
            if let Some(entry) = known.get_mut(&mending.source.collection) {
                entry.coverage = coverage.or(entry.coverage);
            }
        })?;
    }
    let stopped = match ended.stopped {
        Some(EmbedError::Cancelled) => Some(CliError::interrupted()),
        Some(error) => Some(error.into()),
        None if ended.interrupted => Some(CliError::new(
            Exit::Interrupted,
            "interrupted",
            "everything that was committed is kept; run the command again to go on",
        )),
        None => None,
    };
    Ok(Mended {
        embedded: if dry_run { ended.new + ended.changed } else { ended.published },
        removed: ended.removed,
        failed: ended.failed,
        held_back: ended.held_back,
        over_limit: ended.over_limit,
        tokens: if dry_run { ended.tokens_to_send } else { ended.estimated_tokens },
        stopped,
    })
}
