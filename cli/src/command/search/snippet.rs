//! The part of a passage that answers best why it was found: the stretch that holds most of the query's words, from the
//! beginning of a sentence where one is near. Always one line, free of control characters.

use unicode_segmentation::UnicodeSegmentation;

use crate::render::plain::one_line;

/// Words that say nothing about what is looked for.
const COMMON: [&str; 36] = [
    "a", "an", "and", "are", "as", "at", "be", "by", "can", "do", "does", "for", "from", "get", "how", "i",
    "if", "in", "is", "it", "me", "my", "of", "on", "or", "that", "the", "this", "to", "use", "using",
    "what", "when", "where", "with", "you",
];

/// How far before the first match a sentence may begin to be shown from there, in bytes.
const LEAD: usize = 90;

/// At most about `most` bytes of `text` that show the words of `query`.
pub(super) fn snippet(text: &str, query: &str, most: usize) -> String {
    let text = one_line(text);
    if text.len() <= most {
        return text;
    }
    let found = matches(&text, &terms(query));
    let (first, last) = best_stretch(&found, most);
    let from = beginning(&text, first, most.saturating_sub(last.saturating_sub(first)));
    cut(&text, from, most)
}

/// A word of the text that is one of the query's.
struct Match {
    start: usize,
    end: usize,
    term: usize,
    weight: usize,
}

fn terms(query: &str) -> Vec<String> {
    let words: Vec<String> = query.unicode_words().map(str::to_lowercase).collect();
    let telling: Vec<String> =
        words.iter().filter(|word| !COMMON.contains(&word.as_str())).cloned().collect();
    let mut terms = if telling.is_empty() { words } else { telling };
    terms.sort();
    terms.dedup();
    terms
}

fn matches(text: &str, terms: &[String]) -> Vec<Match> {
    let mut found = Vec::new();
    for (start, word) in text.unicode_word_indices() {
        let lower = word.to_lowercase();
        if let Some((term, wanted)) = terms.iter().enumerate().find(|(_, term)| alike(term, &lower)) {
            found.push(Match { start, end: start + word.len(), term, weight: wanted.len().min(12) });
        }
    }
    found
}

/// Equal, or forms of one word: `install`, `installed`, `installing`.
fn alike(a: &str, b: &str) -> bool {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    short == long || (short.len() >= 4 && long.len() - short.len() <= 4 && long.starts_with(short))
}

/// From where to where the best run of matches reaches: the one with the most different words, longer ones counting more.
fn best_stretch(found: &[Match], most: usize) -> (usize, usize) {
    let mut best = (0, 0, 0);
    for (place, first) in found.iter().enumerate() {
        let mut seen: Vec<usize> = Vec::new();
        let (mut score, mut end) = (0, first.end);
        for one in found.iter().skip(place).take_while(|one| one.end <= first.start + most).take(64) {
            if !seen.contains(&one.term) {
                seen.push(one.term);
                score += one.weight * 4;
                end = one.end;
            }
            score += 1;
        }
        if score > best.0 {
            best = (score, first.start, end);
        }
    }
    (best.1, best.2)
}

/// Where to begin so that `first` is shown: at its sentence if that begins within reach, else a few words before.
fn beginning(text: &str, first: usize, room: usize) -> usize {
    let reach = text.floor_char_boundary(first.saturating_sub(LEAD.min(room)));
    let before = text.get(reach..first).unwrap_or_default();
    let sentence = [". ", "! ", "? ", ": "].iter().filter_map(|end| before.rfind(end).map(|at| at + 2)).max();
    match sentence {
        Some(at) => reach + at,
        None if reach == 0 => 0,
        None => {
            let near = text.floor_char_boundary(first.saturating_sub((LEAD / 3).min(room)));
            let words = text.get(near..first).unwrap_or_default();
            near + words.find(' ').map_or(first - near, |at| at + 1)
        }
    }
}

/// `most` bytes from `from` on, cut between words, with an ellipsis wherever something is missing.
fn cut(text: &str, from: usize, most: usize) -> String {
    let end = text.floor_char_boundary(from.saturating_add(most));
    let rest = text.get(from..end).unwrap_or_default();
    let kept = match end < text.len() {
        true => rest.rsplit_once(' ').map_or(rest, |(kept, _)| kept),
        false => rest,
    };
    let before = if from > 0 { "… " } else { "" };
    let after = if end < text.len() { " …" } else { "" };
    format!("{before}{kept}{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_that_answers_is_shown() {
        let filler = "Nothing of interest is said in this part of the page. ".repeat(20);
        let text = format!("{filler}To install the package on Linux, run apt.\nThen log in. {filler}");
        let shown = snippet(&text, "How do I install a package on linux?", 120);
        assert!(shown.starts_with("… To install the package on Linux, run apt. Then"), "{shown}");
        assert!(shown.ends_with('…') && shown.len() <= 130, "{shown}");
    }

    #[test]
    fn a_short_text_is_shown_whole_and_on_one_line() {
        assert_eq!(snippet("# Title\n\n two  words\u{1b}[2J", "none of it", 240), "# Title two words[2J");
        assert_eq!(snippet("", "x", 10), "");
    }

    #[test]
    fn any_text_and_any_width_give_a_snippet() {
        let texts = [
            "日本語の文章はここにあります。".repeat(40),
            "é".repeat(999),
            "x".repeat(5000),
            " . ".repeat(400),
        ];
        for text in &texts {
            for most in [0, 1, 2, 3, 7, 50, 240] {
                for query in ["文章", "é", "xxxxx", "", "the of", "."] {
                    let shown = snippet(text, query, most);
                    assert!(shown.len() <= most + 10, "{most}: {shown}");
                }
            }
        }
    }
}
