use siltstone_format::layout::WitnessSlot;
use siltstone_format::witness as format;

use crate::{mend, samples};

/// Witness files.
pub fn witness(data: &[u8]) {
    decode(data);
    let (mut bytes, seed) = (data.to_vec(), format::seed(&samples::COLLECTION));
    for (number, slot) in bytes.chunks_mut(WitnessSlot::BYTES).enumerate() {
        mend::structure("witness slot", slot, &seed, (number * WitnessSlot::BYTES) as u64);
    }
    decode(&bytes);
}

fn decode(bytes: &[u8]) {
    let witness = format::decode(bytes, &samples::COLLECTION);
    assert!(witness.latest.is_some() || !witness.flaws.is_empty(), "a witness without a slot is a flaw");
    if let Some(slot) = witness.latest {
        assert!(slot.sequence > 0 && slot.collection == samples::COLLECTION, "a slot of this witness");
        let again = format::decode(&format::encode_new(&slot), &samples::COLLECTION);
        assert_eq!(again.latest, Some(slot), "a slot survives a round trip");
    }
}
