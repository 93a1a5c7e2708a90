//! Plain text: paragraphs between blank lines, no headings.

use super::outline::{Form, Outline};

pub(super) fn read(text: &str, outline: &mut Outline) {
    paragraphs(text, 1, outline);
}

/// Gives the paragraphs of `text`, whose first line has the number `first_line`. One that is indented or looks like a
/// table is kept line by line; the rest is prose.
pub(super) fn paragraphs(text: &str, first_line: usize, outline: &mut Outline) {
    let mut paragraph = String::new();
    let mut began = first_line;
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            give(&mut paragraph, began, outline);
            continue;
        }
        if paragraph.is_empty() {
            began = first_line + number;
        }
        paragraph.push_str(line);
        paragraph.push('\n');
    }
    give(&mut paragraph, began, outline);
}

fn give(paragraph: &mut String, line: usize, outline: &mut Outline) {
    let indented = paragraph.lines().filter(|line| line.starts_with([' ', '\t'])).count();
    let listed = paragraph.lines().filter(|line| line.trim_start().starts_with(['-', '*', '|', '+'])).count();
    let lines = paragraph.lines().count();
    let form =
        if lines > 1 && (indented * 2 > lines || listed * 2 > lines) { Form::Lines } else { Form::Prose };
    outline.block(paragraph, line, form);
    paragraph.clear();
}
