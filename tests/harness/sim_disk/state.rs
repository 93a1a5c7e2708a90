//! What all handles of one simulated disk share.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use siltstone::disk::Attributes;

use super::content::Content;
use super::fault::{Call, Faults, Lost, Verdict, power_is_off};
use super::tree::{NodeId, Place, ROOT, Tree, refused};

#[derive(Debug)]
pub(super) struct State {
    pub(super) tree: Tree,
    pub(super) contents: BTreeMap<NodeId, Content>,
    pub(super) next_node: NodeId,
    pub(super) next_seq: u64,
    pub(super) capacity: Option<u64>,
    pub(super) lost: Lost,
    /// Open handles of each file.
    pub(super) open: BTreeMap<NodeId, usize>,
    pub(super) locks: BTreeSet<NodeId>,
    pub(super) faults: Faults,
    /// What files have beside their bytes; nothing is built on it, so a crash leaves it alone.
    pub(super) attributes: BTreeMap<NodeId, Attributes>,
    /// The disk before each call that changes it, when somebody asked for that.
    pub(super) moments: Option<Vec<(u64, State)>>,
}

impl State {
    pub(super) fn new() -> Self {
        let names = [(ROOT, BTreeMap::new())].into();
        Self::with(Tree::settled(names), BTreeMap::new(), ROOT + 1, 0)
    }

    /// A disk that nobody uses yet.
    fn with(tree: Tree, contents: BTreeMap<NodeId, Content>, next_node: NodeId, next_seq: u64) -> Self {
        Self {
            tree,
            contents,
            next_node,
            next_seq,
            capacity: None,
            lost: Lost::default(),
            open: BTreeMap::new(),
            locks: BTreeSet::new(),
            faults: Faults::default(),
            attributes: BTreeMap::new(),
            moments: None,
        }
    }

    /// The same disk, pending changes included, without the processes that had it open.
    pub(super) fn fork(&self) -> Self {
        Self::with(self.tree.clone(), self.contents.clone(), self.next_node, self.next_seq)
    }

    /// A disk with these names and contents, all durable. What no name leads to is gone.
    pub(super) fn settled(&self, tree: &Tree, bytes: impl Fn(NodeId, &Content) -> Content) -> Self {
        let mut names = BTreeMap::new();
        let mut contents = BTreeMap::new();
        let mut todo = vec![ROOT];
        while let Some(node) = todo.pop() {
            if let Some(content) = self.contents.get(&node) {
                contents.insert(node, bytes(node, content));
            } else if let Some(entries) = tree.live.get(&node) {
                todo.extend(entries.values());
                names.insert(node, entries.clone());
            }
        }
        Self::with(Tree::settled(names), contents, self.next_node, self.next_seq)
    }

    /// Counts a call, lets it fail if it should, and otherwise acts. When the power goes during the call, the change
    /// is logged: the crash image decides whether anything of it is there. A sync is not: it promises too much.
    pub(super) fn call<T>(
        &mut self,
        call: Call,
        act: impl FnOnce(&mut Self) -> io::Result<T>,
    ) -> io::Result<T> {
        match self.begin(call) {
            Verdict::Go => act(self),
            Verdict::Fail { error, .. } => Err(error),
            Verdict::Cut => {
                if call.changes() && !call.is_sync() {
                    let _never_seen = act(self);
                }
                Err(power_is_off())
            }
        }
    }

    pub(super) fn begin(&mut self, call: Call) -> Verdict {
        if self.moments.is_some() && call.changes() && !self.faults.is_off {
            let moment = (self.faults.calls, self.fork());
            self.moments.get_or_insert_default().push(moment);
        }
        self.faults.begin(call)
    }

    pub(super) fn seq(&mut self) -> u64 {
        self.next_seq += 1;
        self.next_seq
    }

    pub(super) fn new_node(&mut self) -> NodeId {
        self.next_node += 1;
        self.next_node - 1
    }

    pub(super) fn create(&mut self, place: Place) -> NodeId {
        let (node, seq) = (self.new_node(), self.seq());
        self.contents.insert(node, Content::default());
        self.tree.link(seq, place, node);
        node
    }

    pub(super) fn opened(&mut self, node: NodeId) -> NodeId {
        *self.open.entry(node).or_default() += 1;
        node
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let (source, target) = (self.tree.place(from)?, self.tree.place(to)?);
        let node = self.tree.at(&source).ok_or_else(|| refused(io::ErrorKind::NotFound, from))?;
        let replaced = self.tree.at(&target);
        if replaced == Some(node) {
            return Ok(());
        }
        if replaced.is_some_and(|old| self.tree.is_dir(old) || self.tree.is_dir(node)) {
            return Err(refused(io::ErrorKind::AlreadyExists, to));
        }
        if from != to && to.starts_with(from) {
            return Err(refused(io::ErrorKind::InvalidInput, to));
        }
        let seq = self.seq();
        self.tree.rename(seq, source, target, node);
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        let place = self.tree.place(path)?;
        let node = self.tree.at(&place).ok_or_else(|| refused(io::ErrorKind::NotFound, path))?;
        if self.tree.live.get(&node).is_some_and(|names| !names.is_empty()) {
            return Err(refused(io::ErrorKind::DirectoryNotEmpty, path));
        }
        let seq = self.seq();
        self.tree.unlink(seq, place);
        Ok(())
    }

    pub(super) fn sync_dir(&mut self, path: &Path) -> io::Result<()> {
        let node = self.tree.find(path)?;
        if !self.tree.is_dir(node) {
            return Err(refused(io::ErrorKind::NotADirectory, path));
        }
        self.tree.sync(node);
        self.forget_unreachable();
        Ok(())
    }

    fn forget_unreachable(&mut self) {
        let reachable = self.tree.reachable();
        let open = &self.open;
        self.contents.retain(|node, _| reachable.contains(node) || open.contains_key(node));
        self.tree.durable.retain(|node, _| reachable.contains(node));
        self.tree.live.retain(|node, _| reachable.contains(node));
    }
}
