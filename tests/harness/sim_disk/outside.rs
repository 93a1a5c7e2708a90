//! What a test does to a disk behind the back of the engine. None of it counts as a call or fails on purpose.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::SimDisk;
use super::content::Content;
use super::state::State;
use super::tree::{NodeId, ROOT, refused};

impl SimDisk {
    /// The bytes of a file as processes see them.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub fn read_file(&self, path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
        let state = self.state();
        let node = state.tree.find(path.as_ref())?;
        match state.contents.get(&node) {
            Some(content) => Ok(Vec::clone(&content.live)),
            None => Err(refused(io::ErrorKind::IsADirectory, path.as_ref())),
        }
    }

    /// Puts bytes into a file as if they had been there for long: durable at once, with the directories on the way.
    /// An existing file keeps its number, and forgets pending changes and unreadable sectors.
    ///
    /// # Errors
    /// A file is in the way of a directory, or the other way round.
    pub fn write_file(&self, path: impl AsRef<Path>, bytes: impl Into<Vec<u8>>) -> io::Result<()> {
        let path = path.as_ref();
        let mut state = self.state();
        make_dirs(&mut state, path.parent().unwrap_or(Path::new("")))?;
        let place = state.tree.place(path)?;
        let node = match state.tree.at(&place) {
            Some(node) if state.tree.is_dir(node) => {
                return Err(refused(io::ErrorKind::IsADirectory, path));
            }
            Some(node) => node,
            None => state.create(place.clone()),
        };
        state.tree.sync(place.0);
        state.contents.insert(node, Content::settled(Arc::new(bytes.into())));
        Ok(())
    }

    /// Removes a file as if it had never been there.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub fn remove_file(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let mut state = self.state();
        state.remove(path.as_ref())?;
        state.sync_dir(path.as_ref().parent().unwrap_or(Path::new("")))
    }

    /// All files as processes see them, sorted, each with its path from the root and a leading slash.
    pub fn files(&self) -> Vec<PathBuf> {
        let state = self.state();
        let mut files = Vec::new();
        let mut todo: Vec<(PathBuf, NodeId)> = vec![(PathBuf::from("/"), ROOT)];
        while let Some((path, node)) = todo.pop() {
            match state.tree.live.get(&node) {
                Some(names) => todo.extend(names.iter().map(|(name, node)| (path.join(&**name), *node))),
                None => files.push(path),
            }
        }
        files.sort();
        files
    }

    /// Makes a sector of a file unreadable, until it is written whole: reading or mapping it is EIO.
    ///
    /// # Errors
    /// `NotFound` when there is no such file.
    pub fn spoil_sector(&self, path: impl AsRef<Path>, sector: u64) -> io::Result<()> {
        let mut state = self.state();
        let node = state.tree.find(path.as_ref())?;
        let content = state.contents.get_mut(&node);
        let content = content.ok_or_else(|| refused(io::ErrorKind::IsADirectory, path.as_ref()))?;
        content.unreadable.insert(sector);
        Ok(())
    }

    /// A disk with the files and directories below a real directory, at the root.
    ///
    /// # Errors
    /// Those of the real file system.
    pub fn import(dir: &Path) -> io::Result<Self> {
        let disk = Self::new();
        let mut todo = vec![(dir.to_path_buf(), PathBuf::from("/"))];
        while let Some((from, to)) = todo.pop() {
            make_dirs(&mut disk.state(), &to)?;
            for entry in std::fs::read_dir(&from)? {
                let entry = entry?;
                let to = to.join(entry.file_name());
                if entry.file_type()?.is_dir() {
                    todo.push((entry.path(), to));
                } else {
                    disk.write_file(to, std::fs::read(entry.path())?)?;
                }
            }
        }
        Ok(disk)
    }

    /// Writes all files, as processes see them, below a real directory, which is created when missing. Directories
    /// without files are left out.
    ///
    /// # Errors
    /// Those of the real file system.
    pub fn export(&self, dir: &Path) -> io::Result<()> {
        std::fs::create_dir_all(dir)?;
        for file in self.files() {
            let to = dir.join(file.strip_prefix("/").unwrap_or(&file));
            std::fs::create_dir_all(to.parent().unwrap_or(dir))?;
            std::fs::write(to, self.read_file(&file)?)?;
        }
        Ok(())
    }
}

fn make_dirs(state: &mut State, path: &Path) -> io::Result<()> {
    let Some(parent) = path.parent() else { return Ok(()) };
    make_dirs(state, parent)?;
    let Ok(place) = state.tree.place(path) else { return Ok(()) };
    match state.tree.at(&place) {
        Some(node) if state.tree.is_dir(node) => {}
        Some(_) => return Err(refused(io::ErrorKind::NotADirectory, path)),
        None => {
            let (node, seq) = (state.new_node(), state.seq());
            state.tree.durable.insert(node, Default::default());
            state.tree.live.insert(node, Default::default());
            state.tree.link(seq, place.clone(), node);
        }
    }
    state.tree.sync(place.0);
    Ok(())
}
