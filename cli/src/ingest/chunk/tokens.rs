//! An estimate of how many tokens a model counts in a text, on the safe side.
//!
//! The models' own vocabularies are megabytes and differ from model to model; for cutting chunks an upper estimate is
//! enough. Rules, taken from how byte-pair vocabularies behave: a run of letters costs one token per five letters
//! (a change from lower to upper case starts a new run; runs over twenty letters are no words and cost one per two), a
//! run of digits one per three, punctuation one each except repeated characters (one per four), a line break or
//! an indentation one, a two-byte character one, three bytes two, four bytes three.

/// Estimated tokens of `text`. Linear, no allocation.
pub(crate) fn estimate_tokens(text: &str) -> usize {
    let mut total = 0;
    let mut run = Run { class: Class::Space, length: 0 };
    let mut previous = '\0';
    for c in text.chars() {
        let class = Class::of(c);
        let hump = previous.is_ascii_lowercase() && c.is_ascii_uppercase();
        let goes_on = class == run.class && !hump && (class != Class::Mark || c == previous);
        if goes_on {
            run.length += 1;
        } else {
            total += run.cost();
            run = Run { class, length: 1 };
        }
        previous = c;
    }
    total + run.cost()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Letter,
    Digit,
    Space,
    Break,
    Mark,
    Wide(usize),
}

impl Class {
    fn of(c: char) -> Class {
        match c {
            'a'..='z' | 'A'..='Z' => Class::Letter,
            '0'..='9' => Class::Digit,
            ' ' => Class::Space,
            '\n' | '\r' | '\t' => Class::Break,
            _ if c.is_ascii() => Class::Mark,
            _ => Class::Wide(c.len_utf8() - 1),
        }
    }
}

struct Run {
    class: Class,
    length: usize,
}

impl Run {
    fn cost(&self) -> usize {
        match self.class {
            Class::Letter if self.length > 20 => self.length.div_ceil(2),
            Class::Letter => self.length.div_ceil(5),
            Class::Digit => self.length.div_ceil(3),
            Class::Space => usize::from(self.length > 1),
            Class::Break => self.length.div_ceil(8),
            Class::Mark => self.length.div_ceil(4),
            Class::Wide(each) => self.length * each,
        }
    }
}

/// An upper bound on what one more character can add, for cutting inside words.
pub(super) fn most_tokens_of(c: char) -> usize {
    if c.is_ascii() { 1 } else { c.len_utf8() - 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_is_near_what_models_count_and_not_below() {
        // The right column is what the cl100k_base vocabulary counts.
        for (text, real) in [
            ("", 0),
            ("hello world", 2),
            ("The quick brown fox jumps over the lazy dog.", 10),
            ("fn main() {\n    println!(\"Hello\");\n}\n", 11),
            ("日本語の文章", 6),
            ("a8f3c2d9e1b74f60", 12),
        ] {
            let estimate = estimate_tokens(text);
            assert!(estimate >= real && estimate <= real * 2 + 2, "{text:?}: {estimate} for {real}");
        }
    }

    #[test]
    fn no_text_costs_more_than_its_characters_at_most_can() {
        for text in ["a1b1c1", "((((((", "aBcDeF", "é日🦀", "a  b  c", "x".repeat(100).as_str()] {
            let bound: usize = text.chars().map(most_tokens_of).sum();
            assert!(estimate_tokens(text) <= bound, "{text}");
        }
    }

    #[test]
    fn parts_cost_at_least_as_much_as_the_whole() {
        let text = "Some words, some_identifiers and CamelCase; 12345 numbers — 日本語.";
        let parts: usize = text.split_inclusive(' ').map(estimate_tokens).sum();
        assert!(parts >= estimate_tokens(text));
    }
}
