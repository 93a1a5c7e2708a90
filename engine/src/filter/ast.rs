//! The parts of a filter, as one flat list of nodes in reading order.
//!
//! A node is followed by its subtree. Links are distances, not indices, so a subtree can be moved or appended without
//! touching its inside, and no operation on a filter recurses.

use std::cmp::Ordering;

use super::Filter;
use super::scalar::Literal;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) kind: Kind,
    /// How many nodes further up the list the parent stands; 0 for the root.
    pub(super) up: usize,
    /// How many nodes the subtree has, this one included.
    pub(super) size: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// Two or more subtrees, none of them an `All`.
    All,
    /// Two or more subtrees, none of them an `Any`.
    Any,
    /// One subtree, not a `Not`.
    Not,
    Test(Test),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Test {
    pub(super) field: String,
    pub(super) predicate: Predicate,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Predicate {
    Equal(Literal),
    NotEqual(Literal),
    /// The literal is a text or a number.
    Ordered(Order, Literal),
    /// Sorted, without repeats.
    In(Vec<Literal>),
    Prefix(String),
    Exists,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    /// Whether a field that stands so to the literal passes.
    pub(super) fn accepts(self, ordering: Ordering) -> bool {
        match self {
            Order::Less => ordering.is_lt(),
            Order::LessOrEqual => ordering.is_le(),
            Order::Greater => ordering.is_gt(),
            Order::GreaterOrEqual => ordering.is_ge(),
        }
    }

    pub(super) fn symbol(self) -> &'static str {
        match self {
            Order::Less => "<",
            Order::LessOrEqual => "<=",
            Order::Greater => ">",
            Order::GreaterOrEqual => ">=",
        }
    }
}

impl Predicate {
    /// A list in its only form, which evaluation searches by halves.
    pub(super) fn is_in(mut values: Vec<Literal>) -> Predicate {
        values.sort_unstable();
        values.dedup();
        Predicate::In(values)
    }
}

impl Filter {
    pub(super) fn test(field: String, predicate: Predicate) -> Filter {
        Filter(vec![Node { kind: Kind::Test(Test { field, predicate }), up: 0, size: 1 }])
    }

    /// Joins two filters under `kind`, which is `All` or `Any`; sides that are such joins already are merged.
    pub(super) fn join(self, kind: Kind, other: Filter) -> Filter {
        let mut nodes = if self.is(&kind) { self.0 } else { self.wrap(kind.clone()).0 };
        let mut rest = other.0;
        let first = nodes.len();
        if rest.first().is_some_and(|root| root.kind == kind) {
            let mut child = 1;
            while let Some(node) = rest.get_mut(child) {
                node.up = first + child - 1;
                child += node.size;
            }
            nodes.extend(rest.into_iter().skip(1));
        } else {
            if let Some(root) = rest.first_mut() {
                root.up = first;
            }
            nodes.extend(rest);
        }
        let size = nodes.len();
        if let Some(root) = nodes.first_mut() {
            root.size = size;
        }
        Filter(nodes)
    }

    /// Turns the outcome round; two `Not`s cancel out.
    pub(super) fn negate(mut self) -> Filter {
        if !self.is(&Kind::Not) {
            return self.wrap(Kind::Not);
        }
        self.0.remove(0);
        if let Some(root) = self.0.first_mut() {
            root.up = 0;
        }
        self
    }

    fn is(&self, kind: &Kind) -> bool {
        self.0.first().is_some_and(|root| root.kind == *kind)
    }

    fn wrap(mut self, kind: Kind) -> Filter {
        if let Some(root) = self.0.first_mut() {
            root.up = 1;
        }
        self.0.insert(0, Node { kind, up: 0, size: self.0.len() + 1 });
        self
    }
}
