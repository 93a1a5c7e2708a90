//! Which byte of a segment file is what, and the rows that lie in it, counted or not: from the layout that the format
//! crate declares, so that a new field is attacked the day it is added.

use std::ops::Range;
use std::path::{Path, PathBuf};

use siltstone_format::checksum::from_hex;
use siltstone_format::frame::{Frame, Geometry};
use siltstone_format::header;
use siltstone_format::limits::HEADER_PAGE_BYTES;
use siltstone_format::names::FileKind;
use siltstone_format::{Id, Seed};

use crate::answers::RowValue;

/// A part of a segment file. Frames are counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The header page.
    Page,
    /// The header of a frame.
    FrameHeader(usize),
    /// A vector, by its row's number in the segment.
    Row(u32),
    /// The index of a frame.
    Index(usize),
    /// The key of a row, by the row's number in the segment.
    Key(u32),
    /// The key of a row of another frame that this one deletes.
    DeletedKey(usize),
    /// The metadata of a frame.
    Metadata(usize),
    /// The texts of a frame.
    Text(usize),
    /// The zeros before a trailer.
    Zeros(usize),
    /// The trailer of a frame.
    Trailer(usize),
    /// Footer and seal.
    Footer,
}

/// A frame of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameAt {
    /// Its bytes in the file.
    pub bytes: Range<u64>,
    /// Its rows in the segment.
    pub rows: Range<u32>,
    /// Its commit.
    pub commit: u64,
    /// Whether it is the last of its commit.
    pub is_last: bool,
    /// Its rows, its index and its keys in the file.
    pub geometry: Geometry,
}

/// A segment file, taken apart.
#[derive(Debug, Clone)]
pub struct Anatomy {
    /// Every byte of the file, in order.
    pub parts: Vec<(Range<u64>, Part)>,
    /// Its frames.
    pub frames: Vec<FrameAt>,
    /// Its rows, whether they count or not.
    pub rows: Vec<RowValue>,
}

/// Collection and number of the segment file at a path.
pub fn segment_of(path: &Path) -> Option<(Id, u64)> {
    let FileKind::Segment(segment) = FileKind::of(path.file_name()?.to_str()?)? else { return None };
    Some((from_hex::<16>(path.parent()?.file_name()?.to_str()?)?, segment))
}

/// The segment files among these.
pub fn segments(files: &[PathBuf]) -> Vec<PathBuf> {
    files.iter().filter(|path| segment_of(path).is_some()).cloned().collect()
}

/// Takes a good segment file apart.
pub fn dissect(path: &Path, bytes: &[u8]) -> Anatomy {
    let (collection, segment) = segment_of(path).unwrap();
    let page = header::decode(bytes).unwrap();
    let (dims, seed) = (page.header.dims, Seed::new(&collection, segment));
    let mut anatomy =
        Anatomy { parts: vec![(0..HEADER_PAGE_BYTES, Part::Page)], frames: Vec::new(), rows: Vec::new() };
    let mut at = HEADER_PAGE_BYTES;
    while let Ok((frame, header)) = Frame::new(bytes.get(at as usize..).unwrap_or_default(), dims, &seed, at)
    {
        let geometry = Geometry::of(&header, dims, at).unwrap();
        let (number, first_row) = (anatomy.frames.len(), header.first_row);
        let mut from = at;
        let mut part = |end: usize, part: Part| {
            let end = at + end as u64;
            if from < end {
                anatomy.parts.push((from..end, part));
            }
            from = end;
        };
        part(Geometry::ROWS, Part::FrameHeader(number));
        for row in 0..header.rows {
            part(Geometry::ROWS + (row as usize + 1) * geometry.row_bytes, Part::Row(first_row + row));
        }
        part(geometry.keys, Part::Index(number));
        let mut end = geometry.keys;
        for key in 0..header.keys {
            end += frame.key(key).unwrap().unwrap().len();
            let is_row = key < header.rows;
            part(end, if is_row { Part::Key(first_row + key) } else { Part::DeletedKey(number) });
        }
        part(geometry.text, Part::Metadata(number));
        part(geometry.zeros, Part::Text(number));
        part(geometry.trailer, Part::Zeros(number));
        part(header.frame_bytes as usize, Part::Trailer(number));
        for row in 0..header.rows {
            anatomy.rows.push(row_value(&frame, row, (segment, first_row + row), header.commit));
        }
        anatomy.frames.push(FrameAt {
            bytes: at..at + header.frame_bytes,
            rows: first_row..first_row + header.rows,
            commit: header.commit,
            is_last: header.last == 1,
            geometry,
        });
        at += header.frame_bytes;
    }
    if at < bytes.len() as u64 {
        anatomy.parts.push((at..bytes.len() as u64, Part::Footer));
    }
    anatomy
}

fn row_value(frame: &Frame<'_>, row: u32, place: (u64, u32), commit: u64) -> RowValue {
    let elements = frame.row(row).unwrap().unwrap().chunks_exact(4);
    let metadata = String::from_utf8(frame.metadata(row).unwrap().unwrap()).unwrap();
    RowValue {
        key: frame.key(row).unwrap().unwrap().to_owned(),
        vector: elements.map(|bytes| u32::from_le_bytes(bytes.try_into().unwrap())).collect(),
        metadata,
        text: frame.text(row).unwrap().unwrap(),
        commit,
        place,
    }
}

impl Anatomy {
    /// What lies at an offset.
    pub fn part_at(&self, offset: u64) -> Part {
        self.parts.iter().find(|(bytes, _)| bytes.contains(&offset)).unwrap().1
    }

    /// The rows that damage to this part may cost, by number: those that cannot be told to be whole without it.
    pub fn rows_behind(&self, part: Part) -> Range<u32> {
        match part {
            Part::Row(row) | Part::Key(row) => row..row + 1,
            Part::FrameHeader(frame) | Part::Index(frame) | Part::Metadata(frame) | Part::Text(frame) => {
                self.frames[frame].rows.clone()
            }
            Part::Page | Part::DeletedKey(_) | Part::Zeros(_) | Part::Trailer(_) | Part::Footer => 0..0,
        }
    }
}
