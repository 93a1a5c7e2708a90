//! A manifest from nothing but the files: segments say themselves which collection they belong to, what came before
//! them, and whether they are sealed. After a snapshot was restored, and in a compacted segment, they also say what still
//! counted then.

use std::path::Path;

use siltstone_format::footer;
use siltstone_format::header::{self, HeaderPage};
use siltstone_format::layout::Seal;
use siltstone_format::limits::{HEADER_PAGE_BYTES, MAX_DOCUMENT_BYTES};
use siltstone_format::manifest::{Manifest, SegmentEntry, SegmentState, SnapshotEntry};
use siltstone_format::names::FileKind;
use siltstone_format::snapshot::Snapshot;
use siltstone_format::{Flaw, Id, Seed};

use crate::disk::{Disk, Mode, durable};
use crate::environment::Environment;
use crate::error::{Error, Result};

/// The manifest that the files in `directory` amount to.
pub(crate) fn rebuilt(environment: &Environment, directory: &Path, id: Id) -> Result<Manifest> {
    let disk = &*environment.disk;
    let (mut found, mut snapshots) = (Vec::new(), Vec::new());
    let (mut greatest, mut generation) = (0, 0);
    for entry in disk.list(directory).map_err(Error::io("list", directory))? {
        let path = directory.join(&entry.name);
        match FileKind::of(&entry.name) {
            Some(FileKind::Segment(segment)) => {
                greatest = greatest.max(segment);
                if let Some((state, page)) = inspect(disk, &path, id, segment)? {
                    found.push((SegmentEntry { segment, state }, page));
                }
            }
            Some(FileKind::Snapshot(file)) => {
                generation = generation.max(file);
                let bytes = durable::read_whole(disk, &path, MAX_DOCUMENT_BYTES)?;
                if let Ok((snapshot, digest)) = Snapshot::decode(&bytes)
                    && snapshot.collection == id
                {
                    snapshots.push(SnapshotEntry { name: snapshot.name, file, digest });
                }
            }
            Some(FileKind::Manifest(found)) => generation = generation.max(found),
            _ => {}
        }
    }
    found.sort_by_key(|(entry, _)| entry.segment);
    let Some(page) = found.iter().rev().find_map(|(_, page)| page.clone()) else {
        let flaw = Flaw::new("collection", "segments", 0, 1, "a segment with a whole header", "none");
        return Err(Error::flaw(directory, flaw));
    };
    let (mut segments, mut retired): (Vec<SegmentEntry>, Vec<SegmentEntry>) = (Vec::new(), Vec::new());
    for (entry, page) in found {
        let identity = page.map(|page| page.identity);
        // A damaged copy may lack rows that those it was copied from still have: it retires nothing.
        let is_copy = identity.as_ref().is_some_and(|identity| !identity.replaces.is_empty());
        let retires = !is_copy || matches!(entry.state, SegmentState::Sealed { .. });
        if let Some(follows) = identity.and_then(|identity| identity.follows).filter(|_| retires) {
            for mut earlier in std::mem::take(&mut segments).into_iter().chain(std::mem::take(&mut retired)) {
                match follows.cap(earlier.segment) {
                    None => retired.push(earlier),
                    Some(cap) => {
                        earlier.state = capped(earlier.state, cap);
                        segments.push(earlier);
                    }
                }
            }
            segments.sort_by_key(|entry| entry.segment);
        }
        segments.push(entry);
    }
    // Only the last segment can be the open one; an earlier one without a footer is damaged.
    let last = segments.len().saturating_sub(1);
    for entry in segments.iter_mut().take(last) {
        if entry.state == SegmentState::Open {
            let path = directory.join(FileKind::Segment(entry.segment).file_name());
            let file = disk.open(&path, Mode::Read).map_err(Error::io("open", &path))?;
            let end_bytes = file.len().map_err(Error::io("read", &path))?;
            entry.state = SegmentState::Frozen { end_bytes, last_commit: 0, chain: [0; 32] };
        }
    }
    let mut retired: Vec<u64> = retired.into_iter().map(|entry| entry.segment).collect();
    retired.sort_unstable();
    snapshots.sort_by(|a, b| a.name.cmp(&b.name));
    snapshots.dedup_by(|a, b| a.name == b.name);
    let now_ms = environment.clock.now_ms();
    let mut manifest = Manifest::first(id, &page.identity.name, page.identity.identity, now_ms);
    (manifest.segments, manifest.snapshots, manifest.retired) = (segments, snapshots, retired);
    (manifest.generation, manifest.next_segment) = (generation + 1, greatest + 1);
    Ok(manifest)
}

/// What a segment is that counts up to a commit at most. One that was never sealed was left alone for its damage, which
/// nobody can cut at a commit: all that is whole in it is shown.
fn capped(state: SegmentState, cap: u64) -> SegmentState {
    match state {
        SegmentState::Sealed { bytes, rows, last_commit, digest } if cap < last_commit => {
            SegmentState::Capped { bytes, rows, last_commit, digest, cap }
        }
        SegmentState::Capped { bytes, rows, last_commit, digest, .. } if cap < last_commit => {
            SegmentState::Capped { bytes, rows, last_commit, digest, cap }
        }
        SegmentState::Capped { bytes, rows, last_commit, digest, .. } => {
            SegmentState::Sealed { bytes, rows, last_commit, digest }
        }
        state => state,
    }
}

/// What a segment file is: sealed when it ends with a good footer, else open; and its header page, if that is not lost.
/// `None` when it says that it is another segment.
fn inspect(
    disk: &dyn Disk,
    path: &Path,
    id: Id,
    segment: u64,
) -> Result<Option<(SegmentState, Option<HeaderPage>)>> {
    let file = disk.open(path, Mode::Read).map_err(Error::io("open", path))?;
    let bytes = file.len().map_err(Error::io("read", path))?;
    let read = |offset: u64, length: u64| {
        let mut part = vec![0; length as usize];
        file.read_at(&mut part, offset).map_err(Error::io("read", path)).map(|()| part)
    };
    // What lies behind a lost header page is checked against the file's name by its checksums.
    let page = match header::decode(&read(0, HEADER_PAGE_BYTES.min(bytes))?) {
        Err(flaw) if flaw.is_newer_format() => return Err(Error::flaw(path, flaw)),
        page => page.ok(),
    };
    if page.as_ref().is_some_and(|page| (page.header.collection, page.header.segment) != (id, segment)) {
        return Ok(None);
    }
    let seed = Seed::new(&id, segment);
    let tail = (Seal::BYTES as u64).min(bytes);
    let sealed = match footer::locate(&read(bytes - tail, tail)?, bytes, &seed) {
        Ok((start, seal)) => footer::decode(&read(start, bytes - start)?, &seal, &seed, start).ok(),
        Err(_) => None,
    };
    let state = match sealed {
        Some(footer) => SegmentState::Sealed {
            bytes,
            rows: footer.header.rows,
            last_commit: footer.header.last_commit,
            digest: footer.digest,
        },
        None => SegmentState::Open,
    };
    Ok(Some((state, page)))
}
