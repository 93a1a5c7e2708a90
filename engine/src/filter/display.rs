//! The canonical text of a filter: the fewest brackets, one spelling for everything.

use std::fmt::{self, Write as _};

use super::Filter;
use super::ast::{Kind, Node, Predicate, Test};
use super::scalar::write_text;
use super::token::{Keyword, is_name_part, is_name_start};

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, node) in self.0.iter().enumerate() {
            let parent = self.parent(at, node);
            match parent.map(|parent| &parent.kind) {
                Some(Kind::All) if node.up > 1 => f.write_str(" and ")?,
                Some(Kind::Any) if node.up > 1 => f.write_str(" or ")?,
                _ => {}
            }
            if in_brackets(node, parent) {
                f.write_char('(')?;
            }
            match &node.kind {
                Kind::Not => f.write_str("not ")?,
                Kind::Test(test) => {
                    write!(f, "{test}")?;
                    self.close_brackets(f, at)?;
                }
                Kind::All | Kind::Any => {}
            }
        }
        Ok(())
    }
}

impl Filter {
    fn parent(&self, at: usize, node: &Node) -> Option<&Node> {
        if node.up == 0 { None } else { self.0.get(at.checked_sub(node.up)?) }
    }

    /// Closes the brackets of every subtree that ends with the node at `last`.
    fn close_brackets(&self, f: &mut fmt::Formatter<'_>, last: usize) -> fmt::Result {
        let mut at = last;
        while let Some(node) = self.0.get(at).filter(|node| at + node.size == last + 1) {
            let parent = self.parent(at, node);
            if in_brackets(node, parent) {
                f.write_char(')')?;
            }
            if parent.is_none() {
                break;
            }
            at -= node.up;
        }
        Ok(())
    }
}

/// Where the subtree would fall apart without brackets: `not` binds tighter than `and`, that tighter than `or`.
fn in_brackets(node: &Node, parent: Option<&Node>) -> bool {
    let Some(parent) = parent else { return false };
    match node.kind {
        Kind::All => parent.kind == Kind::Not,
        Kind::Any => matches!(parent.kind, Kind::All | Kind::Not),
        Kind::Not | Kind::Test(_) => false,
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Filter({self})")
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_name(f, &self.field)?;
        match &self.predicate {
            Predicate::Equal(literal) => write!(f, " = {literal}"),
            Predicate::NotEqual(literal) => write!(f, " != {literal}"),
            Predicate::Ordered(order, literal) => write!(f, " {} {literal}", order.symbol()),
            Predicate::In(literals) => {
                f.write_str(" in (")?;
                for (at, literal) in literals.iter().enumerate() {
                    f.write_str(if at == 0 { "" } else { ", " })?;
                    write!(f, "{literal}")?;
                }
                f.write_char(')')
            }
            Predicate::Prefix(text) => {
                f.write_str(" prefix ")?;
                write_text(f, text)
            }
            Predicate::Exists => f.write_str(" exists"),
        }
    }
}

/// Bare where the language allows it, else in back-quotes.
fn write_name(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    let bare = name.starts_with(is_name_start) && name.chars().all(is_name_part);
    if bare && Keyword::of(name).is_none() {
        return f.write_str(name);
    }
    write!(f, "`{}`", name.replace('`', "``"))
}
