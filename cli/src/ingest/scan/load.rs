//! Reads one document and makes text of it, or says why not.
//!
//! UTF-8 (with or without a byte order mark) and UTF-16 with a mark are taken as they are. Anything else is read as
//! UTF-8 with replacement characters if no more than one character in fifty is malformed (a slip in an otherwise
//! readable page), which is flagged; more than that is another encoding, and guessing would index nonsense.
//!
//! What somebody writes while it is read may be half old and half new. So a file's times are compared before and after,
//! and a file that was written so lately that they may not tell is read twice; see [`Stamp`].

use super::{Document, Kind, Reason, Stamp};
use std::fs::File;
use std::io::Read;
use std::time::SystemTime;

/// A document's bytes at one moment, and the digest by which a later run knows whether they changed.
#[derive(Clone, Debug)]
pub(crate) struct Raw {
    bytes: Vec<u8>,
    pub(crate) hash: blake3::Hash,
    /// By which the file can be known again without reading it; `None` when it was written too lately.
    pub(crate) stamp: Option<Stamp>,
}

/// A document's text.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    pub(crate) text: String,
    pub(crate) size_bytes: u64,
    /// Malformed places that were replaced by U+FFFD. Zero for a clean document.
    pub(crate) replaced: usize,
}

/// How often a file that changes meanwhile is read.
const ATTEMPTS: u32 = 3;

/// Reads `document`. `limit_bytes` holds even if the file has grown since the scan.
pub(crate) fn load(document: &Document, limit_bytes: u64) -> Result<Raw, Reason> {
    let (bytes, stamp) = read(document, limit_bytes)?;
    Ok(Raw { hash: blake3::hash(&bytes), bytes, stamp })
}

impl Raw {
    /// The text of it. What is stored already under the same digest was one, and need not be looked at again.
    pub(crate) fn decode(self, kind: Kind) -> Result<Loaded, Reason> {
        let size_bytes = self.bytes.len() as u64;
        let (text, replaced) = decode(self.bytes)?;
        if text.trim().is_empty() {
            return Err(Reason::Empty);
        }
        if matches!(kind, Kind::Source(_)) && is_minified(&text) {
            return Err(Reason::Minified);
        }
        Ok(Loaded { text, size_bytes, replaced })
    }
}

/// Bytes, and the stamp that goes with them.
type Stamped = (Vec<u8>, Option<Stamp>);

/// The bytes of a document at one moment, and the stamp that goes with them.
fn read(document: &Document, limit_bytes: u64) -> Result<Stamped, Reason> {
    for _ in 0..ATTEMPTS {
        let opened_at = SystemTime::now();
        let Some((bytes, stamp)) = read_once(document, limit_bytes)? else { continue };
        match stamp.filter(|stamp| stamp.size_bytes == bytes.len() as u64) {
            Some(stamp) if stamp.is_settled_at(opened_at) => return Ok((bytes, Some(stamp))),
            _ => {}
        }
        if read_once(document, limit_bytes)?.is_some_and(|(again, _)| again == bytes) {
            return Ok((bytes, None));
        }
    }
    Err(Reason::Changing)
}

/// `None` when the file changed meanwhile.
fn read_once(document: &Document, limit_bytes: u64) -> Result<Option<Stamped>, Reason> {
    let unreadable = |error: std::io::Error| Reason::Unreadable { message: error.to_string() };
    let mut file = File::open(document.path()).map_err(unreadable)?;
    let before = file.metadata().map_err(unreadable)?;
    if !before.is_file() {
        return Err(Reason::NotAFile);
    }
    // One byte more than there should be, so that one read shows the end; a file that grew takes more.
    let expected = before.len().min(limit_bytes).saturating_add(1);
    let mut bytes = Vec::with_capacity(usize::try_from(expected).unwrap_or(0));
    (&mut file).take(limit_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > limit_bytes {
        return Err(Reason::TooLarge { size_bytes: bytes.len() as u64, limit_bytes });
    }
    let (before, after) =
        (Stamp::of(&before), file.metadata().map_err(unreadable).map(|meta| Stamp::of(&meta))?);
    Ok((before == after).then_some((bytes, before)))
}

fn decode(mut bytes: Vec<u8>) -> Result<(String, usize), Reason> {
    if let Some(rest) = bytes.strip_prefix(b"\xFF\xFE") {
        return Ok(decode_utf16(rest, u16::from_le_bytes));
    }
    if let Some(rest) = bytes.strip_prefix(b"\xFE\xFF") {
        return Ok(decode_utf16(rest, u16::from_be_bytes));
    }
    if bytes.starts_with(b"\xEF\xBB\xBF") {
        bytes.drain(..3);
    }
    if let Some(at_byte) = binary_at(&bytes) {
        return Err(Reason::Binary { at_byte });
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok((text, 0)),
        Err(error) => {
            let at_byte = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let (mut all, mut replaced) = (0usize, 0usize);
            for c in text.chars() {
                all += 1;
                replaced += usize::from(c == char::REPLACEMENT_CHARACTER);
            }
            if replaced * 50 > all { Err(Reason::NotUtf8 { at_byte }) } else { Ok((text, replaced)) }
        }
    }
}

fn decode_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> (String, usize) {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let mut replaced = usize::from(!rest.is_empty());
    let decoded = char::decode_utf16(pairs.iter().map(|pair| unit(*pair)));
    let text = decoded
        .map(|unit| {
            unit.unwrap_or_else(|_| {
                replaced += 1;
                char::REPLACEMENT_CHARACTER
            })
        })
        .collect();
    (text, replaced)
}

/// The first byte that makes a file binary: any NUL, or more than one control character in a hundred.
fn binary_at(bytes: &[u8]) -> Option<usize> {
    let is_control = |byte: u8| matches!(byte, 1..=8 | 0x0B | 0x0E..=0x1A | 0x1C..=0x1F | 0x7F);
    let nul = bytes.iter().position(|byte| *byte == 0);
    nul.or_else(|| {
        let controls = bytes.iter().filter(|byte| is_control(**byte)).count();
        (controls * 100 > bytes.len()).then(|| bytes.iter().position(|byte| is_control(*byte)).unwrap_or(0))
    })
}

/// Source whose lines no person wrote. Prose may well have a paragraph a line, source may not.
fn is_minified(text: &str) -> bool {
    let lines = text.lines().count().max(1);
    text.len() > 5_000 && text.len() / lines > 400
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(kind: Kind, bytes: &[u8]) -> Result<Loaded, Reason> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), bytes).unwrap();
        let size_bytes = bytes.len() as u64;
        load(&document(folder.path(), kind, size_bytes), 1_000_000)?.decode(kind)
    }

    fn document(root: &std::path::Path, kind: Kind, size_bytes: u64) -> Document {
        Document {
            id: "file".into(),
            root: root.into(),
            framework: "f".into(),
            kind,
            size_bytes,
            stamp: None,
        }
    }

    #[test]
    fn what_is_written_meanwhile_is_not_relied_upon_and_arrives_once_it_rests() {
        use std::sync::atomic::{AtomicBool, Ordering};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "a".repeat(400_000)).unwrap();
        let document = document(folder.path(), Kind::Text, 400_000);
        let over = AtomicBool::new(false);
        let (mut taken, mut left) = (0, 0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for letter in ["b", "c"].iter().cycle() {
                    // In place, without a new length: only the times tell.
                    let mut file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
                    std::io::Write::write_all(&mut file, letter.repeat(400_000).as_bytes()).unwrap();
                    if over.load(Ordering::SeqCst) {
                        return;
                    }
                }
            });
            for _ in 0..100 {
                match load(&document, 1_000_000) {
                    Ok(loaded) => {
                        assert_eq!(loaded.stamp, None);
                        taken += 1;
                    }
                    Err(reason) => {
                        assert_eq!(reason, Reason::Changing);
                        left += 1;
                    }
                }
            }
            over.store(true, Ordering::SeqCst);
        });
        println!("{taken} times taken without relying on it, {left} times left for later");
        let rests = std::fs::read_to_string(&path).unwrap();
        let raw = load(&document, 1_000_000).unwrap();
        assert_eq!(raw.hash, blake3::hash(rests.as_bytes()));
        assert_eq!(raw.decode(Kind::Text).unwrap().text, rests);
    }

    #[test]
    fn clean_text_arrives_unchanged() {
        let got = loaded(Kind::Text, "grüße\r\n".as_bytes()).unwrap();
        assert_eq!((got.text.as_str(), got.replaced), ("grüße\r\n", 0));
    }

    #[test]
    fn marks_of_encodings_are_understood() {
        assert_eq!(loaded(Kind::Text, b"\xEF\xBB\xBFabc").unwrap().text, "abc");
        assert_eq!(loaded(Kind::Text, b"\xFF\xFEa\0b\0").unwrap().text, "ab");
        assert_eq!(loaded(Kind::Text, b"\xFE\xFF\0a\0b").unwrap().text, "ab");
        assert_eq!(loaded(Kind::Text, b"\xFE\xFF\0a\0").unwrap().replaced, 1);
    }

    #[test]
    fn binary_empty_and_foreign_encodings_are_named_with_their_place() {
        assert_eq!(loaded(Kind::Text, b"ab\0c").unwrap_err(), Reason::Binary { at_byte: 2 });
        assert_eq!(loaded(Kind::Text, b"ab\x01\x02\x03c").unwrap_err(), Reason::Binary { at_byte: 2 });
        assert_eq!(loaded(Kind::Text, b" \n\t ").unwrap_err(), Reason::Empty);
        assert_eq!(loaded(Kind::Text, b"caf\xE9").unwrap_err(), Reason::NotUtf8 { at_byte: 3 });
    }

    #[test]
    fn a_slip_in_a_long_text_is_replaced_and_flagged() {
        let mut bytes = "plain words ".repeat(50).into_bytes();
        bytes.push(0xE9);
        let got = loaded(Kind::Markdown, &bytes).unwrap();
        assert_eq!(got.replaced, 1);
        assert!(got.text.ends_with('\u{FFFD}'));
    }

    #[test]
    fn minified_source_is_passed_by_but_long_prose_is_not() {
        let line = "var a=1;".repeat(1_000);
        let js = Kind::Source(super::super::Language::JavaScript);
        assert_eq!(loaded(js, line.as_bytes()).unwrap_err(), Reason::Minified);
        assert!(loaded(Kind::Text, line.as_bytes()).is_ok());
    }

    #[test]
    fn a_file_that_grew_past_the_limit_is_refused() {
        let big = vec![b'a'; 1_000_001];
        assert!(matches!(loaded(Kind::Text, &big).unwrap_err(), Reason::TooLarge { .. }));
    }
}
