//! Writing a compacted segment: frames of one commit, one after the other, then the footer; and reading all of it back.

use std::path::Path;

use siltstone_format::frame_builder::{FrameBuilder, NewRow, Place};
use siltstone_format::layout::{FooterFrame, FooterKill};
use siltstone_format::limits::HEADER_PAGE_BYTES;
use siltstone_format::{Digest, Flaw, Seed, checksum, footer};

use crate::append::WriterOptions;
use crate::disk::DiskFile;
use crate::error::{Error, Result};
use crate::segment::SegmentPlace;
use crate::segment::check::{Listed, check_frames};

/// A segment that is being written.
pub(super) struct Output<'a> {
    file: &'a dyn DiskFile,
    path: &'a Path,
    seed: Seed,
    frame_bytes: usize,
    commit: u64,
    committed_at_ms: i64,
    builder: FrameBuilder,
    /// Kills of the frame that is being filled.
    pending: Vec<FooterKill>,
    frames: Vec<FooterFrame>,
    kills: Vec<FooterKill>,
    rows: u32,
    end: u64,
    chain: Digest,
}

/// A segment that was written, and what the manifest says of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written {
    pub(super) bytes: u64,
    pub(super) rows: u64,
    pub(super) digest: Digest,
}

impl<'a> Output<'a> {
    /// Begins with the header page.
    pub(super) fn begin(
        (file, path): (&'a dyn DiskFile, &'a Path),
        place: &SegmentPlace,
        page: &[u8],
        (commit, committed_at_ms): (u64, i64),
        options: &WriterOptions,
    ) -> Result<Self> {
        file.write_at(page, 0).map_err(Error::io("write", path))?;
        Ok(Self {
            file,
            path,
            seed: place.seed(),
            frame_bytes: options.frame_bytes,
            commit,
            committed_at_ms,
            builder: FrameBuilder::new(place.dims, options.compression),
            pending: Vec::new(),
            frames: Vec::new(),
            kills: Vec::new(),
            rows: 0,
            end: HEADER_PAGE_BYTES,
            chain: checksum::digest(page),
        })
    }

    /// Adds a row.
    pub(super) fn row(&mut self, row: NewRow<'_>) -> Result<()> {
        self.make_room()?;
        self.builder.push_row(row);
        Ok(())
    }

    /// Adds a kill of a row of another segment.
    pub(super) fn kill(&mut self, segment: u64, row: u32, key: &str) -> Result<()> {
        self.make_room()?;
        self.builder.push_deleted(segment, row, key);
        self.pending.push(FooterKill { segment, commit: self.commit, row, reserved: 0 });
        Ok(())
    }

    fn make_room(&mut self) -> Result<()> {
        match self.builder.approximate_bytes() >= self.frame_bytes || !self.builder.has_room() {
            true => self.write_frame(false),
            false => Ok(()),
        }
    }

    fn write_frame(&mut self, last: bool) -> Result<()> {
        let place = Place {
            offset: self.end,
            first_row: self.rows,
            commit: self.commit,
            committed_at_ms: self.committed_at_ms,
            previous_chain: self.chain,
            part: self.frames.len() as u32,
            last,
        };
        let frame = self.builder.finish(&self.seed, &place).map_err(|flaw| Error::invalid("frame", flaw))?;
        self.file.write_at(&frame.bytes, self.end).map_err(Error::io("write", self.path))?;
        let header = frame.header;
        self.frames.push(FooterFrame {
            offset: self.end,
            commit: header.commit,
            first_row: header.first_row,
            rows: header.rows,
            kills: header.kills,
            last: header.last,
        });
        self.kills.append(&mut self.pending);
        self.rows += header.rows;
        self.end += header.frame_bytes;
        self.chain = frame.chain;
        Ok(())
    }

    /// Writes the last frame and the footer, makes all of it durable, and reads it back: every frame must have the digest
    /// that was computed when it was made.
    pub(super) fn finish(mut self, place: &SegmentPlace) -> Result<Written> {
        self.write_frame(true)?;
        let (bytes, digest) = footer::encode(&self.frames, &self.kills, (self.end, self.chain), &self.seed);
        self.file.write_at(&bytes, self.end).map_err(Error::io("write", self.path))?;
        self.file.sync().map_err(Error::io("sync", self.path))?;
        let Self { frames, kills, end, chain, .. } = &self;
        let listed = Listed { frames, kills, end: *end, chain: *chain, has_gaps: false };
        if let Some(flaw) = check_frames(self.file, place, listed)?.flaws.into_iter().next() {
            return Err(Error::flaw(self.path, flaw));
        }
        let mut found = vec![0; bytes.len()];
        self.file.read_at(&mut found, self.end).map_err(Error::io("read", self.path))?;
        if found != bytes {
            let (length, expected) = (bytes.len() as u64, "what was just written");
            return Err(Error::flaw(
                self.path,
                Flaw::new("footer", "bytes", self.end, length, expected, "other bytes"),
            ));
        }
        Ok(Written { bytes: self.end + bytes.len() as u64, rows: u64::from(self.rows), digest })
    }
}
