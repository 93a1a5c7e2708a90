//! What was found, gathered over all collections: one entry a kind, with a count, a few examples and the collections.

use std::collections::{BTreeMap, BTreeSet};

use super::kind::{KINDS, Kind, Part, Status};

/// Examples shown of each kind.
pub(super) const MOST_EXAMPLES: usize = 5;
/// Reasons shown why something was not looked at.
const MOST_REASONS: usize = 5;

/// Everything of one kind.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) kind: &'static Kind,
    /// How many places, documents or passages, as the kind's meaning says.
    pub(super) count: u64,
    pub(super) examples: Vec<String>,
    /// Under their real names; empty for what concerns the store as a whole.
    pub(super) collections: BTreeSet<String>,
}

/// The gathered findings of a run.
#[derive(Debug, Default)]
pub(super) struct Findings {
    found: BTreeMap<&'static str, Found>,
    not_checked: BTreeMap<Part, Vec<String>>,
}

impl Findings {
    /// Notes `count` more of a kind. Nothing is noted for none.
    pub(super) fn add(
        &mut self,
        kind: &'static Kind,
        collection: Option<&str>,
        count: u64,
        examples: impl IntoIterator<Item = String>,
    ) {
        if count == 0 {
            return;
        }
        let entry = self.found.entry(kind.code).or_insert_with(|| Found {
            kind,
            count: 0,
            examples: Vec::new(),
            collections: BTreeSet::new(),
        });
        entry.count += count;
        let room = MOST_EXAMPLES.saturating_sub(entry.examples.len());
        entry.examples.extend(examples.into_iter().take(room));
        entry.collections.extend(collection.map(str::to_owned));
    }

    /// Notes that part of a component could not be looked at.
    pub(super) fn skip(&mut self, part: Part, reason: String) {
        let reasons = self.not_checked.entry(part).or_default();
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }

    pub(super) fn get(&self, kind: &Kind) -> Option<&Found> {
        self.found.get(kind.code)
    }

    pub(super) fn count(&self, kind: &Kind) -> u64 {
        self.get(kind).map_or(0, |found| found.count)
    }

    /// In the order of the table.
    pub(super) fn of(&self, part: Part) -> impl Iterator<Item = &Found> {
        KINDS.iter().filter(move |kind| kind.part == part).filter_map(|kind| self.get(kind))
    }

    /// Why something of a component was not looked at; the first few reasons, and how many more there are.
    pub(super) fn not_checked(&self, part: Part) -> Vec<String> {
        let mut reasons = self.not_checked.get(&part).cloned().unwrap_or_default();
        let more = reasons.len().saturating_sub(MOST_REASONS);
        if more > 1 {
            reasons.truncate(MOST_REASONS);
            reasons.push(format!("and {more} more"));
        }
        reasons
    }

    /// What was not looked at is something to know.
    pub(super) fn status(&self, part: Part) -> Status {
        let skipped = if self.not_checked.contains_key(&part) { Status::Info } else { Status::Pass };
        self.of(part).map(|found| found.kind.status).fold(skipped, Status::max)
    }

    /// The gravest status that concerns one collection.
    pub(super) fn status_of(&self, collection: &str) -> Status {
        let concerned = self.found.values().filter(|found| found.collections.contains(collection));
        concerned.map(|found| found.kind.status).max().unwrap_or(Status::Pass)
    }
}

#[cfg(test)]
mod tests {
    use super::super::kind::{DAMAGE, MISSING, NOTE};
    use super::*;

    #[test]
    fn kinds_add_up_and_the_gravest_decides() {
        let mut findings = Findings::default();
        findings.add(&NOTE, None, 1, ["a".to_owned()]);
        assert_eq!(findings.status(Part::Integrity), Status::Info);
        findings.add(&DAMAGE, Some("x"), 2, ["b".to_owned()]);
        findings.add(&DAMAGE, Some("y"), 7, (0..9).map(|n| n.to_string()));
        findings.add(&MISSING, Some("y"), 0, []);
        assert_eq!((findings.count(&DAMAGE), findings.status(Part::Integrity)), (9, Status::Fail));
        assert_eq!(findings.get(&DAMAGE).unwrap().examples.len(), MOST_EXAMPLES);
        assert_eq!(findings.status(Part::Missing), Status::Pass);
        assert_eq!((findings.status_of("y"), findings.status_of("z")), (Status::Fail, Status::Pass));
    }

    #[test]
    fn what_was_not_looked_at_is_information() {
        let mut findings = Findings::default();
        (0..9).for_each(|n| findings.skip(Part::Content, format!("reason {n}")));
        assert_eq!(findings.status(Part::Content), Status::Info);
        assert_eq!(findings.not_checked(Part::Content).last().unwrap(), "and 4 more");
    }
}
