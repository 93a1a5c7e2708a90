//! Taking keys out of texts: those that this machine is known to have, wherever they stand, and whatever looks like one.

use std::path::Path;

use crate::command::context::Context;
use crate::config::Inputs;
use crate::ingest::embed::{ApiKey, HIDDEN};

/// A text after `sk-` that is at least so long is taken for a key.
const SHORTEST_KEY: usize = 12;

/// What must not go into a report.
pub(super) struct Redaction {
    keys: Vec<ApiKey>,
    home: Option<String>,
}

impl Redaction {
    /// The keys of the environment, `.env` and the key file. With `privacy` the home directory too, whose name is a
    /// person's.
    pub(super) fn new(context: &Context, privacy: bool) -> Redaction {
        let mut keys: Vec<ApiKey> = context.settings.embedder.key.iter().cloned().collect();
        let is_secret = |name: &str| {
            let name = name.to_ascii_uppercase();
            ["KEY", "TOKEN", "SECRET", "PASSWORD"].iter().any(|word| name.contains(word))
        };
        let config = context.config_file.is_file().then_some(context.config_file.as_path());
        let gathered = std::env::current_dir().ok().and_then(|base| Inputs::gather(&base, config).ok());
        if let Some(inputs) = gathered {
            let named = inputs.environment.into_iter().chain(inputs.dotenv);
            let secrets = named.filter(|(name, _)| is_secret(name));
            keys.extend(secrets.filter_map(|(_, value)| ApiKey::new(&value).ok()));
        }
        let home = std::env::var("HOME").ok().filter(|home| privacy && Path::new(home).parent().is_some());
        Redaction { keys, home }
    }

    /// The text without them.
    pub(super) fn text(&self, text: &str) -> String {
        let mut text = self.keys.iter().fold(text.to_owned(), |text, key| key.hide_in(&text));
        if let Some(home) = &self.home {
            text = text.replace(home.as_str(), "~");
        }
        without_tokens(&text)
    }
}

/// The text without words that look like keys: `sk-` and more, and what follows `Bearer`.
fn without_tokens(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, prefix)) = ["sk-", "Bearer "]
        .into_iter()
        .filter_map(|prefix| rest.find(prefix).map(|at| (at, prefix)))
        .min_by_key(|(at, _)| *at)
    {
        let (before, found) = rest.split_at(at);
        out.push_str(before);
        let is_word = !before.ends_with(|c: char| c.is_ascii_alphanumeric());
        let after = found.get(prefix.len()..).unwrap_or_default();
        let length = after.find(|c: char| !is_of_key(c)).unwrap_or(after.len());
        if is_word && length >= SHORTEST_KEY {
            out.push_str(if prefix == "sk-" { "" } else { prefix });
            out.push_str(HIDDEN);
            rest = after.get(length..).unwrap_or_default();
        } else {
            out.push_str(prefix);
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

fn is_of_key(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_*.~+/=".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_go_and_words_that_look_a_little_like_them_stay() {
        let keys = vec![ApiKey::new("geheim-123").unwrap()];
        let redaction = Redaction { keys, home: Some("/home/me".into()) };
        let said = redaction.text(r#"{"a": "geheim-123", "b": "/home/me/x"}"#);
        assert_eq!(said, r#"{"a": "[key]", "b": "~/x"}"#);
        let said = redaction
            .text("disk-full-of-documents sk-short sk-proj-0123456789abcdef, Bearer abcdefghijklmnop.");
        assert_eq!(said, "disk-full-of-documents sk-short [key], Bearer [key]");
        assert_eq!(redaction.text("naïve sk-"), "naïve sk-");
    }
}
