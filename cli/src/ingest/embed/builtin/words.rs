//! Words as a search sees them: lower case, identifiers both whole and in parts.

use super::UNIT;
use super::hash::Hash;
use super::stem::stem;
use std::ops::Range;

/// One word of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// Where its lower-case form stands in the string that comes with it.
    pub(super) range: Range<usize>,
    pub(super) hash: u64,
    /// The hash of what it shares with its other forms.
    pub(super) stem: u64,
    pub(super) weight: i64,
}

/// The words of `text` in order, and the string with their lower-case forms. `viewFrame` gives `viewframe`, `view`,
/// `frame`; `max_file_size` gives itself and its three parts; Chinese and Japanese characters are words of their own.
/// Words of the first line count half as much again when a blank line follows: that is where a chunk's headings stand.
pub(super) fn words(text: &str) -> (String, Vec<Word>) {
    let mut made = Words { lower: String::with_capacity(text.len()), found: Vec::new(), unit: UNIT };
    let headings =
        text.find('\n').filter(|end| text.get(*end..).is_some_and(|rest| rest.starts_with("\n\n")));
    let headings = headings.unwrap_or(0);
    let mut start = None;
    for (at, c) in text.char_indices() {
        made.unit = if at < headings { UNIT * 3 / 2 } else { UNIT };
        let inside = (c.is_alphanumeric() || c == '_') && !is_ideograph(c);
        match (inside, start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                let after = text.get(at..).unwrap_or_default();
                made.identifier(text.get(from..at).unwrap_or_default(), after);
                start = None;
            }
            _ => {}
        }
        if is_ideograph(c) {
            made.push(&[c], made.unit);
        }
    }
    if let Some(from) = start {
        made.identifier(text.get(from..).unwrap_or_default(), "");
    }
    (made.lower, made.found)
}

struct Words {
    lower: String,
    found: Vec<Word>,
    /// The weight of a plain word here.
    unit: i64,
}

impl Words {
    /// A run of letters, digits and underscores, and what follows it (for `c++` and `c#`).
    fn identifier(&mut self, run: &str, after: &str) {
        let run = run.trim_matches('_');
        let mut characters: Vec<char> = run.chars().collect();
        if characters.is_empty() {
            return;
        }
        if characters.len() <= 2 {
            let suffix = if after.starts_with("++") {
                "++"
            } else if after.starts_with('#') {
                "#"
            } else {
                ""
            };
            characters.extend(suffix.chars());
        }
        let parts = parts(&characters);
        let whole = self.push(&characters, self.unit);
        if parts.len() > 1 {
            // The parts together say about as much as the whole.
            for part in parts {
                self.push(characters.get(part).unwrap_or_default(), whole * 3 / 4);
            }
        }
    }

    fn push(&mut self, characters: &[char], weight: i64) -> i64 {
        let from = self.lower.len();
        for c in characters.iter().filter(|c| **c != '_') {
            self.lower.extend(c.to_lowercase());
        }
        let word = self.lower.get(from..).unwrap_or_default();
        let weight = weight * share(word) / 8;
        if !word.is_empty() {
            let hash = Hash::word().text(word).finish();
            let stem = Hash::word().text(&stem(word)).finish();
            self.found.push(Word { range: from..self.lower.len(), hash, stem, weight });
        }
        weight
    }
}

/// Where the words inside an identifier are: at underscores and where the case rises.
fn parts(characters: &[char]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = 0;
    let at = |index: usize| characters.get(index).copied().unwrap_or('_');
    for index in 1..characters.len() {
        let (before, here, after) = (at(index - 1), at(index), at(index + 1));
        let hump = before.is_lowercase() && here.is_uppercase();
        // `HTTPServer` is `HTTP` and `Server`.
        let end_of_capitals = before.is_uppercase() && here.is_uppercase() && after.is_lowercase();
        if here == '_' || before == '_' || hump || end_of_capitals {
            if start < index && at(start) != '_' {
                found.push(start..index);
            }
            start = index;
        }
    }
    if start < characters.len() && at(start) != '_' {
        found.push(start..characters.len());
    }
    found
}

fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}'
        | '\u{20000}'..='\u{323AF}')
}

/// How much a word counts, in eighths. Words that stand everywhere say little.
fn share(word: &str) -> i64 {
    match word.chars().count() {
        _ if STOP_WORDS.contains(&word) => 1,
        1 => 3,
        2 => 5,
        _ if word.chars().all(|c| c.is_ascii_digit()) => 4,
        _ => 8,
    }
}

const STOP_WORDS: [&str; 96] = [
    "a", "about", "after", "all", "also", "an", "and", "any", "are", "as", "at", "be", "because", "been",
    "before", "but", "by", "can", "could", "did", "do", "does", "each", "for", "from", "had", "has", "have",
    "he", "her", "here", "his", "how", "i", "if", "in", "into", "is", "it", "its", "may", "me", "more",
    "most", "must", "my", "no", "not", "of", "on", "one", "only", "or", "other", "our", "out", "over",
    "same", "she", "should", "so", "some", "such", "than", "that", "the", "their", "them", "then", "there",
    "these", "they", "this", "those", "to", "up", "use", "used", "using", "was", "we", "were", "what",
    "when", "where", "which", "while", "who", "why", "will", "with", "without", "would", "you", "your", "s",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<String> {
        let (lower, found) = words(text);
        found.iter().map(|word| lower[word.range.clone()].to_owned()).collect()
    }

    #[test]
    fn identifiers_are_found_whole_and_in_parts() {
        assert_eq!(list("viewFrame"), ["viewframe", "view", "frame"]);
        assert_eq!(list("__max_file_size"), ["maxfilesize", "max", "file", "size"]);
        assert_eq!(list("HTTPServer2"), ["httpserver2", "http", "server2"]);
        assert_eq!(list("Straße, C++ and C#."), ["straße", "c++", "and", "c#"]);
        assert_eq!(list("os.path.join()"), ["os", "path", "join"]);
        assert_eq!(list("日本 go"), ["日", "本", "go"]);
        assert_eq!(list("___ --- "), Vec::<String>::new());
    }

    #[test]
    fn stop_words_count_little() {
        let weight = |text: &str| words(text).1[0].weight;
        assert!(weight("the") * 4 < weight("compaction"));
    }
}
