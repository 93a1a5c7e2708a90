//! How many tokens a model counts in a text: by its own vocabulary where that is known, else by an estimate on the safe
//! side.
//!
//! OpenAI's embedding models read `cl100k_base`, which comes with the program. Other models' vocabularies are megabytes
//! each and differ from model to model; for cutting chunks and for a limit of cost an upper estimate is enough. Its rules
//! are taken from how byte-pair vocabularies behave: a run of letters costs one token per five letters
//! (a change from lower to upper case starts a new run; runs over twenty letters are no words and cost one per two), a
//! run of digits one per three, punctuation one each except repeated characters (one per four), a line break or
//! an indentation one, a two-byte character one, three bytes two, four bytes three.

use tiktoken::CoreBpe;

/// Who counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Counter {
    #[default]
    Estimate,
    /// The vocabulary of OpenAI's embedding models.
    Cl100k,
}

/// What is counted at once: merging takes longer than in proportion to a run without spaces, and nobody writes longer ones.
const TOGETHER_BYTES: usize = 16 << 10;

impl Counter {
    /// The one for a model of this name.
    pub(crate) fn of_model(model: &str) -> Counter {
        match model {
            "text-embedding-3-small" | "text-embedding-3-large" | "text-embedding-ada-002" => Counter::Cl100k,
            _ => Counter::Estimate,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Counter::Estimate => "estimate",
            Counter::Cl100k => "cl100k_base",
        }
    }

    /// Tokens of `text`. Of one without a space in thousands of characters a few more than the model counts.
    pub(crate) fn count(self, text: &str) -> usize {
        match (self, vocabulary()) {
            (Counter::Cl100k, Some(vocabulary)) => in_parts(text).map(|part| vocabulary.count(part)).sum(),
            _ => estimate_tokens(text),
        }
    }

    /// An upper bound on what one more character can add, for cutting inside words.
    pub(super) fn most_of(self, c: char) -> usize {
        match self {
            Counter::Estimate => most_tokens_of(c),
            // Every byte is a token at worst.
            Counter::Cl100k => c.len_utf8(),
        }
    }
}

/// Read once a process, when it is first asked for.
fn vocabulary() -> Option<&'static CoreBpe> {
    tiktoken::get_encoding("cl100k_base")
}

/// Consecutive parts, cut before a space where there is one: tokens begin there.
fn in_parts(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let most = rest.floor_char_boundary(TOGETHER_BYTES);
        let at = match rest.get(..most).filter(|_| most < rest.len()).and_then(|part| part.rfind(' ')) {
            Some(space) if space > 0 => space,
            _ => most,
        };
        let (part, others) = rest.split_at_checked(at)?;
        rest = others;
        Some(part)
    })
}

/// Estimated tokens of `text`. Linear, no allocation.
fn estimate_tokens(text: &str) -> usize {
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
fn most_tokens_of(c: char) -> usize {
    if c.is_ascii() { 1 } else { c.len_utf8() - 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_is_near_what_models_count_and_not_below() {
        // The right column is what two other implementations of cl100k_base count.
        for (text, real) in [
            ("", 0),
            ("hello world", 2),
            ("The quick brown fox jumps over the lazy dog.", 10),
            ("fn main() {\n    println!(\"Hello\");\n}\n", 10),
            ("日本語の文章", 6),
            ("a8f3c2d9e1b74f60", 14),
        ] {
            assert_eq!(Counter::Cl100k.count(text), real, "{text:?}");
            let estimate = estimate_tokens(text);
            assert!(estimate >= real && estimate <= real * 2 + 2, "{text:?}: {estimate} for {real}");
        }
    }

    #[test]
    fn long_texts_are_counted_in_parts_as_if_they_were_one_and_in_bounded_time() {
        let words = "The quick brown fox jumps over the lazy dog. ".repeat(2_000);
        let whole = vocabulary().unwrap().count(&words);
        assert_eq!(Counter::Cl100k.count(&words), whole);
        assert_eq!(in_parts(&words).collect::<String>(), words);
        let marks = "é\u{301}🦀".repeat(9_000);
        assert_eq!(in_parts(&marks).collect::<String>(), marks);
        assert_eq!(Counter::Cl100k.count(""), 0);
        // Merged as one, this would take minutes.
        let run = "ab".repeat(2 << 20);
        assert!(Counter::Cl100k.count(&run) <= run.len());
        assert!(Counter::Cl100k.most_of('🦀') == 4 && Counter::of_model("mine") == Counter::Estimate);
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
