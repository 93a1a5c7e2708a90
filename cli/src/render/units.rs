//! Numbers as people read them: `323,118`, `1.9 GB`, `2025-01-31 23:59:58 UTC`, `3 documents`.

use std::fmt::Display;

/// With thousands separated.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A count with its noun, in the singular for one: `1 row`, `2 rows`.
pub(crate) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// In the decimal units that disks are sold in.
pub(crate) fn bytes(number: u64) -> String {
    let units =
        [("B", 1), ("kB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000_u64)];
    let (unit, size) = units.into_iter().rfind(|(_, size)| number >= *size).unwrap_or(("B", 1));
    let value = number as f64 / size as f64;
    if size == 1 { format!("{number} B") } else { format!("{value:.*} {unit}", usize::from(value < 99.95)) }
}

/// A moment in UTC; `?` when it is none.
pub(crate) fn moment(ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(ms) {
        Ok(moment) => moment.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => "?".to_owned(),
    }
}

/// The day of a moment, in UTC: `2025-01-31`; `?` when it is none.
pub(crate) fn day(ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(ms) {
        Ok(moment) => moment.strftime("%Y-%m-%d").to_string(),
        Err(_) => "?".to_owned(),
    }
}

/// A length of time, roughly: `45 s`, `12 min`, `3 h 20 min`, `2 days`.
pub(crate) fn age(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// A moment in UTC as part of a name: `20250131-235958`.
pub(crate) fn stamp(ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(ms) {
        Ok(moment) => moment.strftime("%Y%m%d-%H%M%S").to_string(),
        Err(_) => ms.unsigned_abs().to_string(),
    }
}

/// A share as a percentage, rounded down, so that only all is `100 %`.
pub(crate) fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 100.0 } else { (part as f64 * 1000.0 / whole as f64).floor() / 10.0 }
}

/// `a, b and 3 more`.
pub(crate) fn listed<T: Display>(items: &[T], most: usize) -> String {
    let shown: Vec<String> = items.iter().take(most).map(ToString::to_string).collect();
    match items.len().saturating_sub(most) {
        0 => shown.join(", "),
        rest => format!("{} and {rest} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            [0, 999, 1000, 323_118, 1_000_000].map(count),
            ["0", "999", "1,000", "323,118", "1,000,000"]
        );
        assert_eq!(
            [0, 999, 1000, 1_900_000_000, 123_456].map(bytes),
            ["0 B", "999 B", "1.0 kB", "1.9 GB", "123 kB"]
        );
        assert_eq!(bytes(u64::MAX), "18446744 TB");
        assert_eq!(moment(951_782_400_000), "2000-02-29 00:00:00 UTC");
        assert_eq!(moment(i64::MAX), "?");
        assert_eq!((day(951_782_400_000), day(i64::MAX)), ("2000-02-29".to_owned(), "?".to_owned()));
        assert_eq!(stamp(951_782_400_000), "20000229-000000");
        assert_eq!(counted(1, "row", "rows"), "1 row");
        assert_eq!(
            [-5, 45_900, 720_000, 12_000_000, 200_000_000].map(age),
            ["0 s", "45 s", "12 min", "3 h 20 min", "2 days"]
        );
        assert_eq!(listed(&["a", "b", "c"], 2), "a, b and 1 more");
    }

    #[test]
    fn only_everything_is_a_hundred_percent() {
        assert_eq!(percent(0, 0), 100.0);
        assert_eq!(percent(341_206, 341_207), 99.9);
        assert_eq!(percent(341_207, 341_207), 100.0);
    }
}
