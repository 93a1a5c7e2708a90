//! What a file is, judged by its name alone: opening 340,000 files to guess would cost minutes.

use std::fmt;

/// How a document is taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Markdown,
    Html,
    Rst,
    Text,
    Source(Language),
}

/// Languages whose definitions are recognised. Each has one entry in `chunk/code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Language {
    C,
    CSharp,
    Go,
    Java,
    JavaScript,
    Kotlin,
    Lua,
    Perl,
    Php,
    Python,
    Ruby,
    Rust,
    Shell,
    Sql,
    Swift,
    Toml,
    Yaml,
}

impl Kind {
    /// The kind of a file of this name; `None` for everything that is no document (pictures, archives, data).
    pub(crate) fn of(file_name: &str) -> Option<Kind> {
        let lower = file_name.to_ascii_lowercase();
        let Some((stem, extension)) = lower.rsplit_once('.') else {
            return without_extension(&lower);
        };
        let language = match extension {
            "md" | "markdown" | "mdx" | "mkd" | "mdown" => return Some(Kind::Markdown),
            "html" | "htm" | "xhtml" => return Some(Kind::Html),
            "rst" | "rest" => return Some(Kind::Rst),
            // Sphinx publishes its sources as `page.rst.txt` and `page.md.txt`.
            "txt" if stem.ends_with(".rst") => return Some(Kind::Rst),
            "txt" if stem.ends_with(".md") => return Some(Kind::Markdown),
            "txt" | "text" | "adoc" | "asciidoc" | "org" | "pod" | "tex" | "textile" => {
                return Some(Kind::Text);
            }
            "c" | "h" | "cc" | "cpp" | "cxx" | "hh" | "hpp" | "hxx" | "m" | "mm" => Language::C,
            "cs" => Language::CSharp,
            "go" => Language::Go,
            "java" | "scala" | "groovy" => Language::Java,
            "js" | "mjs" | "cjs" | "jsx" | "ts" | "mts" | "cts" | "tsx" | "vue" | "svelte" => {
                Language::JavaScript
            }
            "kt" | "kts" => Language::Kotlin,
            "lua" => Language::Lua,
            "pl" | "pm" => Language::Perl,
            "php" => Language::Php,
            "py" | "pyi" | "pyx" => Language::Python,
            "rb" => Language::Ruby,
            "rs" => Language::Rust,
            "sh" | "bash" | "zsh" | "fish" => Language::Shell,
            "sql" => Language::Sql,
            "swift" => Language::Swift,
            "toml" => Language::Toml,
            "yaml" | "yml" => Language::Yaml,
            _ => return None,
        };
        Some(Kind::Source(language))
    }
}

/// The few names without an extension that people write prose or rules in.
fn without_extension(lower: &str) -> Option<Kind> {
    match lower {
        "readme" | "license" | "licence" | "copying" | "changelog" | "changes" | "news" | "authors"
        | "notice" | "install" | "todo" | "contributing" | "faq" | "history" | "copyright" => {
            Some(Kind::Text)
        }
        "makefile" | "dockerfile" | "justfile" => Some(Kind::Source(Language::Shell)),
        _ => None,
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Markdown => f.write_str("markdown"),
            Kind::Html => f.write_str("html"),
            Kind::Rst => f.write_str("rst"),
            Kind::Text => f.write_str("text"),
            Kind::Source(_) => f.write_str("source"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_decide_and_case_does_not_matter() {
        assert_eq!(Kind::of("view_frame(width:height:alignment:).md"), Some(Kind::Markdown));
        assert_eq!(Kind::of("INDEX.HTML"), Some(Kind::Html));
        assert_eq!(Kind::of("library.rst.txt"), Some(Kind::Rst));
        assert_eq!(Kind::of("README"), Some(Kind::Text));
        assert_eq!(Kind::of("lib.rs"), Some(Kind::Source(Language::Rust)));
    }

    #[test]
    fn pictures_data_and_unknown_names_are_no_documents() {
        for name in ["a.png", "a.json", "a.csv", "Cargo.lock", "LICENSES", "a.", "", "a.tar.gz", "a.css"] {
            assert_eq!(Kind::of(name), None, "{name}");
        }
    }
}
