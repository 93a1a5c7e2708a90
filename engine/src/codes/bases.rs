//! The bases of a store: found by the digest that a code file names, or as the newest of a vector space; read once and
//! shared by all collections.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use siltstone_format::identity::EmbeddingIdentity;
use siltstone_format::limits::MAX_BASIS_BYTES;
use siltstone_format::names::{BASES_DIR, basis_file, basis_of};
use siltstone_format::{Digest, Flaw, Metric, basis};

use super::bound::{LEAST_WEIGHT, norm};
use super::rotation::Rotation;
use crate::disk::{Disk, durable};
use crate::error::{Error, Result};

/// A basis that was read and found good.
#[derive(Debug)]
pub(crate) struct Basis {
    file: basis::Basis,
    metric: Metric,
    centre_norm: f64,
    weights: Vec<f32>,
    rotation: Rotation,
}

impl Basis {
    /// Decodes a basis file.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Flaw> {
        let file = basis::decode(bytes)?;
        let Some(metric) = Metric::from_code(file.header.metric) else {
            let found = file.header.metric.to_string();
            return Err(Flaw::new("basis", "metric", 0, bytes.len() as u64, "1, 2 or 3", found));
        };
        let centre_norm = norm(&file.centre);
        let first = file.spectrum.first().copied().unwrap_or(0.0);
        let weights = file.spectrum.iter().map(|variance| weight(variance / first)).collect();
        let rotation = Rotation::new(file.header.dims as usize);
        Ok(Self { file, metric, centre_norm, weights, rotation })
    }

    pub(crate) fn digest(&self) -> Digest {
        self.file.digest
    }

    pub(crate) fn version(&self) -> u64 {
        self.file.header.version
    }

    /// Rows that there were when it was trained.
    pub(crate) fn trained_rows(&self) -> u64 {
        self.file.header.rows
    }

    /// The share of rows that heads could not rule out when it was trained; see `drift.rs`.
    pub(super) fn pass_share(&self) -> f64 {
        f64::from_bits(self.file.header.pass_share)
    }

    pub(crate) fn is_of(&self, identity: &EmbeddingIdentity) -> bool {
        let header = &self.file.header;
        header.space == basis::space_of(identity)
            && header.dims == identity.dims
            && header.metric == identity.metric.code()
    }

    pub(super) fn metric(&self) -> Metric {
        self.metric
    }

    pub(super) fn dims(&self) -> usize {
        self.file.header.dims as usize
    }

    /// Number of directions.
    pub(crate) fn head(&self) -> usize {
        self.file.header.head as usize
    }

    pub(super) fn centre(&self) -> &[f32] {
        &self.file.centre
    }

    pub(super) fn centre_norm(&self) -> f64 {
        self.centre_norm
    }

    /// One direction after the other.
    pub(super) fn directions(&self) -> &[f32] {
        &self.file.directions
    }

    /// What a step of a code is worth along each direction, beside the others: heads vary as much along all of them when
    /// they are divided by it.
    pub(super) fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// How tails are rotated before their signs are taken.
    pub(super) fn rotation(&self) -> &Rotation {
        &self.rotation
    }

    /// At least the norm of `V V^T - I`.
    pub(super) fn defect(&self) -> f64 {
        f64::from_bits(self.file.header.defect)
    }
}

/// The weight of a direction with this share of the first one's variance: the same bits on every processor.
fn weight(share: f32) -> f32 {
    let weight = share.sqrt();
    if weight.is_nan() { 1.0 } else { weight.clamp(LEAST_WEIGHT, 1.0) }
}

/// The bases that were read so far.
#[derive(Debug, Default)]
pub(crate) struct Bases {
    read: Mutex<HashMap<Digest, Arc<Basis>>>,
}

impl Bases {
    /// The directory of the bases of a store.
    pub(crate) fn directory(root: &Path) -> PathBuf {
        root.join(BASES_DIR)
    }

    /// Forgets what was read, so that files are looked at again.
    pub(crate) fn forget(&self) {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The basis with this digest.
    ///
    /// # Errors
    /// Its file is missing or damaged.
    pub(crate) fn get(&self, disk: &dyn Disk, root: &Path, digest: &Digest) -> Result<Arc<Basis>> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(basis) = read.get(digest) {
            return Ok(Arc::clone(basis));
        }
        let basis = Arc::new(load(disk, root, digest)?);
        read.insert(*digest, Arc::clone(&basis));
        Ok(basis)
    }

    /// The newest good basis for vectors of this identity, if there is one.
    ///
    /// # Errors
    /// The directory cannot be listed.
    pub(crate) fn newest(
        &self,
        disk: &dyn Disk,
        root: &Path,
        identity: &EmbeddingIdentity,
    ) -> Result<Option<Arc<Basis>>> {
        let found = digests(disk, root)?.into_iter().filter_map(|digest| self.get(disk, root, &digest).ok());
        Ok(found.filter(|basis| basis.is_of(identity)).max_by_key(|basis| (basis.version(), basis.digest())))
    }
}

/// The digests that name the bases of a store; none when there is no directory for them.
pub(crate) fn digests(disk: &dyn Disk, root: &Path) -> Result<Vec<Digest>> {
    let directory = Bases::directory(root);
    match disk.list(&directory) {
        Ok(entries) => Ok(entries.iter().filter_map(|entry| basis_of(&entry.name)).collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Error::io("list", &directory)(error)),
    }
}

/// Reads the basis with this digest from its file.
pub(crate) fn load(disk: &dyn Disk, root: &Path, digest: &Digest) -> Result<Basis> {
    let path = Bases::directory(root).join(basis_file(digest));
    let bytes = durable::read_whole(disk, &path, MAX_BASIS_BYTES)?;
    let basis = Basis::decode(&bytes).map_err(|flaw| Error::flaw(&path, flaw))?;
    if basis.digest() != *digest {
        let flaw = Flaw::new("basis", "blake3", 0, bytes.len() as u64, "the digest in its name", "another");
        return Err(Error::flaw(&path, flaw));
    }
    Ok(basis)
}
