//! A witness: both slots, whichever counts.

use std::io::{Read, Seek};

use siltstone_format::layout::WitnessSlot;
use siltstone_format::limits::WITNESS_BYTES;
use siltstone_format::{Flaw, Id, witness};

use super::file::unreadable;
use super::part::Part;
use super::source::Source;

pub(super) fn parts<R: Read + Seek>(source: &mut Source<R>, collection: Option<Id>) -> Vec<Part> {
    // One byte more than there should be, so that a file that is too long is seen.
    let bytes = match source.read(0, WITNESS_BYTES + 1) {
        Ok(bytes) => bytes,
        Err(flaw) => return vec![unreadable(flaw)],
    };
    // A witness away from its directory can still say whose it claims to be.
    let claimed =
        |slot: &[u8]| slot.get(8..24).and_then(|id| Id::try_from(id).ok()).filter(|id| *id != [0; 16]);
    let collection =
        collection.or_else(|| bytes.chunks(WitnessSlot::BYTES).take(2).find_map(claimed)).unwrap_or_default();
    let decoded = witness::decode(&bytes, &collection);
    let mut parts = Vec::new();
    for (number, slot) in (0u64..).zip(bytes.chunks(WitnessSlot::BYTES).take(2)) {
        let offset = number * WitnessSlot::BYTES as u64;
        let part = Part::new("witness slot", offset, slot.len() as u64);
        let flaws: Vec<&Flaw> = decoded.flaws.iter().filter(|flaw| flaw.offset == offset).collect();
        parts.push(match WitnessSlot::decode(slot, &witness::seed(&collection), offset) {
            _ if slot.iter().all(|byte| *byte == 0) => part.fact("state", "blank"),
            Ok(slot) => {
                let counts = decoded.latest.as_ref() == Some(&slot);
                let mut part = part
                    .fact("state", if counts { "counts" } else { "older" })
                    .hex("collection", &slot.collection)
                    .fact("sequence", slot.sequence)
                    .fact("segment", slot.segment)
                    .fact("commit", slot.commit)
                    .fact("end_bytes", slot.end_bytes)
                    .hex("chain", &slot.chain);
                part.flaws.extend(flaws.into_iter().filter(|flaw| flaw.structure == "witness slot").cloned());
                part
            }
            Err(flaw) => part.fact("state", "damaged").flaw(flaw),
        });
    }
    // Those of the file as a whole.
    let whole = decoded.flaws.into_iter().filter(|flaw| flaw.structure == "witness");
    parts.extend(whole.map(|flaw| Part::new("witness", 0, bytes.len() as u64).flaw(flaw)));
    parts
}
