//! Searching the picked collections as one, now or as a snapshot kept them.

use std::cmp::Ordering;

use siltstone::{Error, Hit, Metric, OnDamage, Scope, Search, Store, View, Work};

use super::SearchArgs;
use super::pick::Picked;
use crate::exit::CliError;

/// What a search gave.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) hits: Vec<Hit>,
    /// Names of the collections that were searched.
    pub(super) collections: Vec<String>,
    pub(super) rows_scanned: u64,
    pub(super) rows_scored: u64,
    pub(super) work: Work,
    /// What opening the collections and searching them took.
    pub(super) seconds: f64,
    /// Threads that took part.
    pub(super) threads: usize,
    /// What was left out because it is damaged.
    pub(super) damage: Vec<String>,
    /// Collections that have no snapshot of the wanted name.
    pub(super) without_snapshot: Vec<String>,
}

pub(super) fn find(
    args: &SearchArgs,
    store: &Store,
    picked: Picked,
    vector: &[f32],
    search: &Search,
) -> Result<Found, CliError> {
    if args.snapshot.is_some() || args.skip_damaged {
        return one_by_one(args, picked, vector, search);
    }
    let names: Vec<String> = picked.collections.iter().map(|found| found.name().to_owned()).collect();
    let scope = match picked.identity {
        Some(identity) if picked.is_all_of_space => Scope::Like(identity),
        _ => Scope::Named(names),
    };
    let view = store.view(&scope, OnDamage::Fail)?;
    let answer = view.search(vector, search)?;
    let collections = view.views().iter().map(|view| view.collection().to_owned()).collect();
    let (rows_scanned, rows_scored, work) = (answer.rows_scanned, answer.rows_scored, answer.work);
    Ok(Found { hits: answer.hits, collections, rows_scanned, rows_scored, work, ..Found::default() })
}

/// Each collection by itself, and the answers merged: the moments of snapshots, and collections of which some cannot
/// be read, are no one view.
fn one_by_one(args: &SearchArgs, picked: Picked, vector: &[f32], search: &Search) -> Result<Found, CliError> {
    let metric = picked.identity.as_ref().map_or(Metric::Cosine, |identity| identity.metric);
    let on_damage = if args.skip_damaged { OnDamage::Skip } else { OnDamage::Fail };
    let mut found = Found { damage: picked.unreadable, ..Found::default() };
    let mut absent = None;
    for collection in &picked.collections {
        let view = match &args.snapshot {
            Some(name) => collection.snapshot_with(name, on_damage),
            None => collection.view_with(on_damage),
        };
        let answer = match view.and_then(|view| view.search(vector, search).map(|answer| (view, answer))) {
            Ok((view, answer)) => {
                found.damage.extend(damage(&view));
                answer
            }
            Err(error @ Error::NoSuchSnapshot { .. }) => {
                found.without_snapshot.push(collection.name().to_owned());
                absent = Some(error);
                continue;
            }
            Err(error) if error.is_damage() && args.skip_damaged => {
                found.damage.push(format!("{}: {error}", collection.name()));
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        found.collections.push(collection.name().to_owned());
        found.rows_scanned += answer.rows_scanned;
        found.rows_scored += answer.rows_scored;
        found.work.rows_with_codes += answer.work.rows_with_codes;
        found.work.passed_heads += answer.work.passed_heads;
        found.work.passed_signs += answer.work.passed_signs;
        found.work.bytes_read += answer.work.bytes_read;
        found.work.filtered_by_index += answer.work.filtered_by_index;
        found.work.filtered_by_metadata += answer.work.filtered_by_metadata;
        found.hits.extend(answer.hits);
    }
    // A name that no collection knows is a mistake; one that some lack is how snapshots are.
    if let (Some(error), true) = (absent, found.collections.is_empty()) {
        return Err(error.into());
    }
    found.hits.sort_by(|a, b| order(metric, a, b));
    found.hits.truncate(args.top_k as usize);
    Ok(found)
}

fn damage(view: &View) -> Vec<String> {
    view.damage().iter().map(|one| format!("{} is damaged: {}", one.path.display(), one.flaw)).collect()
}

/// The engine's order: the best score first, then collection, then key.
fn order(metric: Metric, a: &Hit, b: &Hit) -> Ordering {
    let by_score = match metric {
        Metric::Euclidean => a.score.total_cmp(&b.score),
        Metric::Cosine | Metric::Dot => b.score.total_cmp(&a.score),
    };
    by_score.then_with(|| a.collection.cmp(&b.collection)).then_with(|| a.key.cmp(&b.key))
}
