//! The lines of an export: read one by one, none longer than a row can be, each checked before it is believed.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value};
use siltstone::EmbeddingIdentity;

use crate::command::export::VERSION;
use crate::exit::CliError;

/// No row is longer: text of 4 MiB in which every byte is escaped, and the rest.
const MAX_LINE_BYTES: u64 = 32 << 20;

/// The first line of a collection.
#[derive(Debug, Deserialize)]
pub(super) struct Begin {
    siltstone_export: u32,
    pub(super) collection: String,
    pub(super) identity: EmbeddingIdentity,
    pub(super) vectors: bool,
}

/// A row.
#[derive(Debug, Deserialize)]
pub(super) struct Row {
    pub(super) key: String,
    vector: String,
    #[serde(default)]
    pub(super) metadata: Map<String, Value>,
    #[serde(default)]
    pub(super) text: String,
}

impl Row {
    /// The elements of the vector.
    pub(super) fn vector(&self, dims: u32) -> Result<Vec<f32>, String> {
        let bytes =
            STANDARD.decode(&self.vector).map_err(|error| format!("the vector is not base64: {error}"))?;
        if bytes.len() as u64 != u64::from(dims) * 4 {
            return Err(format!(
                "the vector has {} bytes; {dims} elements have {}",
                bytes.len(),
                u64::from(dims) * 4
            ));
        }
        let elements = bytes.chunks_exact(4).filter_map(|bytes| bytes.try_into().ok());
        Ok(elements.map(f32::from_le_bytes).collect())
    }
}

/// The last line of a collection.
#[derive(Debug, Deserialize)]
pub(super) struct End {
    pub(super) end_of: String,
    pub(super) rows: u64,
}

#[derive(Debug)]
pub(super) enum Line {
    Begin(Begin),
    Row(Row),
    End(End),
}

/// A file that is being read.
pub(super) struct Lines {
    path: PathBuf,
    reader: Box<dyn BufRead>,
    number: u64,
}

impl Lines {
    pub(super) fn open(path: &Path) -> Result<Lines, CliError> {
        let reader: Box<dyn BufRead> = match path == Path::new("-") {
            true => Box::new(BufReader::new(std::io::stdin())),
            false => Box::new(BufReader::new(File::open(path).map_err(|error| {
                let message = format!("{} cannot be read: {error}", path.display());
                CliError::failed(message, "name a file that `siltstone export` wrote, or - for stdin")
            })?)),
        };
        Ok(Lines { path: path.to_owned(), reader, number: 0 })
    }

    /// How many lines were read.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The next line, passing over empty ones; `None` at the end of the file.
    pub(super) fn next(&mut self) -> Result<Option<Line>, CliError> {
        loop {
            let mut bytes = Vec::new();
            self.number += 1;
            let read = self.reader.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut bytes);
            match read {
                Err(error) => return Err(self.wrong(&format!("it cannot be read: {error}"))),
                Ok(0) => {
                    self.number -= 1;
                    return Ok(None);
                }
                Ok(_) if bytes.last() != Some(&b'\n') && bytes.len() as u64 == MAX_LINE_BYTES => {
                    return Err(self.wrong("it is longer than any row can be"));
                }
                Ok(_) if bytes.iter().all(u8::is_ascii_whitespace) => {}
                Ok(_) => return self.parse(&bytes).map(Some),
            }
        }
    }

    fn parse(&self, bytes: &[u8]) -> Result<Line, CliError> {
        let value: Value = serde_json::from_slice(bytes).map_err(|error| self.wrong(&error.to_string()))?;
        let line = match &value {
            Value::Object(members) if members.contains_key("siltstone_export") => {
                serde_json::from_value(value).map(Line::Begin)
            }
            Value::Object(members) if members.contains_key("end_of") => {
                serde_json::from_value(value).map(Line::End)
            }
            _ => serde_json::from_value(value).map(Line::Row),
        };
        match line {
            Ok(Line::Begin(begin)) if begin.siltstone_export != VERSION => Err(self.wrong(&format!(
                "version {} of the export is not known, only {VERSION}",
                begin.siltstone_export
            ))),
            Ok(line) => Ok(line),
            Err(error) => Err(self.wrong(&format!("it is no line of an export: {error}"))),
        }
    }

    /// The error for the line that was read last.
    pub(super) fn wrong(&self, reason: &str) -> CliError {
        let message = format!("{}, line {}: {reason}", self.path.display(), self.number.max(1));
        CliError::failed(message, "give a file that `siltstone export` wrote")
    }
}
