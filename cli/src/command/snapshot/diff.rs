//! `snapshot diff`: what changed from one moment to another, collection by collection, key by key. Counts are always
//! complete; of the keys as many are shown as were asked for.

use clap::Args;
use serde::Serialize;
use siltstone::{Change, ChangeKind, Collection, Difference, Error, View};

use super::NOW;
use crate::command::context::Context;
use crate::exit::{CliError, Exit};
use crate::render::plain::name as plain;
use crate::render::units::count;

#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// The earlier moment: name of a snapshot, or `now`
    #[arg(value_name = "A")]
    pub(crate) before: String,
    /// The later moment: name of a snapshot, or `now`
    #[arg(value_name = "B", default_value = NOW)]
    pub(crate) after: String,
    /// Only in this collection; may be repeated [default: all that have both]
    #[arg(long, value_name = "NAME", id = "in_collection")]
    pub(crate) collection: Vec<String>,
    /// Show at most this many keys of each collection; 0 shows counts only
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) limit: usize,
}

#[derive(Debug, Serialize)]
struct Compared {
    before: String,
    after: String,
    collections: Vec<Outcome>,
    /// Collections that lack one of the two.
    without: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Outcome {
    collection: String,
    before_commit: u64,
    after_commit: u64,
    added: u64,
    changed: u64,
    removed: u64,
    unchanged: u64,
    keys: Vec<Key>,
    /// Changes that are counted and not listed.
    not_shown: u64,
}

#[derive(Debug, Serialize)]
struct Key {
    key: String,
    /// `added`, `changed` or `removed`.
    change: &'static str,
    /// What of a changed row: `vector`, `metadata`, `text`.
    parts: Vec<&'static str>,
}

impl Key {
    fn of(change: Change<'_>) -> Key {
        let (kind, parts) = match change.kind {
            ChangeKind::Added => ("added", Vec::new()),
            ChangeKind::Removed => ("removed", Vec::new()),
            ChangeKind::Changed { vector, metadata, text } => {
                let parts = [(vector, "vector"), (metadata, "metadata"), (text, "text")];
                ("changed", parts.into_iter().filter_map(|(is, part)| is.then_some(part)).collect())
            }
        };
        Key { key: change.key.to_owned(), change: kind, parts }
    }
}

pub(super) fn diff(args: &DiffArgs, context: &Context) -> Result<Exit, CliError> {
    let store = context.open_store()?;
    let (mut collections, mut without, mut absent) = (Vec::new(), Vec::new(), None);
    for collection in context.collections(&store, &args.collection)? {
        context.check_cancelled()?;
        let moments = moment(&collection, &args.before)
            .and_then(|before| moment(&collection, &args.after).map(|after| (before, after)));
        match moments {
            Ok((before, after)) => {
                collections.push(compare(collection.name(), &before, &after, args.limit)?);
            }
            Err(error @ Error::NoSuchSnapshot { .. }) => {
                without.push(collection.name().to_owned());
                absent = Some(error);
            }
            Err(error) => return Err(error.into()),
        }
    }
    // A name that no collection knows is a mistake, and so is one that a named collection lacks.
    if let Some(error) = absent.filter(|_| collections.is_empty() || !args.collection.is_empty()) {
        return Err(error.into());
    }
    let compared = Compared { before: args.before.clone(), after: args.after.clone(), collections, without };
    match context.json {
        true => context.print_json(&compared)?,
        false => print(context, &compared)?,
    }
    Ok(Exit::Pass)
}

fn moment(collection: &Collection, name: &str) -> siltstone::Result<View> {
    match name {
        NOW => collection.view(),
        name => collection.snapshot(name),
    }
}

fn compare(name: &str, before: &View, after: &View, limit: usize) -> Result<Outcome, CliError> {
    let mut keys = Vec::new();
    let difference = before.changes_until(after, |change| {
        if keys.len() < limit {
            keys.push(Key::of(change));
        }
        Ok(())
    })?;
    let Difference { added, removed, changed, unchanged } = difference;
    let not_shown = (added + changed + removed).saturating_sub(keys.len() as u64);
    Ok(Outcome {
        collection: name.to_owned(),
        before_commit: before.commit().0,
        after_commit: after.commit().0,
        added,
        changed,
        removed,
        unchanged,
        keys,
        not_shown,
    })
}

fn print(context: &Context, compared: &Compared) -> Result<(), CliError> {
    let output = &context.output;
    for one in &compared.collections {
        output.line(format!(
            "{}: {} added, {} changed, {} removed, {} unchanged (commit {} to {})",
            plain(&one.collection),
            count(one.added),
            count(one.changed),
            count(one.removed),
            count(one.unchanged),
            one.before_commit,
            one.after_commit
        ))?;
        for key in &one.keys {
            let line = match key.change {
                "added" => context.style.green(&format!("+ {}", plain(&key.key))),
                "removed" => context.style.red(&format!("- {}", plain(&key.key))),
                _ => context.style.yellow(&format!("~ {} ({})", plain(&key.key), key.parts.join(", "))),
            };
            output.line(format!("  {line}"))?;
        }
        if one.not_shown > 0 {
            output.line(format!("  ... and {} more; --limit shows them", count(one.not_shown)))?;
        }
    }
    for name in &compared.without {
        let (before, after) = (&compared.before, &compared.after);
        context.notices.notice(&format!("{name} is left out: it lacks {before:?} or {after:?}"));
    }
    Ok(())
}
