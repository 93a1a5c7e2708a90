//! The calls that the engine makes.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use siltstone::disk::{Attributes, Disk, DiskFile, Entry, Map, Mode, Volume};

use super::SimDisk;
use super::bytes::check_length;
use super::fault::Call;
use super::tree::{NodeId, refused};

impl Disk for SimDisk {
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn DiskFile>> {
        let call = if mode == Mode::Create { Call::Create } else { Call::Open };
        let node = self.state().call(call, |state| {
            let place = state.tree.place(path)?;
            match (state.tree.at(&place), mode) {
                (Some(_), Mode::Create) => Err(refused(io::ErrorKind::AlreadyExists, path)),
                (Some(node), _) if state.tree.is_dir(node) => Err(refused(io::ErrorKind::IsADirectory, path)),
                (Some(node), _) => Ok(state.opened(node)),
                (None, Mode::Create) => {
                    let node = state.create(place);
                    Ok(state.opened(node))
                }
                (None, _) => Err(refused(io::ErrorKind::NotFound, path)),
            }
        })?;
        Ok(Arc::new(SimFile { disk: self.clone(), node, is_writable: mode != Mode::Read, is_locked: false }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.state().call(Call::CreateDir, |state| {
            let place = state.tree.place(path)?;
            if state.tree.at(&place).is_some() {
                return Err(refused(io::ErrorKind::AlreadyExists, path));
            }
            let (node, seq) = (state.new_node(), state.seq());
            state.tree.durable.insert(node, BTreeMap::new());
            state.tree.live.insert(node, BTreeMap::new());
            state.tree.link(seq, place, node);
            Ok(())
        })
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        self.state().call(Call::List, |state| {
            let node = state.tree.find(path)?;
            let names = state.tree.live.get(&node);
            let names = names.ok_or_else(|| refused(io::ErrorKind::NotADirectory, path))?;
            let entry = |(name, node): (&Arc<str>, &NodeId)| Entry {
                name: name.to_string(),
                is_dir: state.tree.is_dir(*node),
            };
            Ok(names.iter().map(entry).collect())
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.state().call(Call::Rename, |state| state.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.state().call(Call::Remove, |state| state.remove(path))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.state().call(Call::SyncDir, |state| state.sync_dir(path))
    }

    /// Locks belong to the file, not to its name, as those of real systems do: whoever removes a locked file and
    /// creates another of that name can lock the other one.
    fn lock(&self, path: &Path) -> io::Result<Option<Arc<dyn DiskFile>>> {
        let node = self.state().call(Call::Lock, |state| {
            let place = state.tree.place(path)?;
            let node = match state.tree.at(&place) {
                Some(node) if state.tree.is_dir(node) => {
                    return Err(refused(io::ErrorKind::IsADirectory, path));
                }
                Some(node) => node,
                None => state.create(place),
            };
            Ok(state.locks.insert(node).then(|| state.opened(node)))
        })?;
        let file = |node| SimFile { disk: self.clone(), node, is_writable: true, is_locked: true };
        Ok(node.map(|node| Arc::new(file(node)) as Arc<dyn DiskFile>))
    }

    fn volume(&self, path: &Path) -> io::Result<Volume> {
        self.state().call(Call::Volume, |state| {
            state.tree.find(path)?;
            Ok(Volume {
                free_bytes: state.capacity.map(|all| all.saturating_sub(state.used())),
                network: None,
            })
        })
    }
}

struct SimFile {
    disk: SimDisk,
    node: NodeId,
    is_writable: bool,
    is_locked: bool,
}

impl SimFile {
    fn check_writable(&self) -> io::Result<()> {
        if self.is_writable {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::PermissionDenied, "the file is open for reading only"))
    }
}

impl fmt::Debug for SimFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimFile").field("node", &self.node).finish_non_exhaustive()
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        if let Some(count) = state.open.get_mut(&self.node) {
            *count -= 1;
            if *count == 0 {
                state.open.remove(&self.node);
            }
        }
        if self.is_locked {
            state.locks.remove(&self.node);
        }
    }
}

impl DiskFile for SimFile {
    fn len(&self) -> io::Result<u64> {
        self.disk.state().call(Call::Len, |state| Ok(state.live(self.node).len() as u64))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.disk.state().call(Call::Read, |state| {
            buffer.copy_from_slice(state.content(self.node).read(offset, buffer.len() as u64)?);
            Ok(())
        })
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.check_writable()?;
        self.disk.state().write(self.node, bytes, offset)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.check_writable()?;
        check_length(length)?;
        self.disk.state().call(Call::Truncate, |state| {
            let seq = state.seq();
            state.content(self.node).truncate(seq, length as usize);
            Ok(())
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.state().sync(self.node)
    }

    fn map(&self, length: u64) -> io::Result<Map> {
        self.disk.state().call(Call::Map, |state| Ok(Map::copy_of(state.content(self.node).read(0, length)?)))
    }

    fn file_number(&self) -> Option<u64> {
        Some(self.node)
    }

    fn attributes(&self) -> io::Result<Attributes> {
        self.disk
            .state()
            .call(Call::Attributes, |state| Ok(state.attributes.get(&self.node).copied().unwrap_or_default()))
    }

    fn set_attributes(&self, attributes: &Attributes) -> io::Result<()> {
        self.disk.state().call(Call::SetAttributes, |state| {
            state.attributes.insert(self.node, *attributes);
            Ok(())
        })
    }
}
