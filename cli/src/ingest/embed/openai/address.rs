//! Where the server is, and whether a key may be sent there.

use super::EmbedError;
use reqwest::Url;
use std::net::IpAddr;

#[derive(Clone, Debug)]
pub(super) struct Address {
    /// The embeddings endpoint.
    pub(super) url: Url,
    /// `openai`, or the host's name: part of the embedding identity.
    pub(super) provider: String,
    pub(super) is_openai: bool,
    pub(super) is_loopback: bool,
}

impl Address {
    pub(super) fn new(base_url: &str) -> Result<Address, EmbedError> {
        let bad = |why: &str| EmbedError::BadUrl { url: without_secrets(base_url), why: why.to_owned() };
        let trimmed = base_url.trim().trim_end_matches('/');
        let trimmed = trimmed.strip_suffix("/embeddings").unwrap_or(trimmed);
        if trimmed.split_once("://").is_none_or(|(_, host)| host.is_empty()) {
            return Err(bad("it must begin with https:// or http:// and name a host"));
        }
        let url = Url::parse(&format!("{trimmed}/embeddings")).map_err(|error| bad(&error.to_string()))?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(bad("it must begin with https:// or http://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad("it holds a user name or password; keys belong in OPENAI_API_KEY"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(bad("it has a query or a fragment, which the embeddings path cannot follow"));
        }
        let host = url.host_str().ok_or_else(|| bad("it names no host"))?.to_owned();
        let plain = host.trim_matches(['[', ']']);
        let is_loopback = plain == "localhost" || plain.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        let is_openai = host == "api.openai.com";
        let provider = if is_openai { "openai".to_owned() } else { host };
        Ok(Address { url, provider, is_openai, is_loopback })
    }

    /// Whether nobody on the way can read a key.
    pub(super) fn is_private_to_key(&self) -> bool {
        self.url.scheme() == "https" || self.is_loopback
    }
}

/// A text that may be an address, without what stands before an `@` and after a `?` or `#`: keys are put there.
pub(crate) fn without_secrets(base_url: &str) -> String {
    let (address, rest) = match base_url.find(['?', '#']) {
        Some(at) => base_url.split_at(at),
        None => (base_url, ""),
    };
    let rest: String = rest.chars().take(1).chain((!rest.is_empty()).then_some('…')).collect();
    match (address.find("://"), base_url.rfind('@')) {
        (Some(start), Some(at)) if start + 3 <= at => {
            let (scheme, host) = (base_url.get(..start + 3), address.get(at + 1..));
            format!("{}…@{}{rest}", scheme.unwrap_or_default(), host.unwrap_or_default())
        }
        _ => format!("{address}{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_understood_with_and_without_their_last_part() {
        for (base, url) in [
            ("https://api.openai.com/v1", "https://api.openai.com/v1/embeddings"),
            ("http://127.0.0.1:18080/v1/", "http://127.0.0.1:18080/v1/embeddings"),
            ("http://[::1]:80/v1/embeddings", "http://[::1]/v1/embeddings"),
        ] {
            assert_eq!(Address::new(base).unwrap().url.as_str(), url);
        }
        assert_eq!(Address::new("https://api.openai.com/v1").unwrap().provider, "openai");
        assert_eq!(Address::new("http://localhost:1/v1").unwrap().provider, "localhost");
    }

    #[test]
    fn what_may_be_a_key_is_left_out_of_what_is_shown() {
        for (address, shown) in [
            ("https://example.org/v1", "https://example.org/v1"),
            ("https://me:secret@example.org/v1", "https://…@example.org/v1"),
            ("https://example.org/v1?api_key=secret", "https://example.org/v1?…"),
            ("https://example.org/v1#secret", "https://example.org/v1#…"),
            ("https://me@example.org/v1?key=secret#secret", "https://…@example.org/v1?…"),
            ("https://example.org/v1?mail=secret@example.org", "https://…@?…"),
            ("secret?", "secret?…"),
        ] {
            assert_eq!(without_secrets(address), shown);
        }
    }

    #[test]
    fn a_key_travels_only_encrypted_or_not_at_all() {
        for (base, private) in [
            ("https://example.org/v1", true),
            ("http://localhost:8080/v1", true),
            ("http://127.3.4.5/v1", true),
            ("http://[::1]:9/v1", true),
            ("http://example.org/v1", false),
            ("http://192.168.0.9/v1", false),
            ("http://localhost.example.org/v1", false),
        ] {
            assert_eq!(Address::new(base).unwrap().is_private_to_key(), private, "{base}");
        }
    }

    #[test]
    fn nonsense_is_refused_without_showing_a_password() {
        for base in ["", "api.openai.com", "ftp://x/v1", "https://", "https://h/v1?key=1"] {
            assert!(matches!(Address::new(base), Err(EmbedError::BadUrl { .. })), "{base}");
        }
        let error = Address::new("https://me:Secret@host/v1").unwrap_err();
        assert!(!error.to_string().contains("Secret"), "{error}");
    }
}
