//! The bounds hold on everything that float arithmetic does badly, and these tests would notice if they did not.

use proptest::prelude::*;
use siltstone_format::Metric;

use super::canonical::oracle;
use super::inputs::{Pair, Random, report};
use super::slack::Slack;
use super::{Query, check_vector};

/// What a run over many pairs found.
#[derive(Debug, Default)]
struct Tally {
    pairs: u64,
    /// Pairs whose bound said something, that is, was finite.
    finite: u64,
    violations: u64,
    first_violation: Option<String>,
}

impl Tally {
    fn check(&mut self, query: &Query, row: &[f32], what: Pair) {
        let Ok(squared_norm) = check_vector(query.metric(), row) else { return };
        let rank = query.rank(query.score(row, squared_norm));
        let bound = query.optimistic_rank(row, squared_norm);
        self.pairs += 1;
        self.finite += u64::from(bound.is_finite());
        if rank.is_nan() || bound < rank {
            self.violations += 1;
            self.first_violation.get_or_insert_with(|| {
                format!(
                    "{what:?} {} of {} elements: bound {bound:e} below rank {rank:e}",
                    query.metric(),
                    row.len()
                )
            });
        }
    }
}

/// Compares bound and rank of about `rounds * 14` pairs, of narrow vectors mostly and of wide ones now and then.
fn run(metric: Metric, rounds: usize, seed: u64, slack: impl Fn(usize) -> Slack) -> Tally {
    let mut random = Random(seed);
    let mut tally = Tally::default();
    for round in 0..rounds {
        let dims = match round % 1000 {
            0 => [8192, 3072, 1536, 1000][random.below(4)],
            1..20 => 41 + random.below(400),
            _ => 1 + random.below(40),
        };
        for pair in Pair::ALL {
            let (vector, row) = pair.make(dims, &mut random);
            if let Ok(query) = Query::new(metric, &vector) {
                tally.check(&query.with_slack(slack(dims)), &row, pair);
            }
        }
    }
    tally
}

#[test]
fn no_bound_is_ever_below_the_rank() {
    for metric in Metric::ALL {
        let tally = run(metric, 120_000, 7, Slack::of);
        report(format_args!(
            "{metric}: {} pairs, {} finite bounds, {} violations",
            tally.pairs, tally.finite, tally.violations
        ));
        assert_eq!(tally.violations, 0, "{:?}", tally.first_violation);
        assert!(tally.pairs > 1_300_000 && tally.finite > tally.pairs / 2, "{tally:?}");
    }
}

#[test]
fn a_bound_without_its_slack_would_be_caught() {
    let none = |_| Slack { dot: 0.0, euclidean: 0.0, underflow: 0.0 };
    let no_rounding = |dims| Slack { dot: 0.0, euclidean: 0.0, ..Slack::of(dims) };
    let no_underflow = |dims| Slack { underflow: 0.0, ..Slack::of(dims) };
    for metric in Metric::ALL {
        let caught = [
            run(metric, 2_000, 8, none),
            run(metric, 2_000, 8, no_rounding),
            run(metric, 2_000, 8, no_underflow),
        ]
        .map(|tally| tally.violations);
        report(format_args!(
            "{metric}: violations without any slack, without rounding, without underflow: {caught:?}"
        ));
        assert!(caught.iter().all(|&violations| violations > 0), "{metric}: {caught:?}");
    }
}

/// A sum in f32 of one term per pair of elements.
type Kernel = fn(&[f32], &[f32], Term) -> f64;

/// Ways to sum that a kernel on another processor may use.
const ORDERS: [(&str, Kernel); 5] = [
    ("in order", |a, b, term| f64::from(a.iter().zip(b).fold(0.0, |sum, (&a, &b)| term.add(sum, a, b)))),
    ("backwards", |a, b, term| {
        f64::from(a.iter().zip(b).rev().fold(0.0, |sum, (&a, &b)| term.add(sum, a, b)))
    }),
    ("in order, fused", |a, b, term| {
        f64::from(a.iter().zip(b).fold(0.0, |sum, (&a, &b)| term.fused(sum, a, b)))
    }),
    ("4 lanes, fused", |a, b, term| {
        let mut lanes = [0.0_f32; 4];
        a.iter().zip(b).enumerate().for_each(|(i, (&a, &b))| lanes[i % 4] = term.fused(lanes[i % 4], a, b));
        f64::from((lanes[0] + lanes[1]) + (lanes[2] + lanes[3]))
    }),
    ("8 lanes, fused, added in f64", |a, b, term| {
        let mut lanes = [0.0_f32; 8];
        a.iter().zip(b).enumerate().for_each(|(i, (&a, &b))| lanes[i % 8] = term.fused(lanes[i % 8], a, b));
        lanes.iter().map(|&lane| f64::from(lane)).sum()
    }),
];

#[derive(Clone, Copy)]
enum Term {
    Product,
    SquaredDifference,
}

impl Term {
    fn add(self, sum: f32, a: f32, b: f32) -> f32 {
        match self {
            Term::Product => sum + a * b,
            Term::SquaredDifference => sum + (a - b) * (a - b),
        }
    }

    fn fused(self, sum: f32, a: f32, b: f32) -> f32 {
        match self {
            Term::Product => a.mul_add(b, sum),
            Term::SquaredDifference => (a - b).mul_add(a - b, sum),
        }
    }
}

#[test]
fn the_bound_covers_other_processors_kernels() {
    let mut random = Random(9);
    let mut sums = 0_u64;
    // The largest error seen, as a share of the slack: says how much of the proof's allowance is ever used.
    let mut used = 0.0_f64;
    for round in 0..3_000 {
        let dims = if round % 100 == 0 { 8192 } else { 1 + random.below(64) };
        let slack = Slack::of(dims);
        for pair in Pair::ALL {
            let (a, b) = pair.make(dims, &mut random);
            let norms = oracle::dot(&a, &a).sqrt() * oracle::dot(&b, &b).sqrt();
            let (dot, squared) = (oracle::dot(&a, &b), oracle::squared_euclidean(&a, &b));
            for (name, kernel) in ORDERS {
                let of_dot = kernel(&a, &b, Term::Product);
                assert!(
                    slack.dot_at_most(of_dot, norms) >= dot,
                    "dot {name} {pair:?} {dims}: {of_dot:e}, {dot:e}"
                );
                let of_squared = kernel(&a, &b, Term::SquaredDifference);
                assert!(
                    slack.squared_euclidean_at_least(of_squared) <= squared,
                    "squared distance {name} {pair:?} {dims}: {of_squared:e}, {squared:e}"
                );
                if of_dot.is_finite() {
                    used = used.max((dot - of_dot).abs() / (slack.dot * norms + slack.underflow));
                }
                sums += 2;
            }
        }
    }
    report(format_args!(
        "other summation orders: {sums} sums within the bound, largest error {used:.2} of it"
    ));
    assert!(used > 0.3, "the inputs are not adversarial any more: {used}");
}

/// Overflow to -infinity proves nothing about the row: what overflowed may have been cancelled later.
#[test]
fn a_kernel_that_overflows_downwards_keeps_the_row() {
    let vector: Vec<f32> = (0..64).map(|i| if i < 32 { 3e38 } else { -3e38 }).collect();
    let row: Vec<f32> = (0..64).map(|i| if i < 32 { -3e38 } else { -3.1e38 }).collect();
    for metric in [Metric::Cosine, Metric::Dot] {
        let query = Query::new(metric, &vector).unwrap();
        let squared_norm = check_vector(metric, &row).unwrap();
        assert!(query.score(&row, squared_norm) > 0.0);
        assert_eq!(query.optimistic_rank(&row, squared_norm), f64::INFINITY);
    }
    assert_eq!(Slack::of(64).dot_at_most(f64::NEG_INFINITY, 1.0), f64::INFINITY);
    assert_eq!(Slack::of(64).dot_at_most(f64::NAN, 1.0), f64::INFINITY);
}

fn finite() -> impl Strategy<Value = f32> {
    any::<u32>().prop_map(f32::from_bits).prop_filter("finite", |value| value.is_finite())
}

proptest! {
    #[test]
    fn the_bound_holds_for_any_finite_bits(
        pairs in proptest::collection::vec((finite(), finite()), 1..48),
        metric in proptest::sample::select(Metric::ALL.to_vec()),
    ) {
        let (vector, row): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
        if let (Ok(query), Ok(squared_norm)) = (Query::new(metric, &vector), check_vector(metric, &row)) {
            let rank = query.rank(query.score(&row, squared_norm));
            prop_assert!(query.optimistic_rank(&row, squared_norm) >= rank);
        }
    }
}
