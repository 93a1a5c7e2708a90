//! Source code: cut where definitions begin, with the comments above them; the definition's first line is the heading.
//!
//! No grammar and no parser a language: one look at the first words of each line, at the two outermost levels of
//! indentation. A line that is misjudged moves a cut, nothing else.

mod item;

use super::outline::{Form, Outline};
use crate::ingest::scan::Language;

pub(super) fn read(language: Language, file_name: &str, text: &str, outline: &mut Outline) {
    outline.heading(0, file_name, 1);
    let mut reader =
        Reader { outline, above: String::new(), above_line: 1, body: String::new(), body_line: 1 };
    for (number, line) in text.lines().enumerate() {
        reader.line(language, line, number + 1);
    }
    reader.keep_above();
    reader.give();
}

struct Reader<'a> {
    outline: &'a mut Outline,
    /// Comments and attributes that belong to whatever comes next.
    above: String,
    above_line: usize,
    body: String,
    body_line: usize,
}

impl Reader<'_> {
    fn line(&mut self, language: Language, line: &str, number: usize) {
        if line.trim().is_empty() {
            self.keep_above();
            self.give();
        } else if let Some(item) = item::item_at(language, line) {
            self.give();
            let (began, above) = (self.above_line, std::mem::take(&mut self.above));
            let began = if above.is_empty() { number } else { began };
            self.outline.heading(item.level, item.title, began);
            self.body_line = began;
            self.body = above;
            self.add(line, number);
        } else if item::stands_above(language, line) {
            if self.above.is_empty() {
                self.above_line = number;
            }
            self.above.push_str(line);
            self.above.push('\n');
        } else {
            self.keep_above();
            self.add(line, number);
        }
    }

    /// What stood above belongs to no definition after all.
    fn keep_above(&mut self) {
        let above = std::mem::take(&mut self.above);
        if !above.is_empty() {
            if self.body.is_empty() {
                self.body_line = self.above_line;
            }
            self.body.push_str(&above);
        }
    }

    fn add(&mut self, line: &str, number: usize) {
        if self.body.is_empty() {
            self.body_line = number;
        }
        self.body.push_str(line);
        self.body.push('\n');
    }

    fn give(&mut self) {
        self.outline.block(&self.body, self.body_line, Form::Lines);
        self.body.clear();
    }
}
