//! How closeness of two vectors is measured; a collection's metric is fixed when it is created.

use serde::{Deserialize, Serialize};

/// The measure of closeness of a collection. Its code is stored in every segment header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// Cosine of the angle, in -1..=1; greater is closer. Zero vectors have none and are refused.
    #[default]
    Cosine,
    /// Inner product; greater is closer.
    Dot,
    /// Euclidean distance (not squared); smaller is closer.
    Euclidean,
}

impl Metric {
    /// Every metric, in the order of the codes.
    pub const ALL: [Metric; 3] = [Metric::Cosine, Metric::Dot, Metric::Euclidean];

    /// The number stored on disk.
    pub const fn code(self) -> u32 {
        match self {
            Metric::Cosine => 1,
            Metric::Dot => 2,
            Metric::Euclidean => 3,
        }
    }

    /// The metric of a stored number, if there is one.
    pub const fn from_code(code: u32) -> Option<Self> {
        match code {
            1 => Some(Metric::Cosine),
            2 => Some(Metric::Dot),
            3 => Some(Metric::Euclidean),
            _ => None,
        }
    }

    /// The name used in JSON documents and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Metric::Cosine => "cosine",
            Metric::Dot => "dot",
            Metric::Euclidean => "euclidean",
        }
    }
}

impl std::fmt::Display for Metric {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
