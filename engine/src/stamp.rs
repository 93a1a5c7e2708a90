//! Moments in file names: `20260131_235958`, in UTC, so that names sort by time.

use crate::lock::utc;

/// The moment as file names have it.
pub(crate) fn stamp(ms: i64) -> String {
    let digits = |c: char| match c {
        ' ' => Some('_'),
        c => c.is_ascii_digit().then_some(c),
    };
    utc(ms).trim_end_matches(" UTC").chars().filter_map(digits).collect()
}

/// The moment that a name with a stamp at its beginning tells, in milliseconds since 1970-01-01 UTC. Dates to days as in
/// Howard Hinnant's "chrono-compatible low-level date algorithms" (days_from_civil).
pub(crate) fn moment(name: &str) -> Option<i64> {
    let number = |from: usize, to: usize| {
        let digits = name.get(from..to).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        digits.and_then(|text| text.parse::<i64>().ok())
    };
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    let (hour, minute, second) = (number(9, 11)?, number(11, 13)?, number(13, 15)?);
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    Some(((days * 24 + hour) * 60 + minute) * 60_000 + second * 1000)
}

/// The first name of `stem`, `stem` with `_2`, `_3`, ... that is not taken: two moments may share a second.
pub(crate) fn free_name(stem: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let mut name = stem.to_owned();
    let mut number = 2;
    while is_taken(&name) {
        name = format!("{stem}_{number}");
        number += 1;
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_sort_by_time_and_doubles_are_numbered() {
        assert_eq!(stamp(1_735_689_599_999), "20241231_235959");
        for ms in [0, 951_782_400_000, 1_709_164_800_000, 1_735_689_599_000] {
            assert_eq!(moment(&format!("{}_2", stamp(ms))), Some(ms));
        }
        assert_eq!((moment("2024"), moment("notadate_000000"), moment("")), (None, None, None));
        assert_eq!(free_name("a", |name| name == "a" || name == "a_2"), "a_3");
    }
}
