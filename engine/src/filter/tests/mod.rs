//! What the filter promises: its truth table, its spellings, its errors, and laws over random filters.

mod errors;
mod limits;
mod numbers;
pub(crate) mod oracle;
pub(crate) mod properties;
mod spelling;
mod truth;

use serde_json::Value;

use super::Filter;

fn check(metadata: &Value, expected: bool, texts: &[&str]) {
    let metadata = metadata.as_object().unwrap();
    for text in texts {
        let filter = Filter::parse(text).unwrap();
        assert_eq!(filter.matches(metadata), expected, "{text} on {metadata:?}");
    }
}
