//! Walks the content and tells the outline about headings and blocks.

use super::region::Region;
use super::tokens::{Item, Page};
use crate::ingest::chunk::outline::{Form, Outline};

/// Definitions (`<dt class="sig">`) stand below every heading, deeper ones below outer ones.
const DEFINITION_LEVEL: u8 = 7;
/// How far lists are indented at most: deeper nesting says nothing more.
const DEEPEST_INDENT: usize = 8;

pub(super) fn render(page: &Page, region: &Region, outline: &mut Outline) {
    let mut walker = Walker {
        outline,
        title: page.title.trim(),
        has_first_heading: has_first_heading(page, region),
        text: String::new(),
        line: 1,
        heading: None,
        hold: false,
        lists: 0,
        tables: 0,
        listings: 0,
        definitions: Vec::new(),
        documented: 0,
    };
    let mut at = region.items.start;
    while at < region.items.end {
        if let Some(end) = region.skip(at) {
            at = end + 1;
            continue;
        }
        match page.items.get(at) {
            Some(Item::Start { name, mark, line }) => walker.start(name, mark.signature, *line),
            Some(Item::End { name, line }) => walker.end(name, *line),
            Some(Item::Text { range, line }) => walker.text(page.text_of(range), *line),
            None => {}
        }
        at += 1;
    }
    walker.close_heading();
    walker.flush();
}

fn has_first_heading(page: &Page, region: &Region) -> bool {
    let mut at = region.items.start;
    while at < region.items.end {
        if let Some(end) = region.skip(at) {
            at = end;
        } else if matches!(page.items.get(at), Some(Item::Start { name, .. }) if &**name == "h1") {
            return true;
        }
        at += 1;
    }
    false
}

/// Titles of boxes beside the text. What follows the box does not stand below them.
const BOXES: [&str; 8] = ["note", "warning", "tip", "caution", "important", "danger", "hint", "see also"];
/// Marks of links to a heading itself.
const ANCHORS: [char; 2] = ['¶', '§'];

struct Walker<'a> {
    outline: &'a mut Outline,
    /// The page's title, for pages whose content has no first heading.
    title: &'a str,
    has_first_heading: bool,
    text: String,
    line: usize,
    /// A heading that is being read: its level and line.
    heading: Option<(u8, usize)>,
    /// The text ends in a bullet, a term or a cell's edge: what comes next belongs to it.
    hold: bool,
    lists: usize,
    tables: usize,
    listings: usize,
    /// For every open `<dl>`, whether it documents definitions.
    definitions: Vec<bool>,
    /// How many of them do.
    documented: usize,
}

impl Walker<'_> {
    fn start(&mut self, name: &str, signature: bool, line: usize) {
        match name {
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                let level = name.bytes().last().map_or(6, |digit| digit.saturating_sub(b'0'));
                self.open_heading(level, line);
            }
            "dt" if signature => {
                if let Some(open) = self.definitions.last_mut().filter(|open| !**open) {
                    *open = true;
                    self.documented += 1;
                }
                self.open_heading(self.definition_level(), line);
            }
            "pre" | "listing" => {
                self.new_block();
                self.listings += 1;
            }
            "table" => {
                if self.tables == 0 {
                    self.new_block();
                }
                self.tables += 1;
            }
            "tr" | "caption" if self.tables > 0 => self.new_line(),
            "td" | "th" if self.tables > 0 => self.cell(),
            "ul" | "ol" | "menu" => {
                if self.lists == 0 {
                    self.new_block();
                }
                self.lists += 1;
            }
            "li" => self.bullet(),
            "dl" => {
                self.new_block();
                self.definitions.push(false);
            }
            "dt" => self.new_block(),
            "dd" => {
                self.close_heading();
                if !self.text.trim().is_empty() {
                    self.new_line();
                    self.hold = true;
                }
            }
            "br" => self.new_line(),
            _ if is_block(name) => self.new_block(),
            _ => {}
        }
    }

    fn end(&mut self, name: &str, line: usize) {
        match name {
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "dt" if self.heading.is_some() => self.close_heading(),
            "pre" | "listing" => {
                if self.lists == 0 && self.tables == 0 {
                    self.flush();
                }
                self.listings = self.listings.saturating_sub(1);
            }
            "table" => {
                if self.tables == 1 {
                    self.flush();
                }
                self.tables = self.tables.saturating_sub(1);
            }
            "ul" | "ol" | "menu" => {
                if self.lists == 1 && self.tables == 0 {
                    self.flush();
                }
                self.lists = self.lists.saturating_sub(1);
            }
            "dl" => {
                self.new_block();
                let level = self.definition_level();
                if self.definitions.pop() == Some(true) {
                    self.documented -= 1;
                    self.outline.leave(level, line);
                }
            }
            "dt" => {}
            _ if is_block(name) => self.new_block(),
            _ => {}
        }
    }

    fn text(&mut self, text: &str, line: usize) {
        if !text.trim().is_empty() && text.trim().trim_end_matches(ANCHORS).is_empty() {
            return;
        }
        if self.text.trim().is_empty() && !text.trim().is_empty() {
            let blank = text.len() - text.trim_start().len();
            self.line = line + text.get(..blank).map_or(0, |blank| blank.matches('\n').count());
        }
        if self.listings > 0 && self.heading.is_none() {
            self.text.push_str(text);
            self.hold = false;
            return;
        }
        for (at, word) in text.split([' ', '\t', '\n', '\r', '\u{A0}']).enumerate() {
            if at > 0 && !self.text.is_empty() && !self.text.ends_with([' ', '\n']) {
                self.text.push(' ');
            }
            if !word.is_empty() {
                self.text.push_str(word);
                self.hold = false;
            }
        }
    }

    /// The level of the definitions that are open now.
    fn definition_level(&self) -> u8 {
        DEFINITION_LEVEL + self.documented.clamp(1, 8) as u8 - 1
    }

    fn open_heading(&mut self, level: u8, line: usize) {
        self.close_heading();
        self.flush();
        self.heading = Some((level, line));
    }

    fn close_heading(&mut self) {
        if let Some((level, line)) = self.heading.take() {
            let title = std::mem::take(&mut self.text);
            let title = title.trim().trim_end_matches(ANCHORS);
            self.hold = false;
            if BOXES.iter().any(|name| title.eq_ignore_ascii_case(name)) {
                self.text = format!("{title}: ");
                (self.line, self.hold) = (line, true);
            } else if !title.is_empty() {
                if !self.has_first_heading {
                    self.page_title(line);
                }
                self.outline.heading(level, title, line);
            }
        }
    }

    /// Something that stands on its own begins or ends.
    fn new_block(&mut self) {
        self.close_heading();
        if self.hold {
            return;
        }
        if self.tables > 0 {
            if self.listings == 0 && !self.text.is_empty() && !self.text.ends_with([' ', '\n']) {
                self.text.push(' ');
            }
        } else if self.lists > 0 {
            self.new_line();
        } else {
            self.flush();
        }
    }

    fn new_line(&mut self) {
        if self.heading.is_some() {
            self.text.push(' ');
            return;
        }
        self.trim_end();
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
        if self.lists > 0 && !self.text.is_empty() && self.tables == 0 {
            self.indent(self.lists);
        }
    }

    fn bullet(&mut self) {
        self.close_heading();
        if !self.hold || self.text.trim_end().ends_with('-') {
            self.trim_end();
            if !self.text.is_empty() && !self.text.ends_with('\n') {
                self.text.push('\n');
            }
        }
        self.indent(self.lists.saturating_sub(1));
        self.text.push_str("- ");
        self.hold = true;
    }

    fn cell(&mut self) {
        self.close_heading();
        self.trim_end();
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push_str(" | ");
        }
        self.hold = true;
    }

    fn indent(&mut self, depth: usize) {
        for _ in 0..depth.min(DEEPEST_INDENT) {
            self.text.push_str("  ");
        }
    }

    fn trim_end(&mut self) {
        let length = self.text.trim_end_matches([' ', '\t']).len();
        self.text.truncate(length);
    }

    /// Puts what comes first on a page under its title.
    fn page_title(&mut self, line: usize) {
        if self.outline.is_untouched() && !self.title.is_empty() {
            self.outline.heading(0, self.title, line);
        }
    }

    fn flush(&mut self) {
        let lines = self.listings > 0 || self.lists > 0 || self.tables > 0;
        let form = if lines { Form::Lines } else { Form::Prose };
        if !self.text.trim().is_empty() {
            self.page_title(self.line);
            self.outline.block(&self.text, self.line, form);
        }
        self.text.clear();
        self.hold = false;
    }
}

fn is_block(name: &str) -> bool {
    matches!(
        name,
        "address"
            | "article"
            | "aside"
            | "blockquote"
            | "body"
            | "center"
            | "details"
            | "div"
            | "fieldset"
            | "figcaption"
            | "figure"
            | "footer"
            | "form"
            | "header"
            | "hr"
            | "html"
            | "main"
            | "nav"
            | "p"
            | "section"
            | "summary"
    )
}
