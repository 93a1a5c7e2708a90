//! Why a text is not a filter, told so that its author can mend it.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use super::caret::{self, Excerpt};

/// The first place where a text stops being a filter, what should stand there, and what stands there.
///
/// [`Display`](std::fmt::Display) prints three lines: the complaint, the line of the text, and a caret under the very
/// character with what to write instead. Long lines are cut to the part around the caret.
///
/// ```
/// use siltstone::Filter;
///
/// let error = Filter::parse("größe > 3").unwrap_err();
/// assert_eq!((error.character(), error.byte_offset()), (2, 2));
/// let lines: Vec<String> = error.to_string().lines().map(str::to_owned).collect();
/// assert_eq!(lines[1], "  größe > 3");
/// assert_eq!(lines[2], "    ^ names with other characters go in back-quotes, texts in double quotes");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    text: String,
    offset: usize,
    expected: &'static str,
    found: String,
    advice: Cow<'static, str>,
}

/// How many characters of the text a message repeats.
const QUOTED: usize = 40;

impl FilterError {
    /// The text that was to be parsed; of a text over the limit, what lies within it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where the error is, in characters from the start of the text, counted from 0.
    ///
    /// At the end of the text it is one past the last character that is no white space.
    #[must_use]
    pub fn character(&self) -> usize {
        self.text.get(..self.offset).map_or(0, |before| before.chars().count())
    }

    /// Where the error is, in bytes from the start of the text.
    #[must_use]
    pub fn byte_offset(&self) -> usize {
        self.offset
    }

    /// What could stand there: a phrase such as "a value".
    #[must_use]
    pub fn expected(&self) -> &str {
        self.expected
    }

    /// What stands there: a piece of the text in back-quotes, or a phrase such as "the end of the text".
    #[must_use]
    pub fn found(&self) -> &str {
        &self.found
    }

    /// What to write instead.
    #[must_use]
    pub fn advice(&self) -> &str {
        &self.advice
    }

    /// An error at the start of `span`, the piece of the text that does not fit; an empty one is the end of the text.
    pub(super) fn at(
        text: &str,
        span: Range<usize>,
        expected: &'static str,
        advice: impl Into<Cow<'static, str>>,
    ) -> FilterError {
        let offset = span.start;
        let found = match text.get(span) {
            None | Some("") => "the end of the text".to_owned(),
            Some(piece) => format!("`{}`", quote(piece)),
        };
        FilterError { text: text.to_owned(), offset, expected, found, advice: advice.into() }
    }

    /// A quote opened at `offset` that the text does not close.
    pub(super) fn unclosed(text: &str, offset: usize, expected: &'static str) -> FilterError {
        let advice = "opened here and never closed";
        FilterError {
            found: "the end of the text".to_owned(),
            ..Self::at(text, offset..offset, expected, advice)
        }
    }

    /// A text of more than `limit` bytes, of which the error keeps only the beginning.
    pub(super) fn too_long(text: &str, limit: usize) -> FilterError {
        let kept = text.get(..text.floor_char_boundary(limit)).unwrap_or_default();
        FilterError {
            found: format!("{} bytes", text.len()),
            ..Self::at(
                kept,
                kept.len()..kept.len(),
                "a text of at most 16384 bytes",
                "shorten it before here, or build the filter in code",
            )
        }
    }
}

/// A piece of the text that is fit for a message: short, and without characters that move the cursor.
pub(super) fn quote(piece: &str) -> String {
    let mut quoted: String = piece.chars().take(QUOTED).map(caret::visible).collect();
    if piece.chars().nth(QUOTED).is_some() {
        quoted.push('…');
    }
    quoted
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Excerpt { line, column } = caret::excerpt(&self.text, self.offset);
        writeln!(f, "expected {}, found {}", self.expected, self.found)?;
        writeln!(f, "  {line}")?;
        write!(f, "  {:column$}^ {}", "", self.advice)
    }
}

impl std::error::Error for FilterError {}
