//! The page as a list of tags and texts, made by html5ever's tokenizer (which knows all entities and script rules).

use super::mark::Mark;
use html5ever::LocalName;
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, CharacterTokens, EndTag, StartTag, Tag, TagToken, Token, TokenSink, TokenSinkResult,
    Tokenizer, TokenizerOpts,
};
use std::borrow::Cow;
use std::cell::RefCell;
use std::ops::Range;

#[derive(Debug)]
pub(super) enum Item {
    Start { name: LocalName, mark: Mark, line: usize },
    End { name: LocalName, line: usize },
    Text { range: Range<usize>, line: usize },
}

/// A page: its items in order, and all its text in one string that they point into.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) items: Vec<Item>,
    pub(super) text: String,
    pub(super) title: String,
}

impl Page {
    pub(super) fn parse(source: &str) -> Page {
        let tokenizer = Tokenizer::new(Sink::default(), TokenizerOpts::default());
        let queue = BufferQueue::default();
        queue.push_back(StrTendril::from_slice(&without_monster_tags(source)));
        // The sink never suspends the tokenizer, so one call reads everything.
        let _ = tokenizer.feed(&queue);
        tokenizer.end();
        tokenizer.sink.0.into_inner().page
    }

    pub(super) fn text_of(&self, range: &Range<usize>) -> &str {
        self.text.get(range.clone()).unwrap_or_default()
    }

    pub(super) fn plain_text(&self) -> String {
        let mut lines: Vec<&str> = Vec::new();
        for item in &self.items {
            if let Item::Text { range, .. } = item {
                lines.extend(self.text_of(range).lines().map(str::trim).filter(|line| !line.is_empty()));
            }
        }
        lines.join("\n")
    }
}

/// Tags with more attributes than this are dropped unread: the tokenizer compares each with all others.
const MOST_ATTRIBUTES: usize = 200;

/// Cuts out tags that no author wrote.
fn without_monster_tags(source: &str) -> Cow<'_, str> {
    let mut kept = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(open) = source.get(at..).and_then(|rest| rest.find('<')).map(|found| at + found) {
        let rest = source.get(open..).unwrap_or_default();
        let length = rest.find('>').map_or(rest.len(), |end| end + 1);
        let tag = rest.get(..length).unwrap_or_default();
        // A slash separates attributes as a space does, and so does the end of a quoted value.
        let separators =
            tag.bytes().filter(|b| b.is_ascii_whitespace() || matches!(b, b'/' | b'"' | b'\'')).count();
        if separators > MOST_ATTRIBUTES * 4 && !rest.starts_with("<!") {
            kept.push_str(source.get(copied..open).unwrap_or_default());
            // Line numbers stay true.
            kept.extend(tag.chars().filter(|c| *c == '\n'));
            copied = open + length;
        }
        at = open + length;
    }
    if copied == 0 {
        return Cow::Borrowed(source);
    }
    kept.push_str(source.get(copied..).unwrap_or_default());
    Cow::Owned(kept)
}

#[derive(Debug, Default)]
struct Sink(RefCell<State>);

#[derive(Debug, Default)]
struct State {
    page: Page,
    /// Inside an element whose text is not shown: its name.
    silent: Option<LocalName>,
    in_title: bool,
}

impl TokenSink for Sink {
    type Handle = ();

    fn process_token(&self, token: Token, line: u64) -> TokenSinkResult<()> {
        let mut state = self.0.borrow_mut();
        let line = usize::try_from(line).unwrap_or(usize::MAX);
        match token {
            CharacterTokens(text) => state.text(&text, line),
            TagToken(tag) if tag.kind == StartTag => return state.start(tag, line),
            TagToken(tag) if tag.kind == EndTag => state.end(tag.name, line),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

impl State {
    fn text(&mut self, text: &str, line: usize) {
        if self.silent.is_some() {
            return;
        }
        if self.in_title {
            self.page.title.push_str(text);
            return;
        }
        let from = self.page.text.len();
        self.page.text.push_str(text);
        let to = self.page.text.len();
        // The number belongs to the end of the token; readers want its beginning.
        let line = line.saturating_sub(text.matches('\n').count()).max(1);
        match self.page.items.last_mut() {
            Some(Item::Text { range, .. }) => range.end = to,
            _ => self.page.items.push(Item::Text { range: from..to, line }),
        }
    }

    fn start(&mut self, tag: Tag, line: usize) -> TokenSinkResult<()> {
        let raw = match &*tag.name {
            "script" => Some(RawKind::ScriptData),
            "style" | "xmp" | "iframe" | "noembed" | "noframes" | "noscript" => Some(RawKind::Rawtext),
            "textarea" | "title" => Some(RawKind::Rcdata),
            _ => None,
        };
        // In XHTML an empty script may close itself.
        let raw = if tag.self_closing { None } else { raw };
        match &*tag.name {
            // A picture may have a title of its own; the page's comes first.
            "title" => self.in_title = self.page.title.is_empty() && raw.is_some(),
            "script" | "style" | "textarea" | "iframe" | "noembed" | "noframes" | "noscript"
                if raw.is_some() =>
            {
                self.silent = Some(tag.name.clone());
            }
            _ => {
                let mark = Mark::of(&tag);
                self.page.items.push(Item::Start { name: tag.name.clone(), mark, line });
                if tag.self_closing {
                    self.page.items.push(Item::End { name: tag.name, line });
                }
            }
        }
        raw.map_or(TokenSinkResult::Continue, TokenSinkResult::RawData)
    }

    fn end(&mut self, name: LocalName, line: usize) {
        if &*name == "title" {
            self.in_title = false;
        }
        if self.silent.as_ref().is_some_and(|silent| *silent == name) {
            self.silent = None;
        } else if self.silent.is_none() {
            self.page.items.push(Item::End { name, line });
        }
    }
}
