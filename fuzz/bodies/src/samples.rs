//! Valid bytes of every structure, always the same: what the mutations begin with, and the seeds of the fuzzer.

use siltstone_format::attributes::{FieldRows, Value};
use siltstone_format::backup::{BACKUP_FORMAT, BackupCollection, BackupFile, BackupIndex, Piece};
use siltstone_format::catalogue::{Catalogue, CatalogueEntry};
use siltstone_format::checksum::{digest, key_hash};
use siltstone_format::frame_builder::{EncodedFrame, FrameBuilder, NewRow, Place};
use siltstone_format::header::{self, SegmentIdentity};
use siltstone_format::identity::EmbeddingIdentity;
use siltstone_format::layout::{
    AttributeHeader, BasisHeader, CodeHeader, FooterFrame, FooterKill, KeyIndexEntry, SegmentHeader,
    WitnessSlot,
};
use siltstone_format::manifest::{Manifest, SegmentEntry, SegmentState, SnapshotEntry};
use siltstone_format::payload::Compression;
use siltstone_format::snapshot::{Snapshot, SnapshotSegment};
use siltstone_format::{Flaw, Id, Metric, Seed, attributes, basis, codes, footer, key_index, witness};

/// The collection of every sample.
pub const COLLECTION: Id = [7; 16];
/// The segment of every sample.
pub const SEGMENT: u64 = 3;
/// Where a sample frame begins in its file.
pub const FRAME_OFFSET: u64 = 4096;
/// Where a sample footer begins in its file.
pub const FOOTER_OFFSET: u64 = 4096 + 3 * 512;

/// The seed of the sample segment.
pub fn seed() -> Seed {
    Seed::new(&COLLECTION, SEGMENT)
}

/// The identity of the sample collection.
pub fn identity(dims: u32) -> EmbeddingIdentity {
    EmbeddingIdentity {
        provider: "builtin".to_owned(),
        model: "lexical-1".to_owned(),
        dims,
        metric: Metric::Cosine,
        normalised: true,
        chunker: "markdown-1".to_owned(),
    }
}

/// The fields of a sample segment header.
pub fn segment_header(dims: u32) -> SegmentHeader {
    SegmentHeader {
        version: 1,
        header_bytes: 4096,
        features_compatible: 0,
        features_read_only: 0,
        features_incompatible: 0,
        collection: COLLECTION,
        segment: SEGMENT,
        previous_segment: SEGMENT - 1,
        previous_chain: [5; 32],
        base_commit: 10,
        created_at_ms: 1_700_000_000_000,
        dims,
        metric: Metric::Cosine.code(),
        element: 1,
        identity_bytes: 0,
        identity_crc: 0,
    }
}

/// A header page.
///
/// # Errors
/// None for these values.
pub fn header_page(dims: u32) -> Result<Vec<u8>, String> {
    let identity = SegmentIdentity { replaces: vec![(1, 1)], ..SegmentIdentity::new("docs", identity(dims)) };
    header::encode(segment_header(dims), &identity)
}

/// A frame at [`FRAME_OFFSET`] with `rows` rows that have metadata and texts, and two deletions.
///
/// # Errors
/// None for small numbers.
pub fn frame(dims: u32, rows: u32, compression: Compression) -> Result<EncodedFrame, Flaw> {
    let mut builder = FrameBuilder::new(dims, compression);
    for number in 0..rows {
        let vector: Vec<f32> = (0..dims).map(|at| (number * dims + at) as f32 * 0.25 - 3.0).collect();
        let metadata = format!("{{\"number\":{number},\"even\":{}}}", number % 2 == 0);
        let text = "silt and sand ".repeat(number as usize * 3);
        let (key, squared_norm) = (format!("doc-{number}"), f64::from(number) + 0.5);
        let (metadata, text) = (metadata.as_bytes(), text.as_str());
        let place = builder.push_row(NewRow { key: &key, vector: &vector, squared_norm, metadata, text });
        if number % 3 == 1 {
            builder.push_superseded(1, number, place);
        }
    }
    builder.push_deleted(1, 40, "gone");
    builder.push_deleted(2, 41, "also gone");
    let (first_row, commit, previous_chain) = (100, 11, [9; 32]);
    let (committed_at_ms, part, last) = (1_700_000_000_001, 0, true);
    let offset = FRAME_OFFSET;
    builder.finish(&seed(), &Place { offset, first_row, commit, committed_at_ms, previous_chain, part, last })
}

/// A footer at [`FOOTER_OFFSET`] after three frames of two commits.
pub fn footer() -> Vec<u8> {
    let frame = |place: u64, commit, first_row, kills, last| FooterFrame {
        offset: 4096 + place * 512,
        commit,
        first_row,
        rows: 4,
        kills,
        last,
    };
    let frames = [frame(0, 11, 0, 0, 0), frame(1, 11, 4, 1, 1), frame(2, 12, 8, 1, 1)];
    let kill = |commit, row| FooterKill { segment: 1, commit, row, reserved: 0 };
    footer::encode(&frames, &[kill(11, 5), kill(12, 6)], (FOOTER_OFFSET, [3; 32]), &seed()).0
}

/// A key index of `entries` keys.
pub fn key_index(entries: u32) -> Vec<u8> {
    let mut sorted: Vec<_> =
        (0..entries).map(|row| KeyIndexEntry { hash: key_hash(&format!("doc-{row}")), row }).collect();
    sorted.sort_by_key(|entry| (entry.hash, entry.row));
    key_index::encode(&COLLECTION, SEGMENT, [4; 32], &sorted)
}

/// An attribute index of two fields, one of which is not listed, with values of every kind.
pub fn attributes() -> Vec<u8> {
    let header = AttributeHeader {
        collection: COLLECTION,
        segment: SEGMENT,
        segment_digest: [4; 32],
        rows: 300,
        content_bytes: 0,
        fields: 0,
        complete: 1,
    };
    let all: Vec<u32> = (0..300).collect();
    let scattered: Vec<u32> = (0..300).step_by(3).collect();
    let long = "long ".repeat(200);
    let values: Vec<(Value<&str>, &[u32])> = vec![
        (Value::Null, &[7]),
        (Value::Bool(false), &[8, 9]),
        (Value::Bool(true), &scattered),
        (Value::Integer(-5), &[1]),
        (Value::Float(0.5), &[2, 4]),
        (Value::Integer(1 << 63), &[3]),
        (Value::Text(""), &[]),
        (Value::Text(&long), &[10]),
    ];
    let fields = [
        FieldRows { name: "page.kind", present: &all, arrays: &[2, 3], values: Some(values) },
        FieldRows { name: "words", present: &scattered, arrays: &[], values: None },
    ];
    attributes::encode(header, &fields)
}

/// A code file of `rows` rows.
pub fn codes(rows: u64) -> Vec<u8> {
    let (seed, head, dims) = (seed(), 6, 20);
    let geometry = codes::Geometry::new(rows, dims, head);
    let header = CodeHeader {
        collection: COLLECTION,
        segment: SEGMENT,
        segment_digest: [4; 32],
        basis: [5; 32],
        rows,
        dims,
        head,
    };
    let mut bytes = header.encode(&seed, 0);
    let heads = (0..geometry.blocks).map(|number| (geometry.head_offset(number), geometry.head_block));
    let tails = (0..geometry.blocks).map(|number| (geometry.tail_offset(number), geometry.tail_block));
    for (offset, length) in heads.chain(tails) {
        let mut block = vec![0x81; length / 2];
        codes::finish_block(&mut block, length, &seed, offset);
        bytes.append(&mut block);
    }
    bytes
}

/// A basis of three directions.
pub fn basis() -> Vec<u8> {
    let (dims, head) = (5u32, 3u32);
    let header = BasisHeader {
        space: [6; 32],
        dims,
        metric: 1,
        head,
        sample_rows: 100,
        rows: 2000,
        version: 1,
        defect: 1e-7f64.to_bits(),
        variance: 0.5f64.to_bits(),
        pass_share: 0.125f64.to_bits(),
    };
    let directions: Vec<f32> = (0..dims * head).map(|at| f32::from(u8::from(at % 6 == 0))).collect();
    basis::encode(&header, &[0.25; 5], &directions, &[0.3, 0.1, 0.05])
}

/// A witness whose two slots were both written.
pub fn witness() -> Vec<u8> {
    let slot = |sequence| WitnessSlot {
        collection: COLLECTION,
        sequence,
        segment: SEGMENT,
        commit: 10 + sequence,
        end_bytes: 4096 + 512 * sequence,
        chain: [sequence as u8; 32],
    };
    let (mut bytes, newer) = (witness::encode_new(&slot(1)), witness::encode_new(&slot(2)));
    for (to, from) in bytes.iter_mut().zip(newer).take(WitnessSlot::BYTES) {
        *to = from;
    }
    bytes
}

/// A catalogue of three collections.
pub fn catalogue() -> Catalogue {
    let entry = |name: &str, id| CatalogueEntry::new(name, [id; 16]);
    let collections = vec![entry(".staging.docs", 2), entry("apple_docs_SwiftUI", 7), entry("docs", 1)];
    Catalogue { generation: 4, collections, ..Catalogue::empty([6; 16]) }
}

/// A manifest with a sealed, a frozen, a retired and an open segment and two snapshots.
pub fn manifest() -> Manifest {
    let sealed = SegmentState::Sealed { bytes: 8192, rows: 12, last_commit: 5, digest: [1; 32] };
    let frozen = SegmentState::Frozen { end_bytes: 4608, last_commit: 6, chain: [2; 32] };
    let segment = |segment, state| SegmentEntry { segment, state };
    let snapshot =
        |name: &str, file| SnapshotEntry { name: name.to_owned(), file, digest: digest(name.as_bytes()) };
    Manifest {
        generation: 9,
        segments: vec![segment(1, sealed), segment(2, frozen), segment(4, SegmentState::Open)],
        snapshots: vec![snapshot("before-upgrade", 3), snapshot("v1.0", 8)],
        next_segment: 5,
        retired: vec![3],
        ..Manifest::first(COLLECTION, "docs", identity(4), 1_700_000_000_000)
    }
}

/// A snapshot of two segments.
pub fn snapshot() -> Snapshot {
    let entry =
        |segment, last_commit, end_bytes| SnapshotSegment { segment, last_commit, end_bytes, chain: [8; 32] };
    Snapshot {
        format: siltstone_format::snapshot::SNAPSHOT_FORMAT.to_owned(),
        version: 1,
        collection: COLLECTION,
        name: "v1.0".to_owned(),
        created_at_ms: 1_700_000_000_002,
        commit: 6,
        segments: vec![entry(1, 5, 8192), entry(2, 6, 4608)],
    }
}

/// The index of a backup of one collection, with a file in two pieces.
pub fn backup_index() -> BackupIndex {
    let piece = |id, bytes| Piece { blake3: [id; 32], bytes };
    let file = |path: &str, pieces: Vec<Piece>| BackupFile {
        path: path.to_owned(),
        bytes: pieces.iter().map(|piece| piece.bytes).sum(),
        blake3: [9; 32],
        modified_at_ns: Some(1_700_000_000_000_000_003),
        mode: Some(0o644),
        pieces,
    };
    BackupIndex {
        format: BACKUP_FORMAT.to_owned(),
        version: 1,
        store: [6; 16],
        generation: 4,
        created_at_ms: 1_700_000_000_003,
        damage: Vec::new(),
        snapshot: Some("v1.0".to_owned()),
        collections: vec![BackupCollection {
            name: "docs".to_owned(),
            collection: COLLECTION,
            commit: 6,
            rows: 12,
        }],
        directories: vec!["vectorstore".to_owned(), "vectorstore/collections".to_owned()],
        files: vec![
            file("siltstone.toml", vec![piece(1, 40)]),
            file("vectorstore/catalogue.json", vec![piece(2, 1 << 20), piece(3, 7)]),
        ],
    }
}
