//! What is wrong with some bytes, and where: the one error of every decoder.

use std::fmt;

/// A place in a file that is not what the format says. Decoders return it instead of panicking or guessing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// The structure that is wrong, as `SPEC.md` names it: `frame header`, `row`, `manifest`.
    pub structure: &'static str,
    /// The field of the structure that gave it away.
    pub field: &'static str,
    /// Where the suspect bytes begin, in bytes from the start of the file.
    pub offset: u64,
    /// How many bytes are under suspicion: the true fault is one of them.
    pub length: u64,
    /// What the format asks for.
    pub expected: String,
    /// What the file holds.
    pub found: String,
}

impl Flaw {
    /// A flaw in `length` bytes at `offset`.
    pub fn new(
        structure: &'static str,
        field: &'static str,
        offset: u64,
        length: u64,
        expected: impl fmt::Display,
        found: impl fmt::Display,
    ) -> Self {
        let (expected, found) = (printable(&expected), printable(&found));
        Self { structure, field, offset, length, expected, found }
    }

    /// Fewer bytes are there than the structure needs.
    pub fn short(structure: &'static str, offset: u64, needed: u64, available: u64) -> Self {
        Self::new(
            structure,
            "length",
            offset,
            available.max(1),
            format_args!("{needed} bytes"),
            format_args!("{available} bytes"),
        )
    }

    /// True when the bytes are sound but were written by a newer version than this reader knows.
    pub fn is_newer_format(&self) -> bool {
        (self.field == "version" && self.found != "0") || self.field == "features_incompatible"
    }
}

/// Flaws quote what damaged and hostile files hold: no control character reaches a terminal, and no quotation is long.
fn printable(value: &impl fmt::Display) -> String {
    const MOST: usize = 240;
    let text = value.to_string();
    let mut out = String::new();
    for c in text.chars() {
        if out.len() >= MOST {
            out.push_str("...");
            break;
        }
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} at byte {} ({} bytes): {} should be {}, is {}",
            self.structure, self.offset, self.length, self.field, self.expected, self.found
        )
    }
}

impl std::error::Error for Flaw {}
