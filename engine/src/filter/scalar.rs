//! A value without parts: what a filter compares, on its own side and on the row's.

use std::fmt::{self, Write as _};

use serde_json::Value;

use super::number::Number;

/// The derived order sorts lists of mixed types; tests never compare across types by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scalar<T> {
    Null,
    Bool(bool),
    Number(Number),
    Text(T),
}

/// A value that a filter owns.
pub(crate) type Literal = Scalar<String>;

impl Literal {
    pub(crate) fn borrow(&self) -> Scalar<&str> {
        match self {
            Scalar::Null => Scalar::Null,
            Scalar::Bool(value) => Scalar::Bool(*value),
            Scalar::Number(value) => Scalar::Number(*value),
            Scalar::Text(value) => Scalar::Text(value),
        }
    }
}

impl<'a> Scalar<&'a str> {
    /// The same, with a text of its own.
    pub(crate) fn to_owned(self) -> Literal {
        match self {
            Scalar::Null => Scalar::Null,
            Scalar::Bool(value) => Scalar::Bool(value),
            Scalar::Number(value) => Scalar::Number(value),
            Scalar::Text(value) => Scalar::Text(value.to_owned()),
        }
    }

    /// None for arrays and objects.
    pub(crate) fn of(value: &'a Value) -> Option<Scalar<&'a str>> {
        match value {
            Value::Null => Some(Scalar::Null),
            Value::Bool(value) => Some(Scalar::Bool(*value)),
            Value::Number(value) => Number::from_json(value).map(Scalar::Number),
            Value::String(value) => Some(Scalar::Text(value)),
            Value::Array(_) | Value::Object(_) => None,
        }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scalar::Null => f.write_str("null"),
            Scalar::Bool(value) => write!(f, "{value}"),
            Scalar::Number(value) => write!(f, "{value}"),
            Scalar::Text(value) => write_text(f, value),
        }
    }
}

/// Writes a text in double quotes, with escapes for what would end it or would not print.
pub(crate) fn write_text(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            // All control characters lie below U+00A0, so four digits hold them.
            c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}
