//! Every instruction set agrees with the plain definition, bit for bit.

use super::canonical::oracle;
use super::dispatch::{InstructionSet, Kind};
use super::inputs::{Pair, Random, report};

fn widths() -> impl Iterator<Item = usize> {
    (1..=40).chain([63, 64, 65, 127, 1000, 1536, 3072, 8192])
}

/// The instruction sets of this processor; those it lacks are named on the terminal.
fn available() -> Vec<InstructionSet> {
    Kind::ALL
        .iter()
        .filter_map(|&kind| {
            let found = InstructionSet::detect(kind);
            if found.is_none() {
                report(format_args!(
                    "SKIPPED: this processor has no {kind:?}, so its canonical sums were not tested"
                ));
            }
            found
        })
        .collect()
}

#[test]
fn every_instruction_set_has_the_bits_of_the_definition() {
    let sets = available();
    assert!(!sets.is_empty());
    let mut random = Random(1);
    let mut pairs = 0_u64;
    for dims in widths() {
        for pair in Pair::ALL {
            for _ in 0..(40_000 / dims).clamp(4, 400) {
                let (a, b) = pair.make(dims, &mut random);
                let dot = oracle::dot(&a, &b);
                let squared = oracle::squared_euclidean(&a, &b);
                for set in &sets {
                    let (fast_dot, fast_squared) = (set.dot(&a, &b), set.squared_euclidean(&a, &b));
                    assert_eq!(
                        fast_dot.map(f64::to_bits),
                        Some(dot.to_bits()),
                        "dot {set:?} {pair:?} {dims}: {fast_dot:?}, {dot:e}"
                    );
                    assert_eq!(
                        fast_squared.map(f64::to_bits),
                        Some(squared.to_bits()),
                        "squared distance {set:?} {pair:?} {dims}: {fast_squared:?}, {squared:e}"
                    );
                }
                pairs += 1;
            }
        }
    }
    report(format_args!("canonical sums: {pairs} pairs agree on {sets:?}"));
}

#[test]
fn unaligned_slices_have_the_same_bits() {
    let mut random = Random(2);
    let (a, b) = Pair::Uniform.make(1600, &mut random);
    for set in available() {
        for start in 0..16 {
            let (a, b) = (&a[start..start + 1536], &b[16 - start..16 - start + 1536]);
            assert_eq!(set.dot(a, b), Some(oracle::dot(a, b)));
        }
    }
}

#[test]
fn the_definition_is_the_written_one() {
    // Lanes 0 and 8 share a lane: 2^60 + 1 rounds to 2^60 there, and -2^60 in lane 1 cancels it.
    let mut a = [0.0_f32; 9];
    (a[0], a[1], a[8]) = (2.0_f32.powi(60), -(2.0_f32.powi(60)), 1.0);
    let ones = [1.0_f32; 9];
    assert_eq!(oracle::dot(&a, &ones), 0.0);
    // In a lane of its own, the 1 survives.
    (a[8], a[7]) = (0.0, 1.0);
    assert_eq!(oracle::dot(&a, &ones), 1.0);
    assert_eq!(oracle::squared_euclidean(&[3.0, 0.0], &[0.0, 4.0]), 25.0);
}

#[test]
fn no_sum_is_negative_zero() {
    for set in available() {
        for (a, b) in [([-0.0_f32; 11], [1.0_f32; 11]), ([0.0; 11], [-1.0; 11]), ([-0.0; 11], [-0.0; 11])] {
            assert_eq!(set.dot(&a, &b).map(f64::to_bits), Some(0));
            assert_eq!(set.squared_euclidean(&a, &a).map(f64::to_bits), Some(0));
        }
    }
}

#[test]
fn unequal_lengths_have_no_sum() {
    for set in available() {
        assert_eq!(set.dot(&[1.0; 16], &[1.0; 17]), None);
        assert_eq!(set.squared_euclidean(&[1.0; 17], &[1.0; 16]), None);
    }
}

#[test]
fn the_best_instruction_set_is_the_widest_there_is() {
    assert_eq!(available().first(), Some(&InstructionSet::best()));
}
