//! Chance: rows, names and options.

use serde_json::{Map, Value, json};
use siltstone::{CompactOptions, Compression, EmbeddingIdentity, Metric, WriterOptions};

use crate::model::Content;
use crate::rng::Rng;

/// A key from a pool so small that most of them are replaced and deleted again and again; some look like other things.
pub fn key(rng: &mut Rng) -> String {
    match rng.below(16) {
        0 => rng.below(6).to_string(),
        1 => format!("\"d{}\"", rng.below(4)),
        2 => format!("schlüssel {}/{}", rng.below(3), "ü".repeat(rng.index(40))),
        _ => format!("k{:02}", rng.below(24)),
    }
}

/// A vector that may be stored. Many have small whole numbers, so that scores tie.
pub fn vector(rng: &mut Rng, identity: &EmbeddingIdentity) -> Vec<f32> {
    let kind = rng.below(8);
    let mut vector: Vec<f32> = (0..identity.dims)
        .map(|_| match kind {
            0..3 => rng.below(5) as f32 - 2.0,
            3 => rng.signed_unit_f32() * 1e30,
            4 => rng.signed_unit_f32() * 1e-30,
            5 => [0.0, -0.0, f32::MIN_POSITIVE / 4.0, 1.0][rng.index(4)],
            _ => rng.signed_unit_f32(),
        })
        .collect();
    if identity.metric == Metric::Cosine && vector.iter().all(|x| *x == 0.0) {
        vector[rng.index(identity.dims as usize)] = 1.0;
    }
    vector
}

/// Metadata with a number, a document and tags, each of them there or not.
pub fn metadata(rng: &mut Rng) -> Map<String, Value> {
    let mut metadata = Map::new();
    if rng.chance(3, 4) {
        metadata.insert("n".into(), json!(rng.below(6)));
    }
    match rng.below(4) {
        0 => {}
        1 => drop(metadata.insert("doc".into(), json!(rng.below(6)))),
        _ => drop(metadata.insert("doc".into(), json!(format!("d{}", rng.below(4))))),
    }
    if rng.chance(1, 4) {
        metadata.insert("tags".into(), json!(["a", format!("t{}", rng.below(3))]));
    }
    metadata
}

/// A row that may be stored. Some texts are long enough for a frame of many sectors.
pub fn content(rng: &mut Rng, identity: &EmbeddingIdentity) -> Content {
    let letters = match rng.below(12) {
        0 => rng.index(6000),
        1..4 => 0,
        _ => rng.index(60),
    };
    let text = (0..letters).map(|_| char::from(b'a' + rng.below(26) as u8)).collect();
    Content { vector: vector(rng, identity), metadata: metadata(rng), text }
}

/// Options under which commits have several frames and segments are full after a few commits.
pub fn options(rng: &mut Rng) -> WriterOptions {
    WriterOptions {
        seal_bytes: *rng.pick(&[1, 6_000, 9_000, 14_000, 1 << 20]),
        frame_bytes: *rng.pick(&[1, 400, 900, 4_000, 1 << 20]),
        compression: *rng.pick(&[Compression::Zstd, Compression::None]),
    }
}

/// Options under which compaction nearly always has something to do.
pub fn compaction(rng: &mut Rng) -> CompactOptions {
    CompactOptions {
        min_dead: *rng.pick(&[0.0, 0.0, 0.3, 1.0]),
        merge_at_least: *rng.pick(&[2, 2, 4]),
        spare_longest: rng.chance(1, 4),
        target_bytes: *rng.pick(&[1, 20_000, 60_000, 1 << 20]),
        rewrite_held: rng.chance(1, 2),
        drop_keys: if rng.chance(1, 3) { vec![key(rng), key(rng)] } else { Vec::new() },
        undo_snapshot: None,
    }
}

/// What makes the vectors of a collection.
pub fn identity(rng: &mut Rng, dims: (u32, u32)) -> EmbeddingIdentity {
    let dims = dims.0 + rng.below(u64::from(dims.1 - dims.0 + 1)) as u32;
    EmbeddingIdentity { dims, metric: *rng.pick(&Metric::ALL), ..EmbeddingIdentity::default() }
}
