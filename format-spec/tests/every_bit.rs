//! Every single bit that flips in a structure is noticed, and the flaw that reports it spans the bit's byte; so is
//! every cut. Exhaustive on small files; the counts are printed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use siltstone_format::frame::Frame;
use siltstone_format::layout::{
    FooterHeader, FrameHeader, FrameTrailer, KeyIndexHeader, Seal, SegmentHeader, WitnessSlot,
};
use siltstone_format::payload::Compression;
use siltstone_format::{Flaw, Seed, attributes, footer, header, key_index, witness};
use siltstone_format::{catalogue::Catalogue, manifest::Manifest, snapshot::Snapshot};
use siltstone_fuzz_bodies::samples;

/// Flips the bits of `bytes`, which lie at `offset`, one in `step`, and cuts it at every length; `flaws` must name
/// every flip in its place and no other place.
fn damage(name: &str, bytes: &[u8], offset: u64, step: usize, flaws: impl Fn(&[u8]) -> Vec<Flaw>) {
    assert_eq!(flaws(bytes), [], "{name}: no flaw before the damage");
    let (mut flips, mut cuts) = (0, 0);
    let mut damaged = bytes.to_vec();
    for bit in (0..bytes.len() * 8).step_by(step) {
        let at = bit / 8;
        damaged[at] ^= 1 << (bit % 8);
        let found = flaws(&damaged);
        assert!(!found.is_empty(), "{name}: bit {bit} of {} went unnoticed", bytes.len() * 8);
        let place = offset + at as u64;
        for flaw in found {
            let spans = flaw.offset <= place && place < flaw.offset.saturating_add(flaw.length);
            assert!(spans, "{name}: byte {place} was damaged, but: {flaw}");
        }
        damaged[at] ^= 1 << (bit % 8);
        flips += 1;
    }
    for length in (0..bytes.len()).step_by(step) {
        assert!(!flaws(&bytes[..length]).is_empty(), "{name}: cut to {length} of {} bytes", bytes.len());
        cuts += 1;
    }
    println!("{name}: {flips} flips and {cuts} cuts, all noticed, every flip in its place");
}

fn flaw<T>(result: Result<T, Flaw>) -> Vec<Flaw> {
    result.err().into_iter().collect()
}

#[test]
fn fixed_structures() {
    let seed = samples::seed();
    let header = samples::segment_header(4);
    damage("segment header", &header.encode(&seed, 0), 0, 1, |b| flaw(SegmentHeader::decode(b, &seed, 0)));
    let frame = samples::frame(4, 2, Compression::None).unwrap();
    let at = samples::FRAME_OFFSET;
    damage("frame header", &frame.bytes[..256], at, 1, |b| flaw(FrameHeader::decode(b, &seed, at)));
    let trailer = frame.bytes.len() - 64;
    let at = at + trailer as u64;
    damage("frame trailer", &frame.bytes[trailer..], at, 1, |b| flaw(FrameTrailer::decode(b, &seed, at)));
    let (footer, at) = (samples::footer(), samples::FOOTER_OFFSET);
    damage("footer header", &footer[..128], at, 1, |b| flaw(FooterHeader::decode(b, &seed, at)));
    let at = at + footer.len() as u64 - 64;
    damage("seal", &footer[footer.len() - 64..], at, 1, |b| flaw(Seal::decode(b, &seed, at)));
    let witness = samples::witness();
    let seed = witness::seed(&samples::COLLECTION);
    damage("witness slot", &witness[512..], 512, 1, |b| flaw(WitnessSlot::decode(b, &seed, 512)));
    let index = samples::key_index(1);
    let seed = samples::seed();
    damage("key index header", &index[..4096], 0, 1, |b| flaw(KeyIndexHeader::decode(b, &seed, 0)));
}

#[test]
fn header_pages() {
    damage("header page", &samples::header_page(1536).unwrap(), 0, 1, |bytes| flaw(header::decode(bytes)));
}

/// What a verifier of one frame sees: the header, or else everything in the frame.
fn frame_flaws(bytes: &[u8], dims: u32, seed: &Seed) -> Vec<Flaw> {
    match Frame::new(bytes, dims, seed, samples::FRAME_OFFSET) {
        Ok((frame, header)) => frame.flaws(&header),
        Err(flaw) => vec![flaw],
    }
}

#[test]
fn frames() {
    let seed = samples::seed();
    for compression in [Compression::None, Compression::Zstd] {
        for (dims, rows) in [(1, 0), (1, 1), (3, 9), (64, 5)] {
            let frame = samples::frame(dims, rows, compression).unwrap();
            let name = format!("frame of {rows} rows of {dims}, {compression:?}");
            damage(&name, &frame.bytes, samples::FRAME_OFFSET, 1, |bytes| frame_flaws(bytes, dims, &seed));
        }
    }
}

#[test]
fn frames_with_many_blocks_and_wide_rows() {
    let seed = samples::seed();
    for compression in [Compression::None, Compression::Zstd] {
        let frame = samples::frame(1536, 120, compression).unwrap();
        assert!(frame.header.text_blocks > 2, "{:?}", frame.header);
        let name = format!("large frame, {compression:?}, one in 4001");
        damage(&name, &frame.bytes, samples::FRAME_OFFSET, 4001, |bytes| frame_flaws(bytes, 1536, &seed));
    }
}

#[test]
fn footers() {
    let (bytes, seed, at) = (samples::footer(), samples::seed(), samples::FOOTER_OFFSET);
    damage("footer", &bytes, at, 1, |bytes| {
        let tail = &bytes[bytes.len().saturating_sub(64)..];
        match footer::locate(tail, at + bytes.len() as u64, &seed) {
            Ok((start, seal)) => {
                assert_eq!(start, at, "a flipped seal never gives another place");
                flaw(footer::decode(bytes, &seal, &seed, at))
            }
            Err(flaw) => vec![flaw],
        }
    });
}

#[test]
fn key_indexes() {
    let seed = samples::seed();
    for entries in [0, 5, 342] {
        damage(&format!("key index of {entries}"), &samples::key_index(entries), 0, 1, |bytes| {
            let mut flaws = flaw(key_index::decode_header(bytes, bytes.len() as u64, &seed));
            let blocks = bytes.chunks(4096).skip(1).enumerate();
            flaws.extend(
                blocks.flat_map(|(number, block)| flaw(key_index::check_block(block, number, &seed))),
            );
            flaws
        });
    }
}

#[test]
fn attribute_indexes() {
    let (seed, bytes) = (samples::seed(), samples::attributes());
    damage("attribute index", &bytes, 0, 1, |bytes| {
        let mut flaws = flaw(attributes::decode_header(bytes, bytes.len() as u64, &seed));
        let blocks = (0u64..).zip(bytes.chunks(4096).skip(1));
        flaws.extend(blocks.flat_map(|(number, block)| flaw(attributes::check_block(block, number, &seed))));
        flaws
    });
}

#[test]
fn witnesses() {
    damage("witness", &samples::witness(), 0, 1, |bytes| witness::decode(bytes, &samples::COLLECTION).flaws);
    let new =
        witness::encode_new(&witness::decode(&samples::witness(), &samples::COLLECTION).latest.unwrap());
    damage("new witness", &new, 0, 1, |bytes| witness::decode(bytes, &samples::COLLECTION).flaws);
}

#[test]
fn documents() {
    damage("catalogue", &samples::catalogue().encode().unwrap(), 0, 1, |b| flaw(Catalogue::decode(b)));
    damage("manifest", &samples::manifest().encode().unwrap(), 0, 1, |b| flaw(Manifest::decode(b)));
    damage("snapshot", &samples::snapshot().encode().unwrap(), 0, 1, |b| flaw(Snapshot::decode(b)));
}

#[test]
fn frames_in_another_place_are_no_frames() {
    let frame = samples::frame(4, 3, Compression::None).unwrap();
    let bytes = &frame.bytes;
    assert!(Frame::new(bytes, 4, &samples::seed(), samples::FRAME_OFFSET).is_ok());
    assert!(Frame::new(bytes, 4, &samples::seed(), samples::FRAME_OFFSET + 512).is_err(), "another offset");
    let elsewhere = Seed::new(&samples::COLLECTION, samples::SEGMENT + 1);
    assert!(Frame::new(bytes, 4, &elsewhere, samples::FRAME_OFFSET).is_err(), "another segment");
    let elsewhere = Seed::new(&[8; 16], samples::SEGMENT);
    assert!(Frame::new(bytes, 4, &elsewhere, samples::FRAME_OFFSET).is_err(), "another collection");
}

#[test]
fn rows_that_change_places_are_noticed() {
    let seed = samples::seed();
    let frame = samples::frame(4, 3, Compression::None).unwrap();
    let mut bytes = frame.bytes.clone();
    let (first, rest) = bytes[256..].split_at_mut(16);
    first.swap_with_slice(&mut rest[..16]);
    let flaws = frame_flaws(&bytes, 4, &seed);
    let rows: Vec<_> = flaws.iter().map(|flaw| (flaw.structure, flaw.offset)).collect();
    assert_eq!(rows, [("row", samples::FRAME_OFFSET + 256), ("row", samples::FRAME_OFFSET + 272)]);
}
