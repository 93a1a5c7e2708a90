//! Bytes on the shared state: what faults and a full disk do to writes and syncs.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use super::content::{Content, SECTOR_BYTES};
use super::fault::{Call, Failure, Verdict, power_is_off};
use super::state::State;
use super::tree::NodeId;
use crate::rng::Rng;

impl State {
    /// How many of `bytes` fit at `offset` of a file. Bytes of files that are removed and closed are free again.
    pub(super) fn room(&self, node: NodeId, offset: u64, bytes: u64) -> u64 {
        let Some(capacity) = self.capacity else { return bytes };
        let length = self.contents.get(&node).map_or(0, |content| content.live.len() as u64);
        let end = length + capacity.saturating_sub(self.used());
        bytes.min(end.saturating_sub(offset))
    }

    /// The bytes of all files that have a name or are open.
    pub(super) fn used(&self) -> u64 {
        let named: BTreeSet<_> = self.tree.live.values().flat_map(BTreeMap::values).collect();
        let exists = |node: &NodeId| named.contains(node) || self.open.contains_key(node);
        let existing = self.contents.iter().filter(|(node, _)| exists(node));
        existing.map(|(_, content)| content.live.len() as u64).sum()
    }

    /// Writes what a fault or a full disk lets through.
    pub(super) fn write(&mut self, node: NodeId, bytes: &[u8], offset: u64) -> io::Result<()> {
        check_length(offset.saturating_add(bytes.len() as u64))?;
        let verdict = self.begin(Call::Write);
        let room = usize::try_from(self.room(node, offset, bytes.len() as u64)).unwrap_or(usize::MAX);
        let (written, result) = match verdict {
            Verdict::Go if room < bytes.len() => (room, Err(Failure::Full.error())),
            Verdict::Go => (bytes.len(), Ok(())),
            Verdict::Cut => (room, Err(power_is_off())),
            Verdict::Fail { error, partly } => {
                (if partly { self.part_of(node, offset, bytes.len()) } else { 0 }, Err(error))
            }
        };
        let seq = self.seq();
        self.content(node).write(seq, offset as usize, &bytes[..written]);
        result
    }

    /// Some of the bytes, never all. A sector that was there before is overwritten wholly or not at all.
    fn part_of(&self, node: NodeId, offset: u64, bytes: usize) -> usize {
        let part = Rng::new(self.faults.calls).index(bytes);
        let (end, offset) = (offset as usize + part, offset as usize);
        let tears = self.contents.get(&node).is_some_and(|content| end < content.live.len());
        if tears {
            (end / SECTOR_BYTES as usize * SECTOR_BYTES as usize).saturating_sub(offset)
        } else {
            part
        }
    }

    pub(super) fn sync(&mut self, node: NodeId) -> io::Result<()> {
        match self.begin(Call::Sync) {
            Verdict::Go => {
                self.content(node).sync();
                Ok(())
            }
            Verdict::Cut => Err(power_is_off()),
            Verdict::Fail { error, .. } => {
                // Without power nothing happens any more; the crash image still chooses among the changes.
                if !self.faults.is_off {
                    let (lost, seed) = (self.lost, self.faults.calls);
                    self.content(node).fail_sync(lost, seed);
                }
                Err(error)
            }
        }
    }

    /// The content of a file that a handle or a name leads to, and which is therefore there.
    pub(super) fn content(&mut self, node: NodeId) -> &mut Content {
        self.contents.entry(node).or_default()
    }

    pub(super) fn live(&self, node: NodeId) -> Arc<Vec<u8>> {
        self.contents.get(&node).map(|content| Arc::clone(&content.live)).unwrap_or_default()
    }
}

/// A length that a test means. Others would take all memory before anybody noticed the mistake.
pub(super) fn check_length(length: u64) -> io::Result<()> {
    if length > 1 << 30 {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("{length} bytes in a simulated file"),
        ));
    }
    Ok(())
}
