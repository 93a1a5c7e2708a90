//! What is still gone after a fix: rows that were beyond repair, that no backup had, and whose document is not there to be
//! embedded again. They are named, and the run does not end as if nothing had happened.

use std::collections::{BTreeMap, BTreeSet};

use siltstone::{LostRow, OnDamage, View};

use super::repair::{Lost, Repaired};
use crate::command::context::Context;
use crate::command::health::check::{Checked, Surveyed};
use crate::command::health::privacy::Names;
use crate::exit::CliError;

pub(super) fn still_lost(
    context: &Context,
    names: &Names,
    repaired: &Repaired,
    checked: &Checked,
) -> Result<Vec<Lost>, CliError> {
    let mut by_collection: BTreeMap<&str, Vec<&LostRow>> = BTreeMap::new();
    for row in &repaired.rows {
        by_collection.entry(&row.collection).or_default().push(row);
    }
    let mut lost = Vec::new();
    for (name, rows) in by_collection {
        let view = context.open_store()?.collection(name)?.view_with(OnDamage::Skip)?;
        let surveyed = checked.surveyed.iter().find(|one| one.name == name);
        let before = lost.len();
        for row in
            rows.iter().filter(|row| row.key.as_deref().is_some_and(|key| is_lost(&view, surveyed, key)))
        {
            lost.push(Lost::of(names, row));
        }
        lost.extend(nameless(names, repaired, &view, surveyed, (&rows, lost.len() - before)));
    }
    Ok(lost)
}

/// Whether nothing stands for a row any more: neither the row itself, nor the file that its passage came from. A file that
/// is there and not embedded is in the report as missing or stale.
fn is_lost(view: &View, surveyed: Option<&Surveyed>, key: &str) -> bool {
    if view.contains(key).unwrap_or(false) {
        return false;
    }
    let document = key.rsplit_once('#').map_or(key, |(document, _)| document);
    let roots = surveyed.and_then(|one| one.roots.as_ref()).map(|known| known.roots.as_slice());
    !roots.unwrap_or_default().iter().any(|root| root.path.join(document).is_file())
}

/// Rows of which not even the key is known: as many of them as have not come back, from a backup or from their documents.
/// Where nobody knows how many there were, they are all there when every document is.
fn nameless(
    names: &Names,
    repaired: &Repaired,
    view: &View,
    surveyed: Option<&Surveyed>,
    (rows, lost_by_name): (&[&LostRow], usize),
) -> Option<Lost> {
    let (named, nameless): (Vec<&LostRow>, Vec<&LostRow>) = rows.iter().partition(|row| row.key.is_some());
    let first = nameless.first()?;
    let is_up_to_date = surveyed.is_some_and(|one| one.documents.is_some() && one.missing + one.stale == 0);
    let count: u64 = nameless.iter().map(|row| row.rows).sum();
    if nameless.iter().any(|row| row.rows == 0) {
        return (!is_up_to_date).then(|| Lost { rows: None, ..Lost::of(names, first) });
    }
    let keys: BTreeSet<&str> = named.iter().filter_map(|row| row.key.as_deref()).collect();
    let returned = repaired.returned.iter().filter(|one| one.name == first.collection);
    let returned =
        returned.flat_map(|one| &one.keys).filter(|key| !keys.contains(key.as_str())).count() as u64;
    // What was embedded since, but for the rows whose keys are known.
    let known = (named.len() - lost_by_name.min(named.len())) as u64;
    let after_repair = repaired.rows_after.get(&first.collection).copied().unwrap_or(0);
    let embedded = view.len().saturating_sub(after_repair).saturating_sub(known);
    let left = count.saturating_sub(returned).saturating_sub(embedded);
    (left > 0).then(|| Lost { rows: Some(left), ..Lost::of(names, first) })
}
