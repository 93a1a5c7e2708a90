//! From the tests of a filter to rows.
//!
//! Values are sorted, so each test is a range of values or a few of them: the rows are the union of theirs. Where the index
//! cannot say, every row that has the field may pass.

use std::borrow::Cow;

use siltstone_format::attributes::{Lookup, Value};
use siltstone_format::layout::AttributeField;

use super::Attributes;
use crate::bitmap::Bitmap;
use crate::filter::{Filter, Literal, Number, Order, Predicate, Scalar, Sets};

impl Attributes {
    /// Which rows of the segment pass a filter, as far as the index knows.
    pub(crate) fn rows_of(&self, filter: &Filter) -> Sets {
        filter.rows_by(|field, predicate| self.test(field, predicate))
    }

    fn test(&self, field: &str, predicate: &Predicate) -> Sets {
        let rows = self.index.rows();
        let field = match self.index.field(field) {
            Lookup::Absent => return Sets::exactly(Bitmap::empty(rows)),
            Lookup::Unknown => return Sets { must: Bitmap::empty(rows), may: Bitmap::full(rows) },
            Lookup::Listed(field) => field,
        };
        match self.listed(&field, predicate) {
            Some(passing) => Sets::exactly(passing),
            None => {
                let present = self.set((field.present, field.present_runs));
                Sets { must: Bitmap::empty(rows), may: present.unwrap_or_else(|| Bitmap::full(rows)) }
            }
        }
    }

    /// The rows that pass a test; `None` when the index cannot say.
    fn listed(&self, field: &AttributeField, predicate: &Predicate) -> Option<Bitmap> {
        let present = || self.set((field.present, field.present_runs));
        if *predicate == Predicate::Exists {
            return present();
        }
        if field.listed == 0 {
            return None;
        }
        let nothing = Bitmap::empty(self.index.rows());
        match predicate {
            Predicate::Exists => present(),
            Predicate::Equal(literal) => self.unite_equal(field, literal, nothing),
            Predicate::NotEqual(literal) => {
                let mut others = present()?;
                others.subtract(&self.unite_equal(field, literal, nothing)?);
                Some(others)
            }
            Predicate::In(literals) => {
                literals.iter().try_fold(nothing, |united, literal| self.unite_equal(field, literal, united))
            }
            Predicate::Prefix(prefix) => {
                let from = self.first_not(field, |value| value < Scalar::Text(prefix))?;
                let to = self.first_not(field, |value| {
                    let starts = matches!(value, Scalar::Text(text) if text.starts_with(prefix.as_str()));
                    value < Scalar::Text(prefix) || starts
                })?;
                self.unite(field, from..to, nothing)
            }
            Predicate::Ordered(order, literal) => {
                let literal = literal.borrow();
                let (class, below) = (class(literal), |value: Scalar<&str>| value < literal);
                let upto = |value: Scalar<&str>| value <= literal;
                let range = match order {
                    Order::Less | Order::LessOrEqual => {
                        let from = self.first_not(field, |value| self::class(value) < class)?;
                        let to = match order {
                            Order::Less => self.first_not(field, below)?,
                            _ => self.first_not(field, upto)?,
                        };
                        from..to
                    }
                    Order::Greater | Order::GreaterOrEqual => {
                        let from = match order {
                            Order::Greater => self.first_not(field, upto)?,
                            _ => self.first_not(field, below)?,
                        };
                        from..self.first_not(field, |value| self::class(value) <= class)?
                    }
                };
                // Elements of arrays have no order.
                let mut united = self.unite(field, range, nothing)?;
                united.subtract(&self.set((field.arrays, field.arrays_runs))?);
                Some(united)
            }
        }
    }

    fn unite_equal(&self, field: &AttributeField, literal: &Literal, united: Bitmap) -> Option<Bitmap> {
        let literal = literal.borrow();
        let at = self.first_not(field, |value| value < literal)?;
        let found = match at < field.count {
            true => scalar(&self.index.value(&self.index.entry(field, at)?)?)? == literal,
            false => false,
        };
        if found { self.unite(field, at..at + 1, united) } else { Some(united) }
    }

    /// The first value of which a condition is false that is true of those before it.
    fn first_not(&self, field: &AttributeField, before: impl Fn(Scalar<&str>) -> bool) -> Option<u32> {
        let (mut low, mut high) = (0, field.count);
        while low < high {
            let middle = low + (high - low) / 2;
            let value = self.index.value(&self.index.entry(field, middle)?)?;
            match before(scalar(&value)?) {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        Some(low)
    }

    /// Adds the rows of some values.
    fn unite(
        &self,
        field: &AttributeField,
        values: std::ops::Range<u32>,
        mut united: Bitmap,
    ) -> Option<Bitmap> {
        for number in values {
            let entry = self.index.entry(field, number)?;
            self.index.runs((entry.rows, entry.runs), |from, to| united.insert_range(from, to))?;
        }
        Some(united)
    }

    fn set(&self, set: (u64, u32)) -> Option<Bitmap> {
        let mut rows = Bitmap::empty(self.index.rows());
        self.index.runs(set, |from, to| rows.insert_range(from, to))?;
        Some(rows)
    }
}

/// A value of the index as filters compare it.
fn scalar<'a>(value: &'a Value<Cow<'_, str>>) -> Option<Scalar<&'a str>> {
    Some(match value {
        Value::Null => Scalar::Null,
        Value::Bool(value) => Scalar::Bool(*value),
        Value::Integer(value) => Scalar::Number(Number::Integer(*value)),
        Value::Float(value) => Scalar::Number(Number::from_f64(*value)?),
        Value::Text(text) => Scalar::Text(text),
    })
}

/// Values of different classes are not compared, and those of one lie side by side.
fn class(value: Scalar<&str>) -> u8 {
    match value {
        Scalar::Null => 0,
        Scalar::Bool(_) => 1,
        Scalar::Number(_) => 2,
        Scalar::Text(_) => 3,
    }
}
