//! The truth table of the language, row by row.

use serde_json::{Value, json};

use super::check;

fn chunk() -> Value {
    json!({
        "framework": "SwiftUI", "api_name": null, "file_path": "documentation/SwiftUI/größe.md", "file_size": 30_720,
        "score": 0.5, "draft": false, "tags": ["view", 7, null, ["nested"]], "none": [],
        "page": {"title": "View", "at": {"line": 3}, "literal.dot": 1}, "page.title": "flat", "a`b c": 1, "": "unnamed",
    })
}

#[test]
fn tests_on_a_field_of_the_same_type() {
    check(
        &chunk(),
        true,
        &[
            "framework = 'SwiftUI'",
            "framework != 'UIKit'",
            "framework > 'Swift'",
            "framework < 'SwiftUj'",
            "framework >= 'SwiftUI'",
            "framework <= 'SwiftUI'",
            "framework prefix 'Swift'",
            "framework ^= ''",
            "framework in ('UIKit', 'SwiftUI')",
            "file_path prefix 'documentation/SwiftUI/grö'",
            "file_path > 'd'",
            "file_size = 30720",
            "file_size = 30720.0",
            "file_size = 3.072e4",
            "file_size > -1",
            "file_size < 30720.5",
            "score = 5e-1",
            "score < 1",
            "score > 0",
            "draft = false",
            "draft != true",
            "api_name = null",
        ],
    );
    check(
        &chunk(),
        false,
        &[
            "framework = 'swiftui'",
            "framework != 'SwiftUI'",
            "framework < 'SwiftUI'",
            "framework prefix 'SwiftUI2'",
            "framework in ('UIKit', 'swiftUI')",
            "framework in ()",
            "file_size != 30720.0",
            "file_size >= 30720.5",
            "score >= 1",
            "score <= 0",
            "draft = true",
            "draft != false",
            "api_name != null",
        ],
    );
}

#[test]
fn texts_are_ordered_by_bytes() {
    check(&json!({"t": "Z"}), true, &["t < 'a'", "t < 'Ä'", "t > 'Aaaa'"]);
    check(&json!({"t": "\u{ffff}"}), true, &["t < '\u{10000}'"]);
}

#[test]
fn another_type_is_only_ever_unequal() {
    let row = json!({"n": 5, "t": "5", "b": true, "z": null, "o": {"x": 1}});
    check(
        &row,
        true,
        &["n != '5'", "t != 5", "b != 1", "b != 'true'", "z != 0", "z != ''", "o != 1", "o != null"],
    );
    check(
        &row,
        false,
        &[
            "n = '5'",
            "t = 5",
            "b = 1",
            "b = 'true'",
            "z = 0",
            "z = false",
            "o = 1",
            "o = null",
            "n < '6'",
            "t < 6",
            "t >= 0",
            "b < 2",
            "b >= 0",
            "z <= 0",
            "z < 'a'",
            "o > 0",
            "n prefix '5'",
            "o prefix ''",
            "n in ('5', true)",
            "z in (0, false, '')",
            "o in (null)",
        ],
    );
}

#[test]
fn an_absent_field_passes_only_a_not() {
    let row = json!({"present": null});
    check(
        &row,
        false,
        &[
            "gone = 1",
            "gone != 1",
            "gone = null",
            "gone != null",
            "gone < 1",
            "gone >= 1",
            "gone in (1, null)",
            "gone prefix ''",
            "gone exists",
            "not present exists",
            "present.x exists",
        ],
    );
    check(
        &row,
        true,
        &[
            "not gone = 1",
            "not gone != 1",
            "not gone < 1",
            "not gone in (1)",
            "not gone exists",
            "present exists",
            "present in (1, null)",
        ],
    );
}

#[test]
fn an_array_passes_by_any_element() {
    check(
        &chunk(),
        true,
        &[
            "tags = 'view'",
            "tags = 7.0",
            "tags = null",
            "tags in (1, 'view')",
            "tags prefix 'vi'",
            "tags != 'nested'",
            "tags exists",
            "none exists",
            "none != 1",
            "not none = 1",
        ],
    );
    check(
        &chunk(),
        false,
        &[
            "tags = 'nested'",
            "tags != 'view'",
            "tags != 7",
            "tags < 8",
            "tags >= 'a'",
            "tags in ('nested', 8)",
            "tags prefix 'nes'",
            "none = null",
            "none in (null)",
            "none prefix ''",
        ],
    );
}

#[test]
fn a_name_is_looked_up_as_it_stands_and_then_as_a_path() {
    check(
        &chunk(),
        true,
        &[
            "page.title = 'flat'",
            "`page.title` = 'flat'",
            "page.at.line = 3",
            "`page.at.line` = 3",
            "page.at exists",
            "`a``b c` = 1",
            "`` = 'unnamed'",
        ],
    );
    check(
        &chunk(),
        false,
        &[
            "page.literal.dot = 1",
            "page.at.line.x exists",
            "page.title.x exists",
            "tags.0 exists",
            "page. exists",
            "page..at exists",
            "Framework exists",
        ],
    );
    check(&json!({"a": {"": {"b": 1}}}), true, &["a..b = 1", "a. exists"]);
}

#[test]
fn not_binds_tighter_than_and_and_that_tighter_than_or() {
    let row = json!({"a": 1});
    check(
        &row,
        true,
        &["a = 1 or a = 2 and a = 3", "not a = 2 and a = 1", "not (a = 2 or a = 3)", "not not a = 1"],
    );
    check(
        &row,
        false,
        &["(a = 1 or a = 2) and a = 3", "not (a = 2 or a = 1)", "not a = 1 or a = 2", "not not not a = 1"],
    );
}
