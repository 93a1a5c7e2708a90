//! What no vector may be, asked once at the door so that no scan has to ask again.

use std::fmt;

use siltstone_format::{Metric, limits::MAX_DIMS};

use super::dispatch::InstructionSet;

/// Why a vector is not accepted, as a row or as a query.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Refused {
    /// It has no elements.
    Empty,
    /// It has more elements than the format allows.
    TooWide {
        /// Elements given.
        dims: usize,
    },
    /// An element is NaN or infinite, and has no place in any order.
    NotFinite {
        /// Index of the first such element, from 0.
        index: usize,
        /// Its value.
        value: f32,
    },
    /// Every element is zero, and the metric is cosine: a zero vector has no direction.
    Zero {
        /// Elements given.
        dims: usize,
    },
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the vector is empty; give at least one element"),
            Self::TooWide { dims } => {
                write!(
                    f,
                    "the vector has {dims} elements; the most is {MAX_DIMS}, so reduce its dimensions first"
                )
            }
            Self::NotFinite { index, value } => {
                write!(
                    f,
                    "element {index} of the vector is {value}; every element must be finite, so check what embedded it"
                )
            }
            Self::Zero { dims } => {
                write!(
                    f,
                    "all {dims} elements of the vector are zero, and a zero vector has no cosine; leave it out, \
                     or use the metric dot or euclidean"
                )
            }
        }
    }
}

impl std::error::Error for Refused {}

/// Checks a vector at the door and returns its canonical squared norm, `dot(v, v)`, which rows are stored with.
///
/// One pass. The sum itself is the test: in f64 the squares of finite f32 neither overflow nor underflow, so it is
/// finite exactly if every element is, and zero exactly if every element is.
pub fn check_vector(metric: Metric, vector: &[f32]) -> Result<f64, Refused> {
    let dims = vector.len();
    if dims > MAX_DIMS as usize {
        return Err(Refused::TooWide { dims });
    }
    let squared_norm =
        InstructionSet::best().dot(vector, vector).filter(|_| dims > 0).ok_or(Refused::Empty)?;
    if !squared_norm.is_finite()
        && let Some((index, &value)) = vector.iter().enumerate().find(|(_, value)| !value.is_finite())
    {
        return Err(Refused::NotFinite { index, value });
    }
    if squared_norm == 0.0 && metric == Metric::Cosine {
        return Err(Refused::Zero { dims });
    }
    Ok(squared_norm)
}
