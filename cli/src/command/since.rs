//! `--since`: a moment as people name it, by its date or by how long ago it was.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// Milliseconds since 1970-01-01 UTC, from `2025-06-30`, `2025-06-30T12:00:00`, a timestamp with its zone, or a length of
/// time such as `7d` or `12h` before now. Dates without a zone are UTC.
pub(crate) fn since(text: &str) -> Result<i64, String> {
    at(text, Timestamp::now())
        .ok_or_else(|| "a date such as 2025-06-30, or a time such as 7d or 12h".to_owned())
}

fn at(text: &str, now: Timestamp) -> Option<i64> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment.as_millisecond());
    }
    // A date alone is its midnight.
    if let Ok(date) = text.parse::<DateTime>() {
        return Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond());
    }
    let span: Span = text.parse().ok()?;
    if span.is_negative() {
        return None;
    }
    Some(now.to_zoned(TimeZone::UTC).checked_sub(span).ok()?.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_people_name_them() {
        let now: Timestamp = "2025-06-30T12:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("2025-06-01", "2025-06-01T00:00:00Z"),
            ("2025-06-01T10:30:00", "2025-06-01T10:30:00Z"),
            ("2025-06-01T10:30:00+02:00", "2025-06-01T08:30:00Z"),
            ("7d", "2025-06-23T12:00:00Z"),
            ("12h", "2025-06-30T00:00:00Z"),
            ("90 min", "2025-06-30T10:30:00Z"),
        ] {
            let expected: Timestamp = expected.parse().unwrap();
            assert_eq!(at(text, now), Some(expected.as_millisecond()), "{text}");
        }
        for text in ["", "soon", "-7d", "2025-13-01", "7 parsecs"] {
            assert_eq!(at(text, now), None, "{text}");
        }
    }
}
