//! A framework whose folder is gone for good: its documents were removed like any others, and what is left is an empty
//! collection that nobody needs. It goes too, unless snapshots keep a moment of it, and the next run does not look for
//! its folder any more.

use siltstone::Store;

use crate::command::context::Context;
use crate::exit::CliError;

use super::report::Report;
use super::seen::SeenFiles;

/// Drops the empty collections of the folders that are gone. One that cannot be dropped stays, and is no harm.
pub(super) fn let_go(store: &Store, report: &Report, context: &Context) {
    for name in report.let_go() {
        match drop_empty(store, &name) {
            Ok(true) => {
                context.notices.notice(&format!("{name}: its folder is gone, and so is the collection"))
            }
            Ok(false) => context.notices.notice(&format!(
                "{name}: its folder is gone; the collection is empty, and stays for the snapshots of it"
            )),
            Err(error) => {
                context.notices.warning(&format!("{name}: empty, and not dropped: {}", error.message))
            }
        }
    }
}

/// Whether there is no such collection any more.
fn drop_empty(store: &Store, name: &str) -> Result<bool, CliError> {
    if !store.all_names()?.iter().any(|known| known == name) {
        return Ok(true);
    }
    let collection = store.collection(name)?;
    if !collection.view()?.is_empty() || !collection.snapshots()?.is_empty() {
        return Ok(false);
    }
    store.drop_collection(name)?;
    SeenFiles::forget(store.path(), name);
    Ok(true)
}
