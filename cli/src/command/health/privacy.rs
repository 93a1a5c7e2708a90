//! Names in a report: as they are, or hidden for a report that leaves the house.
//!
//! Hidden names are pseudonyms: the same name gives the same pseudonym in every report of one store, so that two reports
//! can be compared, and nobody who lacks the store's identity can guess names and try them.

use std::path::Path;

use siltstone_format::catalogue::Catalogue;
use siltstone_format::names::CATALOGUE_FILE;

use crate::render::plain::one_line;

/// How names are shown.
#[derive(Debug)]
pub(crate) struct Names {
    /// The key of the pseudonyms; `None` shows names as they are.
    key: Option<[u8; 32]>,
}

impl Names {
    pub(crate) fn new(store: &Path, private: bool) -> Names {
        Names { key: private.then(|| key(store)) }
    }

    pub(crate) fn are_hidden(&self) -> bool {
        self.key.is_some()
    }

    pub(crate) fn collection(&self, name: &str) -> String {
        self.show("collection", name)
    }

    /// A document, or a passage of one: of `guide.md#3` the `#3` stays.
    pub(super) fn document(&self, id: &str) -> String {
        match id.rsplit_once('#') {
            Some((document, chunk)) if self.are_hidden() && chunk.bytes().all(|b| b.is_ascii_digit()) => {
                format!("{}#{chunk}", self.show("document", document))
            }
            _ => self.show("document", id),
        }
    }

    pub(crate) fn path(&self, path: &Path) -> String {
        self.show("path", &path.display().to_string())
    }

    /// A sentence of the engine's or of the system's, which may quote names and paths: hidden as a whole.
    pub(crate) fn sentence(&self, text: &str) -> String {
        match self.key {
            None => one_line(text),
            Some(_) => "(the reason names paths, which are hidden)".to_owned(),
        }
    }

    /// Who makes embeddings: that of a house of its own is a name.
    pub(crate) fn provider(&self, name: &str) -> String {
        if matches!(name, "builtin" | "openai") { name.to_owned() } else { self.show("provider", name) }
    }

    /// A name of another kind.
    pub(crate) fn show(&self, what: &str, name: &str) -> String {
        match &self.key {
            None => one_line(name),
            Some(key) => {
                let digest = blake3::keyed_hash(key, name.as_bytes()).to_hex();
                format!("{what}-{}", digest.get(..8).unwrap_or_default())
            }
        }
    }
}

/// From the random identity of the store; from its path when the catalogue cannot be read.
fn key(store: &Path) -> [u8; 32] {
    let bytes = std::fs::read(store.join(CATALOGUE_FILE)).unwrap_or_default();
    let context = "siltstone health pseudonyms v1";
    match Catalogue::decode(&bytes) {
        Ok((catalogue, _)) => blake3::derive_key(context, &catalogue.store),
        Err(_) => blake3::derive_key(context, store.as_os_str().as_encoded_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_names_are_stable_different_and_tell_nothing() {
        let names = Names::new(Path::new("/nowhere"), true);
        let shown = [names.document("secret/plan.md#3"), names.document("secret/other.md#3")];
        assert!(shown.iter().all(|one| !one.contains("secret") && one.ends_with("#3")), "{shown:?}");
        assert_ne!(shown[0], shown[1]);
        assert_eq!(shown[0], Names::new(Path::new("/nowhere"), true).document("secret/plan.md#3"));
        assert_ne!(shown[0], Names::new(Path::new("/elsewhere"), true).document("secret/plan.md#3"));
        assert!(!names.sentence("cannot open /home/me/x").contains("/home"));
    }

    #[test]
    fn shown_names_are_themselves() {
        let names = Names::new(Path::new("/nowhere"), false);
        assert_eq!(names.document("a.md#3"), "a.md#3");
        assert_eq!(names.path(Path::new("/a/b")), "/a/b");
    }
}
