//! The guard against mass removal: documents that are gone are removed, unless it looks as if it were their folder that
//! is gone. A folder that vanished by itself lets go of its documents when that is allowed, and never otherwise.

use crate::command::context::quoted;
use crate::ingest::scan::{RootState, Scan};
use crate::render::units::{count, counted};

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
    siltstone: impl Fn(&str) -> String,
) -> Verdict {
    let root = scan.root.display();
    let held = |reason: String| Verdict { remove: Vec::new(), held_back: Some(reason) };
    match &scan.state {
        _ if stored == 0 => {}
        RootState::Missing if scan.has_vanished() && allowed => {
            return Verdict { remove: gone, held_back: None };
        }
        RootState::Missing if scan.has_vanished() => {
            let command = siltstone(&format!("update {} --allow-mass-removal", quoted(&scan.root)));
            let stored = counted(stored as u64, "document", "documents");
            return held(format!(
                "{root} is not there, though the folder above it is: nothing is removed, its {stored} can still be \
                 found; bring it back, or if it is really gone, `{command}`"
            ));
        }
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
        let documents = Documents::new("/nowhere/docs".as_ref(), "docs");
        let (skipped, unlisted) = (Vec::new(), Vec::new());
        Scan { root: "/nowhere/docs".into(), state, covers_all, documents, skipped, unlisted }
    }

    fn gone(n: usize) -> Vec<String> {
        (0..n).map(|n| n.to_string()).collect()
    }

    #[test]
    fn a_fifth_may_go_and_more_may_not() {
        let listed = scan(RootState::Listed, true);
        let judge = |number, allowed| judge(&listed, gone(number), 10, 0.2, allowed, str::to_owned);
        assert_eq!(judge(2, false).remove.len(), 2);
        let held = judge(3, false);
        assert!(held.remove.is_empty() && held.held_back.unwrap().contains("--allow-mass-removal"));
        assert_eq!(judge(3, true).remove.len(), 3);
    }

    #[test]
    fn a_folder_that_is_not_there_removes_nothing_even_when_allowed() {
        for state in [RootState::Missing, RootState::Empty, RootState::Unreadable { message: "x".into() }] {
            let held = judge(&scan(state, true), gone(3), 3, 0.2, true, str::to_owned);
            assert!(held.remove.is_empty() && held.held_back.is_some());
        }
        let missing = scan(RootState::Missing, true);
        assert!(judge(&missing, Vec::new(), 0, 0.2, false, str::to_owned).held_back.is_none());
    }

    #[test]
    fn a_folder_that_vanished_by_itself_goes_when_that_is_allowed() {
        let above = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(above.path().join("beside/inside")).unwrap();
        let vanished = Scan { root: above.path().join("gone"), ..scan(RootState::Missing, true) };
        let judge = |allowed| judge(&vanished, gone(3), 3, 0.2, allowed, str::to_owned);
        let held = judge(false);
        assert!(held.remove.is_empty() && held.held_back.unwrap().contains("gone --allow-mass-removal"));
        assert_eq!(judge(true).remove.len(), 3);
        std::fs::remove_dir(above.path().join("beside/inside")).unwrap();
        assert!(judge(true).remove.is_empty());
    }
}
