//! Filters put together in code, without text to quote or parse.

use std::ops;

use super::Filter;
use super::ast::{Kind, Order, Predicate};
use super::scalar::Scalar;
use super::value::{FilterBound, FilterValue};

impl Filter {
    /// `field = value`: present and equal, or an array with an equal element.
    ///
    /// ```
    /// use siltstone::Filter;
    ///
    /// let filter = Filter::eq("framework", "SwiftUI").and(Filter::lt("chunk_index", 3));
    /// assert_eq!(filter.to_string(), r#"framework = "SwiftUI" and chunk_index < 3"#);
    /// ```
    #[must_use]
    pub fn eq(field: impl Into<String>, value: impl Into<FilterValue>) -> Filter {
        Filter::test(field.into(), Predicate::Equal(value.into().0))
    }

    /// `field != value`: present and not equal, also when it is of another type.
    #[must_use]
    pub fn ne(field: impl Into<String>, value: impl Into<FilterValue>) -> Filter {
        Filter::test(field.into(), Predicate::NotEqual(value.into().0))
    }

    /// `field < bound`, for two numbers or two texts.
    #[must_use]
    pub fn lt(field: impl Into<String>, bound: impl FilterBound) -> Filter {
        Filter::ordered(field.into(), Order::Less, bound.into())
    }

    /// `field <= bound`, for two numbers or two texts.
    #[must_use]
    pub fn le(field: impl Into<String>, bound: impl FilterBound) -> Filter {
        Filter::ordered(field.into(), Order::LessOrEqual, bound.into())
    }

    /// `field > bound`, for two numbers or two texts.
    #[must_use]
    pub fn gt(field: impl Into<String>, bound: impl FilterBound) -> Filter {
        Filter::ordered(field.into(), Order::Greater, bound.into())
    }

    /// `field >= bound`, for two numbers or two texts.
    #[must_use]
    pub fn ge(field: impl Into<String>, bound: impl FilterBound) -> Filter {
        Filter::ordered(field.into(), Order::GreaterOrEqual, bound.into())
    }

    /// `field in (values)`: equal to one of them; none at all match nothing.
    ///
    /// The list is sorted here, once; a row costs about log2(n) comparisons.
    ///
    /// ```
    /// use serde_json::json;
    /// use siltstone::Filter;
    ///
    /// let changed = (0..100_000).map(|page| format!("documentation/page{page}.md"));
    /// let filter = Filter::is_in("file_path", changed);
    /// assert!(filter.matches(json!({"file_path": "documentation/page77.md"}).as_object().unwrap()));
    /// ```
    #[must_use]
    pub fn is_in<V: Into<FilterValue>>(
        field: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Filter {
        let values = values.into_iter().map(|value| value.into().0).collect();
        Filter::test(field.into(), Predicate::is_in(values))
    }

    /// `field prefix "text"`: a text that starts with this one, or an array with such an element.
    #[must_use]
    pub fn prefix(field: impl Into<String>, text: impl Into<String>) -> Filter {
        Filter::test(field.into(), Predicate::Prefix(text.into()))
    }

    /// `field exists`: present, also when its value is null.
    #[must_use]
    pub fn exists(field: impl Into<String>) -> Filter {
        Filter::test(field.into(), Predicate::Exists)
    }

    /// Both must hold; `other` is not looked at when `self` does not.
    #[must_use]
    pub fn and(self, other: Filter) -> Filter {
        self.join(Kind::All, other)
    }

    /// One must hold; `other` is not looked at when `self` does.
    #[must_use]
    pub fn or(self, other: Filter) -> Filter {
        self.join(Kind::Any, other)
    }

    /// Holds where `self` does not, rows without the field included; also written `!filter`.
    ///
    /// ```
    /// use siltstone::Filter;
    ///
    /// assert_eq!(Filter::exists("api_name").not().to_string(), "not api_name exists");
    /// assert_eq!(!!Filter::exists("api_name"), Filter::exists("api_name"));
    /// ```
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "the trait is implemented; this needs no import")]
    pub fn not(self) -> Filter {
        self.negate()
    }

    /// The one constructor of ordered tests. What has no order (a NaN, that is) leaves a test that never holds.
    fn ordered(field: String, order: Order, bound: FilterValue) -> Filter {
        let predicate = match bound.0 {
            literal @ (Scalar::Number(_) | Scalar::Text(_)) => Predicate::Ordered(order, literal),
            Scalar::Null | Scalar::Bool(_) => Predicate::In(Vec::new()),
        };
        Filter::test(field, predicate)
    }
}

impl ops::Not for Filter {
    type Output = Filter;

    fn not(self) -> Filter {
        self.negate()
    }
}
