//! The values that programs hand to the builders.

use super::number::Number;
use super::scalar::{Literal, Scalar};

/// A text, number, boolean or null to compare a field with; made by `From`.
///
/// A NaN becomes null, as it does in [`serde_json::Value`]; infinities lie beyond every stored number.
///
/// ```
/// use siltstone::{Filter, FilterValue};
///
/// let values: [FilterValue; 4] = ["draft".into(), 3.into(), false.into(), ().into()];
/// assert_eq!(Filter::is_in("state", values).to_string(), r#"state in (null, false, 3, "draft")"#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterValue(pub(super) Literal);

/// A value that has an order, and so can stand after `<`: a text or a number.
///
/// A boolean does not compile where this is asked for:
///
/// ```compile_fail
/// siltstone::Filter::lt("draft", true);
/// ```
pub trait FilterBound: Into<FilterValue> {}

impl From<&str> for FilterValue {
    fn from(value: &str) -> FilterValue {
        FilterValue(Scalar::Text(value.to_owned()))
    }
}

impl FilterBound for &str {}

impl From<String> for FilterValue {
    fn from(value: String) -> FilterValue {
        FilterValue(Scalar::Text(value))
    }
}

impl FilterBound for String {}

impl From<f64> for FilterValue {
    fn from(value: f64) -> FilterValue {
        FilterValue(Number::from_f64(value).map_or(Scalar::Null, Scalar::Number))
    }
}

impl FilterBound for f64 {}

impl From<bool> for FilterValue {
    fn from(value: bool) -> FilterValue {
        FilterValue(Scalar::Bool(value))
    }
}

/// Null, as `serde_json` writes it.
impl From<()> for FilterValue {
    fn from((): ()) -> FilterValue {
        FilterValue(Scalar::Null)
    }
}

macro_rules! integers {
    ($($integer:ty),*) => {$(
        impl From<$integer> for FilterValue {
            fn from(value: $integer) -> FilterValue {
                // Widening: no integer here has more than 64 bits.
                FilterValue(Scalar::Number(Number::Integer(value as i128)))
            }
        }

        impl FilterBound for $integer {}
    )*};
}

integers!(i8, i16, i32, i64, isize, u8, u16, u32, u64, usize);
