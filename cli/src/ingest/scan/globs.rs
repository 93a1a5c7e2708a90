//! Include and exclude patterns, in the language of `.gitignore` because everybody here knows it.
//!
//! `*.md` matches at any depth, `/intro.md` only at the root of the source, `drafts/` a folder and all below it.

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use std::path::Path;

/// The patterns of one source, ready to match paths relative to its root.
#[derive(Clone, Debug)]
pub(crate) struct Globs {
    include: Gitignore,
    exclude: Gitignore,
    /// As they were given, to be remembered.
    patterns: (Vec<String>, Vec<String>),
}

/// A pattern that cannot be understood, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadGlob {
    pub(crate) pattern: String,
    pub(crate) message: String,
}

impl std::fmt::Display for BadGlob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the pattern {:?} cannot be understood: {}", self.pattern, self.message)
    }
}

impl Default for Globs {
    fn default() -> Globs {
        Globs { include: Gitignore::empty(), exclude: Gitignore::empty(), patterns: Default::default() }
    }
}

impl Globs {
    pub(crate) fn new(include: &[String], exclude: &[String]) -> Result<Globs, BadGlob> {
        let patterns = (include.to_vec(), exclude.to_vec());
        Ok(Globs { include: matcher(include)?, exclude: matcher(exclude)?, patterns })
    }

    /// The include and the exclude patterns, as they were given.
    pub(crate) fn patterns(&self) -> &(Vec<String>, Vec<String>) {
        &self.patterns
    }

    /// Whether a folder is left out as a whole.
    pub(crate) fn prunes(&self, relative: &Path) -> bool {
        self.exclude.matched(relative, true).is_ignore()
    }

    /// Whether a file is wanted.
    pub(crate) fn takes(&self, relative: &Path) -> bool {
        let excluded = self.exclude.matched_path_or_any_parents(relative, false).is_ignore();
        !excluded && (self.include.is_empty() || self.names(relative))
    }

    /// Whether a file was asked for by an include pattern: then its extension does not matter.
    pub(crate) fn names(&self, relative: &Path) -> bool {
        self.include.matched_path_or_any_parents(relative, false).is_ignore()
    }
}

fn matcher(patterns: &[String]) -> Result<Gitignore, BadGlob> {
    // The empty root: paths are matched as given, relative to the source.
    let mut builder = GitignoreBuilder::new("");
    // In an ignore file a typo must not stop git; here it would silently choose the wrong documents.
    builder.allow_unclosed_class(false);
    for pattern in patterns {
        let bad = |error: ignore::Error| BadGlob { pattern: pattern.clone(), message: error.to_string() };
        builder.add_line(None, pattern).map_err(bad)?;
    }
    builder.build().map_err(|error| BadGlob { pattern: patterns.join(" "), message: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn globs(include: &[&str], exclude: &[&str]) -> Globs {
        let owned = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        Globs::new(&owned(include), &owned(exclude)).unwrap()
    }

    #[test]
    fn patterns_mean_what_they_mean_in_gitignore() {
        let globs = globs(&["*.md", "/api/"], &["drafts/", "secret*"]);
        let takes = |path: &str| globs.takes(Path::new(path));
        assert!(takes("a.md") && takes("deep/er/b.md") && takes("api/c.html"));
        assert!(
            !takes("a.html") && !takes("drafts/a.md") && !takes("x/drafts/y/a.md") && !takes("secret.md")
        );
        assert!(globs.prunes(Path::new("x/drafts")) && !globs.prunes(Path::new("api")));
    }

    #[test]
    fn without_patterns_everything_is_taken() {
        assert!(globs(&[], &[]).takes(Path::new("any/thing")));
        assert!(!globs(&[], &[]).names(Path::new("any/thing")));
    }

    #[test]
    fn a_bad_pattern_is_named() {
        let error = Globs::new(&["a[".to_owned()], &[]).unwrap_err();
        assert_eq!(error.pattern, "a[");
        assert!(error.to_string().contains("a["), "{error}");
    }
}
