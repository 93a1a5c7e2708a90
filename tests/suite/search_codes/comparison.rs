//! The long comparison: every answer against scores computed here, row by row, from the vectors that the store returns.
//!
//! The scores of all rows for some queries are computed once, sorted once, and are then what many searches are held
//! against: any number of rows, any filter, any threshold, one query at a time and many in a batch.

use harness::proof::{each, effort, report};
use harness::rng::Rng;
use serde_json::{Map, Value};
use siltstone::distance::{Query, check_vector};
use siltstone::{Filter, Hit, Metric, Order, Scope, Search, StoreView};

use super::shape::{SHAPES, Shape};
use super::store;

/// Queries that share one computation of scores.
const TOGETHER: usize = 32;
/// Of these, how many are searched for one by one.
const SINGLE: usize = 4;
/// Of these, how many ask for so many rows that returning them takes longer than finding them.
const GREEDY: usize = 2;

#[derive(Debug, Default, Clone, Copy)]
struct Compared {
    comparisons: u64,
    with_codes: u64,
    by_index: u64,
    stores: u64,
}

/// A row as it is compared.
struct Live<'v> {
    collection: &'v str,
    key: &'v str,
    vector: &'v [f32],
    squared_norm: f64,
    metadata: Map<String, Value>,
}

fn live(view: &StoreView, metric: Metric) -> Vec<Live<'_>> {
    let mut rows = Vec::new();
    for view in view.views() {
        for row in view.iter(Order::Storage).unwrap() {
            let row = row.unwrap();
            let squared_norm = check_vector(metric, row.vector).unwrap();
            let (key, vector, metadata) = (row.key, row.vector, row.metadata);
            rows.push(Live { collection: view.collection(), key, vector, squared_norm, metadata });
        }
    }
    rows
}

/// All rows by closeness to a query: places in `rows`, with scores.
fn ranking(rows: &[Live<'_>], query: &Query) -> Vec<(usize, f64)> {
    let mut ranked: Vec<(usize, f64)> =
        (0..).zip(rows).map(|(at, row)| (at, query.score(row.vector, row.squared_norm))).collect();
    ranked.sort_by(|(a, a_score), (b, b_score)| {
        let by_score = query.rank(*b_score).partial_cmp(&query.rank(*a_score)).unwrap();
        let of = |at: usize| (rows[at].collection, rows[at].key.as_bytes());
        by_score.then_with(|| of(*a).cmp(&of(*b)))
    });
    ranked
}

const FILTERS: [&str; 10] = [
    "n < 3",
    "n = 7",
    "n != 7",
    "file_path = 'page-5'",
    "file_path in ('page-5', 'page-50', 'page-96')",
    "file_path prefix 'page-1'",
    "not file_path exists",
    "n >= 5 and file_path prefix 'page-2'",
    "n = 1 or not (n < 9 and file_path exists)",
    "absent = 1",
];

/// Compares searches of a store for `rounds` times [`TOGETHER`] queries.
fn compare(shape: Shape, metric: Metric, dims: usize, rounds: usize) -> Compared {
    let (_disk, store) = store(shape, metric, dims, 1300);
    store.encode().unwrap();
    let view = store.view(&Scope::All, Default::default()).unwrap();
    let rows = live(&view, metric);
    let filters: Vec<Filter> = FILTERS.iter().map(|text| Filter::parse(text).unwrap()).collect();
    let passing: Vec<Vec<bool>> =
        filters.iter().map(|filter| rows.iter().map(|row| filter.matches(&row.metadata)).collect()).collect();
    let mut rng = Rng::new(dims as u64 * 31 + 7);
    let mut compared = Compared { stores: 1, ..Compared::default() };
    for round in 0..rounds {
        let vectors: Vec<Vec<f32>> = (0..TOGETHER)
            .map(|number| match number % 4 {
                0 => Shape::Uniform.vector(dims, &mut rng),
                1 => rows[rng.index(rows.len())].vector.to_vec(),
                _ => shape.vector(dims, &mut rng),
            })
            .collect();
        let vectors: Vec<&[f32]> = vectors.iter().map(Vec::as_slice).collect();
        let queries: Vec<Query> = vectors.iter().map(|vector| Query::new(metric, vector).unwrap()).collect();
        let rankings: Vec<Vec<(usize, f64)>> = queries.iter().map(|query| ranking(&rows, query)).collect();
        let mut ask = |k: usize, filter: Option<usize>, threshold: Option<f64>, count: usize| {
            let mut search = Search::new(k);
            search = filter.map_or(search.clone(), |filter| search.filter(filters[filter].clone()));
            search = threshold.map_or(search.clone(), |threshold| search.threshold(threshold));
            let count = count.min(TOGETHER);
            let single = count.min(SINGLE);
            let mut answers: Vec<siltstone::Answer> = Vec::with_capacity(count);
            for vector in &vectors[..single] {
                answers.push(view.search(vector, &search).unwrap());
            }
            if count > single {
                answers.extend(view.search_batch(&vectors[single..count], &search).unwrap());
            }
            for (number, answer) in answers.iter().enumerate() {
                let passes = |at: usize| filter.is_none_or(|filter| passing[filter][at]);
                let reaches = |score: f64| {
                    let rank = |score| queries[number].rank(score);
                    threshold.is_none_or(|threshold| rank(score) >= rank(threshold))
                };
                let wanted =
                    rankings[number].iter().filter(|(at, score)| passes(*at) && reaches(*score)).take(k);
                let expected: Vec<(&str, &str, u64)> = wanted
                    .map(|(at, score)| (rows[*at].collection, rows[*at].key, score.to_bits()))
                    .collect();
                let of = |hit: &'_ Hit| (hit.collection.clone(), hit.key.clone(), hit.score.to_bits());
                let found: Vec<(String, String, u64)> = answer.hits.iter().map(of).collect();
                let same = found.len() == expected.len()
                    && found.iter().zip(&expected).all(|(a, b)| (a.0.as_str(), a.1.as_str(), a.2) == *b);
                assert!(
                    same,
                    "{shape:?}, {metric:?}, {dims} dims, round {round}, query {number}, {search:?}:\n{found:?}\nbut\n{expected:?}"
                );
                compared.comparisons += 1;
                compared.with_codes += u64::from(answer.work.rows_with_codes > 0);
                compared.by_index += u64::from(answer.work.filtered_by_index > 0);
            }
        };
        for k in [1, 2, 3, 5, 10] {
            ask(k, None, None, TOGETHER);
        }
        for filter in 0..FILTERS.len() {
            ask(1 + filter % 4, Some(filter), None, TOGETHER);
            ask(1, Some(filter), None, TOGETHER);
        }
        for (place, k) in [(0, 1), (4, 3), (9, 20)] {
            let threshold = rankings[0].get(place).map(|(_, score)| *score);
            ask(k, None, threshold, TOGETHER);
            ask(k, Some(place % FILTERS.len()), threshold, TOGETHER);
        }
        for k in [1 + rng.index(rows.len()), rows.len() / 9, rows.len()] {
            ask(k, None, None, if round % 16 == 0 { GREEDY } else { 1 });
        }
    }
    compared
}

#[test]
fn a_million_answers_are_those_of_brute_force() {
    let widths: &[(usize, usize)] =
        effort(&[(7, 1)], &[(1, 6), (7, 11), (64, 11), (1000, 2), (1536, 2), (3072, 1)]);
    let mut cases = Vec::new();
    for &(dims, rounds) in widths {
        for metric in Metric::ALL {
            cases.extend(SHAPES.iter().map(|shape| (*shape, metric, dims, rounds)));
        }
    }
    let done = each(&cases, |(shape, metric, dims, rounds)| -> Result<Compared, ()> {
        Ok(compare(*shape, *metric, *dims, *rounds))
    });
    let sum = done.unwrap().into_iter().fold(Compared::default(), |a, b| Compared {
        comparisons: a.comparisons + b.comparisons,
        with_codes: a.with_codes + b.with_codes,
        by_index: a.by_index + b.by_index,
        stores: a.stores + b.stores,
    });
    report(format_args!(
        "{} answers from {} stores compared with brute force, {} of them with codes, {} with an attribute index: 0 mismatches",
        sum.comparisons, sum.stores, sum.with_codes, sum.by_index
    ));
    assert!(sum.with_codes * 4 > sum.comparisons && sum.by_index * 4 > sum.comparisons, "{sum:?}");
    assert!(sum.comparisons >= effort(30_000, 1_000_000), "{sum:?}");
}
