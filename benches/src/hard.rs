//! Searches that codes cannot help, beside the same searches where there are no codes: what trying costs. One thread, in
//! turns, two stores with the same rows of which one has codes.

use std::path::Path;
use std::time::{Duration, Instant};

use siltstone::{Answer, Record, Search, Store, View};
use siltstone_benches::data::{DIMS, Random, Source, identity};
use siltstone_benches::stats::{ms, percentile};

const QUERIES: usize = 40;
/// Words of a text, and different words that there are.
const WORDS: usize = 120;
const VOCABULARY: usize = 20_000;

/// Something to make vectors with, from a number.
type Maker<'a> = Box<dyn Fn(u64) -> Vec<f32> + Sync + 'a>;

pub(crate) fn table(source: &Source, dir: &Path, rows: usize) {
    println!("## Searches that codes cannot help\n");
    println!(
        "{rows} rows, top 10, one thread, {QUERIES} queries in turns; times are p50 of each query's own ratio.\n"
    );
    println!(
        "| rows | queries | pass heads | without codes, p50 ms | with codes, p50 ms | with beside without | brute force, p50 ms |"
    );
    println!("|---|---|---|---|---|---|---|");
    let real = |number: u64| source.row(number as usize);
    let kinds: Vec<(&str, &str, Maker<'_>, Maker<'_>)> = vec![
        ("hashed words", "of the same kind", Box::new(hashed_words), Box::new(hashed_words)),
        ("gaussian", "of the same kind", Box::new(gaussian), Box::new(gaussian)),
        ("embeddings", "gaussian", Box::new(real), Box::new(gaussian)),
        (
            "embeddings",
            "of the same kind",
            Box::new(real),
            Box::new(|n| source.queries()[n as usize % source.queries().len()].clone()),
        ),
    ];
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    for (number, (name, asked, row, query)) in kinds.iter().enumerate() {
        let (plain, coded) = (dir.join(format!("plain-{number}")), dir.join(format!("coded-{number}")));
        let views = [&plain, &coded].map(|path| fill(path, rows, row));
        let store = Store::open(&coded).expect("a store");
        store.encode().expect("codes");
        let [plain_view, _] = views;
        let coded_view = store.collection("measured").and_then(|found| found.view()).expect("a view");
        pool.install(|| line(name, asked, &plain_view, &coded_view, query));
        for path in [plain, coded] {
            let _ = std::fs::remove_dir_all(path);
        }
    }
    println!();
}

fn line(name: &str, asked: &str, plain: &View, coded: &View, query: &Maker<'_>) {
    let (mut without, mut with, mut brute, mut ratios) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut passed, mut rows) = (0, 0);
    for number in 0..QUERIES as u64 {
        let vector = query(u64::MAX / 2 + number);
        let search = Search::new(10);
        // The first of two is the one that finds the query cold.
        let (a, expected) = timed(plain, &vector, &search);
        let (b, found) = timed(coded, &vector, &search);
        assert_eq!(hits(&found), hits(&expected), "query {number} over {name}");
        passed += found.work.passed_heads;
        rows += found.work.rows_with_codes.max(1);
        ratios.push(b.as_secs_f64() / a.as_secs_f64());
        without.push(a);
        with.push(b);
        if number % 8 == 0 {
            brute.push(timed(plain, &vector, &search.brute_force()).0);
        }
    }
    ratios.sort_by(f64::total_cmp);
    println!(
        "| {name} | {asked} | {:.1} % | {:.2} | {:.2} | {:.2} | {:.1} |",
        100.0 * passed as f64 / rows as f64,
        ms(percentile(&mut without, 0.5)),
        ms(percentile(&mut with, 0.5)),
        ratios[ratios.len() / 2],
        ms(percentile(&mut brute, 0.5)),
    );
}

fn timed(view: &View, vector: &[f32], search: &Search) -> (Duration, Answer) {
    let start = Instant::now();
    let answer = view.search(vector, search).expect("an answer");
    (start.elapsed(), answer)
}

fn hits(answer: &Answer) -> Vec<(&str, u64)> {
    answer.hits.iter().map(|hit| (hit.key.as_str(), hit.score.to_bits())).collect()
}

fn fill(path: &Path, rows: usize, row: &Maker<'_>) -> View {
    let store = Store::create(path).expect("a store");
    let collection = store.create_collection("measured", identity()).expect("a collection");
    let mut writer = collection.writer().expect("a writer");
    for number in 0..rows {
        writer.upsert(Record::new(&format!("{number:07}"), &row(number as u64))).expect("a row");
        if number % 2000 == 1999 {
            writer.commit().expect("a commit");
        }
    }
    writer.commit().expect("a commit");
    writer.seal().expect("a sealed segment");
    collection.view().expect("a view")
}

/// Words as they occur in texts, each hashed to an element with a sign: what an embedder without a model makes.
fn hashed_words(number: u64) -> Vec<f32> {
    let mut random = Random(number ^ 0x5eed);
    let mut vector = vec![0.0f32; DIMS];
    for _ in 0..WORDS {
        // About as often as its rank's inverse.
        let uniform = (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        let word = (VOCABULARY as f64).powf(uniform) as u64;
        let hash = Random(word).next_u64();
        vector[(hash % DIMS as u64) as usize] += if hash >> 63 == 0 { 1.0 } else { -1.0 };
    }
    unit(vector)
}

fn gaussian(number: u64) -> Vec<f32> {
    let mut random = Random(number ^ 0xbad);
    unit((0..DIMS).map(|_| random.normal()).collect())
}

fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    let norm = vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt() as f32;
    vector.iter_mut().for_each(|x| *x /= norm.max(f32::MIN_POSITIVE));
    vector
}
