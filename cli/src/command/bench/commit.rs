//! How many rows a commit should have: one sync a commit is what it costs, and more rows share it.

use std::time::Duration;

use serde::Serialize;
use serde_json::json;
use siltstone::{EmbeddingIdentity, Record, Store};

use super::choose::choose;
use super::scratch::Scratch;
use super::stopwatch::{Latency, again};
use crate::command::context::Context;
use crate::exit::CliError;

/// Rows of a commit that are tried.
const BATCHES: [usize; 7] = [1, 4, 16, 64, 256, 1_024, 4_096];
/// No more than this is written for one setting.
const MOST_ROWS: usize = 50_000;
/// Text of a row, in bytes: what a passage has.
const TEXT_BYTES: usize = 1_500;

#[derive(Debug, Serialize)]
pub(super) struct Commits {
    pub(super) dims: u32,
    pub(super) samples: Vec<Sample>,
    /// Rows a commit, for `update`, for `import`, and for applications that write by themselves.
    pub(super) recommended: Option<usize>,
}

#[derive(Debug, Serialize)]
pub(super) struct Sample {
    pub(super) rows: usize,
    pub(super) rows_per_second: f64,
    #[serde(flatten)]
    pub(super) latency: Latency,
}

pub(super) fn measure(time: Duration, context: &Context) -> Result<Commits, CliError> {
    let scratch = Scratch::new(context)?;
    let dims = u32::try_from(context.settings.embedder.dims).unwrap_or(u32::MAX);
    let store = Store::create_in(context.environment.clone(), scratch.path().join("store"))?;
    let identity = EmbeddingIdentity {
        provider: "bench".to_owned(),
        model: "bench".to_owned(),
        dims,
        ..EmbeddingIdentity::default()
    };
    let mut samples = Vec::new();
    for rows in BATCHES {
        let name = format!("rows_{rows}");
        let collection = store.create_collection(&name, identity.clone())?;
        let mut writer = collection.writer()?;
        let (mut written, text) = (0, text(TEXT_BYTES));
        let most = (MOST_ROWS / rows).max(3);
        let times = again(context, time, 3, most, || {
            for _ in 0..rows {
                let (key, vector) = (format!("page{written}.md#0"), vector(written, dims as usize));
                let metadata = json!({ "file_path": format!("page{written}.md"), "chunk_index": 0 });
                let metadata = metadata.as_object().cloned().unwrap_or_default();
                writer.upsert(Record::new(&key, &vector).metadata(metadata).text(&text))?;
                written += 1;
            }
            writer.commit()?;
            Ok(())
        })?;
        let seconds: f64 = times.iter().map(Duration::as_secs_f64).sum();
        let rows_per_second = written as f64 / seconds.max(1e-9);
        samples.push(Sample { rows, rows_per_second, latency: Latency::of(&times) });
        drop(writer);
        // Room for the next.
        store.drop_collection(&name)?;
    }
    let rates: Vec<(usize, f64)> = samples.iter().map(|one| (one.rows, one.rows_per_second)).collect();
    Ok(Commits { dims, samples, recommended: choose(&rates) })
}

/// A vector that depends on its number alone, and fills all its elements.
pub(crate) fn vector(number: usize, dims: usize) -> Vec<f32> {
    let mut bytes = vec![0; dims];
    blake3::Hasher::new().update(&number.to_le_bytes()).finalize_xof().fill(&mut bytes);
    let vector: Vec<f32> = bytes.iter().map(|byte| f32::from(*byte) - 127.5).collect();
    let length = vector.iter().map(|element| element * element).sum::<f32>().sqrt();
    vector.into_iter().map(|element| element / length).collect()
}

/// Words that compress as words do.
pub(super) fn text(bytes: usize) -> String {
    let words = ["view", "layout", "the", "returns", "a", "value", "of", "frame", "when", "state", "changes"];
    let mut text = String::with_capacity(bytes + 16);
    for at in 0_usize.. {
        if text.len() >= bytes {
            break;
        }
        text.push_str(words.get(at * at % words.len()).copied().unwrap_or_default());
        text.push(if at % 13 == 12 { '\n' } else { ' ' });
    }
    text
}
