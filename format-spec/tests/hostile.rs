//! Files with good checksums that say what cannot be, or what only a newer version knows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use siltstone_format::catalogue::Catalogue;
use siltstone_format::frame::{Frame, Geometry};
use siltstone_format::frame_builder::{FrameBuilder, NewRow, Place};
use siltstone_format::layout::{Block, FooterFrame, FooterKill, FrameHeader, SegmentHeader};
use siltstone_format::limits::{MAX_FRAME_RAW_BYTES, MAX_METADATA_BYTES};
use siltstone_format::manifest::{Manifest, SegmentEntry, SegmentState};
use siltstone_format::payload::Compression;
use siltstone_format::snapshot::Snapshot;
use siltstone_format::{Flaw, Seed, footer, header};
use siltstone_fuzz_bodies::{mend, samples};

fn edited(document: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = std::str::from_utf8(document).unwrap();
    assert!(text.contains(from), "{text}");
    mend::document(text.replacen(from, to, 1).as_bytes())
}

#[test]
fn a_newer_document_is_newer_before_it_is_anything_else() {
    let manifest = samples::manifest().encode().unwrap();
    let newer = edited(&manifest, "\"version\": 1", "\"version\": 2");
    assert!(Manifest::decode(&newer).unwrap_err().is_newer_format());
    // Members that this version does not understand do not hide it.
    let stranger = edited(&newer, "\"state\": \"open\"", "\"state\": \"archived\"");
    let flaw = Manifest::decode(&stranger).unwrap_err();
    assert!(flaw.is_newer_format() && flaw.found == "2", "{flaw}");
    let bits = edited(&manifest, "\"incompatible\": 0", "\"incompatible\": 6");
    let bits = edited(&bits, "\"dims\": 4", "\"dims\": [4, 4]");
    let flaw = Manifest::decode(&bits).unwrap_err();
    assert!(flaw.is_newer_format() && flaw.found == "0x6", "{flaw}");
    let zero = edited(&manifest, "\"version\": 1", "\"version\": 0");
    let flaw = Manifest::decode(&zero).unwrap_err();
    assert!(flaw.field == "version" && !flaw.is_newer_format(), "{flaw}");

    let newer = edited(&samples::catalogue().encode().unwrap(), "\"version\": 1", "\"version\": 9");
    let newer = edited(&newer, "\"collections\": [", "\"shelves\": [");
    assert!(Catalogue::decode(&newer).unwrap_err().is_newer_format());
    let newer = edited(&samples::snapshot().encode().unwrap(), "\"version\": 1", "\"version\": 2");
    assert!(Snapshot::decode(&newer).unwrap_err().is_newer_format());
}

#[test]
fn unknown_members_and_harmless_features_are_read() {
    let manifest = samples::manifest().encode().unwrap();
    let more =
        edited(&manifest, "\"state\": \"open\"", "\"state\": \"open\", \"colour\": {\"a\": [1, null]}");
    let more = edited(&more, "\"generation\"", "\"mood\": \"good\", \"generation\"");
    assert_eq!(Manifest::decode(&more).unwrap().0, samples::manifest());
    let bits = edited(&manifest, "\"compatible\": 0", "\"compatible\": 3");
    let bits = edited(&bits, "\"read_only\": 0", "\"read_only\": 4");
    let features = Manifest::decode(&bits).unwrap().0.features;
    assert_eq!((features.compatible, features.read_only), (3, 4));
}

#[test]
fn a_newer_segment_is_newer_even_when_it_uses_reserved_bytes() {
    let seed = Seed::anonymous();
    let encode = |change: &dyn Fn(&mut SegmentHeader)| {
        let mut page = samples::header_page(4).unwrap();
        let mut fields = SegmentHeader::decode(&page, &seed, 0).unwrap();
        change(&mut fields);
        page[..256].copy_from_slice(&fields.encode(&seed, 0));
        page
    };
    let reserved = |mut page: Vec<u8>| {
        page[200] = 1;
        let crc = seed.crc(0, &page[..252]);
        page[252..256].copy_from_slice(&crc.to_le_bytes());
        page
    };
    let newer = encode(&|fields| fields.version = 2);
    assert!(header::decode(&newer).unwrap_err().is_newer_format());
    assert!(header::decode(&reserved(newer)).unwrap_err().is_newer_format());
    let bits = encode(&|fields| fields.features_incompatible = 1 << 63);
    assert!(header::decode(&reserved(bits)).unwrap_err().is_newer_format());
    assert_eq!(header::decode(&reserved(encode(&|_| ()))).unwrap_err().field, "reserved");
    assert!(header::decode(&encode(&|fields| fields.features_compatible = 7)).is_ok());
    assert_eq!(
        header::decode(&encode(&|fields| fields.features_read_only = 7)).unwrap().header.features_read_only,
        7
    );
    for change in [
        (&|fields: &mut SegmentHeader| fields.segment = 0) as &dyn Fn(&mut SegmentHeader),
        &|fields| fields.previous_segment = fields.segment,
        &|fields| fields.dims = 5,
        &|fields| fields.metric = 2,
        &|fields| fields.element = 2,
        &|fields| fields.header_bytes = 8192,
        &|fields| fields.identity_bytes = 3841,
        &|fields| fields.identity_bytes = u32::MAX,
        &|fields| fields.base_commit = u64::MAX,
        &|fields| fields.segment = u64::MAX,
    ] {
        assert!(header::decode(&encode(change)).is_err());
    }
    let replacing = |replaces: Vec<(u64, u64)>| {
        let fields = SegmentHeader { segment: 200, ..samples::segment_header(4) };
        let identity = header::SegmentIdentity {
            replaces,
            ..header::SegmentIdentity::new("docs", samples::identity(4))
        };
        header::decode(&header::encode(fields, &identity).unwrap())
    };
    assert!(replacing(vec![(1, 4), (6, 199)]).is_ok());
    assert!(replacing((0..32).map(|n| (2 * n + 1, 2 * n + 1)).collect()).is_ok());
    for wrong in [
        vec![(0, 1)],
        vec![(2, 1)],
        vec![(1, 200)],
        vec![(1, 2), (3, 4)],
        vec![(3, 4), (1, 1)],
        vec![(1, u64::MAX)],
        (0..33).map(|n| (2 * n + 1, 2 * n + 1)).collect(),
    ] {
        assert_eq!(replacing(wrong).unwrap_err().field, "replaces");
    }
}

fn capped(last_commit: u64, cap: u64) -> SegmentState {
    SegmentState::Capped { bytes: 8192, rows: 12, last_commit, digest: [1; 32], cap }
}

#[test]
fn a_capped_segment_keeps_out_who_does_not_know_it() {
    let mut manifest = samples::manifest();
    manifest.segments[1].state = capped(6, 5);
    let bytes = manifest.encode().unwrap();
    assert_eq!(Manifest::decode(&bytes).unwrap().0.features.incompatible, 1);
    // Who wrote it without the bit did not know what it means.
    let without = edited(&bytes, "\"incompatible\": 1", "\"incompatible\": 0");
    assert_eq!(Manifest::decode(&without).unwrap_err().field, "features");
    let (mut again, _) = Manifest::decode(&bytes).unwrap();
    again.segments.remove(1);
    assert!(String::from_utf8(again.encode().unwrap()).unwrap().contains("\"incompatible\": 0"));
}

#[test]
fn documents_that_contradict_themselves_are_flawed() {
    let manifest = |change: &dyn Fn(&mut Manifest)| {
        let mut manifest = samples::manifest();
        change(&mut manifest);
        Manifest::decode(&manifest.encode().unwrap()).unwrap_err()
    };
    for change in [
        (&|m: &mut Manifest| m.generation = 0) as &dyn Fn(&mut Manifest),
        &|m| m.segments.swap(0, 1),
        &|m| m.segments[0].segment = 0,
        &|m| m.next_segment = 4,
        &|m| m.next_segment = u64::MAX,
        &|m| m.retired = vec![m.next_segment],
        &|m| m.retired = vec![0],
        &|m| m.retired = m.segments.iter().map(|entry| entry.segment).take(1).collect(),
        &|m| (m.next_segment, m.segments) = (0, Vec::new()),
        &|m| m.generation = u64::MAX,
        &|m| m.segments.push(SegmentEntry { segment: 4, state: SegmentState::Open }),
        &|m| m.segments[0].state = SegmentState::Open,
        &|m| m.snapshots.swap(0, 1),
        &|m| m.snapshots[1].name = m.snapshots[0].name.clone(),
        &|m| m.snapshots[1].name = "../x".to_owned(),
        &|m| m.snapshots[1].file = 10,
        &|m| m.identity.dims = 0,
        &|m| m.identity.dims = 8193,
        &|m| m.identity.model = "x".repeat(257),
        &|m| m.name = "a\u{1b}[2Jb".to_owned(),
        &|m| m.segments[1].state = capped(6, 6),
        &|m| m.segments[1].state = capped(6, 0),
        &|m| m.segments[1].state = capped(u64::MAX, 5),
        &|m| m.segments[1].state = SegmentState::Frozen { end_bytes: 4000, last_commit: 1, chain: [0; 32] },
        &|m| m.segments[1].state = SegmentState::Frozen { end_bytes: 4097, last_commit: 1, chain: [0; 32] },
    ] {
        let flaw = manifest(change);
        assert!(!flaw.is_newer_format() && !flaw.to_string().contains('\u{1b}'), "{flaw}");
    }
    let manifest = samples::manifest().encode().unwrap();
    for (from, to) in
        [("\"rows\": 12", "\"rows\": -1"), ("\"rows\": 12", "\"row\": 12"), ("sealed", "molten")]
    {
        assert!(Manifest::decode(&edited(&manifest, from, to)).is_err(), "{to}");
    }
    let mut catalogue = samples::catalogue();
    catalogue.collections[2].collection = catalogue.collections[1].collection;
    assert!(Catalogue::decode(&catalogue.encode().unwrap()).is_err(), "one collection under two names");
    let mut snapshot = samples::snapshot();
    snapshot.segments[0].segment = 0;
    assert!(Snapshot::decode(&snapshot.encode().unwrap()).is_err(), "segments begin at 1");
}

#[test]
fn flaws_quote_little_and_no_control_characters() {
    let long = "\u{1b}[31m".repeat(100_000);
    let flaw = Flaw::new("manifest", "name", 0, 1, "a name", &long);
    assert!(flaw.found.len() < 300 && !flaw.to_string().contains('\u{1b}'), "{flaw}");
}

/// A frame of `dims` 1 from a header and an index that the test writes itself, checksums mended.
fn crafted(rows: u32, metadata_raw: u32, ends: &[u32], blocks: &[(Block, Vec<u8>)]) -> Vec<u8> {
    let keys: String = (0..rows).map(|row| char::from(b'a' + row as u8)).collect();
    let stored: Vec<u8> = blocks.iter().flat_map(|(_, stored)| stored.clone()).collect();
    let mut header = FrameHeader::decode(
        &samples::frame(1, 0, Compression::None).unwrap().bytes,
        &samples::seed(),
        samples::FRAME_OFFSET,
    )
    .unwrap();
    (header.rows, header.keys, header.kills, header.key_bytes) = (rows, rows, 0, rows);
    (header.metadata_raw_bytes, header.metadata_blocks) = (metadata_raw, blocks.len() as u32);
    header.metadata_stored_bytes = stored.len() as u32;
    let mut index = vec![0; rows as usize * 12];
    index.extend(ends.iter().flat_map(|end| end.to_le_bytes()));
    index.resize(rows as usize * 20, 0);
    index.extend((1..=rows).flat_map(u32::to_le_bytes));
    index.resize(rows as usize * 28, 0);
    blocks.iter().for_each(|(block, _)| block.put(&mut index));
    let rows_bytes = vec![0; rows as usize * 4];
    let content = 256 + rows_bytes.len() + index.len() + keys.len() + stored.len();
    header.frame_bytes = ((content + 64) as u64).next_multiple_of(512);
    let fixed = header.encode(&samples::seed(), samples::FRAME_OFFSET);
    let mut bytes = [fixed, rows_bytes, index, keys.into_bytes(), stored].concat();
    mend::frame(&mut bytes, 1, &samples::seed(), samples::FRAME_OFFSET, false);
    bytes
}

fn zstd_block(raw: &[u8], raw_bytes: u32) -> (Block, Vec<u8>) {
    let stored = zstd::bulk::compress(raw, 3).unwrap();
    (Block { stored_bytes: stored.len() as u32, raw_bytes, codec: 1, crc: 0 }, stored)
}

#[test]
fn a_block_that_unpacks_to_more_than_it_says_is_refused() {
    let seed = samples::seed();
    let honest = crafted(1, 1000, &[1000], &[zstd_block(&[b' '; 1000], 1000)]);
    let (frame, header) = Frame::new(&honest, 1, &seed, samples::FRAME_OFFSET).unwrap();
    assert_eq!(frame.flaws(&header), []);
    assert_eq!(frame.metadata(0).unwrap().unwrap(), [b' '; 1000]);
    for raw in [999usize, 1001, 65537, 64 << 20] {
        let bomb = crafted(1, 1000, &[1000], &[zstd_block(&vec![b' '; raw], 1000)]);
        let (frame, header) = Frame::new(&bomb, 1, &seed, samples::FRAME_OFFSET).unwrap();
        assert_eq!(frame.metadata(0).unwrap().unwrap_err().field, "zstd", "{raw}");
        assert_eq!(frame.flaws(&header).len(), 1, "{raw}");
    }
    let (block, stored) = zstd_block(&[b' '; 1000], 1000);
    let twice = [stored.clone(), zstd::bulk::compress(b"", 3).unwrap()].concat();
    let twice = crafted(1, 1000, &[1000], &[(Block { stored_bytes: twice.len() as u32, ..block }, twice)]);
    let (frame, _) = Frame::new(&twice, 1, &seed, samples::FRAME_OFFSET).unwrap();
    assert_eq!(frame.metadata(0).unwrap().unwrap_err().field, "zstd", "one zstd frame, not two");
}

#[test]
fn a_row_with_more_metadata_than_the_limit_is_refused_before_it_is_unpacked() {
    let full = vec![b' '; 65536];
    let blocks: Vec<_> = (0..64).map(|_| zstd_block(&full, 65536)).collect();
    let bytes = crafted(1, 64 * 65536, &[64 * 65536], &blocks);
    let seed = samples::seed();
    let (frame, header) = Frame::new(&bytes, 1, &seed, samples::FRAME_OFFSET).unwrap();
    assert_eq!(frame.check_index().unwrap_err().field, "metadata_end");
    let flaw = frame.metadata(0).unwrap().unwrap_err();
    assert_eq!(flaw.expected, format!("at most {MAX_METADATA_BYTES} bytes a row"));
    assert!(!frame.flaws(&header).is_empty());
}

#[test]
fn counts_beyond_their_limits_are_refused() {
    let (seed, at) = (samples::seed(), samples::FRAME_OFFSET);
    let frame = samples::frame(4, 2, Compression::None).unwrap();
    for change in [
        (&|h: &mut FrameHeader| h.first_row = u32::MAX - 1) as &dyn Fn(&mut FrameHeader),
        &|h| h.rows = u32::MAX,
        &|h| h.kills = u32::MAX,
        &|h| h.keys = 1,
        &|h| h.keys = u32::MAX,
        &|h| h.key_bytes = u32::MAX,
        &|h| h.metadata_raw_bytes = u32::MAX,
        &|h| (h.text_raw_bytes, h.text_blocks) = (u32::MAX, 65536),
        &|h| h.text_raw_bytes = MAX_FRAME_RAW_BYTES as u32 + 1,
        &|h| h.metadata_stored_bytes = u32::MAX,
        &|h| h.frame_bytes = u64::MAX,
        &|h| h.frame_bytes += 512,
        &|h| h.commit = 0,
        &|h| h.commit = u64::MAX,
        &|h| h.last = 2,
    ] {
        let mut header = frame.header.clone();
        change(&mut header);
        let bytes = [header.encode(&seed, at), frame.bytes[256..].to_vec()].concat();
        assert!(Frame::new(&bytes, 4, &seed, at).is_err(), "{header:?}");
    }
    for dims in [0, 8193, u32::MAX] {
        assert!(Geometry::of(&frame.header, dims, at).is_err(), "{dims}");
        assert!(samples::frame(dims.min(8193), 1, Compression::None).is_err(), "{dims}");
    }
}

#[test]
fn footers_that_do_not_add_up_are_flawed() {
    let frame = |place: u64, commit, rows, kills, last| FooterFrame {
        offset: 4096 + place * 512,
        commit,
        first_row: place as u32 * 4,
        rows,
        kills,
        last,
    };
    let kill = |commit| FooterKill { segment: 1, commit, row: 0, reserved: 0 };
    let good =
        || (vec![frame(0, 1, 4, 1, 0), frame(1, 1, 4, 0, 1), frame(2, 2, 4, 1, 1)], vec![kill(1), kill(2)]);
    let end = 4096 + 3 * 512;
    let check = |frames: &[FooterFrame], kills: &[FooterKill], end: u64| {
        let (bytes, _) = footer::encode(frames, kills, (end, [0; 32]), &samples::seed());
        let file_bytes = end + bytes.len() as u64;
        let (start, seal) = footer::locate(&bytes[bytes.len() - 64..], file_bytes, &samples::seed())?;
        assert_eq!(start, end);
        footer::decode(&bytes, &seal, &samples::seed(), end).map(|_| ())
    };
    let (frames, kills) = good();
    assert_eq!(check(&frames, &kills, end), Ok(()));
    assert_eq!(check(&[], &[], 4096), Ok(()), "a segment without frames");
    type Change = dyn Fn(&mut Vec<FooterFrame>, &mut Vec<FooterKill>);
    for change in [
        (&|f: &mut Vec<_>, _: &mut Vec<_>| _ = f.pop()) as &Change,
        &|_, k| _ = k.pop(),
        &|_, k| k.push(kill(2)),
        &|_, k| k[0].commit = 2,
        &|_, k| k[0].reserved = 1,
        &|_, k| k[0].segment = 0,
        &|f, _| f[0].offset = 4608,
        &|f, _| f[1].offset = 4096,
        &|f, _| f[1].offset = 4700,
        &|f, _| f[2].offset = u64::MAX - 511,
        &|f, _| f[1].first_row = 5,
        &|f, _| f[0].rows = u32::MAX,
        &|f, _| f[2].rows = u32::MAX - 8,
        &|f, _| f[2].rows = 20,
        &|f, _| f[1].commit = 2,
        &|f, _| f[0].last = 1,
        &|f, _| f[2].last = 0,
        &|f, _| f[2].last = 2,
        &|f, _| f[0].kills = u32::MAX,
    ] {
        let (mut frames, mut kills) = good();
        change(&mut frames, &mut kills);
        assert!(check(&frames, &kills, end).is_err(), "{frames:?} {kills:?}");
    }
}

#[test]
#[ignore = "needs three gigabytes of memory"]
fn a_frame_with_too_much_text_is_refused_and_not_a_panic() {
    let text = " ".repeat(4 << 20);
    for rows in [257, 1025] {
        let mut builder = FrameBuilder::new(1, Compression::Zstd);
        for _ in 0..rows {
            builder.push_row(NewRow {
                key: "k",
                vector: &[1.0],
                squared_norm: 1.0,
                metadata: b"",
                text: &text,
            });
        }
        let (first_row, commit, previous_chain) = (0, 1, [0; 32]);
        let place = Place {
            offset: 4096,
            first_row,
            commit,
            committed_at_ms: 0,
            previous_chain,
            part: 0,
            last: true,
        };
        assert_eq!(builder.finish(&samples::seed(), &place).unwrap_err().field, "text_raw_bytes");
    }
}
