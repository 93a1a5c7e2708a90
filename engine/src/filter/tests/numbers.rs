//! Numbers compare by exact value, whatever they were written as.

use serde_json::json;

use super::check;
use crate::filter::Filter;

#[test]
fn numbers_compare_exactly_across_integers_and_floats() {
    let near = json!({"i": 9_007_199_254_740_993_u64, "f": 9_007_199_254_740_992.0});
    check(
        &near,
        true,
        &[
            "i != 9007199254740992.0",
            "i > 9007199254740992.0",
            "f < 9007199254740993",
            "i > 9007199254740992",
        ],
    );
    check(
        &near,
        false,
        &["i = 9007199254740992", "f = 9007199254740993", "f in (9007199254740991, 9007199254740993)"],
    );

    let ends = json!({"max": u64::MAX, "min": i64::MIN, "above": 18_446_744_073_709_551_616.0});
    check(
        &ends,
        true,
        &[
            "max = 18446744073709551615",
            "min = -9223372036854775808",
            "min = -9223372036854775808.0",
            "max < 18446744073709551616",
            "max < 18446744073709551616.0",
            "above > 18446744073709551615",
            "above = 18446744073709551616",
            "max < 1e999",
            "min > -1e999",
            "above < 1e999",
            "min > -1e300",
        ],
    );
    check(&json!({"x": -2.5}), true, &["x < -2", "x > -3", "x = -2.5", "x < -2.25", "x in (-3, -2.5, -2)"]);
    check(&json!({"zero": -0.0}), true, &["zero = 0", "zero = -0", "zero = 0.0", "zero >= 0"]);
}

#[test]
fn what_has_no_order_is_above_and_below_nothing() {
    for nan in [Filter::lt("x", f64::NAN), Filter::ge("x", f64::NAN)] {
        assert!(!nan.matches(json!({"x": 1}).as_object().unwrap()));
        assert!(!nan.matches(json!({"x": null}).as_object().unwrap()));
        assert_eq!(Filter::parse(&nan.to_string()).unwrap(), nan);
    }
    assert!(Filter::lt("x", f64::INFINITY).matches(json!({"x": f64::MAX}).as_object().unwrap()));
}
