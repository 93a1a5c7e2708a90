//! The metadata filter: a small typed expression language over a row's metadata.
//!
//! Text goes through [`lexer`] and [`parser`] into a flat list of nodes ([`ast`]); the builders make the same nodes
//! without text. Both sides use the same two joins, so a filter has one shape and one canonical text ([`display`])
//! however it was made. [`evaluate`] walks the flat list in a loop: it neither allocates nor recurses, so a filter
//! that a program nests without bound cannot exhaust the stack.
//!
//! The language and its truth table are documented on [`Filter`].

mod ast;
mod builders;
mod caret;
mod display;
mod error;
mod evaluate;
mod lexer;
mod number;
mod parser;
mod rows;
mod scalar;
mod token;
mod value;

#[cfg(test)]
pub(crate) mod tests;

use std::str::FromStr;

use serde_json::{Map, Value};

use self::ast::Node;
pub(crate) use self::ast::{Order, Predicate};
pub use self::error::FilterError;
pub(crate) use self::number::Number;
pub(crate) use self::rows::Sets;
pub(crate) use self::scalar::{Literal, Scalar};
pub use self::value::{FilterBound, FilterValue};

/// A condition on a row's metadata, parsed from text or put together in code.
///
/// ```
/// use serde_json::json;
/// use siltstone::Filter;
///
/// let filter = Filter::parse(r#"framework in ("SwiftUI", "UIKit") and not file_path prefix "drafts/""#)?;
/// let row = json!({"framework": "SwiftUI", "file_path": "documentation/SwiftUI/view.md", "chunk_index": 0});
/// assert!(filter.matches(row.as_object().unwrap()));
///
/// let same = Filter::is_in("framework", ["UIKit", "SwiftUI"]).and(Filter::prefix("file_path", "drafts/").not());
/// assert_eq!(filter, same);
/// # Ok::<(), siltstone::FilterError>(())
/// ```
///
/// # Language
///
/// | test | reads |
/// |---|---|
/// | `field = value`, `field != value` | equal, present and not equal |
/// | `field < value`, `<=`, `>`, `>=` | order of numbers, or of texts by their bytes |
/// | `field in (value, ...)` | equal to one of the values, which may differ in type; `()` holds nothing |
/// | `field prefix "text"`, also `field ^= "text"` | a text that starts with this one |
/// | `field exists` | present, whatever the value, `null` included |
///
/// Tests are joined by `not`, `and`, `or` (binding in this order, tightest first) and round brackets. Words of the
/// language are reserved and may be written in any case.
///
/// **Fields** are written bare (`[A-Za-z_][A-Za-z0-9_.-]*`) or in back-quotes, inside which a back-quote is doubled.
/// A name is looked up as it stands first; when there is no such key and it holds dots, it is a path into nested
/// objects: `page.title` finds the key `"page.title"`, or else `title` inside the object `page`. Paths do not enter
/// arrays. Quoting a name changes only how it is spelled, not how it is looked up.
///
/// **Values** are texts in double or single quotes with the escapes of JSON (and `\'`), numbers as in JSON, `true`,
/// `false` and `null`. Numbers compare by exact value across integers and floats: `9007199254740993` is not
/// `9007199254740992.0`, and `1` is `1.0`. As in JSON, an integer beyond 64 bits stands for the nearest double. A
/// number beyond the range of a double is larger than every stored number.
///
/// # Truth
///
/// Every test on an absent field is false, so `not` of it is true. That is the difference between the two negations:
/// `framework != "UIKit"` wants a framework that is another one, `not framework = "UIKit"` also takes rows that have
/// no framework.
///
/// | test | absent | same type | another type | array | object |
/// |---|---|---|---|---|---|
/// | `=` | false | equal | false | any element is equal | false |
/// | `!=` | false | not equal | true | no element is equal | true |
/// | `<` `<=` `>` `>=` | false | ordered | false | false | false |
/// | `in` | false | equal to one | false | any element is equal to one | false |
/// | `prefix` | false | starts with it | false | any element starts with it | false |
/// | `exists` | false | true | true | true | true |
///
/// The types are text, number, boolean and null. Elements of an array that are arrays or objects are never equal to
/// anything. Booleans and null have no order: `draft < true` is an error, not a test that is always false.
///
/// # Limits
///
/// A text has at most 16 KiB and at most 64 open brackets and `not`s. Filters put together in code have neither
/// limit; for lists of thousands of values use [`Filter::is_in`], which looks each row up by binary search.
///
/// # Text form
///
/// [`Display`](std::fmt::Display) writes a canonical text: fewest brackets, sorted lists without repeats, numbers in
/// their shortest form. It parses back to an equal filter as long as it is within the limits.
///
/// ```
/// use siltstone::Filter;
///
/// let filter: Filter = "((size>=1e3)) AND kind IN ('b', 'a', 'b')".parse()?;
/// assert_eq!(filter.to_string(), r#"size >= 1000 and kind in ("a", "b")"#);
/// # Ok::<(), siltstone::FilterError>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Filter(Vec<Node>);

impl Filter {
    /// Reads a filter from its text.
    ///
    /// # Errors
    ///
    /// A [`FilterError`] names the first character that does not fit and says what to write instead.
    ///
    /// ```
    /// use siltstone::Filter;
    ///
    /// let error = Filter::parse("framework = SwiftUI").unwrap_err();
    /// assert_eq!(error.character(), 12);
    /// assert_eq!(
    ///     error.to_string(),
    ///     "expected a value, found `SwiftUI`\n  framework = SwiftUI\n              ^ put text in quotes: \"SwiftUI\""
    /// );
    /// ```
    pub fn parse(text: &str) -> Result<Filter, FilterError> {
        parser::parse(text)
    }

    /// Whether a row with this metadata passes; see the table of truth above.
    ///
    /// Allocates nothing. The cost is one look-up a test, and tests that cannot change the outcome are skipped.
    ///
    /// ```
    /// use serde_json::json;
    /// use siltstone::Filter;
    ///
    /// let filter = Filter::parse("chunk_index = 0 or page.kind = 'index'")?;
    /// assert!(filter.matches(json!({"page": {"kind": "index"}}).as_object().unwrap()));
    /// assert!(!filter.matches(json!({"chunk_index": "0"}).as_object().unwrap()));
    /// # Ok::<(), siltstone::FilterError>(())
    /// ```
    #[must_use]
    pub fn matches(&self, metadata: &Map<String, Value>) -> bool {
        evaluate::matches(&self.0, metadata)
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Filter, FilterError> {
        Filter::parse(text)
    }
}
