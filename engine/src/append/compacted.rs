//! What compaction needs of a writer: its settings, and that it goes on with other segments than before.

use std::sync::Arc;

use siltstone_format::manifest::Manifest;

use super::{SealedPart, Writer, WriterOptions};
use crate::bitmap::Bitmap;
use crate::compact::{self, CompactOptions, CompactReport};
use crate::error::Result;
use crate::segment::Segment;

impl Writer {
    /// Writes the rows that count into fewer and fuller segments and removes the old ones. What the collection holds and
    /// answers stays the same; rows then carry the last commit of what they were copied from. Snapshots and open views
    /// keep what they see. A process that dies meanwhile leaves the state before or after some group, and nothing that the
    /// next writer does not clear away.
    ///
    /// Costs a read and two writes of every row that is copied, two syncs and one manifest a group. Needs room for one new
    /// segment at a time, see [`CompactOptions::target_bytes`].
    ///
    /// # Errors
    /// Damage anywhere in the collection, which must be repaired or recovered from first; a batch that is not
    /// committed; an undo snapshot whose name is taken; a disk that refuses or is full, which poisons the writer and loses
    /// nothing.
    pub fn compact(&mut self, options: &CompactOptions) -> Result<CompactReport> {
        self.compact_while(options, &|| true)
    }

    /// As [`Writer::compact`], for as long as `go_on` says so: it is asked before each group of segments.
    ///
    /// # Errors
    /// As [`Writer::compact`].
    pub fn compact_while(
        &mut self,
        options: &CompactOptions,
        go_on: &dyn Fn() -> bool,
    ) -> Result<CompactReport> {
        self.check_between_batches("compact")?;
        compact::run(self, options, go_on)
    }

    pub(crate) fn options(&self) -> &WriterOptions {
        &self.options
    }

    /// The open segment, while it has no commit.
    pub(crate) fn empty_segment(&self) -> Option<u64> {
        let open = self.open.as_ref().filter(|open| open.state.walk.frames.is_empty());
        open.map(|open| open.state.place.segment)
    }

    /// Goes on under a manifest that lists other segments, of which `new` is the only one that was not there before. All
    /// of its rows count.
    ///
    /// The witness goes on pointing to where the last commit is now.
    pub(crate) fn take_over(&mut self, manifest: Manifest, new: &Arc<Segment>) -> Result<()> {
        self.sealed.retain(|part| manifest.lists(part.segment.place.segment));
        self.open.take_if(|open| !manifest.lists(open.state.place.segment));
        self.shared.forget_all_but(&manifest);
        self.shared.keep(Arc::clone(new));
        self.sealed.push(SealedPart { segment: Arc::clone(new), live: Bitmap::full(new.rows) });
        self.manifest = manifest;
        if new.last_commit < self.witness.slot.commit {
            return Ok(());
        }
        self.witness.record(new.place.segment, new.last_commit, new.end, new.chain)?;
        self.witness.sync()
    }
}
