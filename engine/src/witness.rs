//! The witness file of a collection: what was durable last.

use std::path::Path;
use std::sync::Arc;

use siltstone_format::layout::WitnessSlot;
use siltstone_format::limits::WITNESS_BYTES;
use siltstone_format::names::WITNESS_FILE;
use siltstone_format::witness::{Witness, decode, encode_new, seed, slot_offset};
use siltstone_format::{Flaw, Id};

use crate::disk::{Disk, DiskFile, Mode, durable};
use crate::error::{Error, Result};

/// Reads the witness. A missing file is a flaw like any other: the file is made with its collection.
pub(crate) fn load(disk: &dyn Disk, directory: &Path, collection: &Id) -> Result<Witness> {
    load_with_bytes(disk, directory, collection).map(|(witness, _)| witness)
}

/// As [`load`], with the bytes of the file, if there is one.
pub(crate) fn load_with_bytes(
    disk: &dyn Disk,
    directory: &Path,
    collection: &Id,
) -> Result<(Witness, Option<Vec<u8>>)> {
    match durable::read_whole(disk, &directory.join(WITNESS_FILE), 1 << 20) {
        Ok(bytes) => Ok((decode(&bytes, collection), Some(bytes))),
        Err(error) if error.is_missing_file() => {
            let flaw = Flaw::new("witness", "file", 0, WITNESS_BYTES, "a witness file", "none");
            Ok((Witness { latest: None, flaws: vec![flaw] }, None))
        }
        Err(error) => Err(error),
    }
}

/// The witness before the first commit.
pub(crate) fn blank(collection: Id) -> WitnessSlot {
    WitnessSlot { collection, sequence: 2, segment: 0, commit: 0, end_bytes: 0, chain: [0; 32] }
}

/// Writes a whole new witness file.
pub(crate) fn create(disk: &dyn Disk, directory: &Path, slot: &WitnessSlot) -> Result<()> {
    durable::publish(disk, directory, WITNESS_FILE, &encode_new(slot))
}

/// The witness as its one writer holds it.
#[derive(Debug)]
pub(crate) struct WitnessFile {
    file: Arc<dyn DiskFile>,
    path: std::path::PathBuf,
    pub(crate) slot: WitnessSlot,
}

impl WitnessFile {
    pub(crate) fn open(disk: &dyn Disk, directory: &Path, slot: WitnessSlot) -> Result<Self> {
        let path = directory.join(WITNESS_FILE);
        let file = disk.open(&path, Mode::Write).map_err(Error::io("open", &path))?;
        Ok(Self { file, path, slot })
    }

    /// Writes the other slot. Not synced: until it is durable the older slot still tells the truth, only less of it.
    pub(crate) fn record(
        &mut self,
        segment: u64,
        commit: u64,
        end_bytes: u64,
        chain: [u8; 32],
    ) -> Result<()> {
        let sequence = self.slot.sequence + 1;
        let slot =
            WitnessSlot { collection: self.slot.collection, sequence, segment, commit, end_bytes, chain };
        let offset = slot_offset(sequence);
        let bytes = slot.encode(&seed(&slot.collection), offset);
        self.file.write_at(&bytes, offset).map_err(Error::io("write", &self.path))?;
        self.slot = slot;
        Ok(())
    }

    pub(crate) fn sync(&self) -> Result<()> {
        self.file.sync().map_err(Error::io("sync", &self.path))
    }
}
