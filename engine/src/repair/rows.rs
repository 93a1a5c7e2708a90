//! Rows that are lost, and what backups have of them. A row whose key can still be read is asked for by its key. Of a row that
//! is hidden, because its frame or its file is gone, the number is known as a rule, and the key index may have the hash of
//! its key. Where nothing but a count is left, rows that a backup has and the collection has no longer are the lost ones
//! if the backup is as new as their segment, no later commit deleted them, and there are no more of them than were lost.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use siltstone_format::checksum::key_hash;
use siltstone_format::key_index::{ENTRIES_PER_BLOCK, block_offset, check_block, decode_header};
use siltstone_format::layout::KeyIndexEntry;
use siltstone_format::limits::KEY_INDEX_BLOCK_BYTES;

use super::examine::Examined;
use super::item::Returned;
use super::spare::{Missing, Spares, Unpacked};
use crate::bitmap::Bitmap;
use crate::disk::{Disk, durable};
use crate::error::Result;
use crate::segment::{Promise, SegmentPlace};
use crate::store::Store;
use crate::view::{Row, View};

/// The rows of segments that are hurt which no frame that can be read has, and which nobody is known to have deleted.
pub(super) fn hidden(examined: &Examined, view: &View) -> BTreeMap<u64, Bitmap> {
    let mut hidden = BTreeMap::new();
    for missing in &examined.missing {
        let Missing::Segment { place, sealed, is_listed: true, .. } = missing else { continue };
        let number = place.segment;
        let part = view.parts.iter().find(|part| part.segment.place.segment == number);
        let known = part.map_or(0, |part| part.segment.rows);
        let total = sealed.map_or(known, |promise| u32::try_from(promise.rows).unwrap_or(known).max(known));
        let mut rows = Bitmap::empty(total);
        rows.insert_range(0, total);
        for frame in part.iter().flat_map(|part| &part.segment.frames) {
            (frame.first_row..frame.first_row.saturating_add(frame.rows)).for_each(|row| rows.remove(row));
        }
        for part in &view.parts {
            let cap = examined.manifest.cap(part.segment.place.segment);
            let kills = part.segment.kills.iter().take_while(|kill| kill.commit <= cap);
            kills.filter(|kill| kill.segment == number).for_each(|kill| rows.remove(kill.row));
        }
        hidden.insert(number, rows);
    }
    hidden
}

/// What is asked of the backups.
pub(super) struct Search<'v> {
    view: &'v View,
    keys: BTreeSet<String>,
    hidden: BTreeMap<u64, Bitmap>,
    /// Hidden rows by the hash of their key, where a key index has it.
    hashes: HashMap<u64, Vec<(u64, u32)>>,
    /// How many hidden rows there are of which no hash is known, and the last commit that may have written one of them.
    unknown: u64,
    unknown_until: u64,
    /// The newest commit that names a key as superseded or deleted.
    ended: HashMap<String, u64>,
    /// Keys that were found.
    taken: BTreeSet<String>,
}

impl<'v> Search<'v> {
    /// `keys` are those of lost rows that can be read.
    pub(super) fn new(
        examined: &Examined,
        view: &'v View,
        keys: BTreeSet<String>,
        hidden: BTreeMap<u64, Bitmap>,
    ) -> Self {
        let disk = &*examined.shared.environment.disk;
        let mut hashes: HashMap<u64, Vec<(u64, u32)>> = HashMap::new();
        let (mut unknown, mut unknown_until) = (0, 0);
        for missing in &examined.missing {
            let Missing::Segment { place, sealed, .. } = missing else { continue };
            let Some(rows) = hidden.get(&place.segment).filter(|rows| !rows.is_empty()) else { continue };
            match sealed.and_then(|promise| index_entries(disk, place, promise)) {
                Some(entries) => {
                    for entry in entries.iter().filter(|entry| rows.contains(entry.row)) {
                        hashes.entry(entry.hash).or_default().push((place.segment, entry.row));
                    }
                }
                None => {
                    unknown += rows.count();
                    let until = sealed.map_or(u64::MAX, |promise| promise.last_commit);
                    unknown_until = unknown_until.max(until);
                }
            }
        }
        let mut search = Self {
            view,
            keys,
            hidden,
            hashes,
            unknown,
            unknown_until,
            ended: HashMap::new(),
            taken: BTreeSet::new(),
        };
        if search.unknown > 0 {
            search.ended = ended(view);
        }
        search
    }

    fn is_over(&self) -> bool {
        self.keys.is_empty() && self.hidden.values().all(Bitmap::is_empty)
    }

    /// Looks through the backups, and gives each row that comes back to `take`.
    pub(super) fn run(
        mut self,
        spares: &mut Spares<'_>,
        take: &mut dyn FnMut(&Row<'_>) -> Result<()>,
    ) -> Result<Vec<Returned>> {
        let mut returned = Vec::new();
        if self.is_over() {
            return Ok(returned);
        }
        let (id, collection) = (self.view.shared.id, self.view.collection().to_owned());
        spares.each(&id, &mut |unpacked| {
            // That of a snapshot shows older rows than the store had when it was made.
            if unpacked.backup.snapshot.is_none() {
                let mut keys = Vec::new();
                let looked = self.look(unpacked, &mut keys, take);
                if !keys.is_empty() {
                    let backup = unpacked.backup.name.clone();
                    returned.push(Returned { collection: collection.clone(), backup, keys });
                }
                looked?;
            }
            Ok(self.is_over())
        })?;
        Ok(returned)
    }

    fn look(
        &mut self,
        unpacked: &Unpacked<'_>,
        keys: &mut Vec<String>,
        take: &mut dyn FnMut(&Row<'_>) -> Result<()>,
    ) -> Result<()> {
        let store = Store::open_in(self.view.shared.environment.clone(), unpacked.root)?;
        let backup = store.collection(unpacked.name)?.view()?;
        let (mut found, mut others) = (Vec::new(), Vec::new());
        for (part, row) in backup.live_places() {
            let segment = &backup.part(part)?.segment;
            let key = segment.key(row)?;
            if self.taken.contains(key) {
                continue;
            }
            if self.keys.remove(key) {
                found.push((part, row));
                continue;
            }
            let place = (segment.place.segment, row);
            let hidden = match self.hidden.get(&place.0).is_some_and(|rows| rows.contains(row)) {
                true => Some(place),
                false => self.hashes.get(&key_hash(key)).and_then(|places| places.first().copied()),
            };
            let live = self.commit_of(key)?;
            match hidden {
                Some(hidden) => {
                    self.strike(key, hidden);
                    if live.is_none_or(|live| live < segment.commit_of(row)) {
                        found.push((part, row));
                    }
                }
                None => {
                    let is_ended = self.ended.get(key).is_some_and(|commit| *commit > backup.commit().0);
                    if live.is_none() && !is_ended {
                        others.push((part, row));
                    }
                }
            }
        }
        let is_as_new = self.unknown_until <= backup.commit().0;
        if is_as_new && others.len() as u64 <= self.unknown {
            self.unknown -= others.len() as u64;
            found.extend(others);
        }
        for (part, row) in found {
            let row = backup.row(part, row)?;
            take(&row)?;
            self.taken.insert(row.key.to_owned());
            keys.push(row.key.to_owned());
        }
        if self.unknown == 0 && self.hashes.is_empty() {
            self.hidden.clear();
        }
        Ok(())
    }

    /// Takes a hidden row off the list.
    fn strike(&mut self, key: &str, place: (u64, u32)) {
        if let Some(rows) = self.hidden.get_mut(&place.0) {
            rows.remove(place.1);
        }
        let hash = key_hash(key);
        match self.hashes.get_mut(&hash) {
            Some(places) => {
                places.retain(|other| *other != place);
                if places.is_empty() {
                    self.hashes.remove(&hash);
                }
            }
            None => self.unknown = self.unknown.saturating_sub(1),
        }
    }

    /// The commit of the row that has this key and can be read.
    fn commit_of(&self, key: &str) -> Result<Option<u64>> {
        let Some((part, row)) = self.view.place_of(key)? else { return Ok(None) };
        match self.view.row_without_payload(part, row) {
            Ok(row) => Ok(Some(row.commit.0)),
            Err(error) if error.is_damage() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The keys that frames name as superseded or deleted, each with the newest commit that does.
fn ended(view: &View) -> HashMap<String, u64> {
    let mut ended = HashMap::new();
    for part in &view.parts {
        let counted = part.segment.frames.get(..part.frames).unwrap_or_default();
        for (number, entry) in counted.iter().enumerate().filter(|(_, entry)| entry.kills > 0) {
            let Ok(frame) = part.segment.frame(number) else { continue };
            for key in frame.kills().filter_map(|kill| frame.key(kill.key)?.ok()) {
                let newest = ended.entry(key.to_owned()).or_insert(0);
                *newest = entry.commit.max(*newest);
            }
        }
    }
    ended
}

/// The entries of the key index of a sealed segment, if it is whole and belongs to it.
fn index_entries(disk: &dyn Disk, place: &SegmentPlace, promise: Promise) -> Option<Vec<KeyIndexEntry>> {
    let limit = (promise.rows / ENTRIES_PER_BLOCK as u64 + 2) * KEY_INDEX_BLOCK_BYTES as u64;
    let bytes = durable::read_whole(disk, &place.index_path(), limit).ok()?;
    let header = decode_header(&bytes, bytes.len() as u64, &place.seed()).ok()?;
    if (header.segment_digest, header.entries) != (promise.digest, promise.rows) {
        return None;
    }
    let mut found = Vec::with_capacity(promise.rows as usize);
    for number in 0..(promise.rows as usize).div_ceil(ENTRIES_PER_BLOCK) {
        let block = bytes.get(block_offset(number) as usize..)?.get(..KEY_INDEX_BLOCK_BYTES)?;
        let entries = check_block(block, number, &place.seed()).ok()?;
        let count = (promise.rows as usize - number * ENTRIES_PER_BLOCK).min(ENTRIES_PER_BLOCK);
        found.extend(entries.chunks_exact(KeyIndexEntry::BYTES).take(count).filter_map(KeyIndexEntry::get));
    }
    Some(found)
}
