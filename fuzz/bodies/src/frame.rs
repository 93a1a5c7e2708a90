use siltstone_format::frame::{Frame, Geometry};
use siltstone_format::limits::{MAX_KEY_BYTES, MAX_METADATA_BYTES, MAX_TEXT_BYTES};
use siltstone_format::{Flaw, Seed};

use crate::{mend, samples};

/// Frames. The first byte chooses the width of the vectors and how much is mended; the frame follows.
pub fn frame(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else { return };
    let dims = match choice % 8 {
        0 => 1,
        1 => 3,
        2 => 4,
        3 => 64,
        4 => 1536,
        5 => 8192,
        6 => 0,
        _ => u32::MAX,
    };
    let (seed, offset) = (samples::seed(), samples::FRAME_OFFSET);
    read(bytes, dims, &seed, offset);
    let mut mended = bytes.to_vec();
    mend::frame(&mut mended, dims, &seed, offset, choice & 8 != 0);
    read(&mended, dims, &seed, offset);
}

fn read(bytes: &[u8], dims: u32, seed: &Seed, offset: u64) {
    let (frame, header) = match Frame::new(bytes, dims, seed, offset) {
        Ok(both) => both,
        Err(flaw) => return printable(&flaw),
    };
    assert!(header.frame_bytes <= bytes.len() as u64, "a frame lies within its bytes");
    let Geometry { index, keys, metadata, text, zeros, trailer, .. } = frame.geometry();
    let places = [Geometry::ROWS, index, keys, metadata, text, zeros, trailer, bytes.len()];
    assert!(places.is_sorted(), "sections follow each other: {places:?}");
    assert_eq!(frame.row_section().len(), index - Geometry::ROWS, "rows fill their section");
    let sound = frame.check_index().is_ok();
    for row in (0..frame.rows().min(70)).chain([frame.rows(), u32::MAX]) {
        let here = row < frame.rows();
        assert_eq!(frame.row(row).is_some(), here, "row {row}");
        assert_eq!(frame.squared_norm(row).is_some(), here, "norm {row}");
        bounded(frame.metadata(row).transpose(), MAX_METADATA_BYTES, Vec::len);
        bounded(frame.text(row).transpose(), MAX_TEXT_BYTES, String::len);
    }
    for key in (0..header.keys.min(140)).chain([header.keys, u32::MAX]) {
        assert_eq!(frame.key(key).is_some(), key < header.keys, "key {key}");
        bounded(frame.key(key).transpose(), MAX_KEY_BYTES, |key| key.len());
        let _ = frame.key_unchecked(key);
    }
    for kill in frame.kills() {
        assert!(!sound || frame.key(kill.key).is_some(), "a kill of a sound index has a key");
    }
    let index_bytes = bytes.get(index..keys).unwrap_or_default();
    if let Ok(kills) = Frame::kills_of_index(index_bytes, &header, frame.geometry(), seed, offset) {
        assert!(kills.into_iter().eq(frame.kills()), "kills are the same when the index is read alone");
    }
    if let Ok((raw, ends)) = frame.all_metadata() {
        assert_eq!(raw.len(), header.metadata_raw_bytes as usize, "all metadata");
        assert_eq!(ends.len(), frame.rows() as usize, "an end a row");
    }
    let flaws = frame.flaws(&header);
    flaws.iter().for_each(printable);
    if flaws.is_empty() {
        assert!(sound, "no flaw, so the index is sound");
        let trailer = frame.trailer(&header);
        assert!(trailer.is_ok_and(|trailer| trailer.chain == frame.chain()), "no flaw, so the digest agrees");
        assert!(
            (0..header.keys).all(|key| matches!(frame.key(key), Some(Ok(_)))),
            "no flaw, so keys are good"
        );
    }
}

fn bounded<T>(value: Result<Option<T>, Flaw>, most: usize, length: impl Fn(&T) -> usize) {
    match value {
        Ok(Some(value)) => assert!(length(&value) <= most, "{} bytes, at most {most}", length(&value)),
        Ok(None) => {}
        Err(flaw) => printable(&flaw),
    }
}

fn printable(flaw: &Flaw) {
    assert!(flaw.length > 0, "{flaw}");
    assert!(!flaw.to_string().contains(char::is_control), "a flaw is printable");
}
