//! A documentation tree of the size that people have: 341 frameworks, from a handful of pages to tens of thousands, most of
//! them short, one in fifteen over 30 KB. Deterministic.

use std::io;
use std::path::Path;

use siltstone_benches::data::Random;

/// Frameworks, and pages of all of them.
pub(crate) const FRAMEWORKS: usize = 341;
pub(crate) const FILES: usize = 341_207;
/// Pages of more than 30 KB.
const LONG: usize = 22_600;

const WORDS: [&str; 96] = [
    "view",
    "state",
    "layout",
    "frame",
    "width",
    "height",
    "alignment",
    "modifier",
    "gesture",
    "animation",
    "colour",
    "list",
    "stack",
    "table",
    "cell",
    "section",
    "header",
    "footer",
    "window",
    "scene",
    "storage",
    "query",
    "commit",
    "segment",
    "vector",
    "index",
    "search",
    "document",
    "page",
    "token",
    "chunk",
    "heading",
    "path",
    "update",
    "binding",
    "observable",
    "publisher",
    "task",
    "actor",
    "async",
    "await",
    "stream",
    "buffer",
    "pixel",
    "texture",
    "shader",
    "device",
    "session",
    "request",
    "response",
    "header",
    "cookie",
    "delegate",
    "protocol",
    "extension",
    "structure",
    "class",
    "instance",
    "property",
    "method",
    "parameter",
    "value",
    "returns",
    "throws",
    "error",
    "handler",
    "closure",
    "queue",
    "thread",
    "lock",
    "semaphore",
    "notification",
    "observer",
    "controller",
    "button",
    "label",
    "image",
    "font",
    "glyph",
    "paragraph",
    "keyboard",
    "focus",
    "accessibility",
    "locale",
    "calendar",
    "date",
    "interval",
    "timer",
    "location",
    "region",
    "annotation",
    "overlay",
    "route",
    "identifier",
    "key",
    "the",
];

/// What was written.
pub(crate) struct Tree {
    pub(crate) bytes: u64,
    /// Of the largest framework and the smallest.
    pub(crate) largest: usize,
    pub(crate) smallest: usize,
}

/// How many pages each framework has: a few have very many, most have few.
fn sizes() -> Vec<usize> {
    let share = |rank: usize| 1.0 / (rank as f64 + 6.0).powf(1.15);
    let all: f64 = (0..FRAMEWORKS).map(share).sum();
    let mut sizes: Vec<usize> =
        (0..FRAMEWORKS).map(|rank| ((share(rank) / all * FILES as f64) as usize).max(5)).collect();
    // The last ones are a handful each, and the first takes what is left over.
    sizes.iter_mut().rev().take(40).enumerate().for_each(|(at, size)| *size = 5 + at);
    let others: usize = sizes.iter().skip(1).sum();
    if let Some(first) = sizes.first_mut() {
        *first = FILES - others;
    }
    sizes
}

/// Writes the tree below `root`, as `<Framework>/<page>.md`.
pub(crate) fn write(root: &Path) -> io::Result<Tree> {
    let mut random = Random(341);
    let sizes = sizes();
    let mut tree = Tree {
        bytes: 0,
        largest: sizes.iter().copied().max().unwrap_or(0),
        smallest: sizes.iter().copied().min().unwrap_or(0),
    };
    let mut at = 0;
    for (number, size) in sizes.into_iter().enumerate() {
        let framework = format!("Framework{number:03}");
        let folder = root.join(&framework);
        std::fs::create_dir_all(&folder)?;
        for page in 0..size {
            let mut word = || WORDS[random.below(WORDS.len())];
            let symbol = format!("{}_{}({}:{}:)", word(), word(), word(), word());
            // Spread evenly over all pages.
            let is_long = at * LONG / FILES != (at + 1) * LONG / FILES;
            let path = folder.join(format!("{symbol}-{page}.md"));
            let text = text(&framework, &symbol, page, is_long, &mut random);
            std::fs::write(&path, &text)?;
            tree.bytes += text.len() as u64;
            at += 1;
        }
    }
    Ok(tree)
}

/// A page: a title, a declaration, and one section; a long one has so many that it exceeds 30 KB.
fn text(framework: &str, symbol: &str, page: usize, is_long: bool, random: &mut Random) -> String {
    let mut text = format!(
        "# {symbol}\n\nInstance method {page} of {framework}.\n\n```swift\nfunc {symbol} -> some View\n```\n\n"
    );
    let least = if is_long { 30_720 + random.below(12_000) } else { 300 + random.below(2_600) };
    let mut section = 0;
    while text.len() < least {
        section += 1;
        text += &format!("## Discussion {section} of {symbol} in {framework}\n\n");
        for _ in 0..3 {
            for at in 0..60 {
                text += WORDS[random.below(WORDS.len())];
                text.push(if at % 14 == 13 { '\n' } else { ' ' });
            }
            text += "\n\n";
            if text.len() >= least {
                break;
            }
        }
    }
    text
}
