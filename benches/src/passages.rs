//! Texts and metadata to measure with: real passages where they are at hand, else words that compress like prose.

use std::io::BufRead;
use std::path::Path;

use serde_json::{Map, Value, json};
use siltstone::Record;

use crate::data::text;

/// Passages of documentation, which any number of rows takes in turns.
#[derive(Debug)]
pub struct Passages {
    passages: Vec<Value>,
    /// What they are, for the header of a table.
    pub name: String,
}

impl Passages {
    /// Real passages from the folder in `SILTSTONE_DATA` or `../shared/data`, else made-up ones.
    pub fn load() -> Self {
        let folder = std::env::var("SILTSTONE_DATA").unwrap_or_else(|_| "../shared/data".to_owned());
        let read = || -> Option<Vec<Value>> {
            let file = std::fs::File::open(Path::new(&folder).join("passages.jsonl.zst")).ok()?;
            let lines = std::io::BufReader::new(zstd::stream::Decoder::new(file).ok()?).lines();
            lines.map(|line| serde_json::from_str(&line.ok()?).ok()).collect()
        };
        match read().filter(|passages| !passages.is_empty()) {
            Some(passages) => Self { name: format!("{} real passages", passages.len()), passages },
            None => {
                let made = |n: usize| json!({"text": text(n), "title": "A page", "framework": "made", "source": "a"});
                Self { passages: (0..4096).map(made).collect(), name: "made-up passages".to_owned() }
            }
        }
    }

    fn passage(&self, row: usize) -> &Value {
        &self.passages[row % self.passages.len()]
    }

    /// The text of a row.
    pub fn text(&self, row: usize) -> &str {
        self.passage(row)["text"].as_str().unwrap_or_default()
    }

    /// The metadata of a row, as `update` writes it.
    pub fn metadata(&self, row: usize) -> Map<String, Value> {
        let passage = self.passage(row);
        let text = self.text(row);
        let value = json!({
            "framework": passage["framework"], "api_name": passage["title"], "file_path": passage["source"],
            "file_size": text.len() * 4, "chunk_index": row % 4, "total_chunks": 4,
            "chunk_hash": blake3::hash(text.as_bytes()).to_hex().as_str(),
        });
        value.as_object().cloned().unwrap_or_default()
    }

    /// A row with a passage's text and metadata.
    pub fn record<'a>(&'a self, key: &'a str, row: usize, vector: &'a [f32]) -> Record<'a> {
        Record::new(key, vector).metadata(self.metadata(row)).text(self.text(row))
    }
}
