//! Numbers that compare by exact value, whether they came as an integer or as a float.

use std::cmp::Ordering;
use std::fmt;

/// A number in its only form: equal values are the same variant with the same content.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Number {
    /// A whole number from `i64::MIN` to `u64::MAX`, also when it was written as a float.
    Integer(i128),
    /// A fraction, or a magnitude beyond those; may be infinite, is never NaN.
    Float(f64),
}

impl Number {
    const LEAST: i128 = i64::MIN as i128;
    const GREATEST: i128 = u64::MAX as i128;

    /// None for NaN, which equals nothing and has no place in an order.
    pub(crate) fn from_f64(value: f64) -> Option<Number> {
        if value.is_nan() {
            return None;
        }
        // The cast saturates, so floats outside of the range stay outside of it.
        let whole = value as i128;
        let exact = value.fract() == 0.0 && (Self::LEAST..=Self::GREATEST).contains(&whole);
        Some(if exact { Number::Integer(whole) } else { Number::Float(value) })
    }

    /// Reads the digits of a number that follows the grammar of JSON; None for anything else.
    pub(crate) fn from_digits(digits: &str) -> Option<Number> {
        match digits.parse::<i128>() {
            Ok(whole) if (Self::LEAST..=Self::GREATEST).contains(&whole) => Some(Number::Integer(whole)),
            _ => Self::from_f64(digits.parse().ok()?),
        }
    }

    /// The value of a number in metadata.
    pub(crate) fn from_json(number: &serde_json::Number) -> Option<Number> {
        if let Some(value) = number.as_i64() {
            Some(Number::Integer(value.into()))
        } else if let Some(value) = number.as_u64() {
            Some(Number::Integer(value.into()))
        } else {
            Self::from_f64(number.as_f64()?)
        }
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Number) -> Ordering {
        match (*self, *other) {
            (Number::Integer(a), Number::Integer(b)) => a.cmp(&b),
            (Number::Float(a), Number::Float(b)) => a.total_cmp(&b),
            (Number::Integer(a), Number::Float(b)) => against_float(a, b),
            (Number::Float(a), Number::Integer(b)) => against_float(b, a).reverse(),
        }
    }
}

/// A `Float` is a fraction or out of range, so it lies strictly above its floor or away from every integer here.
fn against_float(integer: i128, float: f64) -> Ordering {
    integer.cmp(&(float.floor() as i128)).then(Ordering::Less)
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Number) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Number) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Number {}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Number::Integer(value) => write!(f, "{value}"),
            // JSON has no word for infinity; this reads back as one.
            Number::Float(value) if value.is_infinite() => {
                f.write_str(if *value < 0.0 { "-1e999" } else { "1e999" })
            }
            // The debug form is the shortest that reads back to the same double.
            Number::Float(value) => write!(f, "{value:?}"),
        }
    }
}
