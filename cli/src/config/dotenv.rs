//! `.env`: lines of `NAME=value`, as users have them today.
//!
//! Understood: `export ` in front, comments, single quotes (as they stand), double quotes (with `\n`, `\"`, `\\`), and a
//! comment behind an unquoted value after a space. Not: variables inside values, values over several lines.

use super::ConfigError;
use std::collections::BTreeMap;
use std::path::Path;

pub(super) fn parse(path: &Path, text: &str) -> Result<BTreeMap<String, String>, ConfigError> {
    let mut found = BTreeMap::new();
    for (number, line) in text.trim_start_matches('\u{FEFF}').lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let bad = |problem| ConfigError::DotEnv { path: path.to_owned(), line: number + 1, problem };
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) = line.split_once('=').ok_or_else(|| bad("expected NAME=value"))?;
        let name = name.trim();
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(bad("a name may hold only letters, digits and _"));
        }
        found.insert(name.to_owned(), unquoted(value.trim()).map_err(bad)?);
    }
    Ok(found)
}

fn unquoted(value: &str) -> Result<String, &'static str> {
    if let Some(rest) = value.strip_prefix('\'') {
        return rest.split_once('\'').map(|(inside, _)| inside.to_owned()).ok_or("the quote is never closed");
    }
    let Some(rest) = value.strip_prefix('"') else {
        let end = value.find(" #").or_else(|| value.find("\t#")).unwrap_or(value.len());
        return Ok(value.get(..end).unwrap_or(value).trim_end().to_owned());
    };
    let mut plain = String::new();
    let mut characters = rest.chars();
    while let Some(c) = characters.next() {
        match c {
            '"' => return Ok(plain),
            '\\' => match characters.next() {
                Some('n') => plain.push('\n'),
                Some(other) => plain.push(other),
                None => break,
            },
            other => plain.push(other),
        }
    }
    Err("the quote is never closed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_shells_do() {
        let text = "\u{FEFF}# keys\nA=1\n export B = two words # comment\nC='# $x'\nD=\"a\\\"b\\n\" # x\nE=\nF=a#b\n\n";
        let found = parse(Path::new(".env"), text).unwrap();
        let pairs: Vec<(&str, &str)> =
            found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            pairs,
            [("A", "1"), ("B", "two words"), ("C", "# $x"), ("D", "a\"b\n"), ("E", ""), ("F", "a#b")]
        );
    }

    #[test]
    fn a_bad_line_is_named_and_not_quoted() {
        for text in ["A=1\nsk-Secret", "A=1\nB=\"sk-Secret", "A=1\nB C=sk-Secret", "A=1\n'sk-Secret"] {
            let error = parse(Path::new(".env"), text).unwrap_err().to_string();
            assert!(error.contains("line 2") && !error.contains("Secret"), "{error}");
        }
    }
}
