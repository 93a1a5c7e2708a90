//! Markdown: headings by the parser, so that a `#` in a code fence is none; blocks as they stand in the source.

use super::html;
use super::outline::{Form, Outline};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use std::ops::Range;

pub(super) fn read(text: &str, outline: &mut Outline) {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS
        | Options::ENABLE_PLUSES_DELIMITED_METADATA_BLOCKS;
    let mut reader = Reader { text, outline, lines: Lines { text, at: 0, line: 1 }, depth: 0, block: None };
    for (event, range) in Parser::new_ext(text, options).into_offset_iter() {
        reader.event(event, range);
    }
}

struct Reader<'a> {
    text: &'a str,
    outline: &'a mut Outline,
    lines: Lines<'a>,
    depth: usize,
    /// The top-level block that is open: its kind, where it is, and the title if it is a heading.
    block: Option<(Block, Range<usize>, String)>,
}

#[derive(Clone, Copy, PartialEq)]
enum Block {
    Heading(u8),
    Prose,
    Lines,
    Html,
    FrontMatter,
}

impl Reader<'_> {
    fn event(&mut self, event: Event<'_>, range: Range<usize>) {
        match event {
            Event::Start(tag) => {
                if self.depth == 0 {
                    self.block = Some((kind_of(&tag), range, String::new()));
                }
                self.depth += 1;
            }
            Event::End(TagEnd::MetadataBlock(_)) | Event::End(_) => {
                self.depth = self.depth.saturating_sub(1);
                if self.depth == 0 {
                    self.close();
                }
            }
            Event::Text(text) | Event::Code(text) => self.title(&text),
            Event::SoftBreak | Event::HardBreak => self.title(" "),
            _ => {}
        }
    }

    fn title(&mut self, part: &str) {
        if let Some((Block::Heading(_), _, title)) = &mut self.block {
            title.push_str(part);
        }
    }

    fn close(&mut self) {
        let Some((block, range, title)) = self.block.take() else { return };
        let line = self.lines.line_at(range.start);
        let text = self.text.get(range).unwrap_or_default();
        match block {
            Block::Heading(level) => self.outline.heading(level, &title, line),
            Block::Prose => self.outline.block(text, line, Form::Prose),
            Block::Lines => self.outline.block(text, line, Form::Lines),
            Block::Html => self.outline.block(&html::plain_text(text), line, Form::Prose),
            Block::FrontMatter => self.front_matter(text, line),
        }
    }

    /// The title and the description; the rest is for the site's machinery.
    fn front_matter(&mut self, text: &str, line: usize) {
        let field = |name: &str| {
            let found = text.lines().find_map(|line| {
                let (key, value) = line.split_once([':', '='])?;
                (key.trim().eq_ignore_ascii_case(name))
                    .then(|| value.trim().trim_matches(['"', '\'']).to_owned())
            });
            // A value that goes on over several lines is left to the page itself.
            found.filter(|value| !value.is_empty() && !matches!(value.as_str(), "|" | ">" | "|-" | ">-"))
        };
        if let Some(title) = field("title") {
            self.outline.heading(0, &title, line);
        }
        if let Some(description) = field("description").or_else(|| field("summary")) {
            self.outline.block(&description, line, Form::Prose);
        }
    }
}

fn kind_of(tag: &Tag<'_>) -> Block {
    match tag {
        Tag::Heading { level, .. } => Block::Heading(*level as u8),
        Tag::CodeBlock(_) | Tag::Table(_) | Tag::List(_) => Block::Lines,
        Tag::HtmlBlock => Block::Html,
        Tag::MetadataBlock(_) => Block::FrontMatter,
        _ => Block::Prose,
    }
}

/// Line numbers of ascending places, counted once.
struct Lines<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl Lines<'_> {
    fn line_at(&mut self, place: usize) -> usize {
        if let Some(between) = self.text.get(self.at..place) {
            self.line += between.matches('\n').count();
            self.at = place;
        }
        self.line
    }
}
