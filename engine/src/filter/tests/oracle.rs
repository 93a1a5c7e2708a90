//! A filter as the obvious tree, evaluated the obvious way.

use std::cmp::Ordering;

use serde_json::{Map, Value, json};

use crate::filter::{Filter, FilterBound, FilterValue};

#[derive(Clone, Debug)]
pub(crate) enum Tree {
    Both(Box<Tree>, Box<Tree>),
    Either(Box<Tree>, Box<Tree>),
    Not(Box<Tree>),
    Test(String, Test),
}

#[derive(Clone, Debug)]
pub(crate) enum Test {
    Equal(Value),
    NotEqual(Value),
    Ordered(&'static str, Value),
    In(Vec<Value>),
    Prefix(String),
    Exists,
}

impl Tree {
    /// The filter by way of the builders.
    pub(crate) fn build(&self) -> Filter {
        match self {
            Tree::Both(a, b) => a.build().and(b.build()),
            Tree::Either(a, b) => a.build().or(b.build()),
            Tree::Not(a) => a.build().not(),
            Tree::Test(field, test) => match test {
                Test::Equal(value) => Filter::eq(field, literal(value)),
                Test::NotEqual(value) => Filter::ne(field, literal(value)),
                Test::Ordered(order, value) => match value {
                    Value::String(text) => ordered(field, order, text.as_str()),
                    value if value.is_i64() => ordered(field, order, value.as_i64().unwrap()),
                    value if value.is_u64() => ordered(field, order, value.as_u64().unwrap()),
                    value => ordered(field, order, value.as_f64().unwrap()),
                },
                Test::In(values) => Filter::is_in(field, values.iter().map(literal)),
                Test::Prefix(text) => Filter::prefix(field, text),
                Test::Exists => Filter::exists(field),
            },
        }
    }

    /// A text of the filter with every bracket there can be and no space that is not needed.
    pub(super) fn text(&self) -> String {
        match self {
            Tree::Both(a, b) => format!("({}and {})", a.text(), b.text()),
            Tree::Either(a, b) => format!("({}OR {})", a.text(), b.text()),
            Tree::Not(a) => format!("(not {})", a.text()),
            Tree::Test(field, test) => {
                let field = field.replace('`', "``");
                match test {
                    Test::Equal(value) => format!("(`{field}`={value})"),
                    Test::NotEqual(value) => format!("(`{field}`!={value})"),
                    Test::Ordered(order, value) => format!("(`{field}`{order}{value})"),
                    Test::In(values) => {
                        let values: Vec<String> = values.iter().map(Value::to_string).collect();
                        format!("(`{field}`in({}))", values.join(","))
                    }
                    Test::Prefix(text) => format!("(`{field}`^={})", json!(text)),
                    Test::Exists => format!("(`{field}`exists)"),
                }
            }
        }
    }

    pub(super) fn holds(&self, metadata: &Map<String, Value>) -> bool {
        match self {
            Tree::Both(a, b) => a.holds(metadata) & b.holds(metadata),
            Tree::Either(a, b) => a.holds(metadata) | b.holds(metadata),
            Tree::Not(a) => !a.holds(metadata),
            Tree::Test(field, test) => look_up(metadata, field).is_some_and(|value| test.holds(&value)),
        }
    }
}

fn look_up(metadata: &Map<String, Value>, field: &str) -> Option<Value> {
    if metadata.contains_key(field) {
        return metadata.get(field).cloned();
    }
    let mut value = Value::Object(metadata.clone());
    for key in field.split('.') {
        value = value.as_object()?.get(key)?.clone();
    }
    Some(value)
}

impl Test {
    fn holds(&self, value: &Value) -> bool {
        let candidates = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
        match self {
            Test::Equal(wanted) => candidates.iter().any(|value| equal(value, wanted)),
            Test::NotEqual(wanted) => !candidates.iter().any(|value| equal(value, wanted)),
            Test::Ordered(order, bound) => compare(value, bound).is_some_and(|ordering| match *order {
                "<" => ordering == Ordering::Less,
                "<=" => ordering != Ordering::Greater,
                ">" => ordering == Ordering::Greater,
                _ => ordering != Ordering::Less,
            }),
            Test::In(wanted) => {
                wanted.iter().any(|wanted| candidates.iter().any(|value| equal(value, wanted)))
            }
            Test::Prefix(text) => {
                candidates.iter().any(|value| value.as_str().is_some_and(|v| v.starts_with(text)))
            }
            Test::Exists => true,
        }
    }
}

fn equal(value: &Value, wanted: &Value) -> bool {
    match compare(value, wanted) {
        Some(ordering) => ordering == Ordering::Equal,
        // Only scalars are wanted, so arrays and objects are unequal here.
        None => !value.is_number() && value == wanted,
    }
}

/// The order of two numbers or two texts. The numbers of the strategies are multiples of 1/1024 below 2^100.
fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => Some(in_1024ths(a).cmp(&in_1024ths(b))),
        (Value::String(a), Value::String(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        _ => None,
    }
}

fn in_1024ths(number: &serde_json::Number) -> i128 {
    number.as_i128().map_or_else(|| (number.as_f64().unwrap() * 1024.0) as i128, |whole| whole * 1024)
}

fn literal(value: &Value) -> FilterValue {
    match value {
        Value::Bool(value) => (*value).into(),
        Value::String(value) => value.as_str().into(),
        Value::Number(value) if value.is_i64() => value.as_i64().unwrap().into(),
        Value::Number(value) if value.is_u64() => value.as_u64().unwrap().into(),
        Value::Number(value) => value.as_f64().unwrap().into(),
        _ => ().into(),
    }
}

fn ordered(field: &str, order: &str, bound: impl FilterBound) -> Filter {
    match order {
        "<" => Filter::lt(field, bound),
        "<=" => Filter::le(field, bound),
        ">" => Filter::gt(field, bound),
        _ => Filter::ge(field, bound),
    }
}
