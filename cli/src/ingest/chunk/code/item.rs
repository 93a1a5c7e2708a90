//! Does a definition begin on this line?

use crate::ingest::scan::Language;

/// A definition: how deep it stands and the line that introduces it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Item<'a> {
    pub(super) level: u8,
    pub(super) title: &'a str,
}

/// Definitions deeper than this many columns are details of another.
const DEEPEST_COLUMN: usize = 4;
/// A first line longer than this was written by no one.
const LONGEST_LINE: usize = 400;

pub(super) fn item_at(language: Language, line: &str) -> Option<Item<'_>> {
    let body = line.trim_start();
    let column: usize =
        line.chars().take_while(|c| c.is_whitespace()).map(|c| if c == '\t' { 4 } else { 1 }).sum();
    if column > DEEPEST_COLUMN || body.len() > LONGEST_LINE {
        return None;
    }
    let begins = match language {
        Language::Toml => column == 0 && body.starts_with('['),
        Language::Yaml => column == 0 && is_yaml_key(body),
        Language::Shell => {
            first_word(body, &["function"]).is_some()
                || body.split_once("()").is_some_and(|(name, _)| is_name(name))
        }
        Language::C => column == 0 && (keyword(language, body) || is_c_function(body)),
        Language::Java | Language::CSharp => keyword(language, body) || is_method(body),
        _ => keyword(language, body),
    };
    begins.then(|| Item { level: if column == 0 { 1 } else { 2 }, title: title_of(language, body) })
}

/// Whether a line is a comment, an attribute or a decorator: something that introduces the next definition.
pub(super) fn stands_above(language: Language, line: &str) -> bool {
    let body = line.trim_start();
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| body.starts_with(prefix));
    match language {
        Language::Python => starts(&["@", "#"]),
        Language::Rust => starts(&["//", "#[", "/*", "* ", "*/"]),
        Language::Shell | Language::Ruby | Language::Perl | Language::Toml | Language::Yaml => starts(&["#"]),
        Language::Sql | Language::Lua => starts(&["--"]),
        Language::CSharp => starts(&["//", "/*", "* ", "*/", "["]),
        _ => starts(&["//", "/*", "* ", "*/", "@", "#["]),
    }
}

/// Words that may stand before the one that says what is defined.
const MODIFIERS: [&str; 37] = [
    "pub",
    "pub(crate)",
    "pub(super)",
    "async",
    "unsafe",
    "const",
    "extern",
    "default",
    "export",
    "declare",
    "abstract",
    "public",
    "private",
    "protected",
    "internal",
    "fileprivate",
    "open",
    "static",
    "final",
    "override",
    "virtual",
    "sealed",
    "partial",
    "inline",
    "suspend",
    "data",
    "local",
    "typedef",
    "template",
    "readonly",
    "mutating",
    "indirect",
    "convenience",
    "required",
    "class",
    "readonly",
    "\"C\"",
];

fn keyword(language: Language, body: &str) -> bool {
    let keywords: &[&str] = match language {
        Language::Rust => &[
            "fn",
            "struct",
            "enum",
            "trait",
            "impl",
            "impl<",
            "mod",
            "union",
            "type",
            "macro_rules!",
            "static",
        ],
        Language::Python => &["def", "class"],
        Language::JavaScript => &["function", "function*", "class", "interface", "enum", "namespace", "type"],
        Language::Go => &["func", "type"],
        Language::C => {
            &["struct", "enum", "union", "class", "namespace", "#define", "@interface", "@implementation"]
        }
        Language::CSharp | Language::Java => &["class", "interface", "enum", "record", "struct", "namespace"],
        Language::Kotlin => &["fun", "class", "interface", "object", "enum"],
        Language::Swift => {
            &["func", "class", "struct", "enum", "protocol", "extension", "actor", "init", "init("]
        }
        Language::Ruby => &["def", "class", "module"],
        Language::Php => &["function", "class", "interface", "trait", "enum"],
        Language::Lua => &["function"],
        Language::Perl => &["sub", "package"],
        Language::Sql => &["create", "CREATE", "alter", "ALTER"],
        Language::Shell | Language::Toml | Language::Yaml => &[],
    };
    let mut rest = body;
    for _ in 0..6 {
        if first_word(rest, keywords).is_some() {
            // A prototype or an import ends where it begins.
            return !(rest.ends_with(';') && matches!(language, Language::C));
        }
        let word = rest.split(char::is_whitespace).next().unwrap_or_default();
        if !MODIFIERS.contains(&word) {
            return false;
        }
        rest = rest.get(word.len()..).unwrap_or_default().trim_start();
    }
    false
}

/// The keyword that `body` begins with. One that ends in a bracket needs no space after it.
fn first_word<'k>(body: &str, keywords: &[&'k str]) -> Option<&'k str> {
    keywords.iter().copied().find(|keyword| {
        body.strip_prefix(keyword).is_some_and(|rest| {
            keyword.ends_with(['<', '(']) || rest.starts_with(|c: char| c.is_whitespace()) || rest.is_empty()
        })
    })
}

fn is_name(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | ':'))
}

fn is_yaml_key(body: &str) -> bool {
    body.split_once(':').is_some_and(|(key, _)| is_name(key.trim_matches(['"', '\''])))
}

/// `int main(int argc, char **argv)` at the margin, not a call and not a prototype.
fn is_c_function(body: &str) -> bool {
    let Some((before, _)) = body.split_once('(') else { return false };
    let words = before.split_whitespace().count();
    let first = before.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
    let control = matches!(
        first,
        "if" | "for" | "while" | "switch" | "return" | "else" | "do" | "sizeof" | "typedef" | ""
    );
    words >= 1
        && !control
        && !before.contains(['=', '.', '#', '"'])
        && !body.trim_end().ends_with([';', ',', ':'])
}

/// `public int size() {`: a signature that opens a body.
fn is_method(body: &str) -> bool {
    body.trim_end().ends_with('{')
        && is_c_function(body)
        && body.split('(').next().is_some_and(|b| b.contains(' '))
}

/// The line without what only opens the body.
fn title_of(language: Language, body: &str) -> &str {
    let line = body.trim_end();
    match language {
        Language::Toml | Language::Yaml => {
            line.split(" #").next().unwrap_or(line).trim_end_matches(':').trim_end()
        }
        Language::Python => line.trim_end_matches(':'),
        _ => line.split(" {").next().unwrap_or(line).trim_end_matches(['{', ';', '(']).trim_end(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn title(language: Language, line: &str) -> Option<(u8, &str)> {
        item_at(language, line).map(|item| (item.level, item.title))
    }

    #[test]
    fn definitions_are_recognised_in_every_language() {
        let cases = [
            (
                Language::Rust,
                "pub(crate) async fn open(path: &Path) -> Self {",
                "pub(crate) async fn open(path: &Path) -> Self",
            ),
            (Language::Rust, "impl<T> Store<T> {", "impl<T> Store<T>"),
            (Language::Python, "class A(B):", "class A(B)"),
            (Language::Python, "async def f(x):", "async def f(x)"),
            (Language::JavaScript, "export default function main() {", "export default function main()"),
            (Language::Go, "func (s *Store) Open() error {", "func (s *Store) Open() error"),
            (Language::C, "static int open_file(const char *path)", "static int open_file(const char *path)"),
            (Language::C, "struct page {", "struct page"),
            (Language::Java, "public final class Store {", "public final class Store"),
            (Language::Java, "public int size() {", "public int size()"),
            (Language::Swift, "public extension View {", "public extension View"),
            (Language::Shell, "main() {", "main()"),
            (Language::Toml, "[package] # about", "[package]"),
            (Language::Yaml, "services:", "services"),
            (Language::Sql, "CREATE TABLE a (", "CREATE TABLE a"),
        ];
        for (language, line, expected) in cases {
            assert_eq!(title(language, line), Some((1, expected)), "{line}");
        }
        assert_eq!(title(Language::Python, "    def method(self):"), Some((2, "def method(self)")));
    }

    #[test]
    fn calls_prototypes_and_deep_lines_are_none() {
        for (language, line) in [
            (Language::C, "int open_file(const char *path);"),
            (Language::C, "    call(x)"),
            (Language::C, "#include \"a.h\""),
            (Language::Java, "if (a) {"),
            (Language::Java, "return f(x);"),
            (Language::Rust, "        fn deep() {}"),
            (Language::Rust, "format!(\"fn\")"),
            (Language::Python, "default = 1"),
            (Language::Yaml, "- item: x"),
        ] {
            assert_eq!(title(language, line), None, "{line}");
        }
    }
}
