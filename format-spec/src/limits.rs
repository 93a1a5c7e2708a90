//! Every bound of the format. A length that was read from a file is compared with these and with the file's own
//! length before anything is allocated from it.

/// A bound as `SPEC.md` prints it.
#[derive(Debug, Clone)]
pub struct Limit {
    /// Its name here.
    pub name: &'static str,
    /// Its value.
    pub value: u64,
    /// What it bounds, with its unit.
    pub meaning: String,
}

/// Declares the constants, and the list of them that `SPEC.md` is made from.
macro_rules! limits {
    ($($(#[doc = $meaning:literal])+ pub const $name:ident: $ty:ty = $value:expr;)*) => {
        $($(#[doc = $meaning])+ pub const $name: $ty = $value;)*

        /// Every bound, in the order of `SPEC.md`.
        pub fn all() -> Vec<Limit> {
            vec![$(Limit {
                name: stringify!($name),
                value: $name as u64,
                meaning: concat!($($meaning),+).trim().to_owned(),
            }),*]
        }
    };
}

limits! {
    /// Version of the format that this crate writes. A reader refuses a greater one.
    pub const FORMAT_VERSION: u32 = 1;
    /// Greatest commit, segment number, generation, sequence or offset: one more never overflows.
    pub const MAX_NUMBER: u64 = 1 << 62;
    /// Fewest elements of a vector.
    pub const MIN_DIMS: u32 = 1;
    /// Most elements of a vector.
    pub const MAX_DIMS: u32 = 8192;
    /// Longest key, in bytes of UTF-8. Keys are never empty.
    pub const MAX_KEY_BYTES: usize = 1024;
    /// Longest metadata of a row, in bytes of JSON.
    pub const MAX_METADATA_BYTES: usize = 64 * 1024;
    /// Deepest nesting of a row's metadata; the object itself is the first level.
    pub const MAX_METADATA_DEPTH: usize = 100;
    /// Longest text of a row, in bytes of UTF-8.
    pub const MAX_TEXT_BYTES: usize = 4 * 1024 * 1024;
    /// Most rows of one frame. A larger commit is several frames.
    pub const MAX_FRAME_ROWS: u32 = 1 << 20;
    /// Most keys of deleted rows, and most kills, of one frame.
    pub const MAX_FRAME_KILLS: u32 = 1 << 20;
    /// Longest frame, in bytes.
    pub const MAX_FRAME_BYTES: u64 = 1 << 30;
    /// Longest metadata and longest text of one frame before compression, in bytes.
    pub const MAX_FRAME_RAW_BYTES: u64 = 1 << 30;
    /// Most rows of one segment: a row's index in its segment is a `u32`.
    pub const MAX_SEGMENT_ROWS: u64 = u32::MAX as u64;
    /// Most frames of one segment, which bounds its footer.
    pub const MAX_SEGMENT_FRAMES: u64 = 1 << 26;
    /// Raw bytes of a metadata or text block; the last block of a frame may be shorter.
    pub const BLOCK_RAW_BYTES: usize = 64 * 1024;
    /// Longest catalogue, manifest or snapshot document, in bytes.
    pub const MAX_DOCUMENT_BYTES: u64 = 64 * 1024 * 1024;
    /// Longest collection name or snapshot name, in bytes.
    pub const MAX_NAME_BYTES: usize = 128;
    /// Longest path of a file in a backup, in bytes.
    pub const MAX_PATH_BYTES: usize = 240;
    /// Longest provider, model or chunker name of an embedding identity, in bytes.
    pub const MAX_IDENTITY_FIELD_BYTES: usize = 256;
    /// Most ranges of segment numbers that a segment says it replaces, so that its header page has room for them.
    pub const MAX_REPLACED_RANGES: usize = 32;

    /// A frame begins on this boundary, so that appending never rewrites a sector of a committed frame.
    pub const FRAME_ALIGN: u64 = 512;
    /// Rows of a frame begin on this boundary in the file, and so in memory.
    pub const ROW_ALIGN: u64 = 64;
    /// Length of the header page of a segment file.
    pub const HEADER_PAGE_BYTES: u64 = 4096;
    /// Length of a witness file: two slots, each in a sector of its own.
    pub const WITNESS_BYTES: u64 = 1024;
    /// Length of a block of a key index: 341 entries and a CRC.
    pub const KEY_INDEX_BLOCK_BYTES: usize = 4096;
    /// Length of a block of an attribute index: 4092 bytes of content and a CRC.
    pub const ATTRIBUTE_BLOCK_BYTES: usize = 4096;
    /// Most fields that an attribute index lists.
    pub const MAX_ATTRIBUTE_FIELDS: u32 = 4096;
    /// Longest name of a field, and longest text, that an attribute index lists, in bytes.
    pub const MAX_ATTRIBUTE_TEXT_BYTES: usize = 1024;
    /// Longest content of an attribute index, in bytes.
    pub const MAX_ATTRIBUTE_BYTES: u64 = 1 << 40;
    /// Rows of a block of a code file.
    pub const CODE_BLOCK_ROWS: usize = 32;
    /// Most directions of a basis.
    pub const MAX_HEAD: u32 = 1024;
    /// Longest basis file, in bytes.
    pub const MAX_BASIS_BYTES: u64 = 1 << 26;
}
