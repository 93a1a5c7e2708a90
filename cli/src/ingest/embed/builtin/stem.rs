//! What an English word shares with its other forms: `chunk` for `chunks`, `chunked` and `chunking`.
//!
//! A few endings, not a grammar. What matters is that forms of one word meet, not that the result is a word.

use std::borrow::Cow;

/// The stem of a lower-case word. Words of other scripts, short words and words with digits are their own stems.
pub(super) fn stem(word: &str) -> Cow<'_, str> {
    if word.len() < 4 || !word.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return Cow::Borrowed(word);
    }
    if let Some(body) = word.strip_suffix("ies").filter(|body| body.len() >= 2) {
        return Cow::Owned(format!("{body}y"));
    }
    let singular = match word.strip_suffix('s') {
        Some(body) if !body.ends_with(['s', 'u', 'i']) => body,
        _ => word,
    };
    let body =
        ["ing", "ed"].iter().find_map(|ending| singular.strip_suffix(ending)).filter(|body| has_vowel(body));
    let body = body.filter(|body| body.len() >= 3).map(single).unwrap_or(singular);
    Cow::Borrowed(body.strip_suffix('e').filter(|rest| rest.len() >= 3).unwrap_or(body))
}

/// `runn` is `run`; `call` and `pass` stay.
fn single(body: &str) -> &str {
    match body.as_bytes() {
        [.., a, b] if a == b && !matches!(b, b'l' | b's' | b'z' | b'e' | b'o') => {
            body.get(..body.len() - 1).unwrap_or(body)
        }
        _ => body,
    }
}

fn has_vowel(body: &str) -> bool {
    body.contains(['a', 'e', 'i', 'o', 'u', 'y'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_word_meet() {
        for forms in [
            &["chunk", "chunks", "chunked", "chunking"][..],
            &["query", "queries"],
            &["cache", "caches", "cached", "caching"],
            &["run", "running", "runs"],
            &["call", "called", "calls", "calling"],
            &["index", "indexes", "indexed", "indexing"],
            &["file", "files"],
            &["process", "processed", "processing"],
        ] {
            let first = stem(forms[0]);
            assert!(forms.iter().all(|form| stem(form) == first), "{forms:?}: {:?}", forms.map_stems());
        }
    }

    trait Stems {
        fn map_stems(&self) -> Vec<String>;
    }

    impl Stems for &[&str] {
        fn map_stems(&self) -> Vec<String> {
            self.iter().map(|form| stem(form).into_owned()).collect()
        }
    }

    #[test]
    fn other_words_stay_as_they_are() {
        for word in ["status", "class", "string", "bed", "this", "utf8", "straße", "日本", "ring", "analysis"]
        {
            assert_eq!(stem(word), word);
        }
    }
}
