//! One structure as it is printed: where it lies, what it says, what is wrong with it.

use serde_json::{Map, Value};
use siltstone_format::Flaw;
use siltstone_format::checksum::to_hex;

/// A structure, or a gap between structures.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Part {
    pub(super) what: &'static str,
    pub(super) offset: u64,
    pub(super) bytes: u64,
    /// Names with values, in the order of the structure.
    pub(super) facts: Vec<(String, Value)>,
    pub(super) flaws: Vec<Flaw>,
    /// Keys, or the text of a document that could not be decoded.
    pub(super) lines: Vec<String>,
}

impl Part {
    pub(super) fn new(what: &'static str, offset: u64, bytes: u64) -> Part {
        Part { what, offset, bytes, facts: Vec::new(), flaws: Vec::new(), lines: Vec::new() }
    }

    pub(super) fn fact(mut self, name: &str, value: impl Into<Value>) -> Part {
        self.facts.push((name.to_owned(), value.into()));
        self
    }

    /// Random identities and digests, as hex.
    pub(super) fn hex(self, name: &str, bytes: &[u8]) -> Part {
        self.fact(name, to_hex(bytes))
    }

    pub(super) fn flaw(mut self, flaw: Flaw) -> Part {
        self.flaws.push(flaw);
        self
    }

    pub(super) fn maybe_flaw(mut self, flaw: Option<Flaw>) -> Part {
        self.flaws.extend(flaw);
        self
    }

    pub(super) fn lines(mut self, lines: Vec<String>) -> Part {
        self.lines = lines;
        self
    }

    /// As JSON: the facts beside what every part has.
    pub(super) fn json(self) -> Value {
        let mut object = Map::new();
        object.insert("part".to_owned(), self.what.into());
        object.insert("offset".to_owned(), self.offset.into());
        object.insert("bytes".to_owned(), self.bytes.into());
        object.insert("facts".to_owned(), self.facts.into_iter().collect::<Map<_, _>>().into());
        let flaw = |flaw: &Flaw| {
            serde_json::json!({
                "structure": flaw.structure, "field": flaw.field, "offset": flaw.offset, "bytes": flaw.length,
                "expected": flaw.expected, "found": flaw.found,
            })
        };
        object.insert("flaws".to_owned(), self.flaws.iter().map(flaw).collect());
        if !self.lines.is_empty() {
            object.insert("lines".to_owned(), self.lines.into());
        }
        object.into()
    }
}
