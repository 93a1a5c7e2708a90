//! Names: which directory holds what, durably and as processes see it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Component, Path};
use std::sync::Arc;

/// The number of a file or directory. It stays the same through renames and crashes.
pub(super) type NodeId = u64;

pub(super) const ROOT: NodeId = 0;

/// A place for a name: a directory and the name in it.
pub(super) type Place = (NodeId, Arc<str>);

/// The names of each directory.
pub(super) type Names = BTreeMap<NodeId, BTreeMap<Arc<str>, NodeId>>;

/// A change of names that no directory sync has made durable yet.
#[derive(Debug, Clone)]
pub(super) struct NameOp {
    pub(super) seq: u64,
    change: Change,
}

#[derive(Debug, Clone)]
enum Change {
    Link { at: Place, node: NodeId },
    Unlink { at: Place },
    Rename { from: Place, to: Place, node: NodeId },
}

impl NameOp {
    fn places(&self) -> [&Place; 2] {
        match &self.change {
            Change::Link { at, .. } | Change::Unlink { at } => [at, at],
            Change::Rename { from, to, .. } => [from, to],
        }
    }

    fn apply(&self, names: &mut Names) {
        let mut put = |(dir, name): &Place, node: Option<NodeId>| {
            let entries = names.entry(*dir).or_default();
            match node {
                Some(node) => entries.insert(Arc::clone(name), node),
                None => entries.remove(name),
            };
        };
        match &self.change {
            Change::Link { at, node } => put(at, Some(*node)),
            Change::Unlink { at } => put(at, None),
            Change::Rename { from, to, node } => {
                put(from, None);
                put(to, Some(*node));
            }
        }
    }
}

/// The directories of a disk. A node is a directory when it is a key of `live`.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    pub(super) durable: Names,
    pub(super) live: Names,
    pub(super) pending: Vec<NameOp>,
}

impl Tree {
    /// Directories with nothing pending.
    pub(super) fn settled(names: Names) -> Self {
        Self { durable: names.clone(), live: names, pending: Vec::new() }
    }

    pub(super) fn find(&self, path: &Path) -> io::Result<NodeId> {
        parts(path).into_iter().try_fold(ROOT, |dir, name| {
            self.live.get(&dir).and_then(|names| names.get(name)).copied().ok_or_else(|| missing(path))
        })
    }

    /// Where the name of `path` is, or would be: its directory exists.
    pub(super) fn place(&self, path: &Path) -> io::Result<Place> {
        let mut parts = parts(path);
        let name = parts.pop().ok_or_else(|| refused(io::ErrorKind::InvalidInput, path))?;
        let dir = self.find(&parts.iter().collect::<std::path::PathBuf>())?;
        if !self.live.contains_key(&dir) {
            return Err(refused(io::ErrorKind::NotADirectory, path));
        }
        Ok((dir, name.into()))
    }

    pub(super) fn at(&self, place: &Place) -> Option<NodeId> {
        self.live.get(&place.0)?.get(&place.1).copied()
    }

    pub(super) fn is_dir(&self, node: NodeId) -> bool {
        self.live.contains_key(&node)
    }

    pub(super) fn link(&mut self, seq: u64, at: Place, node: NodeId) {
        self.change(seq, Change::Link { at, node });
    }

    pub(super) fn unlink(&mut self, seq: u64, at: Place) {
        self.change(seq, Change::Unlink { at });
    }

    pub(super) fn rename(&mut self, seq: u64, from: Place, to: Place, node: NodeId) {
        self.change(seq, Change::Rename { from, to, node });
    }

    fn change(&mut self, seq: u64, change: Change) {
        let op = NameOp { seq, change };
        op.apply(&mut self.live);
        self.pending.push(op);
    }

    /// Makes the names in `dir` durable, and what they came from: earlier changes of the same names, in other
    /// directories too.
    pub(super) fn sync(&mut self, dir: NodeId) {
        let mut needed: BTreeSet<Place> = BTreeSet::new();
        let mut durable = vec![false; self.pending.len()];
        for (op, durable) in self.pending.iter().zip(&mut durable).rev() {
            if op.places().into_iter().any(|place| place.0 == dir || needed.contains(place)) {
                *durable = true;
                needed.extend(op.places().into_iter().cloned());
            }
        }
        let mut flags = durable.into_iter();
        let names = &mut self.durable;
        self.pending.retain(|op| {
            let is_durable = flags.next().unwrap_or_default();
            if is_durable {
                op.apply(names);
            }
            !is_durable
        });
    }

    /// The names after a crash: the durable ones and those pending changes that `keeps` allows. A change of a name
    /// whose earlier change is lost is lost too.
    pub(super) fn after_crash(&self, mut keeps: impl FnMut(&NameOp) -> bool) -> Names {
        let mut names = self.durable.clone();
        let mut lost: BTreeSet<&Place> = BTreeSet::new();
        for op in &self.pending {
            let [a, b] = op.places();
            if !lost.contains(a) && !lost.contains(b) && keeps(op) {
                op.apply(&mut names);
            } else {
                lost.extend([a, b]);
            }
        }
        names
    }

    /// Every node that a name may still lead to, today or after a crash.
    pub(super) fn reachable(&self) -> BTreeSet<NodeId> {
        let named = [&self.durable, &self.live].into_iter().flat_map(BTreeMap::values);
        let pending = self.pending.iter().filter_map(|op| match op.change {
            Change::Link { node, .. } | Change::Rename { node, .. } => Some(node),
            Change::Unlink { .. } => None,
        });
        named.flat_map(BTreeMap::values).copied().chain(pending).chain([ROOT]).collect()
    }
}

/// The names on the way to `path` from the root, which absolute and relative paths share.
fn parts(path: &Path) -> Vec<&str> {
    let mut parts = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => parts.push(name.to_str().unwrap_or("\u{fffd}")),
            Component::ParentDir => drop(parts.pop()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    parts
}

fn missing(path: &Path) -> io::Error {
    refused(io::ErrorKind::NotFound, path)
}

/// An error that names the path.
pub(super) fn refused(kind: io::ErrorKind, path: &Path) -> io::Error {
    io::Error::new(kind, format!("{kind}: {}", path.display()))
}
