//! Every spelling of a filter has one canonical text.

use crate::filter::Filter;

#[test]
fn spellings_and_their_canonical_text() {
    let table = [
        ("a=1", "a = 1"),
        ("a=-1.50e+1", "a = -15"),
        ("a<0.1", "a < 0.1"),
        ("a>=1E-7", "a >= 1e-7"),
        ("a>18446744073709551616", "a > 1.8446744073709552e19"),
        ("a<1e999", "a < 1e999"),
        ("a != -0", "a != 0"),
        ("\ta\n=\r\nTRUE ", "a = true"),
        ("a = Null AND b = fAlSe", "a = null and b = false"),
        ("a ^= 'x'", "a prefix \"x\""),
        ("a PREFIX \"x\"", "a prefix \"x\""),
        ("a EXISTS", "a exists"),
        ("a in ()", "a in ()"),
        ("a IN(2,'b',1,null,1.0,true)", "a in (null, true, 1, 2, \"b\")"),
        ("a.b-c_d = 1", "a.b-c_d = 1"),
        ("_a = 1", "_a = 1"),
        ("`a` = 1", "a = 1"),
        ("`in` = 1", "`in` = 1"),
        ("`Null` exists", "`Null` exists"),
        ("`1a` = 1", "`1a` = 1"),
        ("`größe (px)` = 1", "`größe (px)` = 1"),
        ("`a``b` = 1", "`a``b` = 1"),
        ("``=1", "`` = 1"),
        (r#"a = 'it\'s "so"'"#, r#"a = "it's \"so\"""#),
        (r#"a = "\u00e9\ud83d\ude00\/\b\f\n\r\t\\\u0000""#, r#"a = "é😀/\u0008\u000c\n\r\t\\\u0000""#),
        ("((a = 1))", "a = 1"),
        ("not(a = 1)", "not a = 1"),
        ("not not a = 1", "a = 1"),
        ("not (not (a = 1 and b = 2))", "a = 1 and b = 2"),
        ("(a = 1 and (b = 2 and c = 3))", "a = 1 and b = 2 and c = 3"),
        ("(a = 1 or b = 2) or (c = 3 or d = 4)", "a = 1 or b = 2 or c = 3 or d = 4"),
        ("(a = 1 and b = 2) or c = 3", "a = 1 and b = 2 or c = 3"),
        (
            "(a = 1 or b = 2) and (c = 3 or not (d = 4 or e = 5))",
            "(a = 1 or b = 2) and (c = 3 or not (d = 4 or e = 5))",
        ),
        ("not (a = 1 and (b = 2 or c = 3))", "not (a = 1 and (b = 2 or c = 3))"),
    ];
    for (text, canonical) in table {
        let filter = Filter::parse(text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(filter.to_string(), canonical, "{text:?}");
        assert_eq!(canonical.parse::<Filter>().unwrap(), filter);
    }
}

#[test]
fn builders_make_what_the_parser_makes() {
    let table = [
        (Filter::eq("a", "x"), "a = 'x'"),
        (Filter::ne("a", 1_u8), "a != 1"),
        (Filter::lt("a", 1.5), "a < 1.5"),
        (Filter::le("a", i64::MIN), "a <= -9223372036854775808"),
        (Filter::gt("a", u64::MAX), "a > 18446744073709551615"),
        (Filter::ge("a", String::from("x")), "a >= 'x'"),
        (Filter::is_in("a", ["y", "x", "y"]), "a in ('x', 'y')"),
        (Filter::is_in("a", Vec::<bool>::new()), "a in ()"),
        (Filter::prefix("a", "x"), "a prefix 'x'"),
        (Filter::exists("a b"), "`a b` exists"),
        (Filter::eq("a", ()).or(Filter::eq("a", true)), "a = null or a = true"),
        (Filter::eq("a", f64::NAN), "a = null"),
        (!Filter::exists("a").and(Filter::exists("b")), "not (a exists and b exists)"),
        (
            Filter::exists("a").and(Filter::exists("b").and(Filter::exists("c")).or(Filter::exists("d"))),
            "a exists and (b exists and c exists or d exists)",
        ),
    ];
    for (built, text) in table {
        assert_eq!(built, Filter::parse(text).unwrap(), "{text}");
    }
    assert_eq!(format!("{:?}", Filter::exists("a")), "Filter(a exists)");
}
