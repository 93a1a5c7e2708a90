//! Cuts one long block: prose at sentences, everything else at lines, and what is still too long at words, then
//! at graphemes, then (a single grapheme may be megabytes of combining marks) at characters.

use super::outline::Form;
use super::tokens::Counter;
use unicode_segmentation::UnicodeSegmentation;

/// A slice of a block, with its cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    pub(super) text: &'a str,
    pub(super) tokens: usize,
}

/// Cuts `text` into consecutive slices of at most `limit` tokens each. Together they are the text.
pub(super) fn pieces(text: &str, form: Form, limit: usize, counter: Counter) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    for unit in units(text, form) {
        let tokens = counter.count(unit);
        if tokens <= limit {
            found.push(Piece { text: unit, tokens });
        } else {
            cut_words(unit, limit, counter, &mut found);
        }
    }
    found
}

fn units(text: &str, form: Form) -> Vec<&str> {
    match form {
        Form::Prose => sentences(text),
        Form::Lines => text.split_inclusive('\n').collect(),
    }
}

/// Sentences with the white space after them. A full stop ends one only before a space and no lower-case letter; a
/// wrong guess costs nothing, so there is no list of abbreviations. (The Unicode rules end a sentence at every line
/// break and look ahead without a bound, which hostile input turns into quadratic time.)
fn sentences(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut state = Stop::None;
    for (at, c) in text.char_indices() {
        state = match state {
            Stop::Full if matches!(c, '"' | '\'' | ')' | ']' | '”' | '’' | '»' | '.' | '!' | '?') => {
                Stop::Full
            }
            Stop::Full | Stop::Space if c.is_whitespace() => Stop::Space,
            Stop::Space if !c.is_lowercase() => {
                found.push(&text[start..at]);
                start = at;
                Stop::at(c)
            }
            Stop::Wide => {
                found.push(&text[start..at]);
                start = at;
                Stop::at(c)
            }
            _ => Stop::at(c),
        };
    }
    found.push(&text[start..]);
    found
}

#[derive(Clone, Copy)]
enum Stop {
    None,
    /// After `.`, `!` or `?`.
    Full,
    /// After white space behind it.
    Space,
    /// After a full stop of a script that puts no space behind it.
    Wide,
}

impl Stop {
    fn at(c: char) -> Stop {
        match c {
            '.' | '!' | '?' | '…' => Stop::Full,
            '。' | '！' | '？' => Stop::Wide,
            _ => Stop::None,
        }
    }
}

fn cut_words<'a>(text: &'a str, limit: usize, counter: Counter, found: &mut Vec<Piece<'a>>) {
    for word in text.split_inclusive(char::is_whitespace) {
        let tokens = counter.count(word);
        if tokens <= limit {
            found.push(Piece { text: word, tokens });
            continue;
        }
        // Half the limit, so that neighbours pack well.
        let room = (limit / 2).max(4);
        let (mut start, mut end, mut used) = (0, 0, 0);
        let mut push = |start: usize, end: usize| {
            if start < end {
                let text = &word[start..end];
                found.push(Piece { text, tokens: counter.count(text) });
            }
        };
        for grapheme in word.graphemes(true) {
            let cost: usize = grapheme.chars().map(|c| counter.most_of(c)).sum();
            if used + cost > room {
                push(start, end);
                (start, used) = (end, 0);
            }
            if cost > room {
                for c in grapheme.chars() {
                    if used + counter.most_of(c) > room {
                        push(start, end);
                        (start, used) = (end, 0);
                    }
                    used += counter.most_of(c);
                    end += c.len_utf8();
                }
            } else {
                used += cost;
                end += grapheme.len();
            }
        }
        push(start, end);
    }
}

/// The last whole sentences or lines of `text` that fit into `limit` tokens; empty when not even one does, or when they
/// would be everything. Looks at the end of the text only.
pub(super) fn tail(text: &str, form: Form, limit: usize, counter: Counter) -> &str {
    let window = text.len().saturating_sub(limit.saturating_mul(8));
    let from = (window..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    let end = &text[from..];
    let mut units = units(end, form);
    if from > 0 && !units.is_empty() {
        // The first one is cut in two by the window.
        units.remove(0);
    }
    let (mut used, mut length) = (0, 0);
    for unit in units.iter().rev() {
        used += counter.count(unit);
        if used > limit {
            break;
        }
        length += unit.len();
    }
    if length == text.len() { "" } else { text[text.len() - length..].trim_matches('\n') }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_end_where_readers_think_so() {
        assert_eq!(
            sentences("One. Two e.g. three!  (Four.) Version 3.11 is\nout. Five"),
            ["One. ", "Two e.g. three!  ", "(Four.) ", "Version 3.11 is\nout. ", "Five"]
        );
        assert_eq!(sentences("一。二。"), ["一。", "二。"]);
    }

    #[test]
    fn slices_add_up_to_the_text_and_none_is_too_long() {
        let marks = format!("e{}", "\u{301}".repeat(5_000));
        let line = "x".repeat(10_000);
        let emoji = "👩‍👩‍👧‍👦".repeat(500);
        let mixed = "Words and sentences. ".repeat(200);
        for text in [marks.as_str(), &line, &emoji, &mixed, "", "short", "日本語".repeat(900).as_str()] {
            for form in [Form::Prose, Form::Lines] {
                for counter in [Counter::Estimate, Counter::Cl100k] {
                    let cut = pieces(text, form, 32, counter);
                    assert_eq!(cut.iter().map(|piece| piece.text).collect::<String>(), text);
                    assert!(cut.iter().all(|piece| piece.tokens <= 32));
                }
            }
        }
    }

    #[test]
    fn graphemes_stay_whole_where_they_can() {
        let emoji = "👩‍👩‍👧‍👦".repeat(50);
        assert!(
            pieces(&emoji, Form::Prose, 60, Counter::Estimate)
                .iter()
                .all(|piece| piece.text.starts_with('👩'))
        );
    }

    #[test]
    fn the_tail_is_whole_sentences_or_lines() {
        assert_eq!(
            tail("First one. Second one. Third one.", Form::Prose, 4, Counter::Estimate),
            "Third one."
        );
        assert_eq!(tail("a = 1\nb = 2\nc = 3\n", Form::Lines, 8, Counter::Estimate), "b = 2\nc = 3");
        assert_eq!(tail("All of it.", Form::Prose, 40, Counter::Estimate), "");
        assert_eq!(tail(&"x".repeat(5_000), Form::Prose, 40, Counter::Estimate), "");
    }
}
