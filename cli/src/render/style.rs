//! Colours: only on a terminal, and not when `NO_COLOR` is set or `TERM` is `dumb`.

use std::io::IsTerminal;

/// Whether and how to emphasise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    colours: bool,
}

impl Style {
    pub(crate) fn for_stdout() -> Style {
        Style { colours: allowed() && std::io::stdout().is_terminal() }
    }

    pub(crate) fn for_stderr() -> Style {
        Style { colours: allowed() && std::io::stderr().is_terminal() }
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(crate) fn faint(self, text: &str) -> String {
        self.paint("2", text)
    }

    pub(crate) fn red(self, text: &str) -> String {
        self.paint("31", text)
    }

    pub(crate) fn green(self, text: &str) -> String {
        self.paint("32", text)
    }

    pub(crate) fn yellow(self, text: &str) -> String {
        self.paint("33", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colours { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

fn allowed() -> bool {
    // https://no-color.org: any value but an empty one.
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !no_color && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_colours_text_is_untouched() {
        assert_eq!(Style { colours: false }.red("x"), "x");
        assert_eq!(Style { colours: true }.red("x"), "\u{1b}[31mx\u{1b}[0m");
    }
}
