//! Which collections are searched, and what made their vectors: all of them must be of one vector space, because scores
//! of different models mean nothing beside each other.

use siltstone::{Collection, EmbeddingIdentity, Store};

use super::SearchArgs;
use crate::command::context::Context;
use crate::command::embedder::{described, from_settings, identity_of};
use crate::config::nearest;
use crate::exit::{CliError, Exit};
use crate::ingest::collection_name::collection_name;
use crate::render::units::listed;
use crate::sources;

/// What will be searched.
#[derive(Debug, Default)]
pub(super) struct Picked {
    pub(super) collections: Vec<Collection>,
    /// The vector space that they share; `None` when there are no collections.
    pub(super) identity: Option<EmbeddingIdentity>,
    /// Whether these are all collections of their vector space.
    pub(super) is_all_of_space: bool,
    /// Collections that are too damaged to be opened, with what is wrong.
    pub(super) unreadable: Vec<String>,
}

pub(super) fn pick(args: &SearchArgs, context: &Context, store: &Store) -> Result<Picked, CliError> {
    let mut names = args.collection.clone();
    for framework in &args.framework {
        names.extend(collections_of(framework, context, store)?);
    }
    let is_all = names.is_empty();
    let (collections, unreadable) = open(args, context, store, &names)?;
    for reason in &unreadable {
        context.notices.warning(&format!("left out: {reason}"));
    }
    let identity = space(context, &collections, is_all)?;
    let (collections, others): (Vec<_>, Vec<_>) = collections
        .into_iter()
        .partition(|found| identity.as_ref().is_some_and(|identity| found.identity().same_space(identity)));
    if !others.is_empty() {
        let names: Vec<&str> = others.iter().map(Collection::name).collect();
        context.notices.notice(&format!(
            "not searched, because another embedder made them: {} (search them with --collection)",
            listed(&names, 3)
        ));
    }
    Ok(Picked { collections, identity, is_all_of_space: is_all, unreadable })
}

fn open(
    args: &SearchArgs,
    context: &Context,
    store: &Store,
    names: &[String],
) -> Result<(Vec<Collection>, Vec<String>), CliError> {
    if !args.skip_damaged {
        return Ok((context.collections(store, names)?, Vec::new()));
    }
    let (mut opened, mut unreadable) = (Vec::new(), Vec::new());
    for name in context.names(store, names)? {
        match store.collection(&name) {
            Ok(collection) => opened.push(collection),
            Err(error) if error.is_damage() => unreadable.push(format!("{name}: {error}")),
            Err(error) => return Err(error.into()),
        }
    }
    Ok((opened, unreadable))
}

/// The vector space to search in. When all collections are meant and they are of several, the configured embedder
/// decides.
fn space(
    context: &Context,
    collections: &[Collection],
    is_all: bool,
) -> Result<Option<EmbeddingIdentity>, CliError> {
    let Some(first) = collections.first() else { return Ok(None) };
    let Some(other) = collections.iter().find(|other| !other.identity().same_space(first.identity())) else {
        return Ok(Some(first.identity().clone()));
    };
    if is_all {
        let configured = from_settings(&context.settings.embedder)?;
        let configured = identity_of(&*configured, "");
        let same = |found: &&Collection| {
            EmbeddingIdentity { metric: found.identity().metric, ..configured.clone() }
                .same_space(found.identity())
        };
        if let Some(found) = collections.iter().find(same) {
            return Ok(Some(found.identity().clone()));
        }
    }
    Err(CliError::new(
        Exit::Usage,
        format!(
            "{} was made by {} and {} by {}: their scores cannot be compared",
            first.name(),
            described(first.identity()),
            other.name(),
            described(other.identity())
        ),
        "name collections of one embedder with --collection; `siltstone status` shows which are which",
    ))
}

/// The collections of a framework: those that `update` recorded for it, else the one that it would make.
fn collections_of(framework: &str, context: &Context, store: &Store) -> Result<Vec<String>, CliError> {
    let names = store.names()?;
    let recorded = sources::load_all(store.path()).unwrap_or_else(|error| {
        context.notices.warning(&error.message);
        Default::default()
    });
    let declared = context.settings.frameworks.iter().filter(|one| one.name.as_deref() == Some(framework));
    let made = collection_name(&context.settings.update.collection_prefix, framework);
    let mut found: Vec<String> = recorded
        .iter()
        .filter(|(_, roots)| roots.framework == framework)
        .map(|(name, _)| name.clone())
        .chain(declared.filter_map(|one| one.collection.clone()))
        .chain([made])
        .filter(|name| names.contains(name))
        .collect();
    found.sort();
    found.dedup();
    if !found.is_empty() {
        return Ok(found);
    }
    let known: Vec<&str> = recorded.values().map(|roots| roots.framework.as_str()).collect();
    let lower = framework.to_lowercase();
    let same_but_for_case = known.iter().copied().find(|name| name.to_lowercase() == lower);
    let next_step = match same_but_for_case.or_else(|| nearest(framework, known.iter().copied())) {
        Some(near) => format!("did you mean {near}?"),
        None if known.is_empty() => {
            "`siltstone status` lists the collections; name one with --collection".to_owned()
        }
        None => format!("there are: {}", listed(&known, 10)),
    };
    Err(CliError::usage(format!("no collection holds the framework {framework:?}"), next_step))
}
