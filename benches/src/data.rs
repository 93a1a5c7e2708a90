//! Rows to measure with: real embeddings where they are at hand, else random ones; grown to any number.

use std::path::Path;

use half::f16;
use siltstone::{EmbeddingIdentity, Record};

/// Elements of a vector.
pub const DIMS: usize = 1536;

/// A small deterministic generator (SplitMix64).
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `0..n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next_u64() % n as u64) as usize
    }

    /// About normally distributed: twelve uniform numbers added.
    pub fn normal(&mut self) -> f32 {
        (0..12).map(|_| (self.next_u64() >> 40) as f32 / (1u64 << 24) as f32).sum::<f32>() - 6.0
    }
}

/// Vectors to take rows and queries from.
#[derive(Debug)]
pub struct Source {
    base: Vec<Vec<f32>>,
    queries: Vec<Vec<f32>>,
    /// What they are, for the header of a table.
    pub name: String,
}

impl Source {
    /// Real embeddings from the folder in `SILTSTONE_DATA` or `../shared/data`, else random unit vectors.
    pub fn load() -> Self {
        let folder = std::env::var("SILTSTONE_DATA").unwrap_or_else(|_| "../shared/data".to_owned());
        let read = |file: &str| npy_f16(&Path::new(&folder).join(file));
        match (read("base.f16.npy"), read("query.f16.npy")) {
            (Some(base), Some(queries)) => {
                let name = format!("real embeddings ({} passages), grown", base.len());
                Self { base, queries, name }
            }
            _ => {
                let mut random = Random(7);
                let mut some =
                    |n: usize| (0..n).map(|_| unit((0..DIMS).map(|_| random.normal()).collect())).collect();
                let name = format!("random unit vectors: {folder} has no base.f16.npy and query.f16.npy");
                Self { base: some(4096), queries: some(100), name }
            }
        }
    }

    /// The queries.
    pub fn queries(&self) -> &[Vec<f32>] {
        &self.queries
    }

    /// How many rows are as they were read, not grown from others.
    pub fn real_rows(&self) -> usize {
        self.base.len()
    }

    /// Row `number` of a collection of any size: the real ones first, then real ones moved along the difference of two
    /// others, with a little noise.
    pub fn row(&self, number: usize) -> Vec<f32> {
        let n = self.base.len();
        if number < n {
            return self.base[number].clone();
        }
        let mut random = Random(number as u64);
        let (i, j, k) = (random.below(n), random.below(n), random.below(n));
        let noise = 0.1 / (DIMS as f32).sqrt();
        let (a, b, c) = (&self.base[i], &self.base[j], &self.base[k]);
        unit((0..DIMS).map(|d| a[d] + 0.3 * (b[d] - c[d]) + noise * quick(&mut random)).collect())
    }
}

fn quick(random: &mut Random) -> f32 {
    ((random.next_u64() >> 40) as f32 / (1u64 << 24) as f32 - 0.5) * 3.46
}

fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    let norm = vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt() as f32;
    vector.iter_mut().for_each(|x| *x /= norm);
    vector
}

/// A two-dimensional float16 array in NumPy's format, its rows normalised.
fn npy_f16(path: &Path) -> Option<Vec<Vec<f32>>> {
    let bytes = std::fs::read(path).ok()?;
    let header_bytes = usize::from(u16::from_le_bytes([*bytes.get(8)?, *bytes.get(9)?]));
    let header = std::str::from_utf8(bytes.get(10..10 + header_bytes)?).ok()?;
    let fits =
        header.contains("'<f2'") && header.contains("'fortran_order': False") && header.contains(", 1536)");
    let rows = bytes.get(10 + header_bytes..)?.chunks_exact(DIMS * 2);
    fits.then(|| {
        rows.map(|row| unit(row.chunks_exact(2).map(|e| f16::from_le_bytes([e[0], e[1]]).to_f32()).collect()))
            .collect()
    })
}

/// The identity of the measured collections.
pub fn identity() -> EmbeddingIdentity {
    EmbeddingIdentity { dims: DIMS as u32, model: "measured".to_owned(), ..EmbeddingIdentity::default() }
}

/// A row with the metadata and about as much text as a chunk of documentation.
pub fn record<'a>(key: &'a str, vector: &'a [f32], text: &'a str) -> Record<'a> {
    let metadata = serde_json::json!({
        "framework": "SwiftUI", "api_name": key, "file_path": format!("documentation/SwiftUI/{key}.md"),
        "file_size": 4200, "chunk_index": 0, "total_chunks": 3, "chunk_hash": key,
    });
    Record::new(key, vector).metadata(metadata.as_object().cloned().unwrap_or_default()).text(text)
}

/// Eight hundred characters of text that compress like prose.
pub fn text(number: usize) -> String {
    const WORDS: [&str; 16] = [
        "view",
        "layout",
        "the",
        "returns",
        "a",
        "value",
        "when",
        "modifier",
        "of",
        "container",
        "state",
        "binding",
        "and",
        "animation",
        "frame",
        "index",
    ];
    let mut random = Random(number as u64);
    let mut text = String::new();
    while text.len() < 800 {
        text.push_str(WORDS[random.below(WORDS.len())]);
        text.push(' ');
    }
    text
}
