//! Rows to learn from, or to measure on. They are copied once from where they lie: training goes over them many times,
//! and while it does no part of a segment needs to stay in memory for it.

/// Rows of one width, with their canonical squared norms.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    /// One row after the other.
    pub(super) elements: Vec<f32>,
    pub(super) squared_norms: Vec<f64>,
    /// How many rows there will be, so that room is made once.
    expected: usize,
}

impl Sample {
    /// An empty sample of which the number of rows to come is known.
    pub(crate) fn with_room_for(expected: usize) -> Self {
        Self { elements: Vec::new(), squared_norms: Vec::with_capacity(expected), expected }
    }

    /// Adds a row. All have the same width.
    pub(crate) fn push(&mut self, row: &[f32], squared_norm: f64) {
        if self.elements.is_empty() {
            self.elements.reserve_exact(row.len() * self.expected);
        }
        self.elements.extend_from_slice(row);
        self.squared_norms.push(squared_norm);
    }

    /// The rows, each with its squared norm.
    pub(super) fn rows(&self, dims: usize) -> impl Iterator<Item = (&[f32], f64)> {
        self.elements.chunks(dims).zip(self.squared_norms.iter().copied())
    }
}
