//! The bundle: a tar archive in one zstd frame, packed in memory and written when it is complete. Every text goes in
//! through one door, which takes keys out of it.

use std::io;

use serde::Serialize;
use tar::{Builder, Header};
use zstd::stream::write::Encoder;

use super::redact::Redaction;
use crate::render::plain;

/// Name and version of the list of contents.
const SCHEMA: &str = "siltstone-report-1";
/// Text shrinks to a tenth at any level; this one is quick.
const LEVEL: i32 = 3;

/// A file of the bundle.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Listed {
    pub(super) path: String,
    pub(super) bytes: u64,
    pub(super) what: String,
    /// Why it is not what it should be.
    pub(super) error: Option<String>,
}

/// A bundle that is being packed.
pub(super) struct Bundle {
    stem: String,
    now_ms: i64,
    redaction: Redaction,
    archive: Builder<Encoder<'static, Vec<u8>>>,
    contents: Vec<Listed>,
}

impl Bundle {
    pub(super) fn new(stem: &str, now_ms: i64, redaction: Redaction) -> io::Result<Bundle> {
        let mut encoder = Encoder::new(Vec::new(), LEVEL)?;
        encoder.include_checksum(true)?;
        let archive = Builder::new(encoder);
        Ok(Bundle { stem: stem.to_owned(), now_ms, redaction, archive, contents: Vec::new() })
    }

    /// Adds a text under a path, without the keys in it.
    pub(super) fn add(
        &mut self,
        path: &str,
        what: &str,
        text: &str,
        error: Option<String>,
    ) -> io::Result<()> {
        let text = self.redaction.text(text);
        let error = error.map(|error| self.redaction.text(&error));
        self.put(path, &text)?;
        let bytes = text.len() as u64;
        self.contents.push(Listed { path: path.to_owned(), bytes, what: what.to_owned(), error });
        Ok(())
    }

    fn put(&mut self, path: &str, text: &str) -> io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(self.now_ms.max(0) as u64 / 1_000);
        self.archive.append_data(&mut header, format!("{}/{path}", self.stem), text.as_bytes())
    }

    /// Adds the list of contents and ends the archive.
    pub(super) fn finish(mut self, privacy: bool) -> io::Result<(Vec<u8>, Vec<Listed>)> {
        let list = serde_json::json!({
            "schema": SCHEMA, "siltstone": env!("CARGO_PKG_VERSION"), "created_at_ms": self.now_ms,
            "privacy": privacy, "contents": self.contents,
        });
        let text = plain::json(&serde_json::to_string_pretty(&list)?) + "\n";
        self.put("contents.json", &text)?;
        let packed = self.archive.into_inner()?.finish()?;
        Ok((packed, self.contents))
    }
}
