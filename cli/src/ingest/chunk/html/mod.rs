//! HTML: the main content without navigation, headings and signatures as headings, tables and listings readable.
//!
//! The page is taken as a stream of tags, not as a tree. A tree builder has to repair any nesting, and some pages (a
//! million open `<div>`s) make that quadratic or overflow a stack; a stream is linear whatever it holds, keeps the
//! line numbers, and real documentation is well-formed enough. Three steps: `tokens` lists tags and text, `region`
//! chooses what is content, `render` walks it.

mod mark;
mod region;
mod render;
mod tokens;

use super::outline::Outline;
use region::Region;
use tokens::Page;

pub(super) fn read(text: &str, outline: &mut Outline) {
    let page = Page::parse(text);
    // A page may consist of nothing but what looks like navigation: then that is its content.
    for region in [Region::content(&page), Region::everything(&page)] {
        render::render(&page, &region, outline);
        if !outline.is_untouched() {
            return;
        }
    }
    if !page.title.trim().is_empty() {
        outline.heading(0, &page.title, 1);
    }
}

/// The text of a fragment, one line a block: for HTML inside Markdown.
pub(super) fn plain_text(fragment: &str) -> String {
    Page::parse(fragment).plain_text()
}

#[cfg(test)]
mod tests;
