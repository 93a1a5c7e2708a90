//! reStructuredText: underlined titles, whose levels follow from the order in which their marks first appear;
//! directives that document a definition become headings; labels, comments and tables of contents are left out.

use super::outline::{Form, Outline};

/// Definitions stand below every title.
const DEFINITION_LEVEL: u8 = 20;
const LONGEST_MARKS: usize = 16;

pub(super) fn read(text: &str, outline: &mut Outline) {
    let lines: Vec<&str> = text.lines().collect();
    let (marks, paragraph) = (Vec::new(), String::new());
    let mut reader = Reader { outline, marks, paragraph, began: 1, skip_below: None, literal: None };
    let mut at = 0;
    while at < lines.len() {
        at += reader.step(&lines, at);
    }
    reader.give();
}

struct Reader<'a> {
    outline: &'a mut Outline,
    /// Title marks in order of appearance, overlined ones apart.
    marks: Vec<(char, bool)>,
    paragraph: String,
    began: usize,
    /// Inside a directive that is left out: lines indented deeper than this belong to it.
    skip_below: Option<usize>,
    /// After `::` or a directive of code: paragraphs indented deeper than this stand as written.
    literal: Option<usize>,
}

impl Reader<'_> {
    /// Deals with the line at `at`, and says how many were used.
    fn step(&mut self, lines: &[&str], at: usize) -> usize {
        let line = lines.get(at).copied().unwrap_or_default();
        let next = lines.get(at + 1).copied().unwrap_or_default();
        if line.trim().is_empty() {
            self.give();
            return 1;
        }
        if let Some(indent) = self.skip_below {
            if indent_of(line) > indent {
                return 1;
            }
            self.skip_below = None;
        }
        // Overline, title, underline.
        if let (Some(mark), Some(under)) = (rule(line), lines.get(at + 2).and_then(|line| rule(line)))
            && mark == under
            && self.paragraph.is_empty()
            && !next.trim().is_empty()
            && rule(next).is_none()
        {
            self.title(next, (mark, true), at + 1);
            return 3;
        }
        if let Some(mark) = rule(next)
            && self.paragraph.is_empty()
            && rule(line).is_none()
            && !line.starts_with([' ', '\t'])
            && (next.trim_end().chars().count() >= line.trim_end().chars().count().min(4))
        {
            self.title(line, (mark, false), at + 1);
            return 2;
        }
        if line.trim_start().starts_with("..") && self.explicit(line, at + 1) {
            return 1 + self.continuation(lines, at);
        }
        // A rule between paragraphs is a picture of a line.
        if rule(line).is_none() || line.contains(' ') {
            self.add(line, at + 1);
        }
        1
    }

    /// How many lines more a directive's first line goes on for, each ended by a backslash: a signature too long for one.
    fn continuation(&self, lines: &[&str], at: usize) -> usize {
        let rest = lines.get(at..).unwrap_or_default();
        rest.iter().take_while(|line| line.ends_with('\\')).count().min(rest.len().saturating_sub(1))
    }

    fn title(&mut self, title: &str, mark: (char, bool), line: usize) {
        self.give();
        let known = self.marks.iter().position(|one| *one == mark);
        let level = known.unwrap_or_else(|| {
            if self.marks.len() < LONGEST_MARKS {
                self.marks.push(mark);
            }
            self.marks.len() - 1
        });
        self.outline.leave(DEFINITION_LEVEL, line);
        self.outline.heading(level as u8 + 1, &without_roles(title), line);
    }

    /// A line that begins with two dots. Returns false when it is text after all.
    fn explicit(&mut self, line: &str, number: usize) -> bool {
        let indent = indent_of(line);
        let body = line.trim_start().trim_start_matches('.');
        if !line.trim_start().starts_with(".. ") && line.trim() != ".." {
            return false;
        }
        self.give();
        let Some((name, argument)) = body.trim().split_once("::") else {
            // A label, a footnote, a substitution or a comment.
            if body.trim().starts_with('[') {
                return false;
            }
            self.skip_below = Some(indent);
            return true;
        };
        let word = name.rsplit(':').next().unwrap_or(name);
        match word {
            "function" | "class" | "method" | "data" | "attribute" | "exception" | "classmethod"
            | "staticmethod" | "property" | "decorator" | "macro" | "type" | "member" | "var" | "struct"
            | "option" | "describe" | "enum" => {
                let level = DEFINITION_LEVEL + (indent / 3).min(8) as u8;
                self.outline.heading(level, argument.trim_end_matches('\\'), number);
            }
            "toctree" | "index" | "highlight" | "currentmodule" | "sectionauthor" | "moduleauthor"
            | "contents" | "image" | "figure" | "raw" | "include" | "literalinclude" | "module" | "meta"
            | "tabularcolumns" | "testsetup" => {
                self.skip_below = Some(indent);
            }
            "note" | "warning" | "tip" | "seealso" | "versionadded" | "versionchanged" | "deprecated"
            | "admonition" => {
                self.add(format!("{word}: {}", argument.trim()).trim_end(), number);
            }
            "code" | "code-block" | "sourcecode" | "highlight-block" | "productionlist" | "doctest"
            | "testcode" | "parsed-literal" => {
                self.literal = Some(indent);
            }
            _ if !argument.trim().is_empty() => self.add(argument.trim(), number),
            _ => {}
        }
        true
    }

    fn add(&mut self, line: &str, number: usize) {
        // Field lists of directives (`:maxdepth: 2`, `:noindex:`) are settings, not text.
        let field = line.trim_start().strip_prefix(':').and_then(|rest| rest.split_once(':'));
        if let Some((name, rest)) = field
            && line.starts_with([' ', '\t'])
            && !rest.starts_with('`')
            && !name.contains(' ')
        {
            return;
        }
        if self.paragraph.is_empty() {
            self.began = number;
        }
        self.paragraph.push_str(line);
        self.paragraph.push('\n');
    }

    fn give(&mut self) {
        if self.paragraph.trim().is_empty() {
            self.paragraph.clear();
            return;
        }
        let indent = indent_of(&self.paragraph);
        self.literal = self.literal.filter(|outer| indent > *outer);
        if self.literal.is_some() {
            self.outline.block(&self.paragraph, self.began, Form::Lines);
            self.paragraph.clear();
            return;
        }
        let text = without_roles(&self.paragraph);
        if text.lines().any(|line| rule(line).is_some() || line.trim_start().starts_with(['|', '+', '>'])) {
            self.outline.block(&text, self.began, Form::Lines);
        } else {
            // The indentation of a definition's body says nothing.
            let flat: Vec<&str> = text.lines().map(str::trim).collect();
            self.outline.block(&flat.join("\n"), self.began, Form::Prose);
        }
        if self.paragraph.trim_end().ends_with("::") {
            self.literal = Some(indent);
        }
        self.paragraph.clear();
    }
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The mark of a line made of one punctuation character. Two of them are enough under a title of two letters.
fn rule(line: &str) -> Option<char> {
    let line = line.trim_end();
    let mark = line.chars().next().filter(|c| c.is_ascii_punctuation())?;
    let enough = line.len() >= 3 || (line.len() == 2 && !matches!(mark, ':' | '.' | '`'));
    (enough && line.chars().all(|c| c == mark)).then_some(mark)
}

/// ``:func:`os.path` `` says `os.path`; `` `text <target>`_ `` says `text`.
fn without_roles(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('`') {
        // Two backticks are a literal: keep it as it is.
        if let Some(literal) = after.strip_prefix('`') {
            let (inside, behind) = literal.split_once("``").unwrap_or((literal, ""));
            clean.push_str(before);
            clean.push_str(inside);
            rest = behind;
            continue;
        }
        let (before, role) = split_role(before);
        clean.push_str(before);
        clean.push_str(match role {
            ":pep:" => "PEP ",
            ":rfc:" => "RFC ",
            _ => "",
        });
        let (inside, behind) = after.split_once('`').unwrap_or((after, ""));
        let shown = inside.split_once(" <").map_or(inside, |(shown, _)| shown);
        clean.push_str(shown.trim_start_matches(['~', '!']));
        rest = behind.strip_prefix("__").or_else(|| behind.strip_prefix('_')).unwrap_or(behind);
    }
    clean.push_str(rest);
    clean
}

/// Cuts `:role:` or `:domain:role:` off the end.
fn split_role(before: &str) -> (&str, &str) {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '-' | '+' | '_' | '.');
    if !before.ends_with(':') {
        return (before, "");
    }
    let name_length: usize = before.chars().rev().take(40).take_while(|c| is_name(*c)).count();
    match before.split_at_checked(before.len() - name_length) {
        Some((text, name)) if name.starts_with(':') && name.len() > 2 => (text, name),
        _ => (before, ""),
    }
}
