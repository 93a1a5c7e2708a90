//! Sealing the open segment and beginning the next.

use std::collections::HashMap;
use std::sync::Arc;

use siltstone_format::follows::Follows;
use siltstone_format::footer;
use siltstone_format::header::SegmentIdentity;
use siltstone_format::manifest::{Manifest, SegmentEntry, SegmentState};
use siltstone_format::names::FileKind;

use super::{OpenPart, SealedPart, Writer};
use crate::bitmap::Bitmap;
use crate::collection::Shared;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::segment::create::{Continues, create};
use crate::segment::{Promise, open_sealed, write_index};
use crate::{encode, manifest};

impl Writer {
    /// Seals the open segment: it gets a footer and a key index and never changes again. Without rows in it nothing
    /// happens. Says whether a segment was sealed.
    ///
    /// # Errors
    /// A batch that is not committed; a disk that refuses, which poisons the writer and loses nothing committed.
    pub fn seal(&mut self) -> Result<bool> {
        self.check_between_batches("seal")?;
        self.poisoning(Self::seal_open)
    }

    pub(crate) fn seal_open(&mut self) -> Result<bool> {
        let Some(open) = self.open.take_if(|open| !open.state.walk.frames.is_empty()) else {
            return Ok(false);
        };
        let disk = &*self.shared.environment.disk;
        let place = open.state.place.clone();
        let (path, walk) = (place.path(), open.state.walk);
        let (bytes, digest) = footer::encode(&walk.frames, &walk.kills, (walk.end, walk.chain), &open.seed);
        open.file.write_at(&bytes, walk.end).map_err(Error::io("write", &path))?;
        open.file.sync().map_err(Error::io("sync", &path))?;
        let file_bytes = walk.end + bytes.len() as u64;
        let (rows, last_commit) = (u64::from(walk.rows), walk.last_commit);

        let mut next = self.manifest.clone();
        let state = SegmentState::Sealed { bytes: file_bytes, rows, last_commit, digest };
        for entry in next.segments.iter_mut().filter(|entry| entry.segment == place.segment) {
            entry.state = state.clone();
        }
        self.manifest = manifest::publish(&self.shared.environment, &self.shared.directory, next)?;
        self.witness.record(place.segment, last_commit, walk.end, walk.chain)?;
        self.witness.sync()?;

        let segment = place.segment;
        let sealed = open_sealed(disk, place, Promise { bytes: file_bytes, rows, last_commit, digest })?;
        if let Err(error) = write_index(&sealed, disk) {
            // Derived: lookups read the segment instead, and the next seal or repair makes it again.
            let event =
                Event::DerivedFileUnusable { path: sealed.place.index_path(), reason: error.to_string() };
            self.shared.environment.observer.event(&event);
        }
        encode::at_seal(&self.shared, &sealed);
        sealed.let_go();
        let sealed = Arc::new(sealed);
        self.shared.keep(Arc::clone(&sealed));
        self.sealed.push(SealedPart { segment: sealed, live: open.live });
        let collection = self.shared.name.clone();
        self.shared.environment.observer.event(&Event::Sealed { collection, segment, rows });
        Ok(true)
    }

    /// Makes sure that there is a segment to append to: seals a full one, creates a new one and names it in a manifest
    /// before the first commit goes in.
    pub(super) fn ensure_open(&mut self) -> Result<()> {
        if self.open.as_ref().is_some_and(|open| open.state.walk.end >= self.options.seal_bytes) {
            self.seal_open()?;
        }
        if self.open.is_some() {
            return Ok(());
        }
        let (number, open) = self.begin_segment(None)?;
        let mut next = self.manifest.clone();
        next.segments.push(SegmentEntry { segment: number, state: SegmentState::Open });
        next.next_segment = number + 1;
        self.manifest = manifest::publish(&self.shared.environment, &self.shared.directory, next)?;
        self.open = Some(open);
        Ok(())
    }

    /// Creates the file of the next segment, which no manifest names yet.
    pub(super) fn begin_segment(&self, follows: Option<Follows>) -> Result<(u64, OpenPart)> {
        let number = free_number(&self.shared, &self.manifest)?;
        let continues = match self.sealed.last() {
            Some(part) => Continues {
                segment: part.segment.place.segment,
                chain: part.segment.chain,
                commit: self.last_commit,
            },
            None => Continues { segment: 0, chain: [0; 32], commit: self.last_commit },
        };
        let (name, identity) = (&self.shared.name, self.shared.identity.clone());
        let identity = SegmentIdentity { follows, ..SegmentIdentity::new(name, identity) };
        let environment = &self.shared.environment;
        let now_ms = environment.clock.now_ms();
        let (file, state) =
            create(&*environment.disk, self.shared.place(number), &identity, continues, now_ms)?;
        let seed = state.place.seed();
        Ok((number, OpenPart { file, state, seed, keys: HashMap::new(), live: Bitmap::full(0) }))
    }
}

/// The next segment number that no file has. A file that no manifest names may hold somebody's rows: it is passed by,
/// never overwritten.
pub(crate) fn free_number(shared: &Shared, manifest: &Manifest) -> Result<u64> {
    let directory = &shared.directory;
    let entries = shared.environment.disk.list(directory).map_err(Error::io("list", directory))?;
    let taken = entries.iter().filter_map(|entry| match FileKind::of(&entry.name) {
        Some(FileKind::Segment(number)) => Some(number + 1),
        _ => None,
    });
    Ok(taken.fold(manifest.next_segment, u64::max))
}
