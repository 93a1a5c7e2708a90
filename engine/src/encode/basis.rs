//! The basis of a vector space: when one is trained, and when an old one can go.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use siltstone_format::identity::EmbeddingIdentity;
use siltstone_format::layout::CodeHeader;
use siltstone_format::names::{COLLECTIONS_DIR, FileKind, LOCK_FILE, basis_file};
use siltstone_format::{Digest, Seed};

use super::sample::Sample;
use super::{Encoded, LEAST_ROWS};
use crate::codes::{self, Bases, Basis};
use crate::collection::Collection;
use crate::disk::{Disk, Mode, durable};
use crate::error::{Error, Result};
use crate::event::Event;
use crate::lock;
use crate::store::Store;
use crate::view::{OnDamage, View};

/// A basis is trained anew when there are this many times the rows that there were; or when it has ceased to fit, see
/// [`codes::has_drifted`].
const GROWTH: u64 = 8;

impl Basis {
    /// Whether there are so many rows now that it is worth learning anew.
    pub(super) fn is_outgrown(&self, rows: u64) -> bool {
        rows >= self.trained_rows().saturating_mul(GROWTH)
    }
}
impl Store {
    /// The newest basis of a space, trained when there is none, or the space has outgrown it or moved away from it.
    pub(super) fn basis(
        &self,
        identity: &EmbeddingIdentity,
        collections: &[Collection],
        done: &mut Encoded,
    ) -> Result<Option<Arc<Basis>>> {
        let (environment, root) = (self.environment(), self.path());
        let disk = &*environment.disk;
        let known = self.bases.newest(disk, root, identity)?;
        let views: Vec<View> =
            collections.iter().map(|found| found.view_with(OnDamage::Skip)).collect::<Result<_>>()?;
        let rows: u64 = views.iter().map(View::len).sum();
        let sample = Sample::of(&views, rows, codes::sample_rows(rows, identity.dims));
        match &known {
            _ if rows < LEAST_ROWS => return Ok(known),
            Some(basis) if !basis.is_outgrown(rows) && !codes::has_drifted(basis, &sample.held(), rows) => {
                return Ok(known);
            }
            _ => {}
        }
        let version = known.as_ref().map_or(1, |basis| basis.version() + 1);
        let trained = codes::train(identity, sample.learnt(), &sample.held(), rows, version);
        let Some(bytes) = trained else { return Ok(known) };
        let directory = Bases::directory(root);
        let _lock = lock::acquire_soon(environment, &root.join(LOCK_FILE))?;
        match disk.create_dir(&directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Error::io("create", &directory)(error));
            }
            _ => disk.sync_dir(root).map_err(Error::io("sync", root))?,
        }
        let basis = Basis::decode(&bytes).map_err(|flaw| Error::flaw(&directory, flaw))?;
        durable::publish(disk, &directory, &basis_file(&basis.digest()), &bytes)?;
        done.trained += 1;
        self.bases.get(disk, root, &basis.digest()).map(Some)
    }

    /// Removes the bases of a space that no code file needs any more; hidden collections and past states may have some.
    pub(super) fn remove_older(&self, identity: &EmbeddingIdentity, newest: &Basis) -> Result<()> {
        let (environment, root) = (self.environment(), self.path());
        let disk = &*environment.disk;
        let is_older = |digest: &Digest| {
            let basis = self.bases.get(disk, root, digest);
            basis.is_ok_and(|basis| basis.is_of(identity) && basis.version() < newest.version())
        };
        let older: Vec<Digest> = codes::digests(disk, root)?.into_iter().filter(is_older).collect();
        if older.is_empty() {
            return Ok(());
        }
        let needed = bases_in_use(disk, root)?;
        for digest in older.into_iter().filter(|digest| !needed.contains(digest)) {
            let path = Bases::directory(root).join(basis_file(&digest));
            disk.remove(&path).map_err(Error::io("remove", &path))?;
            environment.observer.event(&Event::Swept { path });
        }
        Ok(())
    }
}

/// The bases that the code files of all collections name, whether or not the catalogue names the collection.
fn bases_in_use(disk: &dyn Disk, root: &Path) -> Result<HashSet<Digest>> {
    let parent = root.join(COLLECTIONS_DIR);
    let list = |path: &Path| disk.list(path).map_err(Error::io("list", path));
    let mut found = HashSet::new();
    for directory in list(&parent)?.into_iter().filter(|entry| entry.is_dir) {
        let directory = parent.join(directory.name);
        for entry in list(&directory)? {
            if !matches!(FileKind::of(&entry.name), Some(FileKind::Codes(_))) {
                continue;
            }
            let path = directory.join(entry.name);
            let file = disk.open(&path, Mode::Read).map_err(Error::io("open", &path))?;
            let mut header = vec![0; CodeHeader::BYTES];
            // A file whose header cannot be read is of no use with any basis.
            if file.read_at(&mut header, 0).is_ok()
                && let Ok(header) = CodeHeader::decode(&header, &Seed::of_derived(&header), 0)
            {
                found.insert(header.basis);
            }
        }
    }
    Ok(found)
}
