//! Which documents are looked at together: those that are known at a glance, and the others as far as memory allows.

use crate::ingest::scan::{Document, Documents};

use super::collection::Run;
use super::seen::{Seen, SeenFiles};
use super::stored::Stored;

/// Documents that are looked at together: they fill all processors and several requests.
const TOGETHER: usize = 256;
/// And no more bytes of them than this, so that memory stays flat whatever the documents are.
const TOGETHER_BYTES: u64 = 4 << 20;
/// At so many documents is glanced together.
const GLANCED_AT: usize = 8_192;

/// Documents that are looked at together.
#[derive(Default)]
pub(super) struct Group {
    /// What is known of each file, in the order of ids.
    pub(super) known: Vec<Option<Seen>>,
    /// Those that must be read, with their places among all documents.
    pub(super) unsettled: Vec<(usize, Document)>,
}

impl Run<'_> {
    /// The documents from `from` on that are looked at together: as many as are known at a glance, and no more of the
    /// others than memory and processors want. A document is known when its file is what it was when it was read last,
    /// and the store has it as a whole, made from what was in the file then.
    pub(super) fn group(
        &self,
        documents: &Documents,
        from: usize,
        stored: &Stored,
        seen: &mut SeenFiles,
    ) -> Group {
        let mut group = Group::default();
        let (mut bytes, mut hint) = (0, 0);
        for at in from..documents.len().min(from + GLANCED_AT) {
            let Some(id) = documents.id(at) else { break };
            let known = seen.look_up(id).filter(|seen| {
                documents.stamp(at) == Some(seen.stamp)
                    && !self.extent.verify_content
                    && !self.extent.again.contains(id)
                    && stored.is_current_near(&mut hint, id, &seen.hash)
            });
            if known.is_none() {
                let Some(document) = documents.get(at) else { break };
                let is_full =
                    group.unsettled.len() == TOGETHER || bytes + document.size_bytes > TOGETHER_BYTES;
                if is_full && !group.unsettled.is_empty() {
                    break;
                }
                bytes += document.size_bytes;
                group.unsettled.push((at, document));
            }
            group.known.push(known);
        }
        group
    }
}
