//! Whether a row passes: one walk over the flat list, without allocation or recursion.

use serde_json::{Map, Value};

use super::ast::{Kind, Node, Order, Predicate};
use super::scalar::Scalar;

/// Goes down to the next test, then up for as long as its outcome settles the parent as well.
pub(super) fn matches(nodes: &[Node], metadata: &Map<String, Value>) -> bool {
    let mut at = 0;
    while let Some(node) = nodes.get(at) {
        let Kind::Test(test) = &node.kind else {
            at += 1;
            continue;
        };
        let holds = lookup(metadata, &test.field).is_some_and(|value| passes(&test.predicate, value));
        match settle(nodes, at, holds) {
            Step::Done(outcome) => return outcome,
            Step::Next(next) => at = next,
        }
    }
    // A filter has a test at the end of its list, and its outcome settles the root.
    false
}

enum Step {
    Done(bool),
    Next(usize),
}

/// Carries the outcome of a subtree upwards, to the root or to the first parent that has to ask its next child.
fn settle(nodes: &[Node], mut at: usize, mut holds: bool) -> Step {
    while let Some(node) = nodes.get(at).filter(|node| node.up > 0) {
        let next = at + node.size;
        at -= node.up;
        let Some(parent) = nodes.get(at) else { break };
        let undecided = match parent.kind {
            Kind::All => holds,
            Kind::Any => !holds,
            Kind::Not | Kind::Test(_) => false,
        };
        if undecided && next < at + parent.size {
            return Step::Next(next);
        }
        holds ^= parent.kind == Kind::Not;
    }
    Step::Done(holds)
}

/// The name as it stands; failing that, as a path into nested objects.
fn lookup<'a>(metadata: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    if let Some(value) = metadata.get(name) {
        return Some(value);
    }
    let (first, rest) = name.split_once('.')?;
    let value = metadata.get(first)?;
    rest.split('.').try_fold(value, |value, key| value.as_object()?.get(key))
}

fn passes(predicate: &Predicate, value: &Value) -> bool {
    match predicate {
        Predicate::Equal(literal) => any(value, |scalar| scalar == literal.borrow()),
        Predicate::NotEqual(literal) => !any(value, |scalar| scalar == literal.borrow()),
        Predicate::Ordered(order, literal) => {
            Scalar::of(value).is_some_and(|scalar| stands(scalar, *order, literal.borrow()))
        }
        Predicate::In(literals) => {
            any(value, |scalar| literals.binary_search_by(|literal| literal.borrow().cmp(&scalar)).is_ok())
        }
        Predicate::Prefix(prefix) => {
            any(value, |scalar| matches!(scalar, Scalar::Text(text) if text.starts_with(prefix)))
        }
        Predicate::Exists => true,
    }
}

/// A scalar that is accepted, or an array with one.
fn any<'a>(value: &'a Value, accept: impl Fn(Scalar<&'a str>) -> bool) -> bool {
    match value {
        Value::Array(elements) => elements.iter().filter_map(Scalar::of).any(accept),
        value => Scalar::of(value).is_some_and(accept),
    }
}

/// Only two numbers or two texts stand in an order.
fn stands(field: Scalar<&str>, order: Order, literal: Scalar<&str>) -> bool {
    match (field, literal) {
        (Scalar::Number(field), Scalar::Number(literal)) => order.accepts(field.cmp(&literal)),
        (Scalar::Text(field), Scalar::Text(literal)) => order.accepts(field.cmp(literal)),
        _ => false,
    }
}
