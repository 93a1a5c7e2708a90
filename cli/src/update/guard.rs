//! The guard against mass removal: documents that are gone are removed, unless it looks as if it were their folder that
//! is gone.

use crate::ingest::scan::{RootState, Scan};
use crate::render::units::count;

/// What may be removed, and why not more.
pub(super) struct Verdict {
    pub(super) remove: Vec<String>,
    /// Why documents are kept that were not found.
    pub(super) held_back: Option<String>,
}

/// Decides about the stored documents that are `gone`.
pub(super) fn judge(
    scan: &Scan,
    gone: Vec<String>,
    stored: usize,
    most_share: f64,
    allowed: bool,
) -> Verdict {
    let root = scan.root.display();
    let held = |reason: String| Verdict { remove: Vec::new(), held_back: Some(reason) };
    match &scan.state {
        _ if stored == 0 => {}
        RootState::Missing => return held(format!("{root} is not there: nothing is removed")),
        RootState::Empty if scan.covers_all => {
            return held(format!("{root} has no documents, as if it were not mounted: nothing is removed"));
        }
        RootState::Unreadable { message } => {
            return held(format!("{root} cannot be listed ({message}): nothing is removed"));
        }
        _ => {}
    }
    if !allowed && gone.len() as f64 > most_share * stored as f64 {
        let (gone, stored) = (count(gone.len() as u64), count(stored as u64));
        let share = (most_share * 100.0).round();
        return held(format!(
            "{gone} of {stored} documents would go at once, more than {share} %: nothing is removed; if they are \
             really gone, run again with --allow-mass-removal"
        ));
    }
    Verdict { remove: gone, held_back: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::scan::Documents;

    fn scan(state: RootState, covers_all: bool) -> Scan {
        let documents = Documents::new("/docs".as_ref(), "docs");
        let (skipped, unlisted) = (Vec::new(), Vec::new());
        Scan { root: "/docs".into(), state, covers_all, documents, skipped, unlisted }
    }

    fn gone(n: usize) -> Vec<String> {
        (0..n).map(|n| n.to_string()).collect()
    }

    #[test]
    fn a_fifth_may_go_and_more_may_not() {
        let listed = scan(RootState::Listed, true);
        assert_eq!(judge(&listed, gone(2), 10, 0.2, false).remove.len(), 2);
        let held = judge(&listed, gone(3), 10, 0.2, false);
        assert!(held.remove.is_empty() && held.held_back.unwrap().contains("--allow-mass-removal"));
        assert_eq!(judge(&listed, gone(3), 10, 0.2, true).remove.len(), 3);
    }

    #[test]
    fn a_folder_that_is_not_there_removes_nothing_even_when_allowed() {
        for state in [RootState::Missing, RootState::Empty, RootState::Unreadable { message: "x".into() }] {
            let held = judge(&scan(state, true), gone(3), 3, 0.2, true);
            assert!(held.remove.is_empty() && held.held_back.is_some());
        }
        assert!(judge(&scan(RootState::Missing, true), Vec::new(), 0, 0.2, false).held_back.is_none());
    }
}
