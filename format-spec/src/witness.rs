//! The witness: two slots, each alone in its sector, that remember the last durable commit. It makes a lost tail
//! visible that would otherwise look like a shorter, perfectly good file.

use crate::layout::WitnessSlot;
use crate::limits::{MAX_NUMBER, WITNESS_BYTES};
use crate::{Flaw, Id, Seed};

/// The content of a witness file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// The slot with the greatest sequence.
    pub latest: Option<WitnessSlot>,
    /// Slots that are neither good nor blank.
    pub flaws: Vec<Flaw>,
}

/// The seed of a collection's witness.
pub fn seed(collection: &Id) -> Seed {
    Seed::new(collection, 0)
}

/// Where the slot of this sequence number lies, in bytes.
pub fn slot_offset(sequence: u64) -> u64 {
    if sequence.is_multiple_of(2) { 0 } else { WitnessSlot::BYTES as u64 }
}

/// Reads both slots. A blank slot (all zeros) was never written and is no flaw. An ordinary power cut leaves each slot
/// old or new, because it is one sector: any other content is damage.
pub fn decode(bytes: &[u8], collection: &Id) -> Witness {
    let mut witness = Witness { latest: None, flaws: Vec::new() };
    if bytes.len() as u64 != WITNESS_BYTES {
        let found = format!("{} bytes", bytes.len());
        let length = (bytes.len() as u64).max(1);
        witness.flaws.push(Flaw::new(
            "witness",
            "length",
            0,
            length,
            format!("{WITNESS_BYTES} bytes"),
            found,
        ));
    }
    for (place, slot) in bytes.chunks(WitnessSlot::BYTES).take(2).enumerate() {
        let offset = (place * WitnessSlot::BYTES) as u64;
        if slot.len() == WitnessSlot::BYTES && slot.iter().all(|&byte| byte == 0) {
            continue;
        }
        match WitnessSlot::decode(slot, &seed(collection), offset) {
            Ok(slot)
                if slot_offset(slot.sequence) != offset
                    || slot.collection != *collection
                    || !(1..=MAX_NUMBER).contains(&slot.sequence)
                    || [slot.segment, slot.commit, slot.end_bytes].iter().any(|n| *n > MAX_NUMBER) =>
            {
                let found = format!("sequence {}", slot.sequence);
                let length = WitnessSlot::BYTES as u64;
                witness.flaws.push(Flaw::new(
                    "witness slot",
                    "sequence",
                    offset,
                    length,
                    "one of this slot",
                    found,
                ));
            }
            Ok(slot) => {
                if witness.latest.as_ref().is_none_or(|latest| latest.sequence < slot.sequence) {
                    witness.latest = Some(slot);
                }
            }
            Err(flaw) => witness.flaws.push(flaw),
        }
    }
    if witness.latest.is_none() && witness.flaws.is_empty() {
        witness.flaws.push(Flaw::new(
            "witness",
            "slots",
            0,
            WITNESS_BYTES,
            "a slot that was written",
            "blank slots",
        ));
    }
    witness
}

/// The bytes of a new witness file whose only slot is `slot`.
pub fn encode_new(slot: &WitnessSlot) -> Vec<u8> {
    let offset = slot_offset(slot.sequence);
    let mut bytes = vec![0; WITNESS_BYTES as usize];
    let encoded = slot.encode(&seed(&slot.collection), offset);
    for (to, from) in bytes.iter_mut().skip(offset as usize).zip(encoded) {
        *to = from;
    }
    bytes
}
