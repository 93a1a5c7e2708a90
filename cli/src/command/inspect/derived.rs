//! What files derived from a segment have in common: blocks, of which only damaged ones are worth a line.

use std::io::{Read, Seek};

use siltstone_format::Flaw;

use super::part::Part;
use super::segment::Emit;
use super::source::Source;
use crate::exit::CliError;

/// Blocks that were looked at.
pub(super) struct Checked {
    what: &'static str,
    blocks: u64,
    damaged: u64,
}

impl Checked {
    pub(super) fn new(what: &'static str) -> Checked {
        Checked { what, blocks: 0, damaged: 0 }
    }

    /// Reads a block, given by its number, offset and length, and prints it if it is damaged.
    pub(super) fn block<R: Read + Seek>(
        &mut self,
        source: &mut Source<R>,
        (number, offset, length): (u64, u64, u64),
        emit: Emit<'_>,
        check: impl FnOnce(&[u8]) -> Result<(), Flaw>,
    ) -> Result<(), CliError> {
        self.blocks += 1;
        match source.read(offset, length).and_then(|bytes| check(&bytes)) {
            Ok(()) => Ok(()),
            Err(flaw) => {
                self.damaged += 1;
                emit(Part::new(self.what, offset, length).fact("number", number).flaw(flaw))
            }
        }
    }

    /// How many there were, and how many of them damaged.
    pub(super) fn summary(
        self,
        what: &'static str,
        offset: u64,
        bytes: u64,
        emit: Emit<'_>,
    ) -> Result<(), CliError> {
        let part = Part::new(what, offset, bytes);
        emit(part.fact("blocks", self.blocks).fact("damaged", self.damaged))
    }
}
