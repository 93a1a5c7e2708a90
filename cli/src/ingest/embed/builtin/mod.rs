//! The built-in embedder: it matches words, not meanings.
//!
//! Words, pairs of neighbouring words and pieces of words are hashed into a fixed number of dimensions, so that texts
//! with the same vocabulary lie close together. It needs no network, no key and no model file, and gives the same
//! bits on every machine: all weights are integers, so sums do not depend on their order, and the only floating-point
//! operations are ones that IEEE 754 rounds exactly (a square root and divisions). What it cannot do: find "car" for
//! "automobile", or one language for another.

mod hash;
mod stem;
mod words;

use super::{EmbedReply, Embedder, Identity, Outcome};
use crate::ingest::cancel::Cancel;
use hash::Hash;
use words::{Word, words};

/// Changes whenever the same text would give another vector.
const MODEL: &str = "lexical-1";

#[derive(Clone, Debug)]
pub(crate) struct Builtin {
    identity: Identity,
}

impl Builtin {
    /// An embedder with vectors of `dims` dimensions; 1536 is what it was tuned with.
    pub(crate) fn new(dims: usize) -> Builtin {
        let dims = dims.max(1);
        Builtin {
            identity: Identity { provider: "builtin".into(), model: MODEL.into(), dims, normalised: true },
        }
    }

    /// The vector of one text: finite, of unit length, never zero.
    pub(crate) fn vector(&self, text: &str) -> Vec<f32> {
        let mut sums = Sums { values: vec![0; self.identity.dims] };
        add_features(text, &mut sums);
        if sums.is_zero() {
            add_bytes(text, &mut sums);
        }
        sums.normalised()
    }
}

impl Embedder for Builtin {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn max_inputs(&self) -> usize {
        256
    }

    fn embed(&self, texts: &[String], cancel: &Cancel) -> EmbedReply {
        let outcome = |text: &String| {
            if cancel.is_cancelled() { Outcome::NotTried } else { Outcome::Vector(self.vector(text)) }
        };
        let outcomes: Vec<Outcome> = texts.iter().map(outcome).collect();
        let stopped = outcomes.contains(&Outcome::NotTried).then_some(super::EmbedError::Cancelled);
        EmbedReply { outcomes, stopped, ..EmbedReply::default() }
    }
}

/// The weight of a plain word that occurs once.
const UNIT: i64 = 1 << 10;
/// Sublinear term frequency: 1 + ln(n), in 1024ths, for n from 1. Written out, because a logarithm may differ between
/// systems in its last bit. More than sixteen occurrences say nothing new.
const FREQUENCY: [i64; 16] =
    [1024, 1734, 2149, 2444, 2672, 2859, 3017, 3153, 3274, 3382, 3479, 3569, 3651, 3726, 3797, 3863];

fn frequency(count: usize) -> i64 {
    FREQUENCY.get(count.saturating_sub(1).min(FREQUENCY.len() - 1)).copied().unwrap_or(UNIT)
}

fn add_features(text: &str, sums: &mut Sums) {
    let (lower, found) = words(text);
    let text_of = |word: &Word| lower.get(word.range.clone()).unwrap_or_default();

    // What words have in common with their other forms counts most, the form itself a little, its pieces a little.
    let mut distinct: Vec<&Word> = found.iter().collect();
    distinct.sort_unstable_by_key(|word| (word.stem, word.range.start));
    for same in distinct.chunk_by(|a, b| a.stem == b.stem) {
        if let Some(word) = same.first() {
            sums.add(Hash::stem().u64(word.stem).finish(), word.weight * frequency(same.len()) / 1024);
        }
    }
    distinct.sort_unstable_by_key(|word| (word.hash, word.range.start));
    for same in distinct.chunk_by(|a, b| a.hash == b.hash) {
        let Some(word) = same.first() else { continue };
        let weight = word.weight * frequency(same.len()) / 1024 / 2;
        sums.add(Hash::word().u64(word.hash).finish(), weight);
        add_pieces(text_of(word), weight, sums);
    }

    // Neighbours. Two stop words together say nothing.
    let mut pairs: Vec<(u64, i64)> = found
        .windows(2)
        .filter_map(|pair| match pair {
            [a, b] => {
                let weight = (a.weight + b.weight) / 3;
                (weight > UNIT / 4).then(|| (Hash::pair().u64(a.stem).u64(b.stem).finish(), weight))
            }
            _ => None,
        })
        .collect();
    pairs.sort_unstable();
    for same in pairs.chunk_by(|a, b| a.0 == b.0) {
        if let Some((hash, weight)) = same.first() {
            sums.add(*hash, weight * frequency(same.len()) / 1024);
        }
    }
}

/// Sequences of three to five characters of a word, its edges marked, so that `chunking` is near `chunked` and a typo is
/// not the end. Together they weigh about half of what the word itself does, however long it is.
fn add_pieces(word: &str, weight: i64, sums: &mut Sums) {
    const LONGEST: usize = 48;
    let characters: Vec<char> =
        std::iter::once('<').chain(word.chars().take(LONGEST)).chain(std::iter::once('>')).collect();
    if characters.len() < 5 {
        return;
    }
    let count: usize = (3..=5).map(|length| (characters.len() + 1).saturating_sub(length)).sum();
    // Energies add up, not weights: n pieces of weight w/sqrt(n) weigh as much as one of weight w.
    let square = u64::try_from(weight * weight).unwrap_or(0) / count.max(1) as u64;
    let each = i64::try_from(square.isqrt()).unwrap_or(0);
    for start in 0..characters.len() {
        let mut hash = Hash::piece();
        for (length, c) in characters.iter().skip(start).take(5).enumerate() {
            hash = hash.u32(*c as u32);
            if length >= 2 {
                sums.add(hash.finish(), each);
            }
        }
    }
}

/// For texts without a single word: punctuation, emoji, nothing at all.
fn add_bytes(text: &str, sums: &mut Sums) {
    sums.clear();
    let mut seen: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    seen.sort_unstable();
    seen.dedup();
    for byte in &seen {
        sums.add(Hash::byte().u32(u32::from(*byte)).finish(), UNIT);
    }
    if sums.is_zero() {
        // Nothing there, or bytes that cancelled each other out: the text as a whole.
        sums.clear();
        let whole = text.bytes().fold(Hash::byte(), |hash, byte| hash.u32(u32::from(byte)));
        sums.add_positive(whole.finish(), UNIT);
    }
}

/// The vector before it is scaled. Integers: the sum is the same in whatever order.
struct Sums {
    values: Vec<i64>,
}

impl Sums {
    /// The hash chooses the dimension and the sign; signs make collisions cancel out on average.
    fn add(&mut self, hash: u64, weight: i64) {
        let signed = if hash >> 63 == 0 { weight } else { -weight };
        self.add_positive(hash, signed);
    }

    fn add_positive(&mut self, hash: u64, weight: i64) {
        // Multiply and shift: even, and no division.
        let place = ((hash & 0xFFFF_FFFF) * self.values.len() as u64) >> 32;
        if let Some(value) = usize::try_from(place).ok().and_then(|place| self.values.get_mut(place)) {
            *value = value.saturating_add(weight);
        }
    }

    fn clear(&mut self) {
        self.values.fill(0);
    }

    fn is_zero(&self) -> bool {
        self.values.iter().all(|value| *value == 0)
    }

    fn normalised(&self) -> Vec<f32> {
        // Exact up to 2^53, which texts of gigabytes do not reach; beyond it, still the same on every machine.
        let square: f64 = self.values.iter().map(|value| (*value as f64) * (*value as f64)).sum();
        let norm = square.sqrt();
        self.values.iter().map(|value| (*value as f64 / norm) as f32).collect()
    }
}

#[cfg(test)]
mod tests;
