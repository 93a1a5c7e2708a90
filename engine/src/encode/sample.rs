//! The rows that a basis is learnt from, and those that it is measured on.

use crate::codes;
use crate::view::{Part, View};

/// Rows spread evenly over all views.
pub(super) struct Sample<'v> {
    places: Vec<(&'v Part, u32)>,
    /// One in so many is measured and not learnt from.
    held_back: usize,
}

impl<'v> Sample<'v> {
    pub(super) fn of(views: &'v [View], rows: u64, wanted: u64) -> Self {
        let (mut places, mut seen) = (Vec::new(), 0u64);
        for part in views.iter().flat_map(|view| &view.parts) {
            for row in part.live.iter(0, u32::MAX) {
                // As many as the share of the rows so far asks for.
                if u128::from(seen) * u128::from(wanted) / u128::from(rows.max(1)) >= places.len() as u128 {
                    places.push((part, row));
                }
                seen += 1;
            }
        }
        Self { places, held_back: codes::held_back(wanted) }
    }

    /// Rows of the sample, by whether they are held back. Those that cannot be read are left out. They lie far apart, so
    /// that reading them maps nearly everything: what was read is let go of on the way.
    fn rows(&self, held: bool) -> Vec<(&'v [f32], f64)> {
        let chosen =
            self.places.iter().enumerate().filter(|(at, _)| at.is_multiple_of(self.held_back) == held);
        let mut found = Vec::new();
        for (_, (part, row)) in chosen {
            found.extend(part.segment.vector_and_norm(*row));
            if found.len().is_multiple_of(codes::LET_GO_EVERY) {
                part.segment.let_go();
            }
        }
        found
    }

    pub(super) fn learnt(&self) -> Vec<(&'v [f32], f64)> {
        self.rows(false)
    }

    pub(super) fn held(&self) -> Vec<(&'v [f32], f64)> {
        self.rows(true)
    }
}
