//! Collects headings and blocks in reading order, and decides what becomes a chunk.
//!
//! A section is the blocks below one heading. Sections that fit are kept whole; small neighbours share a chunk, under the
//! headings they have in common, each introduced by the rest of its own; a long one is cut between blocks, then
//! inside them, and each part repeats a little of the one before. Sections are dealt with as they close, so a
//! million headings need no more memory than one.

use super::pieces::{pieces, tail};
use super::tokens::Counter;
use super::{Chunk, ChunkLimits};
use unicode_segmentation::UnicodeSegmentation;

/// How a block may be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Between sentences.
    Prose,
    /// Between lines only: code, tables, lists.
    Lines,
}

/// The longest title kept, in graphemes: enough for any signature, and a bound for hostile ones.
const LONGEST_TITLE: usize = 120;
/// The deepest nesting kept.
const DEEPEST: usize = 12;

#[derive(Debug)]
pub(crate) struct Outline {
    limits: ChunkLimits,
    headings: Vec<(u8, String)>,
    open: Section,
    /// Whole small sections that wait for a neighbour.
    waiting: Vec<Section>,
    waiting_tokens: usize,
    chunks: Vec<Chunk>,
}

#[derive(Debug, Default)]
struct Section {
    path: Vec<String>,
    line: usize,
    blocks: Vec<Block>,
    tokens: usize,
    /// Stands below a heading of its own, so that it says something even without blocks.
    titled: bool,
}

#[derive(Debug)]
struct Block {
    text: String,
    line: usize,
    form: Form,
    tokens: usize,
}

impl Outline {
    pub(crate) fn new(limits: ChunkLimits) -> Outline {
        let (headings, waiting, chunks) = (Vec::new(), Vec::new(), Vec::new());
        Outline { limits, headings, open: Section::default(), waiting, waiting_tokens: 0, chunks }
    }

    /// A heading: what follows stands below it, until one of the same or a lower level. Level 0 is a document's title.
    pub(crate) fn heading(&mut self, level: u8, title: &str, line: usize) {
        let title = clean_title(title);
        let parent_goes_on = self.headings.last().is_some_and(|(open, _)| *open < level);
        self.close(parent_goes_on);
        self.headings.retain(|(open, _)| *open < level);
        let repeats = self.headings.last().is_some_and(|(_, parent)| *parent == title);
        let titled = !title.is_empty();
        if titled && !repeats {
            self.headings.truncate(DEEPEST - 1);
            self.headings.push((level, title));
        }
        self.open = Section { path: self.path(), line, titled, ..Section::default() };
    }

    /// Ends everything at `level` and deeper: what follows stands below the heading above.
    pub(crate) fn leave(&mut self, level: u8, line: usize) {
        if self.headings.iter().any(|(open, _)| *open >= level) {
            self.close(false);
            self.headings.retain(|(open, _)| *open < level);
            self.open = Section { path: self.path(), line, ..Section::default() };
        }
    }

    /// Whether any heading was seen or any text collected.
    pub(crate) fn is_untouched(&self) -> bool {
        self.headings.is_empty()
            && self.open.blocks.is_empty()
            && self.chunks.is_empty()
            && self.waiting.is_empty()
    }

    /// A paragraph, a listing, a table: something whole. White space around it is dropped.
    pub(crate) fn block(&mut self, text: &str, line: usize, form: Form) {
        let leading = text.len() - text.trim_start().len();
        // The first line keeps its indentation: in code it means something.
        let from = text.get(..leading).and_then(|blank| blank.rfind('\n')).map_or(0, |at| at + 1);
        let skipped = text.get(..from).map_or(0, |blank| blank.matches('\n').count());
        let body = text.get(from..).unwrap_or(text).trim_end();
        let body = if form == Form::Prose { body.trim_start() } else { body };
        if body.trim().is_empty() {
            return;
        }
        let text = if body.contains('\r') { body.replace("\r\n", "\n") } else { body.to_owned() };
        let tokens = self.limits.counter.count(&text) + 1;
        self.open.tokens += tokens;
        self.open.blocks.push(Block { text, line: line + skipped, form, tokens });
    }

    /// The chunks, numbered. A document without any heading goes under its file's name, so that a hit in `notes.txt`
    /// is found by that word too.
    pub(crate) fn finish(mut self, file_name: &str) -> Vec<Chunk> {
        self.close(false);
        self.flush();
        let fallback = clean_title(file_name);
        for (index, chunk) in self.chunks.iter_mut().enumerate() {
            chunk.index = index;
            if chunk.heading_path.is_empty() {
                chunk.heading_path.clone_from(&fallback);
                chunk.tokens += self.limits.counter.count(&fallback) + 1;
            }
            if self.limits.counter == Counter::Cl100k {
                // What is paid for, to the token.
                chunk.tokens = self.limits.counter.count(&chunk.embedded_text());
            }
        }
        self.chunks
    }

    fn path(&self) -> Vec<String> {
        self.headings.iter().map(|(_, title)| title.clone()).collect()
    }

    /// Ends the open section. A heading that is only followed by deeper ones lives on in their paths.
    fn close(&mut self, has_children: bool) {
        let mut section = std::mem::take(&mut self.open);
        if section.blocks.is_empty() && (has_children || !section.titled) {
            return;
        }
        section.tokens += section.path.last().map_or(0, |title| self.limits.counter.count(title) + 1);
        let small = self.limits.target_tokens / 4;
        let target = self.limits.target_tokens;
        let fits = self.waiting_tokens + section.tokens <= target;
        if !fits || (self.waiting_tokens >= small && section.tokens >= small) {
            self.flush();
        }
        if section.tokens > target {
            self.split(section);
        } else {
            self.waiting_tokens += section.tokens;
            self.waiting.push(section);
        }
    }

    /// Makes one chunk of the sections that wait.
    fn flush(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        self.waiting_tokens = 0;
        let Some(first) = waiting.first() else { return };
        let mut common = waiting.iter().fold(first.path.len(), |common, section| {
            let same = first.path.iter().zip(&section.path).take_while(|(a, b)| a == b).count();
            common.min(same)
        });
        if waiting.iter().all(|section| section.blocks.is_empty()) {
            // Nothing but headings: they are the text.
            common = common.saturating_sub(1);
        }
        let path = first.path.get(..common).unwrap_or_default().to_vec();
        let mut parts: Vec<String> = Vec::new();
        let mut above: &[String] = &[];
        for section in &waiting {
            let own = section.path.get(common..).unwrap_or_default();
            let own = if section.says_its_title() {
                own.get(..own.len().saturating_sub(1)).unwrap_or_default()
            } else {
                own
            };
            // What the section before stands under as well need not be said again.
            if !own.is_empty() && !above.starts_with(own) {
                parts.push(own.join(" > "));
            }
            above = section.path.get(common..).unwrap_or_default();
            parts.extend(section.blocks.iter().map(|block| block.text.clone()));
        }
        self.emit(&path, parts.join("\n\n"), first.line_of_text());
    }

    /// Cuts a section that is too long for one chunk.
    fn split(&mut self, section: Section) {
        let target = self.limits.target_tokens;
        let whole = (target * 2).min(self.limits.max_tokens.saturating_sub(self.limits.max_tokens / 4));
        let mut part = Part::default();
        for block in &section.blocks {
            let keep_whole = block.tokens <= target || (block.form == Form::Lines && block.tokens <= whole);
            if part.tokens > 0 && part.tokens + block.tokens > target {
                self.next_part(&section.path, &mut part);
            }
            if keep_whole {
                part.make_room(block.tokens, target);
                part.push("\n\n", &block.text, block.tokens, block.line, block.form);
                continue;
            }
            let mut line = block.line;
            for (at, piece) in
                pieces(&block.text, block.form, target, self.limits.counter).into_iter().enumerate()
            {
                if part.fresh && part.tokens + piece.tokens > target {
                    self.next_part(&section.path, &mut part);
                }
                part.make_room(piece.tokens, target);
                let joint = if at == 0 { "\n\n" } else { "" };
                part.push(joint, piece.text, piece.tokens, line, block.form);
                line += piece.text.matches('\n').count();
            }
        }
        if part.fresh {
            self.emit(&section.path, part.text, part.line);
        }
    }

    fn next_part(&mut self, path: &[String], part: &mut Part) {
        if !part.fresh {
            return;
        }
        let done = std::mem::take(part);
        let repeated = tail(&done.text, done.form, self.limits.overlap_tokens, self.limits.counter);
        if !repeated.is_empty() {
            part.tokens = self.limits.counter.count(repeated) + 1;
            part.text = repeated.to_owned();
            part.form = done.form;
        }
        self.emit(path, done.text, done.line);
    }

    fn emit(&mut self, path: &[String], text: String, line: usize) {
        let text = text.trim_matches('\n').trim_end().to_owned();
        if text.trim().is_empty() {
            return;
        }
        let heading_path = self.bounded_path(path);
        let tokens = self.limits.counter.count(&heading_path) + self.limits.counter.count(&text) + 1;
        self.chunks.push(Chunk { index: 0, heading_path, text, line, tokens });
    }

    /// The path with as many of the innermost headings as a quarter of the maximum holds.
    fn bounded_path(&self, path: &[String]) -> String {
        let room = self.limits.max_tokens / 4;
        let mut used = 0;
        let fitting = path.iter().rev().take_while(|title| {
            used += self.limits.counter.count(title) + 2;
            used <= room
        });
        let kept = fitting.count();
        path.get(path.len() - kept..).unwrap_or_default().join(" > ")
    }
}

impl Section {
    /// Source code begins with the line that is also its heading.
    fn says_its_title(&self) -> bool {
        let first = self.blocks.first().filter(|block| block.form == Form::Lines);
        first.zip(self.path.last()).is_some_and(|(block, title)| block.text.contains(title.as_str()))
    }

    fn line_of_text(&self) -> usize {
        if self.titled { self.line } else { self.blocks.first().map_or(self.line, |block| block.line) }
    }
}

/// The part of a long section that is being filled.
#[derive(Debug)]
struct Part {
    text: String,
    tokens: usize,
    line: usize,
    form: Form,
    /// Holds something that no part before it has.
    fresh: bool,
}

impl Default for Part {
    fn default() -> Part {
        Part { text: String::new(), tokens: 0, line: 0, form: Form::Prose, fresh: false }
    }
}

impl Part {
    /// Gives up what was repeated when there is no room for it.
    fn make_room(&mut self, tokens: usize, target: usize) {
        if !self.fresh && self.tokens + tokens > target {
            *self = Part::default();
        }
    }

    fn push(&mut self, joint: &str, text: &str, tokens: usize, line: usize, form: Form) {
        if !self.text.is_empty() {
            // What is repeated and what is new meet at a line break or a space that the cut took away.
            let joint = if joint.is_empty() && !self.fresh {
                if form == Form::Lines { "\n" } else { " " }
            } else {
                joint
            };
            self.text.push_str(joint);
        }
        if !self.fresh {
            self.line = line;
        }
        self.text.push_str(text);
        self.tokens += tokens;
        self.form = form;
        self.fresh = true;
    }
}

/// One line, of bounded length.
fn clean_title(title: &str) -> String {
    let mut clean = String::new();
    // Words, not characters, because a title may be megabytes of white space.
    for word in title.split_whitespace() {
        if !clean.is_empty() {
            clean.push(' ');
        }
        clean.push_str(word);
        if clean.len() > LONGEST_TITLE * 16 {
            break;
        }
    }
    let bytes = clean.grapheme_indices(true).nth(LONGEST_TITLE).map(|(at, _)| at).unwrap_or(clean.len());
    // A grapheme has no bound of its own.
    let limit = bytes.min(LONGEST_TITLE * 8);
    let limit = (0..=limit).rev().find(|at| clean.is_char_boundary(*at)).unwrap_or(0);
    if limit < clean.len() {
        clean.truncate(limit);
        clean.push('…');
    }
    clean
}

#[cfg(test)]
#[path = "outline_tests.rs"]
mod tests;
