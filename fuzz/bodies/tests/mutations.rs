//! Every fuzz body, over mutations of valid files that are the same in every run. `SILTSTONE_MUTATIONS` sets how many a
//! file.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use siltstone_format::payload::Compression;
use siltstone_fuzz_bodies::mutate::{Random, mutated};
use siltstone_fuzz_bodies::{
    attributes, basis, codes, documents, footer, frame, header_page, key_index, samples, witness,
};

fn mutations() -> u64 {
    std::env::var("SILTSTONE_MUTATIONS").ok().and_then(|count| count.parse().ok()).unwrap_or(1_000)
}

/// Runs `body` over every valid input, then over mutations of it, and all of its beginnings.
fn run(name: &str, hot: usize, body: impl Fn(&[u8]), inputs: &[Vec<u8>]) {
    let mut tried = 0u64;
    for (number, input) in inputs.iter().enumerate() {
        body(input);
        let step = (input.len() / 4096).max(1);
        for length in (0..input.len()).step_by(step) {
            body(&input[..length]);
            tried += 1;
        }
        let mut random = Random::new(number as u64);
        for _ in 0..mutations() {
            body(&mutated(input, hot, &mut random));
            tried += 1;
        }
    }
    println!("{name}: {tried} inputs tried");
}

#[test]
fn header_pages() {
    run(
        "header page",
        700,
        header_page,
        &[samples::header_page(4).unwrap(), samples::header_page(1536).unwrap()],
    );
}

#[test]
fn frames() {
    let mut inputs = Vec::new();
    for (choice, dims) in [(0u8, 1), (1, 3), (2, 4)] {
        for compression in [Compression::None, Compression::Zstd] {
            for rows in [0, 1, 9] {
                for fit in [0, 8] {
                    let bytes = samples::frame(dims, rows, compression).unwrap().bytes;
                    inputs.push([&[choice + fit], bytes.as_slice()].concat());
                }
            }
        }
    }
    run("frame", 700, frame, &inputs);
    for choice in 0..16 {
        run(
            "frame, other widths",
            700,
            frame,
            &[[&[choice], samples::frame(4, 2, Compression::Zstd).unwrap().bytes.as_slice()].concat()],
        );
    }
}

#[test]
fn footers() {
    run("footer", 320, footer, &[samples::footer()]);
}

#[test]
fn key_indexes() {
    run("key index", 80, key_index, &[samples::key_index(0), samples::key_index(5), samples::key_index(342)]);
}

#[test]
fn attribute_indexes() {
    run("attribute index", 120, attributes, &[samples::attributes()]);
    let body = |bytes: &[u8]| attributes(&[&samples::attributes()[..4096], bytes].concat());
    run("content of an attribute index", 520, body, &[samples::attributes()[4096..].to_vec()]);
}

#[test]
fn code_files() {
    run("code file", 130, codes, &[samples::codes(0), samples::codes(5), samples::codes(33)]);
}

#[test]
fn bases() {
    run("basis", 120, basis, &[samples::basis()]);
}

#[test]
fn witnesses() {
    run("witness", 1024, witness, &[samples::witness(), samples::witness()[..512].to_vec()]);
}

#[test]
fn json_documents() {
    let inputs = [
        samples::catalogue().encode().unwrap(),
        samples::manifest().encode().unwrap(),
        samples::snapshot().encode().unwrap(),
        samples::backup_index().encode().unwrap(),
    ];
    run("documents", 4096, documents, &inputs);
}
