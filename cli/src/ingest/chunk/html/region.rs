//! Chooses the items that are content.

use super::tokens::{Item, Page};
use html5ever::LocalName;
use std::collections::HashMap;
use std::ops::Range;

/// A range of items, and the ranges inside it that are left out.
#[derive(Debug)]
pub(super) struct Region {
    pub(super) items: Range<usize>,
    /// For an item that begins something left out, the item that ends it; else 0.
    skip_to: Vec<usize>,
}

impl Region {
    /// The main content: what says so of itself, else the longest article, else the body without headers and footers.
    pub(super) fn content(page: &Page) -> Region {
        let ends = ends(&page.items);
        let lengths = text_before(page);
        let length = |range: &Range<usize>| {
            let at = |item: usize| lengths.get(item).copied().unwrap_or(0);
            at(range.end).saturating_sub(at(range.start))
        };
        let mut main: Option<Range<usize>> = None;
        let mut article: Option<Range<usize>> = None;
        for (at, item) in page.items.iter().enumerate() {
            let Item::Start { name, mark, .. } = item else { continue };
            let range = at..ends.get(at).copied().flatten().unwrap_or(page.items.len());
            let best = if mark.main {
                &mut main
            } else if &**name == "article" {
                &mut article
            } else {
                continue;
            };
            if best.as_ref().is_none_or(|best| length(best) < length(&range)) {
                *best = Some(range);
            }
        }
        let chosen = main.or(article).filter(|range| length(range) > 0);
        let inside = chosen.is_some();
        let items = chosen.unwrap_or(0..page.items.len());
        let mut skip_to = vec![0; page.items.len()];
        for (at, item) in page.items.iter().enumerate() {
            let Item::Start { name, mark, .. } = item else { continue };
            // The header of an article holds its title, the header of a page the site's name.
            let furniture = match &**name {
                "header" => !inside,
                "footer" => true,
                "aside" => !inside,
                _ => false,
            };
            if (mark.junk || furniture)
                && let (Some(Some(end)), Some(slot)) = (ends.get(at), skip_to.get_mut(at))
            {
                *slot = *end;
            }
        }
        Region { items, skip_to }
    }

    pub(super) fn everything(page: &Page) -> Region {
        Region { items: 0..page.items.len(), skip_to: Vec::new() }
    }

    /// Where to go on when the item at `at` begins something left out.
    pub(super) fn skip(&self, at: usize) -> Option<usize> {
        self.skip_to.get(at).copied().filter(|to| *to > at)
    }
}

/// For every start tag the end tag that closes it: the next unclaimed one of its name. One that is never closed has
/// none, and is then never left out: a forgotten `</nav>` must not cost the page.
fn ends(items: &[Item]) -> Vec<Option<usize>> {
    let mut found = vec![None; items.len()];
    let mut open: HashMap<&LocalName, Vec<usize>> = HashMap::new();
    for (at, item) in items.iter().enumerate() {
        match item {
            Item::Start { name, .. } => open.entry(name).or_default().push(at),
            Item::End { name, .. } => {
                let start = open.get_mut(name).and_then(Vec::pop);
                if let Some(slot) = start.and_then(|start| found.get_mut(start)) {
                    *slot = Some(at);
                }
            }
            Item::Text { .. } => {}
        }
    }
    found
}

/// How many bytes of text stand before each item.
fn text_before(page: &Page) -> Vec<usize> {
    let mut before = Vec::with_capacity(page.items.len() + 1);
    let mut sum = 0;
    for item in &page.items {
        before.push(sum);
        if let Item::Text { range, .. } = item {
            sum += page.text_of(range).trim().len();
        }
    }
    before.push(sum);
    before
}
