//! Which kind of file it is: what it says of itself decides, then its name, because a damaged file may have lost its
//! first bytes and a copy its name.

use std::io::{Read, Seek};
use std::path::Path;

use siltstone_format::Flaw;
use siltstone_format::layout::{
    AttributeHeader, BasisHeader, CodeHeader, KeyIndexHeader, SegmentHeader, WitnessSlot,
};
use siltstone_format::names::{CATALOGUE_FILE, FileKind, basis_of};

use super::document::Document;
use super::part::Part;
use super::show::Shown;
use super::source::Source;
use super::{attributes, codes, document, key_index, place, segment, witness};
use crate::exit::CliError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Segment,
    KeyIndex,
    Codes,
    Basis,
    Attributes,
    Witness,
    Document(Document),
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Kind::Segment => "segment",
            Kind::KeyIndex => "key index",
            Kind::Codes => "search codes",
            Kind::Basis => "basis",
            Kind::Attributes => "attribute index",
            Kind::Witness => "witness",
            Kind::Document(document) => document.word(),
        }
    }
}

pub(super) fn inspect<R: Read + Seek>(
    path: &Path,
    source: &mut Source<R>,
    keys: bool,
    shown: &mut Shown<'_>,
) -> Result<(), CliError> {
    let file_name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let start = source.read(0, 512);
    let kind = start.as_ref().ok().and_then(|start| of_content(start)).or_else(|| of_name(&file_name));
    let bytes = source.length;
    let Some(kind) = kind else {
        return Err(CliError::usage(
            format!(
                "{} is not a file of a store: neither its name nor its first bytes say so",
                path.display()
            ),
            "name a segment, key index, attribute index, search codes, basis, witness, manifest, snapshot or catalogue, or \
             a collection",
        ));
    };
    shown.begin(path, kind.word(), bytes)?;
    match kind {
        Kind::Segment => segment::walk(source, place::from_path(path), keys, &mut |part| shown.part(part))?,
        Kind::KeyIndex => key_index::parts(source, keys, &mut |part| shown.part(part))?,
        Kind::Codes => codes::parts(source, &mut |part| shown.part(part))?,
        Kind::Basis => codes::basis(source, &file_name, &mut |part| shown.part(part))?,
        Kind::Attributes => attributes::parts(source, keys, &mut |part| shown.part(part))?,
        Kind::Witness => {
            for part in witness::parts(source, place::collection_of(path)) {
                shown.part(part)?;
            }
        }
        Kind::Document(document) => {
            for part in document::parts(source, document) {
                shown.part(part)?;
            }
        }
    }
    shown.end(path, kind.word(), bytes)
}

fn of_content(start: &[u8]) -> Option<Kind> {
    let begins = |magic: &[u8; 8]| start.starts_with(magic);
    if begins(SegmentHeader::MAGIC) {
        return Some(Kind::Segment);
    }
    if begins(KeyIndexHeader::MAGIC) {
        return Some(Kind::KeyIndex);
    }
    if begins(CodeHeader::MAGIC) {
        return Some(Kind::Codes);
    }
    if begins(BasisHeader::MAGIC) {
        return Some(Kind::Basis);
    }
    if begins(AttributeHeader::MAGIC) {
        return Some(Kind::Attributes);
    }
    if begins(WitnessSlot::MAGIC) {
        return Some(Kind::Witness);
    }
    Document::of_content(start).map(Kind::Document)
}

fn of_name(name: &str) -> Option<Kind> {
    match FileKind::of(name) {
        Some(FileKind::Segment(_)) => Some(Kind::Segment),
        Some(FileKind::KeyIndex(_)) => Some(Kind::KeyIndex),
        Some(FileKind::Codes(_)) => Some(Kind::Codes),
        Some(FileKind::Attributes(_)) => Some(Kind::Attributes),
        Some(FileKind::Manifest(_)) => Some(Kind::Document(Document::Manifest)),
        Some(FileKind::Snapshot(_)) => Some(Kind::Document(Document::Snapshot)),
        Some(FileKind::Witness) => Some(Kind::Witness),
        _ if basis_of(name).is_some() => Some(Kind::Basis),
        _ => (name == CATALOGUE_FILE).then_some(Kind::Document(Document::Catalogue)),
    }
}

/// A part for bytes that could not be read at all.
pub(super) fn unreadable(flaw: Flaw) -> Part {
    Part::new("unreadable", flaw.offset, flaw.length).flaw(flaw)
}
