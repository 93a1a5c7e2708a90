//! Which rows of a view pass a filter: by the attribute index where a segment has one, by the metadata itself for what the
//! index does not settle.

use rayon::prelude::*;

use super::View;
use crate::bitmap::Bitmap;
use crate::error::Result;
use crate::event::Event;
use crate::filter::Filter;

/// The live rows that pass a filter.
#[derive(Debug)]
pub(crate) struct Matching {
    /// A set for each part.
    pub(crate) masks: Vec<Bitmap>,
    /// How many rows the index settled.
    pub(crate) by_index: u64,
    /// Of how many the metadata was read.
    pub(crate) by_metadata: u64,
}

impl View {
    /// The live rows whose metadata passes a filter. Without `with_index`, every row's metadata is read, and damage to any
    /// is met; else only that of rows about which the attribute index does not know enough.
    pub(crate) fn matching(&self, filter: &Filter, with_index: bool) -> Result<Matching> {
        let settled: Vec<(Bitmap, Bitmap)> =
            self.parts.par_iter().map(|part| self.settled(part, filter, with_index)).collect();
        let (mut masks, open): (Vec<Bitmap>, Vec<Bitmap>) = settled.into_iter().unzip();
        let tasks: Vec<(usize, usize)> = self
            .parts
            .iter()
            .enumerate()
            .filter(|(at, _)| open.get(*at).is_some_and(|open| !open.is_empty()))
            .flat_map(|(at, part)| (0..part.frames).map(move |frame| (at, frame)))
            .collect();
        let found: Vec<Result<(usize, Vec<u32>)>> = tasks
            .par_iter()
            .map(|&(at, frame)| {
                let mut rows = Vec::new();
                if let Some(part) = self.parts.get(at) {
                    self.pass_over(part.segment.for_each_metadata(frame, open.get(at), |row, metadata| {
                        if filter.matches(metadata) {
                            rows.push(row);
                        }
                        Ok(())
                    }))?;
                }
                Ok((at, rows))
            })
            .collect();
        for result in found {
            let (at, rows) = result?;
            if let Some(mask) = masks.get_mut(at) {
                rows.into_iter().for_each(|row| mask.insert(row));
            }
        }
        let by_metadata = open.iter().map(Bitmap::count).sum();
        Ok(Matching { masks, by_index: self.len() - by_metadata, by_metadata })
    }

    /// The live rows of a part that pass for sure, and those of which that is still open.
    fn settled(&self, part: &super::Part, filter: &Filter, with_index: bool) -> (Bitmap, Bitmap) {
        let index = self.shared.attributes(&part.segment).filter(|_| with_index);
        let Some(index) = index else { return (Bitmap::empty(part.segment.rows), part.live.clone()) };
        let mut rows = index.rows_of(filter);
        if index.take_news_of_damage() {
            let reason = "a block does not have its checksum; metadata was read instead".to_owned();
            let event = Event::DerivedFileUnusable { path: index.path().to_owned(), reason };
            self.shared.environment.observer.event(&event);
        }
        rows.must.intersect(&part.live);
        rows.may.intersect(&part.live);
        rows.may.subtract(&rows.must);
        (rows.must, rows.may)
    }
}
