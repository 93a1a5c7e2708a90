//! Whatever the encoders write, the decoders read back the same.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use siltstone_format::catalogue::{Catalogue, CatalogueEntry};
use siltstone_format::checksum::{digest, key_hash};
use siltstone_format::follows::Follows;
use siltstone_format::header::{self, SegmentIdentity};
use siltstone_format::identity::EmbeddingIdentity;
use siltstone_format::layout::*;
use siltstone_format::limits::MAX_NUMBER;
use siltstone_format::manifest::{Features, Manifest, SegmentEntry, SegmentState, SnapshotEntry};
use siltstone_format::names::check_name;
use siltstone_format::snapshot::{Snapshot, SnapshotSegment};
use siltstone_format::{Digest, Id, Metric, Seed, attributes, footer, key_index, witness};
use siltstone_fuzz_bodies::mutate::Random;
use siltstone_fuzz_bodies::samples;

/// A field's type, of which any value will do.
trait Value {
    fn any(random: &mut Random) -> Self;
}

macro_rules! integers {
    ($($ty:ty),*) => {$(
        impl Value for $ty {
            /// Small, large and edge values alike.
            fn any(random: &mut Random) -> Self {
                (random.number() >> random.below(64)) as $ty
            }
        }
    )*};
}
integers!(u32, u64, i64);

impl<const N: usize> Value for [u8; N] {
    fn any(random: &mut Random) -> Self {
        std::array::from_fn(|_| random.number() as u8)
    }
}

macro_rules! structures_survive {
    ($($test:ident: $name:ident { $($field:ident),* })*) => {
        proptest! {$(
            #[test]
            fn $test(seed: u64, collection: Id, segment: u64, offset: u64) {
                let mut random = Random::new(seed);
                let value = $name { $($field: Value::any(&mut random)),* };
                let seed = Seed::new(&collection, segment);
                let bytes = value.encode(&seed, offset);
                prop_assert_eq!(bytes.len(), $name::BYTES);
                prop_assert_eq!($name::decode(&bytes, &seed, offset), Ok(value.clone()));
                let longer = [bytes.as_slice(), &[1, 2, 3]].concat();
                prop_assert_eq!($name::decode(&longer, &seed, offset), Ok(value));
                prop_assert!($name::decode(&bytes, &seed, offset ^ 512).is_err());
            }
        )*}
    };
}
structures_survive! {
    segment_headers: SegmentHeader {
        version, header_bytes, features_compatible, features_read_only, features_incompatible, collection, segment,
        previous_segment, previous_chain, base_commit, created_at_ms, dims, metric, element, identity_bytes,
        identity_crc
    }
    frame_headers: FrameHeader {
        frame_bytes, commit, committed_at_ms, previous_chain, first_row, rows, keys, kills, key_bytes,
        metadata_raw_bytes, metadata_stored_bytes, metadata_blocks, text_raw_bytes, text_stored_bytes, text_blocks,
        part, last, index_crc
    }
    frame_trailers: FrameTrailer { frame_bytes, commit, chain, part }
    footer_headers: FooterHeader {
        footer_bytes, frames, kills, rows, first_commit, last_commit, frames_end, chain
    }
    seals: Seal { footer_bytes, digest }
    witness_slots: WitnessSlot { collection, sequence, segment, commit, end_bytes, chain }
    key_index_headers: KeyIndexHeader { collection, segment, segment_digest, entries }
    attribute_headers: AttributeHeader {
        collection, segment, segment_digest, rows, content_bytes, fields, complete
    }
}

macro_rules! entries_survive {
    ($($test:ident: $name:ident { $($field:ident),* })*) => {
        proptest! {$(
            #[test]
            fn $test(seed: u64) {
                let mut random = Random::new(seed);
                let value = $name { $($field: Value::any(&mut random)),* };
                let mut bytes = Vec::new();
                value.put(&mut bytes);
                prop_assert_eq!($name::get(&bytes), Some(value));
                prop_assert_eq!($name::get(&bytes[1..]), None);
            }
        )*}
    };
}
entries_survive! {
    kill_entries: Kill { segment, row, key }
    block_entries: Block { stored_bytes, raw_bytes, codec, crc }
    footer_frame_entries: FooterFrame { offset, commit, first_row, rows, kills, last }
    footer_kill_entries: FooterKill { segment, commit, row, reserved }
    key_index_entries: KeyIndexEntry { hash, row }
    attribute_field_entries: AttributeField {
        name, values, present, arrays, name_bytes, count, present_runs, arrays_runs, listed
    }
    attribute_value_entries: AttributeValue { value, rows, value_bytes, kind, runs }
}

fn names() -> impl Strategy<Value = String> {
    "[.]?[A-Za-z0-9_][A-Za-z0-9_.-]{0,40}"
}

fn identities() -> impl Strategy<Value = EmbeddingIdentity> {
    ("\\PC{0,60}", "\\PC{0,60}", "\\PC{0,60}", 1u32..=8192, 0usize..3, any::<bool>()).prop_map(
        |(provider, model, chunker, dims, metric, normalised)| {
            let metric = Metric::ALL[metric];
            EmbeddingIdentity { provider, model, dims, metric, normalised, chunker }
        },
    )
}

fn ends() -> impl Strategy<Value = u64> {
    (8u64..1 << 40).prop_map(|sectors| sectors * 512)
}

fn states() -> impl Strategy<Value = SegmentState> {
    prop_oneof![
        (ends(), any::<u64>(), 0..=MAX_NUMBER, any::<Digest>()).prop_map(
            |(bytes, rows, last_commit, digest)| {
                SegmentState::Sealed { bytes, rows, last_commit, digest }
            }
        ),
        (ends(), any::<u64>(), 2..=MAX_NUMBER, any::<Digest>()).prop_map(
            |(bytes, rows, last_commit, digest)| {
                SegmentState::Capped { bytes, rows, last_commit, digest, cap: last_commit / 2 }
            }
        ),
        (ends(), 0..=MAX_NUMBER, any::<Digest>()).prop_map(|(end_bytes, last_commit, chain)| {
            SegmentState::Frozen { end_bytes, last_commit, chain }
        }),
    ]
}

proptest! {
    #[test]
    fn header_pages(identity in identities(), name in names(), segment in 1u64..=MAX_NUMBER, collection in any::<Id>(), features in any::<u64>()) {
        let mut fields = samples::segment_header(identity.dims);
        fields.metric = identity.metric.code();
        (fields.segment, fields.previous_segment, fields.collection) = (segment, segment - 1, collection);
        (fields.features_compatible, fields.features_read_only) = (features, !features);
        let follows = (segment % 3 == 0).then(|| Follows::of([(segment - 2, None), (segment - 1, Some(7))]));
        let replaces = (1..segment.min(9)).step_by(3).map(|first| (first, first)).collect();
        let identity = SegmentIdentity { follows, replaces, ..SegmentIdentity::new(&name, identity) };
        let bytes = header::encode(fields.clone(), &identity).unwrap();
        let page = header::decode(&bytes).unwrap();
        prop_assert_eq!(page.chain, digest(&bytes));
        fields.identity_bytes = page.header.identity_bytes;
        fields.identity_crc = page.header.identity_crc;
        prop_assert_eq!((page.header, page.identity), (fields, identity));
    }

    #[test]
    fn footers(
        sizes in vec((5u64..100, 0u32..50, 0usize..5, any::<bool>()), 0..40),
        base in 0u64..1 << 60,
        chain in any::<Digest>(),
    ) {
        let (mut frames, mut kills): (Vec<FooterFrame>, Vec<FooterKill>) = (Vec::new(), Vec::new());
        let (mut offset, mut commit, mut first_row) = (4096, base + 1, 0);
        let count = sizes.len();
        for (place, (sectors, rows, own, last)) in sizes.into_iter().enumerate() {
            let last = last || place + 1 == count;
            frames.push(FooterFrame { offset, commit, first_row, rows, kills: own as u32, last: u32::from(last) });
            kills.extend((0..own as u32).map(|row| FooterKill { segment: 1 + commit % 9, commit, row, reserved: 0 }));
            (offset, first_row, commit) = (offset + sectors * 512, first_row + rows, commit + u64::from(last));
        }
        let seed = samples::seed();
        let (bytes, digest) = footer::encode(&frames, &kills, (offset, chain), &seed);
        let file_bytes = offset + bytes.len() as u64;
        prop_assert!(file_bytes.is_multiple_of(512));
        let (start, seal) = footer::locate(&bytes[bytes.len() - 64..], file_bytes, &seed).unwrap();
        prop_assert_eq!((start, seal.digest), (offset, digest));
        let footer = footer::decode(&bytes, &seal, &seed, start).unwrap();
        prop_assert_eq!((footer.header.rows, footer.header.chain), (u64::from(first_row), chain));
        prop_assert_eq!((footer.frames, footer.kills, footer.digest), (frames, kills, digest));
    }

    #[test]
    fn sets_of_rows(total in 1u32..70_000, runs in vec((0u32..70_000, 1u32..40), 0..40), single in vec(0u32..70_000, 0..400)) {
        let mut rows = BTreeSet::new();
        rows.extend(single.into_iter().filter(|row| *row < total));
        rows.extend(runs.into_iter().flat_map(|(from, count)| from..from + count).filter(|row| *row < total));
        let rows: Vec<u32> = rows.into_iter().collect();
        let header = AttributeHeader {
            collection: [1; 16], segment: 2, segment_digest: [3; 32], rows: total.into(), content_bytes: 0, fields: 0,
            complete: 1,
        };
        let values = vec![(attributes::Value::Null, rows.as_slice())];
        let field = attributes::FieldRows { name: "a", present: &rows, arrays: &[], values: Some(values) };
        let (bytes, seed) = (attributes::encode(header, &[field]), Seed::new(&[1; 16], 2));
        let header = attributes::decode_header(&bytes, bytes.len() as u64, &seed).unwrap();
        let index = attributes::Index::new(&header, attributes::Plain { bytes: &bytes, seed: &seed });
        let attributes::Lookup::Listed(field) = index.field("a") else { panic!("no field") };
        prop_assert_eq!(index.field("b"), attributes::Lookup::Absent);
        let entry = index.entry(&field, 0).unwrap();
        for set in [(field.present, field.present_runs), (entry.rows, entry.runs)] {
            let mut read = Vec::new();
            index.runs(set, |from, to| read.extend(from..to)).unwrap();
            prop_assert_eq!(&read, &rows);
        }
        prop_assert_eq!(index.check(), None);
    }

    #[test]
    fn key_indexes(keys in btree_set("\\PC{1,12}", 0..900), collection in any::<Id>(), segment in 1u64.., of in any::<Digest>()) {
        let mut sorted: Vec<_> =
            keys.iter().zip(0..).map(|(key, row)| KeyIndexEntry { hash: key_hash(key), row }).collect();
        sorted.sort_by_key(|entry| (entry.hash, entry.row));
        let (bytes, seed) = (key_index::encode(&collection, segment, of, &sorted), Seed::new(&collection, segment));
        let fields = key_index::decode_header(&bytes, bytes.len() as u64, &seed).unwrap();
        prop_assert_eq!((fields.collection, fields.segment, fields.segment_digest), (collection, segment, of));
        let mut read = Vec::new();
        for number in 0..bytes.len() / 4096 - 1 {
            let at = key_index::block_offset(number) as usize;
            let block = key_index::check_block(&bytes[at..at + 4096], number, &seed).unwrap();
            read.extend(block.chunks_exact(KeyIndexEntry::BYTES).filter_map(KeyIndexEntry::get));
        }
        read.truncate(fields.entries as usize);
        prop_assert_eq!(read, sorted);
    }

    #[test]
    fn witnesses(collection in any::<Id>(), sequence in 2u64..=MAX_NUMBER, numbers in any::<[u64; 3]>(), chain in any::<Digest>(), older in any::<bool>()) {
        let [segment, commit, end_bytes] = numbers.map(|number| number >> 2);
        let slot = WitnessSlot { collection, sequence, segment, commit, end_bytes, chain };
        let mut bytes = witness::encode_new(&slot);
        if older {
            let before = WitnessSlot { sequence: sequence - 1, commit: 1, ..slot.clone() };
            let at = witness::slot_offset(sequence - 1);
            bytes[at as usize..][..512].copy_from_slice(&before.encode(&witness::seed(&collection), at));
        }
        let read = witness::decode(&bytes, &collection);
        prop_assert_eq!((read.latest, read.flaws), (Some(slot), vec![]));
    }

    #[test]
    fn catalogues(store in any::<Id>(), generation in 1u64..=MAX_NUMBER, named in btree_set(names(), 0..20)) {
        let collections = named.into_iter().enumerate().map(|(number, name)| {
            CatalogueEntry::new(name, (number as u128).to_be_bytes())
        });
        let catalogue = Catalogue { generation, collections: collections.collect(), ..Catalogue::empty(store) };
        prop_assert_eq!(Catalogue::decode(&catalogue.encode().unwrap()).map(|(value, _)| value), Ok(catalogue));
    }

    #[test]
    fn manifests(
        (collection, created_at_ms) in any::<(Id, i64)>(),
        (name, identity) in (names(), identities()),
        states in vec((1u64..1000, states()), 0..12),
        open in any::<bool>(),
        snapshots in btree_set(names(), 0..8),
        generation in 1u64..=MAX_NUMBER,
        bits in any::<[u64; 2]>(),
    ) {
        let mut manifest = Manifest::first(collection, &name, identity, created_at_ms);
        for (step, state) in states {
            manifest.segments.push(SegmentEntry { segment: manifest.next_segment, state });
            manifest.next_segment += step;
        }
        if open {
            manifest.segments.push(SegmentEntry { segment: manifest.next_segment, state: SegmentState::Open });
            manifest.next_segment += 1;
        }
        manifest.generation = generation;
        let capped = manifest.segments.iter().any(|entry| matches!(entry.state, SegmentState::Capped { .. }));
        manifest.features = Features { compatible: bits[0], read_only: bits[1], incompatible: u64::from(capped) };
        manifest.snapshots = snapshots.into_iter().map(|name| {
            let digest = digest(name.as_bytes());
            SnapshotEntry { name, file: generation, digest }
        }).collect();
        let bytes = manifest.encode().unwrap();
        let (read, of) = Manifest::decode(&bytes).unwrap();
        prop_assert_eq!(of, digest(&bytes[..bytes.len() - 83]));
        prop_assert_eq!(read, manifest);
    }

    #[test]
    fn snapshots(
        (collection, name) in (any::<Id>(), names()),
        (created_at_ms, commit) in any::<(i64, u64)>(),
        caps in vec((1u64..1000, 0..=MAX_NUMBER, ends(), any::<Digest>()), 0..12),
    ) {
        let mut segment = 0;
        let segments = caps.into_iter().map(|(step, last_commit, end_bytes, chain)| {
            segment += step;
            SnapshotSegment { segment, last_commit, end_bytes, chain }
        });
        let snapshot = Snapshot { collection, name, created_at_ms, commit, segments: segments.collect(), ..samples::snapshot() };
        prop_assert_eq!(Snapshot::decode(&snapshot.encode().unwrap()).map(|(value, _)| value), Ok(snapshot));
    }

    #[test]
    fn names_are_what_the_specification_says(name in "[A-Za-z0-9_. /é-]{0,6}") {
        let bytes = name.as_bytes();
        let rest = bytes.strip_prefix(b".").unwrap_or(bytes);
        let first = rest.first().is_some_and(|c| c.is_ascii_alphanumeric() || *c == b'_');
        let allowed = bytes.iter().all(|c| c.is_ascii_alphanumeric() || b"_.-".contains(c));
        prop_assert_eq!(check_name(&name).is_ok(), first && allowed);
    }
}
