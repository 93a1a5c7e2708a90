//! Cuts a document into chunks: pieces that are searched and shown on their own, each under the headings it stands below.
//!
//! ```text
//! text --markdown|html|rst|plain|code--> headings and blocks --Outline--> sections --merge, split, overlap--> chunks
//! ```
//!
//! A parser for each kind says where headings and blocks are; one [`outline::Outline`] decides what becomes a chunk. All
//! of it is deterministic and takes time and memory in proportion to the document, whatever is in it: no recursion over
//! the input, no look-ahead without a bound.

mod code;
mod html;
mod markdown;
mod outline;
mod pieces;
mod plain;
mod rst;
mod tokens;

pub(crate) use outline::Outline;
pub(crate) use tokens::Counter;

use super::scan::Kind;

/// Part of a collection's embedding identity: change it whenever the same document would give other chunks.
pub(crate) const CHUNKER_VERSION: &str = "siltstone-chunker-1";

/// How long chunks are, in tokens, and who counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChunkLimits {
    /// What a chunk of prose aims for and does not exceed.
    pub(crate) target_tokens: usize,
    /// How much of the end of a chunk is repeated at the start of the next, within a section.
    pub(crate) overlap_tokens: usize,
    /// What no chunk exceeds, headings included. Code and tables are kept whole up to twice the target, but never past
    /// this.
    pub(crate) max_tokens: usize,
    pub(crate) counter: Counter,
}

impl Default for ChunkLimits {
    fn default() -> ChunkLimits {
        ChunkLimits { target_tokens: 400, overlap_tokens: 40, max_tokens: 7_000, counter: Counter::Estimate }
    }
}

impl ChunkLimits {
    /// The version, the limits and who counts, as a collection's identity records them: others give other chunks.
    pub(crate) fn identity(&self) -> String {
        let limits = format!("{}/{}/{}", self.target_tokens, self.overlap_tokens, self.max_tokens);
        match self.counter {
            Counter::Estimate => format!("{CHUNKER_VERSION} {limits}"),
            counter => format!("{CHUNKER_VERSION} {limits} {}", counter.name()),
        }
    }
}

/// One piece of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// Position in the document, from 0.
    pub(crate) index: usize,
    /// `Guide > Install > Linux`; empty when the document has no headings.
    pub(crate) heading_path: String,
    /// What is shown. Never empty.
    pub(crate) text: String,
    /// The line of the document where it begins, from 1.
    pub(crate) line: usize,
    /// Tokens of [`Chunk::embedded_text`], as [`ChunkLimits::counter`] counts.
    pub(crate) tokens: usize,
}

impl Chunk {
    /// What the model sees: a chunk out of its context is often meaningless, so its headings come first.
    pub(crate) fn embedded_text(&self) -> String {
        if self.heading_path.is_empty() {
            self.text.clone()
        } else {
            format!("{}\n\n{}", self.heading_path, self.text)
        }
    }

    /// BLAKE3 of the embedded text, in hex: equal hashes never need to be embedded twice.
    pub(crate) fn hash(&self) -> String {
        blake3::hash(self.embedded_text().as_bytes()).to_hex().to_string()
    }
}

/// Cuts `text` into chunks. `file_name` stands in for a title where the document has none.
pub(crate) fn chunk(kind: Kind, file_name: &str, text: &str, limits: &ChunkLimits) -> Vec<Chunk> {
    let mut outline = Outline::new(*limits);
    match kind {
        Kind::Markdown => markdown::read(text, &mut outline),
        Kind::Html => html::read(text, &mut outline),
        Kind::Rst => rst::read(text, &mut outline),
        Kind::Text => plain::read(text, &mut outline),
        Kind::Source(language) => code::read(language, file_name, text, &mut outline),
    }
    outline.finish(file_name)
}

#[cfg(test)]
mod tests;
