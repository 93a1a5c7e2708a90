//! Long and deep filters: refused as text, at home in code.

use serde_json::{Value, json};

use super::errors::fail;
use crate::filter::Filter;

#[test]
fn a_text_is_at_most_16_kib() {
    let fits = format!("a = '{}'", "x".repeat(16 * 1024 - 6));
    assert!(Filter::parse(&fits).is_ok());
    let error = fail(&format!("é{}", "x".repeat(16 * 1024)));
    assert_eq!((error.byte_offset(), error.character()), (16_384, 16_383));
    assert_eq!((error.expected(), error.found()), ("a text of at most 16384 bytes", "16386 bytes"));
    assert_eq!(fail(&"é".repeat(10_000)).text().len(), 16_384);
}

#[test]
fn brackets_and_nots_nest_at_most_64_deep() {
    let nested =
        |open: &str, close: &str, depth| format!("{}a = 1{}", open.repeat(depth), close.repeat(depth));
    for (open, close) in [("(", ")"), ("not ", ""), ("not(", ")")] {
        let each = open.matches(['(', 'n']).count();
        assert!(Filter::parse(&nested(open, close, 64 / each)).is_ok());
        let error = fail(&nested(open, close, 64 / each + 1));
        assert_eq!(error.byte_offset(), open.len() * (64 / each));
        assert_eq!(error.expected(), "at most 64 open brackets and nots");
    }
    assert!(Filter::parse(&vec!["(a = 1)"; 1_000].join("and")).is_ok());
    assert_eq!(fail(&"(".repeat(16 * 1024)).character(), 64);
}

#[test]
fn a_long_list_finds_its_values() {
    let filter = Filter::is_in("n", 0..10_000).or(Filter::is_in("t", (0..10_000).map(|n| n.to_string())));
    let hits = |key: &str, value: Value| filter.matches(json!({ key: value }).as_object().unwrap());
    assert!((0..10_000).all(|n| hits("n", json!(n)) && hits("t", json!(n.to_string()))));
    assert!(!hits("n", json!(10_000)) && !hits("n", json!("1")) && !hits("t", json!("10000")));
}

#[test]
fn a_filter_nested_by_a_program_does_not_exhaust_the_stack() {
    let mut filter = Filter::eq("n", 0);
    let mut expected = false;
    for n in 1..5_000 {
        let other = Filter::exists("gone");
        (filter, expected) = match n % 3 {
            0 => (filter.not(), !expected),
            1 => (filter.or(other), expected),
            _ => (filter.and(other.not()), expected),
        };
    }
    let row = json!({"n": 1});
    assert_eq!(filter.matches(row.as_object().unwrap()), expected);
    assert!(filter.to_string().matches('(').count() > 1_000);
    assert_eq!(filter.clone(), filter);
}
