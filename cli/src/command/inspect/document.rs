//! The documents: catalogue, manifest, snapshot. One that is damaged is shown as the text that it is.

use std::io::{Read, Seek};

use siltstone_format::Flaw;
use siltstone_format::catalogue::{CATALOGUE_FORMAT, Catalogue};
use siltstone_format::limits::MAX_DOCUMENT_BYTES;
use siltstone_format::manifest::{MANIFEST_FORMAT, Manifest, SegmentState};
use siltstone_format::snapshot::{SNAPSHOT_FORMAT, Snapshot};

use super::file::unreadable;
use super::part::Part;
use super::source::Source;

/// Lines of a damaged document that are shown.
const MOST_LINES: usize = 200;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Document {
    Catalogue,
    Manifest,
    Snapshot,
}

impl Document {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Document::Catalogue => "catalogue",
            Document::Manifest => "manifest",
            Document::Snapshot => "snapshot",
        }
    }

    /// What a file that begins like this says that it is.
    pub(super) fn of_content(start: &[u8]) -> Option<Document> {
        let start = String::from_utf8_lossy(start);
        [
            (CATALOGUE_FORMAT, Document::Catalogue),
            (MANIFEST_FORMAT, Document::Manifest),
            (SNAPSHOT_FORMAT, Document::Snapshot),
        ]
        .into_iter()
        .find(|(format, _)| start.trim_start().starts_with('{') && start.contains(&format!("\"{format}\"")))
        .map(|(_, document)| document)
    }
}

pub(super) fn parts<R: Read + Seek>(source: &mut Source<R>, document: Document) -> Vec<Part> {
    let bytes = match source.read(0, MAX_DOCUMENT_BYTES + 1) {
        Ok(bytes) => bytes,
        Err(flaw) => return vec![unreadable(flaw)],
    };
    let whole = Part::new(document.word(), 0, bytes.len() as u64);
    let decoded = match document {
        Document::Catalogue => {
            Catalogue::decode(&bytes).map(|(one, digest)| catalogue(whole.clone(), one, digest))
        }
        Document::Manifest => {
            Manifest::decode(&bytes).map(|(one, digest)| manifest(whole.clone(), one, digest))
        }
        Document::Snapshot => {
            Snapshot::decode(&bytes).map(|(one, digest)| snapshot(whole.clone(), one, digest))
        }
    };
    decoded.unwrap_or_else(|flaw| vec![as_text(whole, &bytes, flaw)])
}

fn as_text(part: Part, bytes: &[u8], flaw: Flaw) -> Part {
    let text = String::from_utf8_lossy(bytes);
    let mut lines: Vec<String> =
        text.lines().take(MOST_LINES).map(|line| line.chars().take(400).collect()).collect();
    if text.lines().count() > MOST_LINES {
        lines.push("...".to_owned());
    }
    part.fact("verified", false).lines(lines).flaw(flaw)
}

fn catalogue(part: Part, catalogue: Catalogue, digest: [u8; 32]) -> Vec<Part> {
    let mut parts = vec![
        part.hex("store", &catalogue.store)
            .fact("version", catalogue.version)
            .fact("generation", catalogue.generation)
            .fact("collections", catalogue.collections.len() as u64)
            .hex("blake3", &digest),
    ];
    for entry in catalogue.collections {
        parts.push(
            Part::new("collection", 0, 0)
                .hex("directory", &entry.directory())
                .hex("collection", &entry.collection)
                .fact("name", entry.name),
        );
    }
    parts
}

fn manifest(part: Part, manifest: Manifest, digest: [u8; 32]) -> Vec<Part> {
    let identity = &manifest.identity;
    let mut parts = vec![
        part.hex("collection", &manifest.collection)
            .fact("name", manifest.name.as_str())
            .fact("version", manifest.version)
            .fact("generation", manifest.generation)
            .fact("created_at_ms", manifest.created_at_ms)
            .fact("provider", identity.provider.as_str())
            .fact("model", identity.model.as_str())
            .fact("dims", identity.dims)
            .fact("metric", identity.metric.name())
            .fact("normalised", identity.normalised)
            .fact("chunker", identity.chunker.as_str())
            .fact("next_segment", manifest.next_segment)
            .fact("retired", manifest.retired.clone())
            .fact("features_incompatible", manifest.features.incompatible)
            .hex("blake3", &digest),
    ];
    for entry in &manifest.segments {
        let part = Part::new("segment", 0, 0).fact("segment", entry.segment);
        parts.push(match &entry.state {
            SegmentState::Open => part.fact("state", "open"),
            SegmentState::Sealed { bytes, rows, last_commit, digest } => part
                .fact("state", "sealed")
                .fact("bytes", *bytes)
                .fact("rows", *rows)
                .fact("last_commit", *last_commit)
                .hex("digest", digest),
            SegmentState::Capped { bytes, rows, last_commit, digest, cap } => part
                .fact("state", "capped")
                .fact("bytes", *bytes)
                .fact("rows", *rows)
                .fact("last_commit", *last_commit)
                .fact("cap", *cap)
                .hex("digest", digest),
            SegmentState::Frozen { end_bytes, last_commit, chain } => part
                .fact("state", "frozen")
                .fact("end_bytes", *end_bytes)
                .fact("last_commit", *last_commit)
                .hex("chain", chain),
        });
    }
    for entry in &manifest.snapshots {
        let part = Part::new("snapshot", 0, 0).fact("name", entry.name.as_str());
        parts.push(part.fact("file", entry.file).hex("digest", &entry.digest));
    }
    parts
}

fn snapshot(part: Part, snapshot: Snapshot, digest: [u8; 32]) -> Vec<Part> {
    let mut parts = vec![
        part.hex("collection", &snapshot.collection)
            .fact("name", snapshot.name.as_str())
            .fact("version", snapshot.version)
            .fact("created_at_ms", snapshot.created_at_ms)
            .fact("commit", snapshot.commit)
            .hex("blake3", &digest),
    ];
    for entry in &snapshot.segments {
        parts.push(
            Part::new("segment", 0, 0)
                .fact("segment", entry.segment)
                .fact("last_commit", entry.last_commit)
                .fact("end_bytes", entry.end_bytes)
                .hex("chain", &entry.chain),
        );
    }
    parts
}
