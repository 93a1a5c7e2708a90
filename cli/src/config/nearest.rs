//! The name that was probably meant.

/// The candidate with the fewest changed letters, if it is near enough to be a slip.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (word.chars().count() / 3).max(1);
    let measured = candidates.into_iter().map(|candidate| (distance(word, candidate), candidate));
    measured.filter(|(distance, _)| *distance <= allowed).min().map(|(_, candidate)| candidate)
}

/// How many letters have to be added, removed or replaced.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for ((y, above), diagonal) in b.iter().zip(row.iter().skip(1)).zip(&row) {
            let left = next.last().copied().unwrap_or(0);
            next.push((above + 1).min(left + 1).min(diagonal + usize::from(x != *y)));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        let keys = ["provider", "base_url", "model", "dims"];
        assert_eq!(nearest("provder", keys), Some("provider"));
        assert_eq!(nearest("dim", keys), Some("dims"));
        assert_eq!(nearest("base-url", keys), Some("base_url"));
        assert_eq!(nearest("colour", keys), None);
        assert_eq!(nearest("", keys), None);
    }
}
