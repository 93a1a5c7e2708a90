//! `snapshot restore`: back to the moment of a snapshot, in each collection that has it. What was there before is kept under
//! a name that is made of the time, and the command that undoes it all is printed.

use std::collections::BTreeSet;

use super::NamedArgs;
use super::each::{each, having};
use crate::command::context::Context;
use crate::exit::{CliError, Exit};

pub(super) fn restore(args: &NamedArgs, context: &Context) -> Result<Exit, CliError> {
    let collections = having(args, context)?;
    let mut taken = BTreeSet::new();
    for collection in &collections {
        taken.extend(collection.snapshots()?.into_iter().map(|snapshot| snapshot.name));
    }
    let now_ms = context.environment.clock.now_ms();
    let before = free_name(&format!("before-restore-{}", compact(now_ms)), &taken);
    let undo = context.siltstone(&format!("snapshot restore {before}"));
    each(context, &args.name, "restored", Some(&undo), collections, |collection| {
        let restored = collection.restore_snapshot(&args.name, &before)?;
        Ok(Some(restored.snapshot.commit.0))
    })
}

/// A time as it can stand in a name: `20260131T235958Z`.
fn compact(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).unwrap_or_default().strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn free_name(wanted: &str, taken: &BTreeSet<String>) -> String {
    let numbered = (2u64..).map(|number| format!("{wanted}-{number}"));
    let mut names = std::iter::once(wanted.to_owned()).chain(numbered);
    names.find(|name| !taken.contains(name)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_of_the_time_and_never_taken() {
        assert_eq!(compact(951_782_400_000), "20000229T000000Z");
        let taken = BTreeSet::from(["x".to_owned(), "x-2".to_owned()]);
        assert_eq!(free_name("x", &taken), "x-3");
        assert_eq!(free_name("y", &taken), "y");
    }
}
