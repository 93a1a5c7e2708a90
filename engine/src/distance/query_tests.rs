//! What a caller of the module may rely on.

use siltstone_format::{Metric, limits::MAX_DIMS};

use super::inputs::{Pair, Random};
use super::{Query, Refused, check_vector};

#[test]
fn vectors_without_a_score_are_refused_and_the_reason_says_what_to_do() {
    let wide = vec![1.0_f32; MAX_DIMS as usize + 1];
    for metric in Metric::ALL {
        assert_eq!(Query::new(metric, &[]).unwrap_err(), Refused::Empty);
        assert_eq!(Query::new(metric, &wide).unwrap_err(), Refused::TooWide { dims: 8193 });
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut vector = [1.0; 20];
            (vector[13], vector[17]) = (value, f32::NAN);
            let refused = check_vector(metric, &vector).unwrap_err();
            assert!(
                matches!(refused, Refused::NotFinite { index: 13, value: v } if v.to_bits() == value.to_bits())
            );
            assert!(
                refused.to_string().contains(&format!("element 13 of the vector is {value};")),
                "{refused}"
            );
        }
    }
    let refused = check_vector(Metric::Cosine, &[0.0, -0.0, 0.0]).unwrap_err();
    assert_eq!(refused, Refused::Zero { dims: 3 });
    assert!(refused.to_string().contains("dot or euclidean"), "{refused}");
    assert_eq!(check_vector(Metric::Dot, &[0.0, -0.0, 0.0]), Ok(0.0));
}

#[test]
fn every_finite_vector_is_accepted_up_to_the_greatest_width() {
    for value in [f32::MAX, f32::MIN, f32::from_bits(1), f32::MIN_POSITIVE] {
        for dims in [1, 7, MAX_DIMS as usize] {
            let squared_norm = check_vector(Metric::Cosine, &vec![value; dims]).unwrap();
            assert!(squared_norm > 0.0 && squared_norm.is_finite(), "{value:e} {dims}");
        }
    }
}

#[test]
fn scores_are_the_written_formulas() {
    let (q, o) = ([1.0_f32, 2.0, 2.0], [4.0_f32, 0.0, 3.0]);
    let score = |metric| Query::new(metric, &q).unwrap().score(&o, check_vector(metric, &o).unwrap());
    assert_eq!(score(Metric::Dot), 10.0);
    assert_eq!(score(Metric::Cosine), 10.0 / 15.0);
    assert_eq!(score(Metric::Euclidean), 14.0_f64.sqrt());
}

#[test]
fn a_greater_rank_is_closer_and_gives_its_score_back() {
    for metric in Metric::ALL {
        let query = Query::new(metric, &[1.0, 0.0]).unwrap();
        let rank = |row: &[f32]| query.rank(query.score(row, check_vector(metric, row).unwrap()));
        assert!(rank(&[1.0, 0.1]) > rank(&[0.5, 3.0]), "{metric}");
        for score in [0.0, 0.25, 1e300, f64::from_bits(1)] {
            assert_eq!(query.score_of_rank(query.rank(score)).to_bits(), score.to_bits());
        }
    }
    let query = Query::new(Metric::Euclidean, &[1.0, 0.0]).unwrap();
    assert_eq!(query.rank(query.score(&[1.0, 0.0], 1.0)).to_bits(), 0, "distance 0 ranks +0.0");
}

#[test]
fn zero_vectors_score_under_dot_and_euclidean() {
    for metric in [Metric::Dot, Metric::Euclidean] {
        let (zero, row) = (Query::new(metric, &[0.0; 9]).unwrap(), [0.0_f32; 9]);
        assert_eq!(zero.score(&row, 0.0).to_bits(), 0);
        assert!(zero.optimistic_rank(&row, 0.0) >= 0.0);
    }
}

#[test]
fn a_row_of_another_width_is_never_dropped_and_never_ranks() {
    for metric in Metric::ALL {
        let query = Query::new(metric, &[1.0; 16]).unwrap();
        for width in [0, 15, 17] {
            let row = vec![1.0; width];
            assert!(query.optimistic_rank(&row, width as f64) >= 0.0);
            assert_eq!(query.rank(query.score(&row, width as f64)), f64::NEG_INFINITY);
        }
    }
    let query = Query::new(Metric::Cosine, &[1.0; 16]).unwrap();
    assert_eq!(query.score(&[0.0; 16], 0.0), f64::NEG_INFINITY, "a zero row that got past the door");
    assert_eq!(query.rows(&[0.0; 40]).len(), 2);
    assert_eq!(query.rows(&[0.0; 40]).remainder().len(), 8);
}

#[test]
fn the_bound_is_as_sharp_as_it_says() {
    let mut random = Random(3);
    for dims in [1, 8, 100, 1536, 8192] {
        let (vector, row) = Pair::Uniform.make(dims, &mut random);
        for metric in Metric::ALL {
            let (query, squared_norm) =
                (Query::new(metric, &vector).unwrap(), check_vector(metric, &row).unwrap());
            let rank = query.rank(query.score(&row, squared_norm));
            let unit = match metric {
                Metric::Cosine => 1.0,
                Metric::Dot => (query.squared_norm() * squared_norm).sqrt(),
                Metric::Euclidean => -rank,
            };
            let excess = query.optimistic_rank(&row, squared_norm) - rank;
            assert!(
                excess <= (dims + 2) as f64 * 2.0_f64.powi(-23) * 1.01 * unit,
                "{metric} {dims}: {excess:e}"
            );
        }
    }
}

/// The reason for all of this: dropping by the bound finds what scoring everything finds, and scores little.
#[test]
fn a_scan_that_drops_rows_by_their_bound_finds_the_best() {
    let (dims, rows, k) = (64, 4_000, 10);
    let mut random = Random(4);
    for metric in Metric::ALL {
        let mut block: Vec<f32> = (0..rows * dims).map(|_| random.signed()).collect();
        let repeated = block[..dims].to_vec();
        block[2_000 * dims..2_001 * dims].copy_from_slice(&repeated);
        let query = Query::new(metric, &Pair::Uniform.make(dims, &mut random).0).unwrap();
        let norms: Vec<f64> = query.rows(&block).map(|row| check_vector(metric, row).unwrap()).collect();

        let ranked = |scored: Vec<(usize, f64)>| {
            let mut ranked = scored;
            ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            ranked.truncate(k);
            ranked
        };
        let score = |(i, row): (usize, &[f32])| (i, query.rank(query.score(row, norms[i])));
        let everything = ranked(query.rows(&block).enumerate().map(score).collect());

        let (mut best, mut scored) = (Vec::new(), 0);
        for (i, row) in query.rows(&block).enumerate() {
            let kth = best.get(k - 1).map_or(f64::NEG_INFINITY, |&(_, rank): &(usize, f64)| rank);
            if query.optimistic_rank(row, norms[i]) < kth {
                continue;
            }
            best.push(score((i, row)));
            best = ranked(best);
            scored += 1;
        }
        assert_eq!(best, everything, "{metric}");
        assert!(scored < rows / 20, "{metric}: {scored} of {rows} rows were scored");
    }
}
