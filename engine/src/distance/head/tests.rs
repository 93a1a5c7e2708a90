//! Every instruction set gives the bits of the portable code; what this processor lacks is said to be skipped.

use super::super::inputs::Random;
use super::{BLOCK_ROWS, Bounds, Factors, HeadBlock, HeadKernel, HeadQuery, Kind, QUERY_MOST, fine};

fn bounds(kernel: HeadKernel, block: &HeadBlock<'_>, query: &HeadQuery, factors: &Factors) -> Bounds {
    let mut bounds = Bounds::default();
    kernel.bounds(block, query, factors, &mut bounds);
    bounds
}

fn lanes(random: &mut Random, scale: f32) -> [f32; BLOCK_ROWS] {
    std::array::from_fn(|_| random.signed() * scale)
}

#[test]
fn every_instruction_set_gives_the_bounds_of_the_portable_one() {
    let mut random = Random(11);
    let portable = HeadKernel::detect(Kind::Portable).unwrap();
    let mut tried = 0;
    for &kind in Kind::ALL {
        let Some(kernel) = HeadKernel::detect(kind) else {
            println!("skipped: this processor has no {kind:?}");
            continue;
        };
        for head in [1usize, 3, 4, 5, 16, 60, 64, 192, 256, 384, 1024] {
            for round in 0..20 {
                let extreme = round % 4;
                let bytes = head.next_multiple_of(8) / 2 * BLOCK_ROWS;
                let codes: Vec<u8> = (0..bytes)
                    .map(|_| match extreme {
                        0 => 255,
                        1 => 15,
                        _ => (random.signed() * 127.0) as i8 as u8,
                    })
                    .collect();
                let elements: Vec<i16> = (0..head)
                    .map(|_| match extreme {
                        0 | 2 => QUERY_MOST as i16,
                        1 => -QUERY_MOST as i16,
                        _ => (random.signed() * QUERY_MOST as f32) as i16,
                    })
                    .collect();
                let values: [_; 4] = std::array::from_fn(|_| lanes(&mut random, 3.0));
                let [scale, head_error, tail_norm, offset] = &values;
                let block = HeadBlock { codes: &codes, scale, head_error, tail_norm, offset };
                let factors = Factors { scale: 0.37, head: 1.3, tail: 0.7, offset: -0.2 };
                let query = HeadQuery::new(&elements);
                let expected = bounds(portable, &block, &query, &factors);
                let found = bounds(kernel, &block, &query, &factors);
                assert_eq!(found, expected, "{kind:?}, {head} elements");
                let other = HeadQuery::new(&elements.iter().map(|y| y / 2).collect::<Vec<_>>());
                let mut found = [Bounds::default(); 4];
                kernel.bounds_of_tile(
                    &block,
                    [(&query, &factors), (&other, &factors), (&query, &factors), (&other, &factors)],
                    &mut found,
                );
                let alone = bounds(portable, &block, &other, &factors);
                assert_eq!(found, [expected, alone, expected, alone], "{kind:?}, {head} elements, a tile");
                tried += BLOCK_ROWS;

                // The portable sums against the plainest definition.
                for row in 0..BLOCK_ROWS {
                    let code = |i: usize| {
                        let byte = codes[(i / 8 * BLOCK_ROWS + row) * 4 + i % 4];
                        2 * i64::from(byte >> (i % 8 / 4 * 4) & 15) - 15
                    };
                    let sum: i64 = (0..head).map(|i| code(i) * i64::from(elements[i])).sum();
                    let estimate = (scale[row] * factors.scale) * sum as f32 + offset[row] * factors.offset;
                    assert_eq!(expected.estimate[row].to_bits(), estimate.to_bits());
                }
                let one = &codes[..bytes / BLOCK_ROWS];
                let code = |i: usize| {
                    let byte = one[i % one.len()];
                    2 * i64::from(byte >> (i / one.len() * 4) & 15) - 15
                };
                let sum: i64 = (0..head).map(|i| code(i) * i64::from(elements[i])).sum();
                assert_eq!(i64::from(query.fine(one)), sum, "{head} fine elements");
                let [lower, upper] = &query.fine;
                assert_eq!(query.centred(fine::sum(one, lower, upper)), query.fine(one), "portable");
            }
        }
    }
    println!("{tried} rows of heads compared");
}
