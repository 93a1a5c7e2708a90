//! A store on a file system that cannot be written: everything can be read, and writing says what is missing.

use std::io;
use std::path::Path;
use std::sync::Arc;

use harness::answers::answers;
use harness::fixture::{STORE, later_environment};
use harness::sim_disk::SimDisk;
use siltstone::disk::{Disk, DiskFile, Entry, Mode};
use siltstone::{Depth, EmbeddingIdentity, Environment, Store, verify};

use super::{given, refused};

/// A disk that is mounted for reading only.
#[derive(Debug)]
struct ReadOnly(SimDisk);

fn refuse<T>() -> io::Result<T> {
    Err(io::ErrorKind::ReadOnlyFilesystem.into())
}

impl Disk for ReadOnly {
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn DiskFile>> {
        if mode == Mode::Read { self.0.open(path, mode) } else { refuse() }
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        // As real ones do: what is there is said first.
        if self.0.list(path).is_ok() { self.0.create_dir(path) } else { refuse() }
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        self.0.list(path)
    }

    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        refuse()
    }

    fn remove(&self, _: &Path) -> io::Result<()> {
        refuse()
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.0.sync_dir(path)
    }

    fn lock(&self, _: &Path) -> io::Result<Option<Arc<dyn DiskFile>>> {
        refuse()
    }
}

#[test]
fn a_store_that_cannot_be_written_is_read() {
    let given = given();
    let disk = Arc::new(ReadOnly(given.disk.clone()));
    let environment = Environment { disk, ..later_environment(&given.disk) };
    let store = Store::open_in(environment.clone(), STORE).unwrap();
    assert_eq!(answers(&store).unwrap(), given.before);
    assert_eq!(verify(&environment, Path::new(STORE), Depth::Deep, None).unwrap().findings, []);

    let guide = store.collection("guide").unwrap();
    let identity = EmbeddingIdentity { dims: 1, ..EmbeddingIdentity::default() };
    refused(guide.writer(), &["lock"], "mount the file system for writing");
    refused(guide.create_snapshot("third"), &["lock"], "mount the file system for writing");
    refused(store.create_collection("new", identity), &["lock"], "mount the file system for writing");
    refused(store.drop_collection("guide"), &["lock"], "mount the file system for writing");
    refused(Store::create_in(environment, "/other"), &["/other"], "mount the file system for writing");
    given.is_unchanged();
}
