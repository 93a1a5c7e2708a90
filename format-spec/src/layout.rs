//! Every binary structure on disk, as data: the types, their encoders and decoders and the tables of `SPEC.md` all
//! come from the lists in this file.

use crate::checksum::{Digest, Id};
use crate::structure::{Layout, Scalar, checked, entries, field, structures, take};
use crate::{Flaw, Seed};

structures! {
    /// First 256 bytes of a segment file. The identity document follows, then zeros up to 4096 bytes.
    SegmentHeader = "segment header", 256 bytes, magic b"SILTSEG1" {
        version: u32, "Format version, 1. A reader refuses a greater one.";
        header_bytes: u32, "Length of the header page in bytes, 4096. The first frame begins here.";
        features_compatible: u64, "Feature bits that a reader or writer may ignore.";
        features_read_only: u64, "Feature bits that a writer must know; a reader may ignore them.";
        features_incompatible: u64, "Feature bits that every reader must know.";
        collection: Id, "Random identity of the collection.";
        segment: u64, "Number of the segment in its collection, from 1.";
        previous_segment: u64, "Segment that was written before this one; 0 when this is the first.";
        previous_chain: Digest, "Chain digest at the end of that segment; zeros when this is the first.";
        base_commit: u64, "Last commit before this segment: its own commits are greater.";
        created_at_ms: i64, "When it was created, in milliseconds since 1970-01-01 UTC.";
        dims: u32, "Elements of a vector.";
        metric: u32, "1 cosine, 2 dot, 3 euclidean.";
        element: u32, "Type of an element: 1, IEEE 754 binary32, little-endian.";
        identity_bytes: u32, "Length of the identity document that follows, in bytes.";
        identity_crc: u32, "Seeded CRC-32 of the identity document.";
    }

    /// First 256 bytes of a frame. Rows follow at once, so they lie on a 64-byte boundary.
    FrameHeader = "frame header", 256 bytes, magic b"SILTFRM1" {
        frame_bytes: u64, "Length of the frame, header and trailer included; a multiple of 512.";
        commit: u64, "Commit that the frame belongs to.";
        committed_at_ms: i64, "When it was committed, in milliseconds since 1970-01-01 UTC.";
        previous_chain: Digest, "Chain digest of the previous frame, or of the header page before the first.";
        first_row: u32, "Index in the segment of the frame's first row.";
        rows: u32, "Number of rows.";
        keys: u32, "Number of keys: one a row, in order, then those of deleted rows.";
        kills: u32, "Number of kill entries.";
        key_bytes: u32, "Length of the keys section in bytes.";
        metadata_raw_bytes: u32, "Length of all metadata before compression, in bytes.";
        metadata_stored_bytes: u32, "Length of the metadata section in bytes.";
        metadata_blocks: u32, "Number of metadata blocks.";
        text_raw_bytes: u32, "Length of all text before compression, in bytes.";
        text_stored_bytes: u32, "Length of the text section in bytes.";
        text_blocks: u32, "Number of text blocks.";
        part: u32, "Place of the frame in its commit, from 0.";
        last: u32, "1 when it is the last frame of its commit, else 0. A commit without its last frame is none.";
        index_crc: u32, "Seeded CRC-32 of the index section.";
    }

    /// Last 64 bytes of a frame.
    FrameTrailer = "frame trailer", 64 bytes, magic b"SILTEND1" {
        frame_bytes: u64, "As in the header.";
        commit: u64, "As in the header.";
        chain: Digest, "BLAKE3 of the frame from the start of its header to the start of this trailer.";
        part: u32, "As in the header.";
    }

    /// First 128 bytes of the footer of a sealed segment.
    FooterHeader = "footer header", 128 bytes, magic b"SILTFOOT" {
        footer_bytes: u64, "Length of the footer, this header and the seal included; a multiple of 512.";
        frames: u64, "Number of footer frame entries.";
        kills: u64, "Number of footer kill entries.";
        rows: u64, "Number of rows in the segment.";
        first_commit: u64, "Commit of the first frame.";
        last_commit: u64, "Commit of the last frame.";
        frames_end: u64, "Where the last frame ends and this footer begins, in bytes.";
        chain: Digest, "Chain digest of the last frame.";
    }

    /// Last 64 bytes of a sealed segment.
    Seal = "seal", 64 bytes, magic b"SILTSEAL" {
        footer_bytes: u64, "As in the footer header.";
        digest: Digest, "BLAKE3 of the footer from its start to this seal: the digest of the segment.";
    }

    /// One of the two slots of a witness file.
    WitnessSlot = "witness slot", 512 bytes, magic b"SILTWIT1" {
        collection: Id, "Random identity of the collection.";
        sequence: u64, "Counts the writes of the witness from 1. The slot with the greater one counts.";
        segment: u64, "Segment that held the last durable commit; 0 when there is none.";
        commit: u64, "The last durable commit; 0 when there is none.";
        end_bytes: u64, "Where its last frame ends in the segment, in bytes.";
        chain: Digest, "Chain digest there.";
    }

    /// First block of a key index file, padded to 4096 bytes by its own reserved zeros.
    KeyIndexHeader = "key index header", 4096 bytes, magic b"SILTKEY1" {
        collection: Id, "Random identity of the collection.";
        segment: u64, "The segment that it was made from.";
        segment_digest: Digest, "The digest of that segment.";
        entries: u64, "Number of entries; as many as the segment has rows.";
    }

    /// First block of a code file.
    CodeHeader = "code header", 4096 bytes, magic b"SILTCOD1" {
        collection: Id, "Random identity of the collection.";
        segment: u64, "The segment that it was made from.";
        segment_digest: Digest, "The digest of that segment.";
        basis: Digest, "The digest of the basis that it was made with.";
        rows: u64, "Number of rows; as many as the segment has.";
        dims: u32, "Elements of a vector.";
        head: u32, "Directions of the basis: elements of a head.";
    }

    /// First block of an attribute index file.
    AttributeHeader = "attribute header", 4096 bytes, magic b"SILTATT1" {
        collection: Id, "Random identity of the collection.";
        segment: u64, "The segment that it was made from.";
        segment_digest: Digest, "The digest of that segment.";
        rows: u64, "Number of rows; as many as the segment has.";
        content_bytes: u64, "Length of the content in bytes.";
        fields: u32, "Number of attribute field entries, with which the content begins.";
        complete: u32, "1 when every field of the segment's metadata has an entry, else 0.";
    }

    /// First 256 bytes of a basis file.
    BasisHeader = "basis header", 256 bytes, magic b"SILTBAS1" {
        space: Digest, "Digest of the vector space: of the identity's JSON with an empty chunker.";
        dims: u32, "Elements of a vector.";
        metric: u32, "1 cosine, 2 dot, 3 euclidean.";
        head: u32, "Number of directions.";
        sample_rows: u32, "Rows that it was trained on.";
        rows: u64, "Rows that there were in the store then.";
        version: u64, "Counts the bases of a space from 1. New code files are made with the greatest.";
        defect: u64, "Bits of an f64: at least the norm of V times its transpose minus the identity matrix.";
        variance: u64, "Bits of an f64: the mean squared distance of the sample from the centre.";
        pass_share: u64, "Bits of an f64: the share of rows that heads alone left over, measured on rows beside the sample.";
    }
}

entries! {
    /// A row that stops counting.
    Kill = "kill entry", 16 bytes {
        segment: u64, "Segment of the row.";
        row: u32, "Index of the row in its segment.";
        key: u32, "Index in this frame's keys of the row's key.";
    }

    /// Where a compressed block is and what it holds.
    Block = "block entry", 16 bytes {
        stored_bytes: u32, "Length in the file, in bytes.";
        raw_bytes: u32, "Length before compression: 65536, or less in the last block.";
        codec: u32, "0 stored as it is, 1 one zstd frame.";
        crc: u32, "Seeded CRC-32 of the stored bytes.";
    }

    /// A frame of a sealed segment.
    FooterFrame = "footer frame entry", 32 bytes {
        offset: u64, "Where the frame begins, in bytes.";
        commit: u64, "Its commit.";
        first_row: u32, "Index in the segment of its first row.";
        rows: u32, "Number of its rows.";
        kills: u32, "Number of its kill entries.";
        last: u32, "1 when it is the last frame of its commit, else 0.";
    }

    /// A kill of a sealed segment, sorted as its frames give them.
    FooterKill = "footer kill entry", 24 bytes {
        segment: u64, "Segment of the row.";
        commit: u64, "Commit that killed it.";
        row: u32, "Index of the row in its segment.";
        reserved: u32, "Zero.";
    }

    /// A key of a sealed segment. Sorted by hash, then row.
    KeyIndexEntry = "key index entry", 12 bytes {
        hash: u64, "First eight bytes of the BLAKE3 of the key, little-endian.";
        row: u32, "Index of the row in its segment.";
    }

    /// A field of metadata. Sorted by name.
    AttributeField = "attribute field entry", 52 bytes {
        name: u64, "Place of its name.";
        values: u64, "Place of its attribute value entries.";
        present: u64, "Place of the set of rows that have the field.";
        arrays: u64, "Place of the set of rows in which it is an array.";
        name_bytes: u32, "Length of the name in bytes.";
        count: u32, "Number of attribute value entries.";
        present_runs: u32, "Number of runs of the first set, or 2^32 - 1.";
        arrays_runs: u32, "Number of runs of the second set, or 2^32 - 1.";
        listed: u32, "1 when all values have entries; 0 when none has, because they are too many or too long.";
    }

    /// A value of a field. Sorted by value.
    AttributeValue = "attribute value entry", 28 bytes {
        value: u64, "The number, or the place of the text.";
        rows: u64, "Place of the set of rows that have it, alone or as an element of an array.";
        value_bytes: u32, "Length of the text in bytes; 0 for other kinds.";
        kind: u32, "1 null, 2 false, 3 true, 4 and 5 whole number, 6 other number, 7 text.";
        runs: u32, "Number of runs of the set, or 2^32 - 1.";
    }
}

/// Every layout, in the order of `SPEC.md`.
pub fn all() -> Vec<Layout> {
    vec![
        SegmentHeader::layout(),
        FrameHeader::layout(),
        Kill::layout(),
        Block::layout(),
        FrameTrailer::layout(),
        FooterHeader::layout(),
        FooterFrame::layout(),
        FooterKill::layout(),
        Seal::layout(),
        WitnessSlot::layout(),
        KeyIndexHeader::layout(),
        KeyIndexEntry::layout(),
        AttributeHeader::layout(),
        AttributeField::layout(),
        AttributeValue::layout(),
        CodeHeader::layout(),
        BasisHeader::layout(),
    ]
}
