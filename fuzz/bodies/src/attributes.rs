use siltstone_format::attributes::{self as format, Index, Lookup, Plain};

use crate::{mend, samples};

/// Attribute index files.
pub fn attributes(data: &[u8]) {
    decode(data);
    let (mut bytes, seed) = (data.to_vec(), samples::seed());
    mend::structure("attribute header", &mut bytes, &seed, 0);
    mend::blocks(&mut bytes, &seed);
    decode(&bytes);
}

fn decode(bytes: &[u8]) {
    let seed = samples::seed();
    let header = match format::decode_header(bytes, bytes.len() as u64, &seed) {
        Ok(header) => header,
        Err(flaw) => return assert!(flaw.length > 0, "{flaw}"),
    };
    let index = Index::new(&header, Plain { bytes, seed: &seed });
    let is_good = index.check().is_none();
    for number in 0..index.fields() {
        let Some((field, name)) = index.field_at(number) else { continue };
        if let (true, Ok(name)) = (is_good, std::str::from_utf8(&name)) {
            assert_eq!(index.field(name), Lookup::Listed(field), "a field is found by its name");
        }
        let mut least = 0;
        let each = |from: u32, to: u32| {
            assert!(least <= from && from < to && to <= index.rows(), "runs rise within the segment");
            least = to;
        };
        let _ = index.runs((field.present, field.present_runs), each);
        for number in 0..field.count.min(64) {
            let value = index.entry(&field, number).map(|entry| index.value(&entry).is_some());
            assert!(!is_good || value == Some(true), "every value of a good index is one");
        }
    }
    for name in ["", "page.kind", "words", "x"] {
        let _ = index.field(name);
    }
}
