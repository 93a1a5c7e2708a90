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
    /// Slots that are not good.
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

/// Reads both slots. A witness is made with both, and an ordinary power cut leaves each of them old or new, because it is
/// one sector: any other content is damage, zeros too.
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
    witness
}

/// The bytes of a new witness file that says what `slot` says, whose sequence is at least 2: the other slot says the
/// same with the sequence before, so that a slot never holds nothing.
pub fn encode_new(slot: &WitnessSlot) -> Vec<u8> {
    let mut slots = [slot.clone(), WitnessSlot { sequence: slot.sequence.saturating_sub(1), ..slot.clone() }];
    slots.sort_by_key(|slot| slot_offset(slot.sequence));
    let encoded = slots.iter().map(|slot| slot.encode(&seed(&slot.collection), slot_offset(slot.sequence)));
    encoded.flatten().collect()
}
