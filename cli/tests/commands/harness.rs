//! A working directory with a store in it, and the binary at work there.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use siltstone::{Collection, EmbeddingIdentity, Record, Store, WriterOptions};

pub(crate) const DIMS: u32 = 32;

/// The identity of the built-in embedder, so that the binary can embed queries for the rows of a test.
pub(crate) fn builtin() -> EmbeddingIdentity {
    EmbeddingIdentity {
        provider: "builtin".into(),
        model: "lexical-1".into(),
        dims: DIMS,
        normalised: true,
        chunker: "test".into(),
        ..EmbeddingIdentity::default()
    }
}

pub(crate) struct Work {
    pub(crate) directory: tempfile::TempDir,
}

/// How the binary ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn of(output: Output) -> Ended {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ended {
            code: output.status.code().unwrap_or(-1),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Asserts the code, and that an error has its two lines.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Ended {
        assert_eq!(self.code, code, "{self:?}");
        assert!(!self.stderr.contains("panicked"), "{self:?}");
        self
    }
}

impl Work {
    /// An empty directory.
    pub(crate) fn empty() -> Work {
        Work { directory: tempfile::tempdir().unwrap() }
    }

    /// With a store of two collections of twenty rows each.
    pub(crate) fn with_store() -> Work {
        let work = Work::empty();
        let store = Store::create(work.store()).unwrap();
        for name in ["docs_Alpha", "docs_Beta"] {
            fill(&store.create_collection(name, builtin()).unwrap(), name);
        }
        work
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path().join("vectorstore")
    }

    pub(crate) fn collection(&self, name: &str) -> Collection {
        Store::open(self.store()).unwrap().collection(name).unwrap()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_siltstone"));
        command.current_dir(self.path()).args(arguments).stdin(Stdio::null());
        for variable in ["OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_RPM", "MAX_EMBEDDING_COST", "NO_COLOR"]
        {
            command.env_remove(variable);
        }
        command
    }

    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(self.command(arguments).output().unwrap())
    }
}

/// A vector of unit length that points mostly in one direction.
pub(crate) fn unit(direction: usize) -> Vec<f32> {
    let mut vector = vec![0.01f32; DIMS as usize];
    vector[direction] = 1.0;
    let length = vector.iter().map(|element| element * element).sum::<f32>().sqrt();
    vector.into_iter().map(|element| element / length).collect()
}

/// Twenty rows of four documents, in two commits; a sealed segment and an open one.
pub(crate) fn fill(collection: &Collection, framework: &str) {
    let options = WriterOptions { seal_bytes: 4 << 10, ..WriterOptions::default() };
    let mut writer = collection.writer_with(options).unwrap();
    for row in 0..20u32 {
        let (document, chunk) = (row / 5, row % 5);
        let file = format!("guide/page{document}.md");
        let vector = unit(row as usize);
        let text = format!(
            "Page {document} explains how to install part {chunk}. It goes on for a while after that."
        );
        let key = format!("{file}#{chunk}");
        writer
            .upsert(Record::new(&key, &vector).metadata(metadata(framework, &file, chunk)).text(&text))
            .unwrap();
        if row == 9 {
            writer.commit().unwrap();
            writer.seal().unwrap();
        }
    }
    writer.commit().unwrap();
}

pub(crate) fn metadata(framework: &str, file: &str, chunk: u32) -> serde_json::Map<String, Value> {
    let value = json!({
        "framework": framework, "api_name": "A page", "file_path": file, "file_size": 1234, "chunk_index": chunk,
        "total_chunks": 5, "chunk_hash": "00ff", "heading": "Guide > Install", "document_hash": "11",
    });
    value.as_object().unwrap().clone()
}

/// The segment files of a collection, in order.
pub(crate) fn segments(collection: &Collection) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(collection.directory())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "seg"))
        .collect();
    found.sort();
    found
}

/// Flips one bit of the file.
pub(crate) fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 4;
    std::fs::write(path, bytes).unwrap();
}
