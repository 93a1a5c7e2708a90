//! A compaction that is asked to stop ends between two groups: what is done stays done, nothing else is touched, and the
//! next one does the rest.

use std::cell::Cell;
use std::sync::Arc;

use harness::events::Tally;
use harness::fixture;
use harness::proof::report;
use siltstone::Compression;

use super::{compact, goes_on, open, options, sediment, told};

#[test]
fn a_compaction_stops_before_any_group_and_the_next_one_does_the_rest() {
    let tally = Arc::new(Tally::default());
    let right = told(&open(&sediment(), &tally)).unwrap();
    let all = compact(&sediment(), &options(), &tally).unwrap();
    assert!(all.groups.len() >= 3 && all.left_groups == 0, "{all:?}");
    for done in 0..all.groups.len() {
        let disk = sediment();
        let asked = Cell::new(0);
        let go_on = || {
            asked.set(asked.get() + 1);
            // Once before anything is sealed, and once before each group.
            asked.get() <= done + usize::from(done > 0)
        };
        let collection = open(&disk, &tally).collection("layers").unwrap();
        let mut writer = collection.writer_with(fixture::options(Compression::None)).unwrap();
        let told_so = writer.compact_while(&options(), &go_on).unwrap();
        drop(writer);
        assert_eq!(
            (told_so.groups.len(), told_so.left_groups),
            (done, all.groups.len() - done),
            "{told_so:?}"
        );
        assert_eq!(told_so.groups[..], all.groups[..done]);
        goes_on(&disk, &right, &tally).unwrap_or_else(|broken| panic!("after {done} groups: {broken}"));
    }
    report(format_args!(
        "compaction, asked to stop: before each of {} groups, all went on to the same end",
        all.groups.len()
    ));
}
