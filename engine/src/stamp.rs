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
        assert_eq!(free_name("a", |name| name == "a" || name == "a_2"), "a_3");
    }
}
