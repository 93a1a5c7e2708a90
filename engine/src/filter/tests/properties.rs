//! Laws over random filters, rows and texts.

use proptest::collection::{hash_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use super::oracle::{Test, Tree};
use crate::filter::Filter;

/// Numbers near the places where integers and floats part, as integers and as floats.
fn numbers() -> impl Strategy<Value = Value> {
    let edges = vec![
        json!(9_007_199_254_740_991_u64),
        json!(9_007_199_254_740_992_u64),
        json!(9_007_199_254_740_993_u64),
        json!(9_007_199_254_740_992.0),
        json!(i64::MIN),
        json!(-9_223_372_036_854_775_808.0),
        json!(i64::MAX),
        json!(9_223_372_036_854_775_808.0),
        json!(u64::MAX),
        json!(18_446_744_073_709_551_616.0),
        json!(-0.0),
    ];
    prop_oneof![
        (-8_i64..8).prop_map(Value::from),
        (-32_i32..32).prop_map(|quarters| Value::from(f64::from(quarters) / 4.0)),
        select(edges),
    ]
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[ab]{0,3}", 1 => any::<String>()]
}

fn ordered_values() -> impl Strategy<Value = Value> {
    prop_oneof![numbers(), texts().prop_map(Value::from)]
}

fn scalars() -> impl Strategy<Value = Value> {
    prop_oneof![4 => ordered_values(), 1 => any::<bool>().prop_map(Value::from), 1 => Just(Value::Null)]
}

/// Names that meet often, some only as a path, and some that need quoting.
fn fields() -> impl Strategy<Value = String> {
    let common = &["a", "b", "c", "a.b", "a.b.c", "b.a", "in", "NOT", "", ".", "a b", "`", "größe"];
    prop_oneof![9 => select(&common[..]).prop_map(str::to_owned), 1 => "[^~/]{0,6}"]
}

pub(crate) fn trees() -> impl Strategy<Value = Tree> {
    let test = prop_oneof![
        scalars().prop_map(Test::Equal),
        scalars().prop_map(Test::NotEqual),
        (select(&["<", "<=", ">", ">="][..]), ordered_values())
            .prop_map(|(order, value)| Test::Ordered(order, value)),
        vec(scalars(), 0..6).prop_map(Test::In),
        texts().prop_map(Test::Prefix),
        Just(Test::Exists),
    ];
    let leaf = (fields(), test).prop_map(|(field, test)| Tree::Test(field, test));
    leaf.prop_recursive(6, 24, 2, |inner| {
        let pair = (inner.clone().prop_map(Box::new), inner.clone().prop_map(Box::new));
        prop_oneof![
            pair.clone().prop_map(|(a, b)| Tree::Both(a, b)),
            pair.prop_map(|(a, b)| Tree::Either(a, b)),
            inner.prop_map(|a| Tree::Not(Box::new(a))),
        ]
    })
}

pub(crate) fn rows() -> impl Strategy<Value = Map<String, Value>> {
    let value = scalars().prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            hash_map(fields(), inner, 0..4).prop_map(|object| Value::Object(object.into_iter().collect())),
        ]
    });
    hash_map(fields(), value, 0..8).prop_map(|row| row.into_iter().collect())
}

/// Texts that are nearly filters.
fn near_misses() -> impl Strategy<Value = String> {
    let pieces = &[
        "a", "`b c`", "=", "!=", "<", "^=", "prefix", "exists", "in", "(", ")", ",", "and", "or", "not",
        "'x'", "\"", "'", "`", "\\u00", "\\", "1", "-", "0.5", "1e", "null", "true", "é", "😀", "\t", "\n",
        "==", "&&", ".", "\u{0}",
    ];
    vec((select(&pieces[..]), select(&["", " "][..])), 0..24)
        .prop_map(|words| words.into_iter().flat_map(|(word, space)| [word, space]).collect())
}

/// Either a filter whose text reads back, or an error that can be shown.
fn parses_or_explains(text: &str) -> Result<(), TestCaseError> {
    match Filter::parse(text) {
        Ok(filter) => prop_assert_eq!(Filter::parse(&filter.to_string()), Ok(filter)),
        Err(error) => {
            let before = text.get(..error.byte_offset());
            prop_assert_eq!(before.map(|before| before.chars().count()), Some(error.character()));
            prop_assert_eq!(error.to_string().lines().count(), 3);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn canonical_text_reads_back(tree in trees()) {
        let filter = tree.build();
        prop_assert_eq!(Filter::parse(&filter.to_string()), Ok(filter.clone()));
        prop_assert_eq!(Filter::parse(&tree.text()), Ok(filter));
    }

    #[test]
    fn evaluation_agrees_with_the_oracle(tree in trees(), rows in vec(rows(), 8)) {
        let filter = tree.build();
        for row in rows {
            prop_assert_eq!(filter.matches(&row), tree.holds(&row), "{} on {:?}", filter, row);
        }
    }

    #[test]
    fn de_morgan(a in trees(), b in trees(), row in rows()) {
        let (a, b) = (a.build(), b.build());
        let neither = a.clone().or(b.clone()).not();
        let not_both = a.clone().and(b.clone()).not();
        prop_assert_eq!(neither.matches(&row), a.clone().not().and(b.clone().not()).matches(&row));
        prop_assert_eq!(not_both.matches(&row), a.clone().not().or(b.not()).matches(&row));
        prop_assert_eq!(a.clone().not().matches(&row), !a.matches(&row));
        prop_assert_eq!(a.clone().not().not(), a);
    }

    #[test]
    fn any_text_parses_or_explains(text in any::<String>()) {
        parses_or_explains(&text)?;
    }

    #[test]
    fn any_near_miss_parses_or_explains(text in near_misses()) {
        parses_or_explains(&text)?;
    }

    #[test]
    fn a_filter_cut_short_parses_or_explains(tree in trees(), cut in any::<prop::sample::Index>()) {
        let text: Vec<char> = tree.text().chars().collect();
        let kept: String = text.iter().take(cut.index(text.len())).collect();
        parses_or_explains(&kept)?;
    }
}
