//! The store that is tried: rows whose content follows from their number, so that everything read can be compared.

use std::path::{Path, PathBuf};

use serde_json::json;
use siltstone::{Collection, EmbeddingIdentity, Environment, Record, Store, Writer, WriterOptions};

use crate::command::bench::commit::vector;
use crate::command::context::Context;
use crate::exit::CliError;

/// Enough for search codes.
pub(super) const ROWS: usize = 1_500;
pub(super) const DIMS: usize = 128;
/// Rows of a commit.
const BATCH: usize = 250;
pub(super) const COLLECTION: &str = "selftest";

/// Why a promise does not hold.
pub(super) type Broken = Box<dyn std::error::Error>;

pub(super) struct Scene {
    pub(super) environment: Environment,
    /// The scratch folder.
    pub(super) folder: PathBuf,
    pub(super) root: PathBuf,
}

impl Scene {
    /// Writes the store, in several commits and two segments.
    pub(super) fn set(context: &Context, folder: &Path) -> Result<Scene, CliError> {
        let scene = Scene {
            // What happens here is meant to happen: nobody is told of it.
            environment: Environment { caller: context.environment.caller.clone(), ..Environment::default() },
            folder: folder.to_owned(),
            root: folder.join("store"),
        };
        let store = Store::create_in(scene.environment.clone(), &scene.root)?;
        let identity = EmbeddingIdentity {
            provider: "selftest".to_owned(),
            model: "selftest".to_owned(),
            dims: DIMS as u32,
            normalised: true,
            ..EmbeddingIdentity::default()
        };
        let collection = store.create_collection(COLLECTION, identity)?;
        let mut writer =
            collection.writer_with(WriterOptions { seal_bytes: 256 << 10, ..WriterOptions::default() })?;
        for batch in 0..ROWS / BATCH {
            put(&mut writer, batch * BATCH..(batch + 1) * BATCH)?;
        }
        Ok(scene)
    }

    pub(super) fn open(&self) -> Result<Collection, Broken> {
        Ok(Store::open_in(self.environment.clone(), &self.root)?.collection(COLLECTION)?)
    }

    /// Compares the rows of a store, bit for bit, with what was written.
    pub(super) fn compare(&self, root: &Path, rows: usize) -> Result<(), Broken> {
        let view = Store::open_in(self.environment.clone(), root)?.collection(COLLECTION)?.view()?;
        if view.len() != rows as u64 {
            return Err(format!("{} rows are there, and {rows} were written", view.len()).into());
        }
        for number in 0..rows {
            let row = view.get(&key(number))?.ok_or_else(|| format!("row {number} is not there"))?;
            let expected = vector(number, DIMS);
            let is_same =
                row.vector.iter().zip(&expected).all(|(one, other)| one.to_bits() == other.to_bits());
            if !is_same || row.vector.len() != DIMS || row.text != text(number) {
                return Err(format!("row {number} is another than was written").into());
            }
        }
        Ok(())
    }
}

/// Writes rows and commits them.
pub(super) fn put(writer: &mut Writer, numbers: std::ops::Range<usize>) -> siltstone::Result<()> {
    for number in numbers {
        let (key, vector, text) = (key(number), vector(number, DIMS), text(number));
        let metadata = json!({ "file_path": key, "number": number });
        let metadata = metadata.as_object().cloned().unwrap_or_default();
        writer.upsert(Record::new(&key, &vector).metadata(metadata).text(&text))?;
    }
    writer.commit()?;
    Ok(())
}

pub(super) fn key(number: usize) -> String {
    format!("page{number}.md#0")
}

fn text(number: usize) -> String {
    format!("Passage {number} says what passages say. {}", "It goes on for a while. ".repeat(number % 7))
}
