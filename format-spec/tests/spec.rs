//! The generated tables of `SPEC.md` say what the code does. `UPDATE_SPEC=1 cargo test -p siltstone-format` rewrites
//! them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::fmt::Write;

use siltstone_format::{Layout, layout, limits};

const SPEC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/SPEC.md");
const END: &str = "<!-- end -->";

fn table_of(layout: &Layout) -> String {
    let mut out = "| offset | bytes | field | type | meaning |\n|---|---|---|---|---|\n".to_owned();
    let mut row = |offset: usize, bytes: usize, field: &str, kind: &str, meaning: &str| {
        writeln!(out, "| {offset} | {bytes} | {field} | {kind} | {meaning} |").unwrap();
    };
    let mut at = 0;
    if let Some(magic) = layout.magic {
        row(0, 8, "magic", "bytes[8]", &format!("`{}`", magic.escape_ascii()));
        at = 8;
    }
    for field in &layout.fields {
        assert_eq!(field.offset, at, "{}.{}: fields follow each other without gaps", layout.name, field.name);
        row(field.offset, field.width, &format!("`{}`", field.name), field.kind, field.meaning);
        at += field.width;
    }
    if layout.has_crc {
        let crc = layout.bytes - 4;
        if at < crc {
            row(at, crc - at, "reserved", &format!("bytes[{}]", crc - at), "Zeros.");
        }
        row(crc, 4, "`crc`", "u32", &format!("Seeded CRC-32 of bytes 0 to {}.", crc - 1));
        at = layout.bytes;
    }
    assert_eq!(at, layout.bytes, "{} has the length that it says", layout.name);
    format!("{} bytes.\n\n{out}", layout.bytes)
}

fn table_of_limits() -> String {
    let mut out = "| limit | value | meaning |\n|---|---|---|\n".to_owned();
    for limit in limits::all() {
        writeln!(out, "| `{}` | {} | {} |", limit.name, limit.value, limit.meaning).unwrap();
    }
    out
}

#[test]
fn the_tables_of_the_specification_are_those_of_the_code() {
    let text = std::fs::read_to_string(SPEC).unwrap();
    let mut rendered = text.clone();
    let mut tables: Vec<(String, String)> =
        layout::all().iter().map(|layout| (layout.name.to_owned(), table_of(layout))).collect();
    tables.push(("limits".to_owned(), table_of_limits()));
    for (name, table) in &tables {
        let begin = format!("<!-- table: {name} -->\n");
        assert_eq!(rendered.matches(&begin).count(), 1, "one table of the {name}");
        let from = rendered.find(&begin).unwrap() + begin.len();
        let to = from + rendered[from..].find(END).expect("the end of a table");
        rendered.replace_range(from..to, &format!("\n{table}\n"));
    }
    assert_eq!(
        rendered.matches("<!-- table: ").count(),
        tables.len(),
        "every table of SPEC.md is one of the code's"
    );
    if std::env::var_os("UPDATE_SPEC").is_some() {
        std::fs::write(SPEC, &rendered).unwrap();
    } else {
        assert!(
            text == rendered,
            "SPEC.md differs from the code: run UPDATE_SPEC=1 cargo test -p siltstone-format"
        );
    }
}

#[test]
fn numbers_in_the_prose_of_the_specification_are_the_limits() {
    let text = std::fs::read_to_string(SPEC).unwrap();
    let room = limits::HEADER_PAGE_BYTES as usize - layout::SegmentHeader::BYTES;
    let entries = siltstone_format::key_index::ENTRIES_PER_BLOCK;
    for phrase in [
        format!("`identity_bytes` must be at most {room}."),
        format!("A block holds up to {entries} entries"),
        format!("ceil(`entries` / {entries}) blocks of {} bytes", limits::KEY_INDEX_BLOCK_BYTES),
        format!(
            "ceil(`content_bytes` / {}) blocks of {}\nbytes",
            siltstone_format::attributes::BLOCK_CONTENT,
            limits::ATTRIBUTE_BLOCK_BYTES
        ),
        format!("a text of it is longer than {} bytes", limits::MAX_ATTRIBUTE_TEXT_BYTES),
        format!("A key is 1 to {} bytes of UTF-8", limits::MAX_KEY_BYTES),
        format!("1 to {} bytes of `A-Z a-z 0-9 _ . -`", limits::MAX_NAME_BYTES),
        format!("at most {} bytes each", limits::MAX_IDENTITY_FIELD_BYTES),
        format!("Elements of a vector, {} to {}.", limits::MIN_DIMS, limits::MAX_DIMS),
        format!("cut into blocks of {}\nbytes", limits::BLOCK_RAW_BYTES),
        format!("is at most {}", limits::MAX_SEGMENT_ROWS),
        format!("This is version {}.", limits::FORMAT_VERSION),
        format!("Rows are taken {} to a block", limits::CODE_BLOCK_ROWS),
    ] {
        assert!(text.contains(&phrase), "SPEC.md should say: {phrase}");
    }
}
