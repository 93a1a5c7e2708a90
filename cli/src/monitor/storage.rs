//! Where the room of a store goes, and what cleaning up would give back.

use std::path::Path;

use rayon::prelude::*;
use serde::Serialize;
use siltstone::format::names::{FileKind, basis_of};
use siltstone::{CompactOptions, Store};

use crate::command::context::Context;
use crate::exit::CliError;

/// All bytes of a store's directory, by what they are for. Hidden collections are counted too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Storage {
    pub(crate) total_bytes: u64,
    /// Rows that count, with their keys, texts and metadata.
    pub(crate) live_bytes: u64,
    /// Rows that no longer count, in segments that do; by estimate.
    pub(crate) dead_bytes: u64,
    /// Segments that only snapshots keep.
    pub(crate) snapshot_bytes: u64,
    /// Search codes with their bases, key indexes and attribute indexes, which can be made again.
    pub(crate) derived_bytes: u64,
    /// Manifests, and what was put aside.
    pub(crate) other_bytes: u64,
    /// What `siltstone compact` would give back now, by estimate. Dropping snapshots would give back `snapshot_bytes`.
    pub(crate) reclaimable_bytes: u64,
    /// The largest segment that compaction would write before it removes anything.
    pub(crate) compaction_needs_bytes: u64,
}

impl Storage {
    /// Reads structures only. Damaged collections count with their files alone.
    pub(crate) fn survey(context: &Context, store: &Store) -> Result<Storage, CliError> {
        let min_dead = context.settings.compact.min_dead;
        let options = CompactOptions { min_dead, ..CompactOptions::default() };
        let names = store.all_names()?;
        let one = |name: &String| -> Option<Storage> {
            let collection = store.collection(name).ok()?;
            let (space, plan) = (collection.space().ok()?, collection.compact_plan(&options).ok()?);
            Some(Storage {
                live_bytes: space.bytes.saturating_sub(space.dead_bytes),
                dead_bytes: space.dead_bytes,
                snapshot_bytes: space.held_bytes,
                reclaimable_bytes: plan.groups.iter().map(|group| group.reclaimed_bytes()).sum(),
                compaction_needs_bytes: plan.groups.iter().map(|group| group.bytes_after).max().unwrap_or(0),
                ..Storage::default()
            })
        };
        let parts: Vec<Storage> = names.par_iter().filter_map(one).collect();
        let mut all = parts.into_iter().fold(Storage::default(), Storage::and);
        (all.total_bytes, all.derived_bytes) = walk(store.path());
        let known = all.live_bytes + all.dead_bytes + all.snapshot_bytes + all.derived_bytes;
        all.other_bytes = all.total_bytes.saturating_sub(known);
        Ok(all)
    }

    fn and(self, other: Storage) -> Storage {
        Storage {
            live_bytes: self.live_bytes + other.live_bytes,
            dead_bytes: self.dead_bytes + other.dead_bytes,
            snapshot_bytes: self.snapshot_bytes + other.snapshot_bytes,
            reclaimable_bytes: self.reclaimable_bytes + other.reclaimable_bytes,
            // One collection after the other is compacted.
            compaction_needs_bytes: self.compaction_needs_bytes.max(other.compaction_needs_bytes),
            ..self
        }
    }

    /// The parts by their names, which add up to the total.
    pub(crate) fn parts(&self) -> [(&'static str, u64); 5] {
        [
            ("live", self.live_bytes),
            ("dead", self.dead_bytes),
            ("snapshot", self.snapshot_bytes),
            ("derived", self.derived_bytes),
            ("other", self.other_bytes),
        ]
    }
}

/// All files of a store.
pub(crate) fn store_bytes(store: &Path) -> u64 {
    walk(store).0
}

/// All files below a folder, and those of them that are derived. Files that vanish meanwhile are not counted.
fn walk(folder: &Path) -> (u64, u64) {
    let (mut all, mut derived) = (0, 0);
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.metadata() {
            Ok(meta) if meta.is_file() => {
                all += meta.len();
                if is_derived(&entry.file_name().to_string_lossy()) {
                    derived += meta.len();
                }
            }
            Ok(meta) if meta.is_dir() => {
                let below = walk(&entry.path());
                (all, derived) = (all + below.0, derived + below.1);
            }
            _ => {}
        }
    }
    (all, derived)
}

fn is_derived(name: &str) -> bool {
    matches!(FileKind::of(name), Some(FileKind::KeyIndex(_) | FileKind::Codes(_) | FileKind::Attributes(_)))
        || basis_of(name).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_apart_by_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let file =
            |name: &str, bytes: usize| std::fs::write(folder.path().join(name), vec![0; bytes]).unwrap();
        file("segment-00000001.seg", 100);
        file("segment-00000001.keys", 20);
        file("segment-00000001.codes", 2);
        file("segment-00000001.attributes", 1);
        std::fs::create_dir(folder.path().join("bases")).unwrap();
        file(&format!("bases/{}.basis", "ab".repeat(32)), 4);
        file("manifest-00000001.json", 5_000);
        assert_eq!(walk(folder.path()), (5_127, 27));
        assert_eq!(walk(Path::new("/no/such/folder")), (0, 0));
    }
}
