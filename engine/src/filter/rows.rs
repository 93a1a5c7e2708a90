//! A filter over sets of rows instead of one row: what an index says of the tests, put together.

use super::Filter;
use super::ast::{Kind, Predicate};
use crate::bitmap::Bitmap;

/// The rows that pass for sure, and among others the rows that pass: what is in between has to be looked at.
#[derive(Debug, Clone)]
pub(crate) struct Sets {
    pub(crate) must: Bitmap,
    pub(crate) may: Bitmap,
}

impl Sets {
    /// Of a test that is settled for every row.
    pub(crate) fn exactly(passing: Bitmap) -> Self {
        Self { must: passing.clone(), may: passing }
    }
}

impl Filter {
    /// Asks for the rows of each test, and puts them together: from the end of the flat list, where the children of a node
    /// are done before the node itself.
    pub(crate) fn rows_by(&self, mut test: impl FnMut(&str, &Predicate) -> Sets) -> Sets {
        let mut done: Vec<Sets> = Vec::new();
        for (at, node) in self.0.iter().enumerate().rev() {
            let sets = match &node.kind {
                Kind::Test(found) => Some(test(&found.field, &found.predicate)),
                Kind::Not => {
                    done.pop().map(|sets| Sets { must: sets.may.inverse(), may: sets.must.inverse() })
                }
                Kind::All | Kind::Any => {
                    let mut joined = done.pop();
                    let mut child = at + 1 + self.0.get(at + 1).map_or(1, |child| child.size);
                    while child < at + node.size {
                        if let (Some(joined), Some(more)) = (&mut joined, done.pop()) {
                            join(joined, &more, node.kind == Kind::All);
                        }
                        child += self.0.get(child).map_or(1, |child| child.size.max(1));
                    }
                    joined
                }
            };
            done.extend(sets);
        }
        // A filter has a root, which is done last.
        done.pop().unwrap_or_else(|| Sets::exactly(Bitmap::empty(0)))
    }
}

fn join(sets: &mut Sets, more: &Sets, all: bool) {
    for (set, more) in [(&mut sets.must, &more.must), (&mut sets.may, &more.may)] {
        if all { set.intersect(more) } else { set.unite(more) }
    }
}
