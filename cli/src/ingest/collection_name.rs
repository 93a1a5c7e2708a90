//! From a framework's name, which may be anything, to a collection's name, which may not.
//!
//! The old system built collection names by pasting strings together, and some were refused by its database. Here the
//! result is always legal (`[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}`), depends on nothing but the prefix and the name, and two
//! different names never meet: a name that had to be altered carries eight hex digits of the BLAKE3 of the original.
//! Names that differ only by case stay as they are; the store keeps them apart.

/// The longest legal collection name, in bytes.
const LONGEST: usize = 128;

/// `C++` with the prefix `docs` becomes `docs_C__-52ab2e4c`; `SwiftUI` becomes `docs_SwiftUI`.
pub(crate) fn collection_name(prefix: &str, framework: &str) -> String {
    let wanted = if prefix.is_empty() { framework.to_owned() } else { format!("{prefix}_{framework}") };
    if is_legal(&wanted) {
        return wanted;
    }
    let mut mapped: String = wanted.chars().map(|c| if is_legal_char(c) { c } else { '_' }).collect();
    if !mapped.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
        mapped.insert(0, '_');
    }
    let digest = blake3::hash(framework.as_bytes()).to_hex();
    let suffix: String = digest.chars().take(8).collect();
    // Every character is ASCII by now, so a byte count is a character count.
    mapped.truncate(LONGEST - 1 - suffix.len());
    format!("{mapped}-{suffix}")
}

/// Whether the store takes `name` as it is.
pub(crate) fn is_legal(name: &str) -> bool {
    name.len() <= LONGEST
        && name.chars().all(is_legal_char)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
}

fn is_legal_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_legal_name_is_left_alone() {
        assert_eq!(collection_name("apple_docs", "SwiftUI"), "apple_docs_SwiftUI");
        assert_eq!(collection_name("docs", "python3.11-doc"), "docs_python3.11-doc");
        assert_eq!(collection_name("", "node"), "node");
    }

    #[test]
    fn every_name_becomes_legal_and_no_two_meet() {
        let long = "x".repeat(400);
        let longer = "x".repeat(401);
        let names = [
            "C++",
            "C__",
            "C#",
            "C_",
            "c++",
            "a b",
            "a/b",
            "a_b",
            "",
            " ",
            ".hidden",
            "-dash",
            "日本語",
            "日本",
            "é",
            "e\u{301}",
            &long,
            &longer,
            "..",
            "a\nb",
        ];
        for prefix in ["docs", "", "apple_docs"] {
            let made: BTreeSet<String> = names.iter().map(|name| collection_name(prefix, name)).collect();
            assert_eq!(made.len(), names.len(), "{made:?}");
            assert!(made.iter().all(|name| is_legal(name)), "{made:?}");
        }
    }

    #[test]
    fn the_same_name_gives_the_same_collection_for_ever() {
        // Written down: a change here would orphan collections that people have.
        assert_eq!(collection_name("docs", "C++"), collection_name("docs", "C++"));
        assert!(collection_name("docs", "C++").starts_with("docs_C__-"));
        assert_eq!(collection_name("docs", "C++").len(), "docs_C__-".len() + 8);
    }
}
