//! Errors: the very character, what belongs there, what is there, and what to write.

use crate::filter::{Filter, FilterError};

pub(super) fn fail(text: &str) -> FilterError {
    Filter::parse(text).expect_err(text)
}

#[test]
fn errors_point_at_the_character_that_does_not_fit() {
    let end = "the end of the text";
    let table: &[(&str, usize, &str, &str, &str)] = &[
        ("", 0, "a field", end, "write a test"),
        (" \n\t ", 0, "a field", end, "write a test"),
        ("a", 1, "an operator", end, "= != < <= > >= in prefix exists"),
        ("a = ", 3, "a value", end, "\"text\", a number"),
        ("a = b", 4, "a value", "`b`", "put text in quotes: \"b\""),
        ("a = Größe(x)", 4, "a value", "`Gr`", "\"Größe\""),
        ("a = prefix", 4, "a value", "`prefix`", "\"prefix\""),
        ("a = `b`", 4, "a value", "``b``", "double quotes"),
        ("a = (1, 2)", 4, "a value", "`(`", "field in (1, 2)"),
        ("a = [1]", 4, "a value", "`[`", "round brackets"),
        ("a == 1", 2, "an operator", "`==`", "equality is written ="),
        ("a <> 1", 2, "an operator", "`<>`", "write !="),
        ("a => 1", 2, "an operator", "`=>`", "write >="),
        ("a =~ 'x'", 2, "an operator", "`=~`", "prefix"),
        ("a like 'x'", 2, "an operator", "`like`", "prefix"),
        ("a ^ 'x'", 2, "an operator", "`^`", "^="),
        ("a not in (1)", 2, "an operator", "`not`", "not field in (1, 2)"),
        ("a = 1 && b = 2", 6, "`and`, `or` or the end", "`&&`", "write and"),
        ("(a = 1 || b = 2)", 7, "`and`, `or` or `)`", "`||`", "write or"),
        ("!a exists", 0, "a field", "`!`", "write not"),
        ("a = 1 b = 2", 6, "`and`, `or` or the end", "`b`", "joined by `and`"),
        ("a = 1 and", 9, "a field", end, "write a test"),
        ("a = 1 and and b = 2", 10, "a field", "`and`", "back-quotes: `and`"),
        ("Prefix = 1", 0, "a field", "`Prefix`", "back-quotes: `Prefix`"),
        ("5 < a", 0, "a field", "`5`", "the field comes first"),
        ("'a' = 1", 0, "a field", "`'a'`", "bare: `a`"),
        ("(a = 1", 6, "`and`, `or` or `)`", end, "joined by `and`"),
        ("a = 1)", 5, "`and`, `or` or the end", "`)`", "no bracket is open"),
        ("()", 1, "a field", "`)`", "write a test"),
        ("a in 1", 5, "`(`", "`1`", "in (1, 2)"),
        ("a in (1 2)", 8, "`,` or `)`", "`2`", "commas"),
        ("a in (1,)", 8, "a value", "`)`", "a number"),
        ("a in (1, 2", 10, "`,` or `)`", end, "commas"),
        ("a in (1, (2))", 9, "a value", "`(`", "in (1, 2)"),
        ("a < true", 4, "a number or a text in quotes", "`true`", "no order"),
        ("a >= null", 5, "a number or a text in quotes", "`null`", "no order"),
        ("a < (1)", 4, "a value", "`(`", ""),
        ("a prefix 5", 9, "a text in quotes", "`5`", "prefix \"abc\""),
        ("a ^= null", 5, "a text in quotes", "`null`", "prefix \"abc\""),
        ("a = 007", 5, "a number without leading zeros", "`07`", "quotes"),
        ("a = 10KB and b = 1", 6, "the end of the number", "`KB`", "\"10KB\""),
        ("a = 2024-01-31", 8, "the end of the number", "`-01-31`", "\"2024-01-31\""),
        ("a = 1.", 6, "a digit", end, "-0.5"),
        ("a = 1.x", 6, "a digit", "`x`", "-0.5"),
        ("a = -", 5, "a digit", end, "-0.5"),
        ("a = 1e+", 7, "a digit", end, "-0.5"),
        ("a = -(1)", 5, "a digit", "`(`", "-0.5"),
        ("a = +1", 4, "a value", "`+`", "no +"),
        ("a = .5", 4, "a value", "`.`", "0.5"),
        ("a = “x”", 4, "a value", "`“`", "straight quotes"),
        ("a = \"x", 4, "a closing \"", end, "never closed"),
        ("a = 'x\"", 4, "a closing '", end, "never closed"),
        ("`a = 1", 0, "a back-quote after the name", end, "never closed"),
        (r"a = 'C:\dir'", 7, "an escape of JSON", r"`\d`", r"\\"),
        (r"a = '\u12g4'", 5, "an escape of JSON", r"`\u12`", r"\\"),
        (r"a = '\ud800x'", 5, "an escape of JSON", r"`\ud800`", r"\\"),
        (r"a = '\ud800\u0041'", 5, "an escape of JSON", r"`\ud800\u0041`", r"\\"),
        (r"a = '\udc00'", 5, "an escape of JSON", r"`\udc00`", r"\\"),
        ("a = 'é😀' or größe = 1", 14, "an operator", "`ö`", "back-quotes"),
        ("file path = 'x'", 5, "an operator", "`path`", ""),
    ];
    for &(text, character, expected, found, advice) in table {
        let error = fail(text);
        assert_eq!(
            (error.character(), error.expected(), error.found()),
            (character, expected, found),
            "{text:?}"
        );
        assert!(error.advice().contains(advice), "{text:?}: {}", error.advice());
        assert_eq!(error.text(), text);
        assert_eq!(text.char_indices().nth(character).map_or(text.len(), |(at, _)| at), error.byte_offset());
    }
}

#[test]
fn the_caret_stands_under_the_character() {
    let table = [
        ("a = b", "  a = b", "    ".len() + 2),
        ("\ta\t=\tb", "   a = b", 7),
        ("`größe` = b", "  `größe` = b", 12),
        ("a = '日本' b", "  a = '日本' b", 13),
        ("a = 'e\u{301}' b", "  a = 'e\u{301}' b", 10),
        ("a = '😀' b", "  a = '😀' b", 11),
        ("a = 1 and\n  b = c\n  and d = 1", "    b = c", 8),
        ("a = '\u{1b}[31m' b", "  a = '␛[31m' b", 14),
        ("a = 1 and\r\n", "  a = 1 and␍", 11),
    ];
    for (text, shown, column) in table {
        let message = fail(text).to_string();
        let lines: Vec<&str> = message.lines().collect();
        assert_eq!(lines.len(), 3, "{message}");
        assert_eq!(lines[1], shown, "{message}");
        assert_eq!(lines[2].find('^'), Some(column), "{message}");
    }
}

#[test]
fn a_long_line_is_cut_around_the_caret() {
    let text = format!("a = '{}' b{}", "x".repeat(500), " ".repeat(500) + "c");
    let message = fail(&text).to_string();
    let lines: Vec<&str> = message.lines().collect();
    assert!(lines[1].starts_with("  …xxx") && lines[1].ends_with('…') && lines[1].chars().count() < 110);
    assert_eq!(lines[1].chars().nth(lines[2].find('^').unwrap()), Some('b'));
}

#[test]
fn a_message_reads_as_advice() {
    assert_eq!(
        fail("framework == 'SwiftUI'").to_string(),
        "expected an operator, found `==`\n  framework == 'SwiftUI'\n            ^ equality is written ="
    );
}
