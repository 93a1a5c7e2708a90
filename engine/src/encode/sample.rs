//! The rows that a basis is learnt from, and those that it is measured on.

use crate::codes;
use crate::view::{Part, View};

/// So many rows are read before the memory that they lie mapped in is let go of. Rows of a sample lie far apart, and the
/// system maps up to two megabytes around each that is touched: a few hundred would map a segment from end to end.
const LET_GO_EVERY: usize = 16;

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

    /// Rows of the sample, by whether they are held back. Those that cannot be read are left out.
    fn rows(&self, held: bool) -> codes::Sample {
        let is_chosen = |at: usize| at.is_multiple_of(self.held_back) == held;
        let mut chosen = self.places.iter().enumerate().filter(|(at, _)| is_chosen(*at)).peekable();
        let mut found =
            codes::Sample::with_room_for((0..self.places.len()).filter(|at| is_chosen(*at)).count());
        let mut touched = 0;
        while let Some((_, (part, row))) = chosen.next() {
            if let Some((row, squared_norm)) = part.segment.vector_and_norm(*row) {
                found.push(row, squared_norm);
            }
            touched += 1;
            let is_last = chosen.peek().is_none_or(|(_, (next, _))| !std::ptr::eq(*next, *part));
            if is_last || touched == LET_GO_EVERY {
                part.segment.let_go();
                touched = 0;
            }
        }
        found
    }

    pub(super) fn learnt(&self) -> codes::Sample {
        self.rows(false)
    }

    pub(super) fn held(&self) -> codes::Sample {
        self.rows(true)
    }
}
