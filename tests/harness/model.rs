//! What a store should hold and answer, kept in the plainest way: ordered maps, and a search that scores every row in
//! float64. Written from the documents alone, so that an error in the engine is not repeated here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value};
use siltstone::{EmbeddingIdentity, Hit, Metric, OnDamage, Order, Result, Store, View};

/// What a row holds beside its key.
#[derive(Debug, Clone)]
pub struct Content {
    /// The vector.
    pub vector: Vec<f32>,
    /// The metadata.
    pub metadata: Map<String, Value>,
    /// The text.
    pub text: String,
}

impl PartialEq for Content {
    /// Vectors are equal when their bits are.
    fn eq(&self, other: &Self) -> bool {
        let bits = |content: &Self| content.vector.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        bits(self) == bits(other) && self.metadata == other.metadata && self.text == other.text
    }
}

/// The rows of one moment of a collection.
pub type Rows = BTreeMap<String, Arc<Content>>;

/// A collection: what it holds now, and what each snapshot keeps.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// What makes its vectors.
    pub identity: EmbeddingIdentity,
    /// The rows of the last commit.
    pub rows: Rows,
    /// The rows of each snapshot.
    pub snapshots: BTreeMap<String, Rows>,
}

/// A store: its collections by name.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Stored(pub BTreeMap<String, Kept>);

impl Stored {
    /// Reads a whole store through the engine. Anything damaged is an error.
    ///
    /// # Errors
    /// Those of the engine.
    pub fn read(store: &Store) -> Result<Self> {
        let mut collections = BTreeMap::new();
        for name in store.all_names()? {
            let collection = store.collection(&name)?;
            let mut snapshots = BTreeMap::new();
            for info in collection.snapshots()? {
                let rows = rows_of(&collection.snapshot_with(&info.name, OnDamage::Fail)?)?;
                snapshots.insert(info.name, rows);
            }
            let rows = rows_of(&collection.view()?)?;
            collections.insert(name, Kept { identity: collection.identity().clone(), rows, snapshots });
        }
        Ok(Self(collections))
    }

    /// In a few words, what `found` has that this does not, or the other way round.
    pub fn difference(&self, found: &Self) -> String {
        let names = |stored: &Self| stored.0.keys().cloned().collect::<Vec<_>>();
        if names(self) != names(found) {
            return format!("collections {:?}, found {:?}", names(self), names(found));
        }
        for (name, kept) in &self.0 {
            let there = &found.0[name];
            let snapshots = |kept: &Kept| kept.snapshots.keys().cloned().collect::<Vec<_>>();
            if snapshots(kept) != snapshots(there) {
                return format!("{name}: snapshots {:?}, found {:?}", snapshots(kept), snapshots(there));
            }
            let pairs = kept.snapshots.iter().map(|(snapshot, rows)| (rows, &there.snapshots[snapshot]));
            for (expected, found) in pairs.chain([(&kept.rows, &there.rows)]) {
                if let Some(difference) = rows_differ(expected, found) {
                    return format!("{name}: {difference}");
                }
            }
        }
        "nothing differs".into()
    }
}

fn rows_differ(expected: &Rows, found: &Rows) -> Option<String> {
    let keys: BTreeSet<_> = expected.keys().chain(found.keys()).collect();
    let wrong: Vec<_> = keys.into_iter().filter(|key| expected.get(*key) != found.get(*key)).collect();
    let is_there = |rows: &Rows, key: &String| if rows.contains_key(key) { "there" } else { "absent" };
    let key = wrong.first()?;
    let (was, is) = (is_there(expected, key), is_there(found, key));
    Some(format!("{} of {} rows differ; {key:?} should be {was}, is {is}", wrong.len(), expected.len()))
}

/// The rows of a view, which come in the order of their keys.
///
/// # Errors
/// Those of the engine.
pub fn rows_of(view: &View) -> Result<Rows> {
    let mut rows = Rows::new();
    for row in view.iter(Order::Key)? {
        let row = row?;
        let last = rows.last_key_value().map(|(key, _)| key.as_str());
        assert!(last < Some(row.key), "{:?} comes after {last:?}", row.key);
        let (vector, metadata, text) = (row.vector.to_vec(), row.metadata, row.text);
        rows.insert(row.key.to_owned(), Arc::new(Content { vector, metadata, text }));
    }
    assert_eq!(rows.len() as u64, view.len());
    Ok(rows)
}

/// What is asked of a search.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// How closeness is measured.
    pub metric: Metric,
    /// Close to what.
    pub vector: &'a [f32],
    /// How many rows at most.
    pub top_k: usize,
    /// How close at least.
    pub threshold: Option<f64>,
    /// Which rows.
    pub keeps: &'a dyn Fn(&Map<String, Value>) -> bool,
    /// The field that tells documents apart, when only the best row of each is wanted.
    pub document: Option<&'a str>,
}

/// A hit as far as it is part of the promise: the score bit for bit.
pub type Expected<'a> = (&'a str, &'a str, u64, &'a Content);

impl Question<'_> {
    /// The answer, by scoring every row and sorting all of them.
    pub fn answer<'a>(&self, collections: &[(&'a str, &'a Rows)]) -> Vec<Expected<'a>> {
        let mut scored: Vec<(f64, &str, &str, &Content)> = Vec::new();
        for (collection, rows) in collections {
            for (key, content) in rows.iter().filter(|(_, content)| (self.keeps)(&content.metadata)) {
                let score = score(self.metric, self.vector, &content.vector);
                let is_close = self.threshold.is_none_or(|threshold| match self.metric {
                    Metric::Euclidean => score <= threshold,
                    _ => score >= threshold,
                });
                if is_close {
                    scored.push((score, collection, key, content));
                }
            }
        }
        scored.sort_by(|a, b| {
            let by_score = match self.metric {
                Metric::Euclidean => a.0.partial_cmp(&b.0).unwrap(),
                _ => b.0.partial_cmp(&a.0).unwrap(),
            };
            by_score.then_with(|| (a.1, a.2).cmp(&(b.1, b.2)))
        });
        let mut documents: BTreeSet<(&str, String)> = BTreeSet::new();
        scored.retain(|(_, collection, _, content)| {
            let value = self.document.and_then(|field| content.metadata.get(field));
            value.is_none_or(|value| documents.insert((collection, value.to_string())))
        });
        scored.truncate(self.top_k);
        let hit =
            |(score, collection, key, content): (f64, _, _, _)| (collection, key, score.to_bits(), content);
        scored.into_iter().map(hit).collect()
    }
}

/// Whether the engine's hits are these, bit for bit.
pub fn same_hits(hits: &[Hit], expected: &[Expected<'_>]) -> bool {
    let is_same = |(hit, (collection, key, score, content)): (&Hit, &Expected<'_>)| {
        (hit.collection.as_str(), hit.key.as_str(), hit.score.to_bits()) == (*collection, *key, *score)
            && hit.metadata == content.metadata
            && hit.text == content.text
    };
    hits.len() == expected.len() && hits.iter().zip(expected).all(is_same)
}

/// The canonical score: eight sums, of every eighth element, added in a fixed order.
pub fn score(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    let sum = |a: &[f32], b: &[f32], term: fn(f64, f64) -> f64| {
        let mut sums = [0.0; 8];
        for (i, (x, y)) in a.iter().zip(b).enumerate() {
            sums[i % 8] += term(f64::from(*x), f64::from(*y));
        }
        ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]))
    };
    let dot = |a, b| sum(a, b, |x, y| x * y);
    match metric {
        Metric::Dot => dot(a, b),
        Metric::Cosine => dot(a, b) / (dot(a, a).sqrt() * dot(b, b).sqrt()),
        Metric::Euclidean => sum(a, b, |x, y| (x - y) * (x - y)).sqrt(),
    }
}
