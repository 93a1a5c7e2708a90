//! Frames: whatever a builder is given, a reader gets back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use proptest::collection::vec;
use proptest::prelude::*;
use siltstone_format::checksum::digest;
use siltstone_format::frame::Frame;
use siltstone_format::frame_builder::{FrameBuilder, NewRow, Place};
use siltstone_format::layout::Kill;
use siltstone_format::limits::MAX_NUMBER;
use siltstone_format::payload::Compression;
use siltstone_format::{Digest, Id, Seed};

#[derive(Debug, Clone)]
struct Row {
    key: String,
    vector: Vec<f32>,
    squared_norm: f64,
    metadata: String,
    text: String,
    supersedes: Option<(u64, u32)>,
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => Just(String::new()),
        6 => "\\PC{0,200}",
        // Longer than a block, compressible or not.
        1 => ("\\PC{1,8}", 1000usize..30_000).prop_map(|(part, times)| part.repeat(times)),
        1 => vec(any::<char>(), 20_000..40_000).prop_map(|all| all.into_iter().collect()),
    ]
}

fn metadata() -> impl Strategy<Value = String> {
    prop_oneof![
        1 => Just(String::new()),
        4 => (any::<i64>(), "[a-z ]{0,40}").prop_map(|(n, s)| format!("{{\"n\":{n},\"s\":\"{s}\"}}")),
        1 => (1usize..60_000).prop_map(|length| format!("{{\"long\":\"{}\"}}", "x".repeat(length))),
    ]
}

fn rows(dims: u32) -> impl Strategy<Value = Row> {
    let element = any::<u32>().prop_map(f32::from_bits).prop_filter("finite", |element| element.is_finite());
    let key = prop_oneof![9 => "\\PC{1,40}", 1 => Just("k".repeat(1024))];
    let supersedes = proptest::option::of((1..=MAX_NUMBER, any::<u32>()));
    (key, vec(element, dims as usize), any::<f64>(), metadata(), texts(), supersedes).prop_map(
        |(key, vector, squared_norm, metadata, text, supersedes)| Row {
            key,
            vector,
            squared_norm,
            metadata,
            text,
            supersedes,
        },
    )
}

/// Dims, rows, deletions.
type Content = (u32, Vec<Row>, Vec<(u64, u32, String)>);

fn contents(dims: impl Strategy<Value = u32>) -> impl Strategy<Value = Content> {
    dims.prop_flat_map(|dims| {
        (Just(dims), vec(rows(dims), 0..8), vec((1..=MAX_NUMBER, any::<u32>(), "\\PC{1,40}"), 0..5))
    })
}

fn build((dims, rows, gone): &Content, compression: Compression) -> FrameBuilder {
    let mut builder = FrameBuilder::new(*dims, compression);
    for Row { key, vector, squared_norm, metadata, text, supersedes } in rows {
        let (metadata, squared_norm) = (metadata.as_bytes(), *squared_norm);
        let place = builder.push_row(NewRow { key, vector, squared_norm, metadata, text });
        if let Some((segment, row)) = supersedes {
            builder.push_superseded(*segment, *row, place);
        }
    }
    for (segment, row, key) in gone {
        builder.push_deleted(*segment, *row, key);
    }
    builder
}

fn check(
    content: &Content,
    compression: Compression,
    seed: &Seed,
    place: &Place,
) -> Result<(), TestCaseError> {
    let (dims, rows, gone) = content;
    let mut builder = build(content, compression);
    prop_assert_eq!(builder.is_empty(), rows.is_empty() && gone.is_empty());
    let encoded = builder.finish(seed, place).unwrap();
    prop_assert!(builder.is_empty() && encoded.bytes.len().is_multiple_of(512));
    let followed = [encoded.bytes.as_slice(), b"what follows"].concat();
    let (frame, header) = Frame::new(&followed, *dims, seed, place.offset).unwrap();
    prop_assert_eq!(&header, &encoded.header);
    prop_assert_eq!(header.frame_bytes, encoded.bytes.len() as u64);
    let said = (header.first_row, header.commit, header.committed_at_ms, header.previous_chain, header.part);
    let meant = (place.first_row, place.commit, place.committed_at_ms, place.previous_chain, place.part);
    prop_assert_eq!((said, header.last == 1), (meant, place.last));
    prop_assert_eq!(frame.flaws(&header), vec![]);
    prop_assert_eq!(frame.chain(), encoded.chain);
    prop_assert_eq!(frame.chain(), digest(&encoded.bytes[..encoded.bytes.len() - 64]));
    prop_assert_eq!(frame.trailer(&header).unwrap().chain, encoded.chain);

    prop_assert_eq!(frame.rows() as usize, rows.len());
    let mut all_metadata = Vec::new();
    for (number, row) in (0..).zip(rows) {
        let elements = frame.row(number).unwrap().unwrap().chunks_exact(4);
        let elements: Vec<u32> = elements.map(|bits| u32::from_le_bytes(bits.try_into().unwrap())).collect();
        prop_assert_eq!(elements, row.vector.iter().map(|element| element.to_bits()).collect::<Vec<_>>());
        prop_assert_eq!(frame.squared_norm(number).unwrap().to_bits(), row.squared_norm.to_bits());
        prop_assert_eq!(frame.key(number).unwrap().unwrap(), &row.key);
        prop_assert_eq!(frame.metadata(number).unwrap().unwrap(), row.metadata.as_bytes());
        prop_assert!(frame.text(number).unwrap().unwrap() == row.text, "text of row {}", number);
        all_metadata.extend_from_slice(row.metadata.as_bytes());
    }
    let (raw, ends) = frame.all_metadata().unwrap();
    prop_assert!(raw == all_metadata && ends.last().copied().unwrap_or(0) as usize == raw.len());
    let superseded = (0..)
        .zip(rows)
        .filter_map(|(key, row)| row.supersedes.map(|(segment, row)| Kill { segment, row, key }));
    let deleted = (rows.len() as u32..).zip(gone).map(|(key, (segment, row, _))| Kill {
        segment: *segment,
        row: *row,
        key,
    });
    prop_assert_eq!(frame.kills().collect::<Vec<_>>(), superseded.chain(deleted).collect::<Vec<_>>());
    let (index, at) = (frame.geometry().index..frame.geometry().keys, place.offset);
    let alone = Frame::kills_of_index(&encoded.bytes[index], &header, frame.geometry(), seed, at);
    prop_assert_eq!(alone, Ok(frame.kills().collect::<Vec<_>>()));
    for (number, (_, _, key)) in (rows.len() as u32..).zip(gone) {
        prop_assert_eq!(frame.key(number).unwrap().unwrap(), key);
        prop_assert_eq!(frame.key_unchecked(number), Some(key.as_str()));
    }
    prop_assert!(
        frame.key((rows.len() + gone.len()) as u32).is_none() && frame.row(rows.len() as u32).is_none()
    );
    Ok(())
}

fn places() -> impl Strategy<Value = Place> {
    (8u64..1 << 40, 0u32..1 << 31, 1..=MAX_NUMBER, any::<i64>(), any::<Digest>(), any::<u32>(), any::<bool>())
        .prop_map(|(sector, first_row, commit, committed_at_ms, previous_chain, part, last)| Place {
            offset: sector * 512,
            first_row,
            commit,
            committed_at_ms,
            previous_chain,
            part,
            last,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn narrow_frames(
        content in contents(1u32..=64),
        zstd in any::<bool>(),
        place in places(),
        (collection, segment) in any::<(Id, u64)>(),
    ) {
        let compression = if zstd { Compression::Zstd } else { Compression::None };
        check(&content, compression, &Seed::new(&collection, segment), &place)?;
    }

    #[test]
    fn wide_frames(content in contents(Just(1536)), zstd in any::<bool>(), place in places()) {
        let compression = if zstd { Compression::Zstd } else { Compression::None };
        check(&content, compression, &Seed::new(&[1; 16], 2), &place)?;
    }

    #[test]
    fn the_same_content_gives_the_same_bytes(content in contents(1u32..=8), place in places()) {
        let seed = Seed::new(&[1; 16], 2);
        let bytes = || build(&content, Compression::Zstd).finish(&seed, &place).unwrap().bytes;
        prop_assert!(bytes() == bytes());
    }
}

#[test]
fn a_frame_of_one_byte_more_than_a_block_has_two_blocks() {
    for (length, blocks) in [(0, 0), (1, 1), (65535, 1), (65536, 1), (65537, 2), (131_072, 2), (131_073, 3)] {
        let text = "é".repeat(length / 2) + &"x".repeat(length % 2);
        for compression in [Compression::None, Compression::Zstd] {
            let row = |key: &str, text: &str| {
                let (key, text) = (key.to_owned(), text.to_owned());
                Row {
                    key,
                    vector: vec![1.0],
                    squared_norm: 1.0,
                    metadata: String::new(),
                    text,
                    supersedes: None,
                }
            };
            let content = (1, vec![row("a", &text), row("b", "")], vec![]);
            let place = Place {
                offset: 4096,
                first_row: 0,
                commit: 1,
                committed_at_ms: 0,
                previous_chain: [0; 32],
                part: 0,
                last: true,
            };
            let seed = Seed::new(&[1; 16], 1);
            check(&content, compression, &seed, &place).unwrap();
            let header = build(&content, compression).finish(&seed, &place).unwrap().header;
            assert_eq!((header.text_blocks, header.metadata_blocks), (blocks, 0), "{length}");
        }
    }
}
