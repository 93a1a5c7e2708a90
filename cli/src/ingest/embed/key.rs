//! The API key: kept out of every log, message and file.

use std::fmt;

/// What stands where a key was.
pub(crate) const HIDDEN: &str = "[key]";
const SHORTEST_HIDDEN: usize = 6;

/// A key that shows itself to nobody. The only way out is [`ApiKey::expose`], which one line of the client calls.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ApiKey(String);

/// Why a text cannot be a key. Does not quote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadKey {
    Empty,
    /// White space or control characters inside, or characters that no header can carry.
    BadCharacter,
}

impl fmt::Display for BadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadKey::Empty => f.write_str("the API key is empty"),
            BadKey::BadCharacter => f.write_str(
                "the API key holds white space or other characters that no key has; copy it again",
            ),
        }
    }
}

impl ApiKey {
    pub(crate) fn new(text: &str) -> Result<ApiKey, BadKey> {
        let text = text.trim();
        if text.is_empty() {
            return Err(BadKey::Empty);
        }
        if !text.chars().all(|c| c.is_ascii_graphic()) {
            return Err(BadKey::BadCharacter);
        }
        Ok(ApiKey(text.to_owned()))
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }

    /// The text with the key taken out of it, also where it is quoted in JSON. What is too short to be a key is not looked for:
    /// it may stand anywhere as a word.
    pub(crate) fn hide_in(&self, text: &str) -> String {
        if self.0.len() < SHORTEST_HIDDEN {
            return text.to_owned();
        }
        let quoted = serde_json::to_string(&self.0).unwrap_or_default();
        let text = text.replace(&self.0, HIDDEN);
        match quoted.trim_matches('"') {
            same if same == self.0 || same.is_empty() => text,
            quoted => text.replace(quoted, HIDDEN),
        }
    }

    /// Twelve hex digits by which an operator can tell keys apart, and nobody can find the key.
    pub(crate) fn fingerprint(&self) -> String {
        let digest = blake3::derive_key("siltstone API key fingerprint v1", self.0.as_bytes());
        digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({})", self.fingerprint())
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[key]")
    }
}

/// The longest text of a server that is shown.
const LONGEST_SHOWN: usize = 300;

/// Makes a server's words fit to be shown: without the key or anything like one, on one line, of bounded length.
pub(super) fn scrub(text: &str, key: Option<&ApiKey>) -> String {
    let mut text = text.to_owned();
    if let Some(key) = key {
        text = text.replace(key.expose(), "[key]");
    }
    let mut clean = String::new();
    for word in text.split_whitespace() {
        if !clean.is_empty() {
            clean.push(' ');
        }
        // Servers quote keys in part (`sk-abc***xyz`); even that is nobody's business.
        match word.find("sk-") {
            Some(at) => {
                clean.push_str(word.get(..at).unwrap_or_default());
                clean.push_str("[key]");
            }
            None => clean.extend(word.chars().filter(|c| !c.is_control())),
        }
        if clean.len() > LONGEST_SHOWN * 4 {
            break;
        }
    }
    if let Some((at, _)) = clean.char_indices().nth(LONGEST_SHOWN) {
        clean.truncate(at);
        clean.push('…');
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_way_of_printing_shows_the_key() {
        let key = ApiKey::new(" sk-proj-Secret123 \n").unwrap();
        assert_eq!(key.expose(), "sk-proj-Secret123");
        for shown in [format!("{key}"), format!("{key:?}"), format!("{key:#?}"), key.fingerprint()] {
            assert!(!shown.contains("Secret"), "{shown}");
        }
        assert_eq!(key.fingerprint().len(), 12);
    }

    #[test]
    fn what_cannot_be_a_key_is_refused_without_quoting_it() {
        assert_eq!(ApiKey::new("  "), Err(BadKey::Empty));
        for bad in ["two words", "new\nline", "schlüssel"] {
            let error = ApiKey::new(bad).unwrap_err();
            assert!(!error.to_string().contains(bad));
        }
    }

    #[test]
    fn a_key_is_taken_out_of_texts_and_of_json() {
        let key = ApiKey::new(r#"ge"heim\x"#).unwrap();
        let said = key.hide_in(r#"{"a": "ge\"heim\\x", "b": 1} ge"heim\x."#);
        assert_eq!(said, r#"{"a": "[key]", "b": 1} [key]."#);
        assert_eq!(ApiKey::new("the").unwrap().hide_in("the word"), "the word");
    }

    #[test]
    fn a_server_that_quotes_the_key_is_not_quoted() {
        let key = ApiKey::new("geheim-123").unwrap();
        let said = "Incorrect API key provided: geheim-123 (or sk-abcd***wxyz).\r\n\u{1b}[31mSee\u{7} docs";
        let shown = scrub(said, Some(&key));
        assert_eq!(shown, "Incorrect API key provided: [key] (or [key] [31mSee docs");
        assert!(scrub(&"x".repeat(10_000), None).chars().count() <= LONGEST_SHOWN + 1);
    }
}
