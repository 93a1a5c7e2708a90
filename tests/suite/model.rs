//! A store answers as an ordered map and a search over every row in float64 would: the same rows, the same order, the
//! same scores to the last bit, whatever was done before.
//!
//! Seeded sequences of everything that an application does; after each few steps the store is asked all kinds of
//! questions, now and at each snapshot, one collection and several, with every metric and widths from 1 to 16. The
//! steps compare what they return with the model too.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use harness::events::Tally;
use harness::model::{Kept, Question, Rows, Stored, rows_of, same_hits};
use harness::proof::{each, effort, report};
use harness::rng::Rng;
use harness::sim_disk::SimDisk;
use harness::workload::{ROOT, Workload, environment, rows};
use serde_json::{Map, Value, json};
use siltstone::{
    Answer, Depth, Filter, OnDamage, Order, Result, Scope, Search, Severity, Store, StoreView, View, verify,
};

/// What was asked.
#[derive(Debug, Default)]
struct Asked {
    views: AtomicU64,
    searches: AtomicU64,
    tally: Arc<Tally>,
}

/// A filter, and what it means.
type Meaning = (Option<Filter>, Box<dyn Fn(&Map<String, Value>) -> bool>);

fn any_filter(rng: &mut Rng) -> Meaning {
    let n = rng.below(6);
    match rng.below(8) {
        0 => (Some(Filter::eq("n", n)), Box::new(move |row| row.get("n") == Some(&json!(n)))),
        1 => (
            Some(Filter::lt("n", n)),
            Box::new(move |row| row.get("n").and_then(Value::as_u64).is_some_and(|value| value < n)),
        ),
        2 => (
            Some(Filter::eq("tags", "a").and(Filter::ne("n", n))),
            Box::new(move |row| row.contains_key("tags") && row.get("n").is_some_and(|value| *value != n)),
        ),
        3 => (
            Some(Filter::prefix("doc", "d")),
            Box::new(|row| row.get("doc").and_then(Value::as_str).is_some_and(|doc| doc.starts_with('d'))),
        ),
        4 => (Some(Filter::eq("nothing", 1)), Box::new(|_| false)),
        _ => (None, Box::new(|_| true)),
    }
}

/// What a search is asked of, and the rows that it should find.
enum Subject<'a> {
    One(&'a View),
    Several(&'a StoreView),
}

impl Subject<'_> {
    fn batch(&self, vectors: &[&[f32]], search: &Search) -> Result<Vec<Answer>> {
        match self {
            Self::One(view) => view.search_batch(vectors, search),
            Self::Several(view) => view.search_batch(vectors, search),
        }
    }
}

impl Asked {
    /// Asks for the best rows in every combination of wishes that chance gives.
    fn search(&self, rng: &mut Rng, subject: &Subject<'_>, kept: &Kept, collections: &[(&str, &Rows)]) {
        let identity = &kept.identity;
        let rows = collections.iter().map(|(_, rows)| rows.len()).sum::<usize>();
        let mut vectors = vec![rows::vector(rng, identity), rows::vector(rng, identity)];
        // A query that is a row itself: distance zero, and ties.
        if let Some(row) = collections.iter().flat_map(|(_, rows)| rows.values()).nth(rng.index(rows)) {
            vectors[0].clone_from(&row.vector);
        }
        let (filter, keeps) = any_filter(rng);
        let top_k = rng.index(rows + 2);
        let document = rng.chance(1, 3).then_some("doc");
        let mut questions = Vec::new();
        let mut search = Search::new(top_k);
        let mut threshold = None;
        if rng.chance(1, 3) {
            // A score that a row has, so that the border itself is asked for.
            let all = Question { threshold, keeps: &*keeps, document: None, ..base(kept, &vectors[0], rows) };
            let answer = all.answer(collections);
            threshold = answer.get(rng.index(answer.len())).map(|(_, _, score, _)| f64::from_bits(*score));
        }
        for vector in &vectors {
            questions.push(Question { threshold, keeps: &*keeps, document, ..base(kept, vector, top_k) });
        }
        search = threshold.map_or(search.clone(), |threshold| search.threshold(threshold));
        search = document.map_or(search.clone(), |field| search.per_document(field));
        search = filter.map_or(search.clone(), |filter| search.filter(filter));

        let vectors: Vec<&[f32]> = vectors.iter().map(Vec::as_slice).collect();
        let fast = subject.batch(&vectors, &search).unwrap();
        let brute = subject.batch(&vectors, &search.clone().brute_force()).unwrap();
        for (number, question) in questions.iter().enumerate() {
            let expected = question.answer(collections);
            for (how, answer) in [("bounded", &fast[number]), ("brute force", &brute[number])] {
                let hits = &answer.hits;
                assert!(same_hits(hits, &expected), "{how} {search:?}: {hits:#?}\nexpected {expected:#?}");
            }
            self.searches.fetch_add(2, Ordering::Relaxed);
        }
    }

    /// Looks at one moment of a collection in every way that there is.
    fn view(&self, rng: &mut Rng, view: &View, name: &str, kept: &Kept, rows: &Rows) {
        assert_eq!(rows_of(view).unwrap(), *rows);
        assert_eq!(view.keys().unwrap(), rows.keys().collect::<Vec<_>>());
        let mut in_storage: Vec<_> = Vec::new();
        for row in view.iter(Order::Storage).unwrap() {
            let row = row.unwrap();
            in_storage.push((row.place, row.key.to_owned()));
        }
        assert!(in_storage.is_sorted_by_key(|(place, _)| *place));
        assert_eq!(
            in_storage.into_iter().map(|(_, key)| key).collect::<std::collections::BTreeSet<_>>(),
            rows.keys().cloned().collect()
        );
        let mut metadata = BTreeMap::new();
        view.for_each_metadata(|key, found| {
            metadata.insert(key.to_owned(), found.clone());
            Ok(())
        })
        .unwrap();
        assert!(metadata.iter().eq(rows.iter().map(|(key, content)| (key, &content.metadata))));
        let groups = view.fold_json(|all: &mut Vec<_>, key, place, json| {
            let value = if json.is_empty() { json!({}) } else { serde_json::from_slice(json).unwrap() };
            all.push((place, key.to_owned(), value));
        });
        let folded = groups.unwrap().concat();
        assert!(folded.is_sorted_by_key(|(place, ..)| *place));
        let folded: BTreeMap<_, _> = folded.into_iter().map(|(_, key, value)| (key, value)).collect();
        let expected = rows.iter().map(|(key, content)| (key.clone(), json!(content.metadata)));
        assert!(folded.into_iter().eq(expected));
        for key in [rows::key(rng), rows::key(rng), "never".into()] {
            let found = view.get(&key).unwrap();
            assert_eq!(view.contains(&key).unwrap(), rows.contains_key(&key));
            assert_eq!(found.map(|row| row.text), rows.get(&key).map(|content| content.text.clone()));
        }
        for _ in 0..3 {
            self.search(rng, &Subject::One(view), kept, &[(name, rows)]);
        }
        self.views.fetch_add(1, Ordering::Relaxed);
    }

    /// Looks at everything in a store.
    fn everything(&self, rng: &mut Rng, store: &Store, stored: &Stored) {
        let names: Vec<String> = stored.0.keys().cloned().collect();
        assert_eq!(store.all_names().unwrap(), names);
        for (name, kept) in &stored.0 {
            let collection = store.collection(name).unwrap();
            let view = collection.view().unwrap();
            self.view(rng, &view, name, kept, &kept.rows);
            let skipping = collection.view_with(OnDamage::Skip).unwrap();
            assert!(skipping.damage().is_empty(), "{:?}", skipping.damage());
            self.view(rng, &skipping, name, kept, &kept.rows);
            for (snapshot, rows) in &kept.snapshots {
                self.view(rng, &collection.snapshot(snapshot).unwrap(), name, kept, rows);
            }
        }
        let Some(first) = names.first().map(|name| &stored.0[name]) else { return };
        let same_space = |name: &&String| stored.0[*name].identity.same_space(&first.identity);
        let together: Vec<String> = names.iter().filter(same_space).cloned().collect();
        let collections: Vec<(&str, &Rows)> =
            together.iter().map(|name| (name.as_str(), &stored.0[name].rows)).collect();
        let scope = Scope::Named(together.clone());
        let view = store.view(&scope, OnDamage::Fail).unwrap();
        for _ in 0..3 {
            self.search(rng, &Subject::Several(&view), first, &collections);
        }
    }

    /// One sequence, from nothing to a closed and verified store.
    fn sequence(&self, seed: u64, steps: usize) {
        let disk = SimDisk::new();
        let environment = environment(Arc::new(disk), Arc::clone(&self.tally) as _, seed);
        let mut workload = Workload::new(environment.clone(), seed, (1, 16));
        let mut rng = Rng::new(!seed);
        for step in 0..steps {
            workload.step().unwrap();
            if step % 8 == 7 {
                self.everything(&mut rng, workload.store.as_ref().unwrap(), workload.acknowledged().unwrap());
            }
        }
        let stored = workload.acknowledged().unwrap().clone();
        drop(workload);
        let report = verify(&environment, Path::new(ROOT), Depth::Deep, None).unwrap();
        let damage = report.findings.iter().find(|finding| finding.severity != Severity::Note);
        assert!(damage.is_none(), "{damage:?}");
        self.everything(&mut rng, &Store::open_in(environment, ROOT).unwrap(), &stored);
    }
}

fn base<'a>(kept: &Kept, vector: &'a [f32], top_k: usize) -> Question<'a> {
    Question {
        metric: kept.identity.metric,
        vector,
        top_k,
        threshold: None,
        keeps: &|_| true,
        document: None,
    }
}

/// Runs a sequence, and says which it was when it fails.
fn sequence(asked: &Asked, seed: u64, steps: usize) -> Result<(), String> {
    let run = std::panic::AssertUnwindSafe(|| asked.sequence(seed, steps));
    std::panic::catch_unwind(run).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        format!("sequence {seed}: {}", text.unwrap_or_else(|| "see the panic above".into()))
    })
}

#[test]
fn a_store_answers_as_a_map_and_a_brute_force_scan_do() {
    let (sequences, steps) = effort((60, 80), (4_000, 120));
    let seeds: Vec<u64> = (1..=sequences).collect();
    let asked = Asked::default();
    each(&seeds, |&seed| sequence(&asked, seed, steps)).unwrap_or_else(|error| panic!("{error}"));
    report(format_args!(
        "model: sequences 1..={sequences} of {steps} steps, all agree: {} views, {} searches bit for bit\n  {}",
        asked.views.load(Ordering::Relaxed),
        asked.searches.load(Ordering::Relaxed),
        asked.tally
    ));
}

/// The proof can fail: a model that is off by one bit of one score, or by one row, disagrees.
#[test]
fn a_model_that_is_off_by_a_bit_disagrees() {
    let asked = Asked::default();
    let disk = SimDisk::new();
    let environment = environment(Arc::new(disk), Arc::clone(&asked.tally) as _, 1);
    let mut workload = Workload::new(environment, 1, (3, 3));
    (0..40).for_each(|_| workload.step().unwrap());
    let (store, stored) = (workload.store.as_ref().unwrap(), workload.acknowledged().unwrap());
    let (name, kept) = stored.0.iter().max_by_key(|(_, kept)| kept.rows.len()).unwrap();
    let view = store.collection(name).unwrap().view().unwrap();
    let vector = [0.3, -0.7, 0.1];
    let answer = view.search(&vector, &Search::new(5)).unwrap();
    let mut expected = base(kept, &vector, 5).answer(&[(name, &kept.rows)]);
    assert!(expected.len() > 1 && same_hits(&answer.hits, &expected));
    expected[1].2 ^= 1;
    assert!(!same_hits(&answer.hits, &expected));

    let mut rows = kept.rows.clone();
    rows.pop_first();
    let look = || asked.view(&mut Rng::new(1), &view, name, kept, &rows);
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(look)).is_err());
}
