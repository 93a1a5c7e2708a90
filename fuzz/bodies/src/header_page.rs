use siltstone_format::layout::SegmentHeader;
use siltstone_format::{Seed, header};

use crate::mend;

/// Header pages. Whatever is decoded encodes to a page that decodes to the same.
pub fn header_page(data: &[u8]) {
    decode(data);
    let mut bytes = data.to_vec();
    bytes.resize(bytes.len().max(4096), 0);
    mend::structure("segment header", &mut bytes, &Seed::anonymous(), 0);
    if let Ok(fields) = SegmentHeader::decode(&bytes, &Seed::anonymous(), 0) {
        let end = 256usize.saturating_add(fields.identity_bytes as usize);
        if let Some(document) = bytes.get(256..end) {
            let identity_crc = Seed::anonymous().crc(256, document);
            let fields = SegmentHeader { identity_crc, ..fields };
            mend::put(&mut bytes, 0, &fields.encode(&Seed::anonymous(), 0));
        }
    }
    decode(&bytes);
    bytes.iter_mut().take(4096).skip(2048).for_each(|byte| *byte = 0);
    decode(&bytes);
}

fn decode(bytes: &[u8]) {
    match header::decode(bytes) {
        Ok(page) => {
            let Ok(again) = header::encode(page.header.clone(), &page.identity) else { return };
            let again = header::decode(&again);
            assert!(again.is_ok_and(|again| again.identity == page.identity), "a page survives a round trip");
        }
        Err(flaw) => assert!(!flaw.to_string().contains(char::is_control), "a flaw is printable"),
    }
}
