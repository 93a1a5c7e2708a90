//! Power loss: one of the disks that may be found afterwards.

use super::SimDisk;
use super::content::{Change, Content, Op, SECTOR_BYTES};
use super::image::{Data, image};
use super::state::State;
use super::tree::{NodeId, Tree};
use crate::rng::{Rng, mix3};

/// Which of the changes that no sync made durable survive the power loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survivors {
    /// None.
    Nothing,
    /// All, except what a failed sync lost.
    Everything,
    /// All names, and of the contents only the last write: a later write without the earlier ones.
    LastWrite,
    /// All names and lengths, but no bytes: files full of zeros, as from a journal of metadata.
    LengthsOnly,
    /// The first so many changes of names and contents, in the order of the calls.
    Prefix(usize),
    /// Any mixture, from a seed: the choices above, and for each file and name something of its own.
    Random(u64),
}

/// Which changes of names survive.
#[derive(Debug, Clone, Copy)]
enum NameChoice {
    Nothing,
    Everything,
    /// All changes before this number.
    Before(u64),
    /// Each with this chance of eight.
    Some {
        chance: u64,
    },
}

impl SimDisk {
    /// A disk as power loss may leave this one, from a seed. The disk itself is not changed: ask with other seeds for
    /// other images. On the new one nothing is locked, armed or pending, and the calls start from zero.
    pub fn crash(&self, seed: u64) -> Self {
        self.crash_as(Survivors::Random(seed))
    }

    /// A disk as power loss leaves this one with the given survivors.
    pub fn crash_as(&self, survivors: Survivors) -> Self {
        Self::of(crashed(&self.state(), survivors))
    }

    /// How many changes a power loss may undo.
    pub fn pending(&self) -> usize {
        pending(&self.state()).len()
    }

    /// Every choice of survivors that needs no seed.
    pub fn corners(&self) -> Vec<Survivors> {
        let fixed = [Survivors::Nothing, Survivors::Everything, Survivors::LastWrite, Survivors::LengthsOnly];
        fixed.into_iter().chain((1..self.pending()).map(Survivors::Prefix)).collect()
    }
}

fn pending(state: &State) -> Vec<u64> {
    let contents = state.contents.values().flat_map(|content| &content.log).map(|op| op.seq);
    let mut pending: Vec<_> = contents.chain(state.tree.pending.iter().map(|op| op.seq)).collect();
    pending.sort_unstable();
    pending
}

fn crashed(state: &State, survivors: Survivors) -> State {
    let before = |count: usize| pending(state).get(count).copied().unwrap_or(u64::MAX);
    match survivors {
        Survivors::Nothing => build(state, NameChoice::Nothing, 0, |_| Data::Nothing),
        Survivors::Everything => build(state, NameChoice::Everything, 0, |_| Data::Everything),
        Survivors::LengthsOnly => build(state, NameChoice::Everything, 0, |_| Data::Lengths),
        Survivors::LastWrite => {
            let is_write = |op: &&Op| matches!(op.change, Change::Write { .. });
            let logs = state.contents.values().flat_map(|content: &Content| &content.log);
            let last = logs.filter(is_write).map(|op| op.seq).max().unwrap_or(0);
            build(state, NameChoice::Everything, 0, |_| Data::Only(last))
        }
        Survivors::Prefix(count) => {
            let seq = before(count);
            build(state, NameChoice::Before(seq), 0, |_| Data::Before { seq, torn: false })
        }
        Survivors::Random(seed) => {
            let mut rng = Rng::new(seed);
            let count = pending(state).len();
            match rng.below(16) {
                0 => crashed(state, Survivors::Nothing),
                1 => crashed(state, Survivors::Everything),
                2 => crashed(state, Survivors::LastWrite),
                3 => crashed(state, Survivors::LengthsOnly),
                4 => crashed(state, Survivors::Prefix(rng.index(count + 1))),
                5 | 6 => {
                    let seq = before(rng.index(count + 1));
                    let torn = Data::Before { seq, torn: true };
                    build(state, NameChoice::Before(seq), seed, |_| torn)
                }
                _ => {
                    let names = match rng.below(8) {
                        0 => NameChoice::Nothing,
                        1..3 => NameChoice::Everything,
                        3 => NameChoice::Before(before(rng.index(count + 1))),
                        _ => NameChoice::Some { chance: 1 + rng.below(7) },
                    };
                    build(state, names, seed, |node| mixture(seed, node))
                }
            }
        }
    }
}

fn mixture(seed: u64, node: NodeId) -> Data {
    match mix3(seed, node, 1) % 8 {
        0 => Data::Nothing,
        1 => Data::Everything,
        2 => Data::Lengths,
        3..6 => Data::Subset,
        _ => Data::Moments,
    }
}

/// Contents are torn at sectors, or at blocks of eight: drives of either kind are sold.
fn build(state: &State, names: NameChoice, seed: u64, data: impl Fn(NodeId) -> Data) -> State {
    let unit = if mix3(seed, 0, 2) & 3 == 0 { 8 * SECTOR_BYTES } else { SECTOR_BYTES };
    let names = state.tree.after_crash(|op| match names {
        NameChoice::Nothing => false,
        NameChoice::Everything => true,
        NameChoice::Before(seq) => op.seq < seq,
        NameChoice::Some { chance } => mix3(seed, op.seq, 3) % 8 < chance,
    });
    state.settled(&Tree::settled(names), |node, content| Content {
        unreadable: content.unreadable.clone(),
        ..Content::settled(image(content, data(node), unit, mix3(seed, node, 4)))
    })
}
