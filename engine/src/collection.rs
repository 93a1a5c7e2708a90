//! A collection: vectors of one kind under keys. Owns no algorithm; calls the verbs.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use siltstone_format::identity::EmbeddingIdentity;
use siltstone_format::manifest::{Manifest, SegmentState};
use siltstone_format::names::LOCK_FILE;
use siltstone_format::{Digest, Id};

use crate::append::{Writer, WriterOptions};
use crate::attributes::Attributes;
use crate::codes::{Bases, Codes};
use crate::compact::{self, CompactOptions, CompactPlan, CompactReport, Space};
use crate::derived::Known;
use crate::disk::Mode;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::lock::{self, Holder};
use crate::segment::{OpenFile, Segment, SegmentPlace};
use crate::snapshot::{self, Restored, SnapshotInfo};
use crate::view::{self, At, OnDamage, View};

/// A collection of a store. Cheap to clone; clones share their maps.
#[derive(Debug, Clone)]
pub struct Collection {
    pub(crate) shared: Arc<Shared>,
}

/// What handles, views and writers of one collection have in common in this process.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) environment: Environment,
    pub(crate) root: PathBuf,
    pub(crate) directory: Arc<Path>,
    pub(crate) name: String,
    pub(crate) id: Id,
    pub(crate) identity: EmbeddingIdentity,
    cache: Mutex<HashMap<u64, Arc<Segment>>>,
    pub(crate) open_file: Mutex<Option<OpenFile>>,
    pub(crate) bases: Arc<Bases>,
    codes: Known<Codes>,
    attributes: Known<Attributes>,
}

impl Shared {
    pub(crate) fn new(environment: &Environment, root: &Path, manifest: &Manifest, name: &str) -> Self {
        Self {
            environment: environment.clone(),
            root: root.to_owned(),
            directory: crate::catalogue::directory(root, &manifest.collection).into(),
            name: name.to_owned(),
            id: manifest.collection,
            identity: manifest.identity.clone(),
            cache: Mutex::default(),
            open_file: Mutex::default(),
            bases: Arc::default(),
            codes: Known::default(),
            attributes: Known::default(),
        }
    }

    /// The same collection in another directory than that of its identity.
    pub(crate) fn lying_in(self, directory: &Path) -> Self {
        Self { directory: directory.into(), ..self }
    }

    /// With the bases that other collections of the store have read.
    pub(crate) fn with_bases(mut self, bases: &Arc<Bases>) -> Self {
        self.bases = Arc::clone(bases);
        self
    }

    /// The search codes of a sealed segment, if it has good ones. Looks for a file once; see [`Shared::look_again`].
    pub(crate) fn codes(&self, segment: &Segment) -> Option<Arc<Codes>> {
        let digest = segment.digest?;
        self.codes.get(digest, || {
            let (disk, of) = (&*self.environment.disk, (digest, segment.rows));
            let opened = Codes::open(disk, &self.root, &self.bases, &segment.place, of);
            self.usable(segment.place.codes_path(), opened)
        })
    }

    /// The attribute index of a sealed segment, if it has a good one. Looks for a file once; see [`Shared::look_again`].
    pub(crate) fn attributes(&self, segment: &Segment) -> Option<Arc<Attributes>> {
        let digest = segment.digest?;
        self.attributes.get(digest, || {
            let opened = Attributes::open(&*self.environment.disk, &segment.place, (digest, segment.rows));
            self.usable(segment.place.attributes_path(), opened)
        })
    }

    /// A derived file, or nothing and a word about it unless there simply is none.
    fn usable<T>(&self, path: PathBuf, opened: Result<T>) -> Option<T> {
        opened
            .inspect_err(|error| {
                if !error.is_missing_file() {
                    let reason = error.to_string();
                    self.environment.observer.event(&Event::DerivedFileUnusable { path, reason });
                }
            })
            .ok()
    }

    /// Forgets which segments had no derived files, and those of segments that a manifest no longer lists; without a
    /// manifest, everything that is known about derived files.
    pub(crate) fn look_again(&self, manifest: Option<&Manifest>) {
        let listed = |digest: &Digest| {
            let mut entries = manifest.iter().flat_map(|manifest| &manifest.segments);
            entries.any(
                |entry| matches!(&entry.state, SegmentState::Sealed { digest: found, .. } if found == digest),
            )
        };
        self.codes.keep(listed);
        self.attributes.keep(listed);
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Arc<Segment>>> {
        // A panic elsewhere leaves the cache as good as it was: every entry is whole when it is put in.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place of a segment of this collection.
    pub(crate) fn place(&self, segment: u64) -> SegmentPlace {
        SegmentPlace {
            directory: Arc::clone(&self.directory),
            collection: self.id,
            dims: self.identity.dims,
            metric: self.identity.metric.code(),
            segment,
        }
    }

    /// The segment from the cache when it is the one with this digest, else a newly made one.
    pub(crate) fn cached(
        &self,
        segment: u64,
        digest: Option<Digest>,
        make: impl FnOnce() -> Result<Arc<Segment>>,
    ) -> Result<Arc<Segment>> {
        let found = self.cache().get(&segment).filter(|found| found.digest == digest).cloned();
        if let Some(found) = found {
            return Ok(found);
        }
        let made = make()?;
        self.keep(Arc::clone(&made));
        Ok(made)
    }

    /// The open segment as it was mapped last.
    pub(crate) fn cached_open(&self, segment: u64) -> Option<Arc<Segment>> {
        self.cache().get(&segment).filter(|found| found.digest.is_none()).cloned()
    }

    pub(crate) fn keep(&self, segment: Arc<Segment>) {
        self.cache().insert(segment.place.segment, segment);
    }

    /// Lets go of segments that the manifest no longer has, so that their space can be freed.
    pub(crate) fn forget_all_but(&self, manifest: &Manifest) {
        self.cache().retain(|number, _| manifest.segments.iter().any(|entry| entry.segment == *number));
    }

    /// Checks that a manifest still describes the collection that was opened.
    pub(crate) fn check_manifest(&self, manifest: &Manifest) -> Result<()> {
        match self.identity.difference(&manifest.identity) {
            None => Ok(()),
            Some(difference) => Err(Error::IdentityMismatch { collection: self.name.clone(), difference }),
        }
    }

    /// Says on a damage error when the directory looks like a copy.
    pub(crate) fn mark_copied(&self, error: Error) -> Error {
        match error {
            Error::Damaged { path, flaw, .. } => {
                let copied = lock::was_copied(&self.environment, &self.directory.join(LOCK_FILE));
                Error::Damaged { path, flaw, copied }
            }
            error => error,
        }
    }
}

impl Collection {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// What made its vectors.
    pub fn identity(&self) -> &EmbeddingIdentity {
        &self.shared.identity
    }

    /// Its directory.
    pub fn directory(&self) -> &Path {
        &self.shared.directory
    }

    /// The last commit, as a view. Takes no lock and reads no vectors; a later view shares what did not change.
    ///
    /// # Errors
    /// Damage to a structure that the view needs, or a disk that cannot be read.
    pub fn view(&self) -> Result<View> {
        self.view_with(OnDamage::Fail)
    }

    /// As [`Collection::view`], with a choice of what damage does.
    ///
    /// # Errors
    /// A disk that cannot be read; damage, unless it is to be skipped.
    pub fn view_with(&self, on_damage: OnDamage) -> Result<View> {
        view::load(&self.shared, At::Now, on_damage)
    }

    /// Opens the collection for writing, with the defaults of [`WriterOptions`].
    ///
    /// # Errors
    /// [`Error::Locked`] while somebody else writes; damage to a sealed segment; a disk that refuses.
    pub fn writer(&self) -> Result<Writer> {
        self.writer_with(WriterOptions::default())
    }

    /// Opens the collection for writing.
    ///
    /// # Errors
    /// As [`Collection::writer`].
    pub fn writer_with(&self, options: WriterOptions) -> Result<Writer> {
        Writer::open(&self.shared, options).map_err(|error| self.shared.mark_copied(error))
    }

    /// Its random identity, which it keeps for good. Its directory bears it, unless the collection was restored.
    pub fn id(&self) -> Id {
        self.shared.id
    }

    /// Who writes to the collection now, or wrote last, as they said themselves; and whether they still do.
    pub fn writer_status(&self) -> (Option<Holder>, bool) {
        let path = self.shared.directory.join(LOCK_FILE);
        let holder = lock::holder(&self.shared.environment, &path);
        let disk = &*self.shared.environment.disk;
        // Whoever asks only looks: a lock that nobody ever took is not made.
        let held = disk.open(&path, Mode::Read).is_ok() && matches!(disk.lock(&path), Ok(None));
        (holder, held)
    }

    /// The snapshots, sorted by name.
    ///
    /// # Errors
    /// Damage to the manifest or to a snapshot, or a disk that cannot be read.
    pub fn snapshots(&self) -> Result<Vec<SnapshotInfo>> {
        snapshot::list(&self.shared)
    }

    /// The moment that a snapshot keeps.
    ///
    /// # Errors
    /// [`Error::NoSuchSnapshot`]; damage; a disk that cannot be read.
    pub fn snapshot(&self, name: &str) -> Result<View> {
        self.snapshot_with(name, OnDamage::Fail)
    }

    /// As [`Collection::snapshot`], with a choice of what damage does.
    ///
    /// # Errors
    /// As [`Collection::snapshot`].
    pub fn snapshot_with(&self, name: &str, on_damage: OnDamage) -> Result<View> {
        snapshot::open(&self.shared, name, on_damage)
    }

    /// Keeps the last commit under a name. Opens the collection for writing for a moment; a [`Writer`] can do it too.
    ///
    /// # Errors
    /// As [`Collection::writer`]; [`Error::SnapshotExists`].
    pub fn create_snapshot(&self, name: &str) -> Result<SnapshotInfo> {
        self.writer()?.create_snapshot(name)
    }

    /// Goes back to the moment of a snapshot, and keeps the moment until now under `keep_as`; as
    /// [`Writer::restore_snapshot`].
    ///
    /// # Errors
    /// As [`Collection::writer`] and [`Writer::restore_snapshot`].
    pub fn restore_snapshot(&self, name: &str, keep_as: &str) -> Result<Restored> {
        self.writer()?.restore_snapshot(name, keep_as)
    }

    /// What [`Collection::compact`] would do now. Takes no lock and writes nothing.
    ///
    /// # Errors
    /// Damage; a disk that cannot be read.
    pub fn compact_plan(&self, options: &CompactOptions) -> Result<CompactPlan> {
        compact::plan_only(&self.shared, options)
    }

    /// Rewrites what has many rows that no longer count, and merges small segments. Opens the collection for writing
    /// for as long as it takes; a [`Writer`] can do it too, see [`Writer::compact`].
    ///
    /// # Errors
    /// As [`Collection::writer`] and [`Writer::compact`].
    pub fn compact(&self, options: &CompactOptions) -> Result<CompactReport> {
        self.writer()?.compact(options)
    }

    /// As [`Collection::compact`], for as long as `go_on` says so: it is asked before each group of segments. Groups that
    /// are done stay done, and [`CompactReport::left_groups`] counts the others.
    ///
    /// # Errors
    /// As [`Collection::compact`].
    pub fn compact_while(&self, options: &CompactOptions, go_on: &dyn Fn() -> bool) -> Result<CompactReport> {
        self.writer()?.compact_while(options, go_on)
    }

    /// Where the space of the collection's segments goes. Takes no lock and reads no rows.
    ///
    /// # Errors
    /// A damaged manifest; a disk that cannot be read.
    pub fn space(&self) -> Result<Space> {
        compact::space(&self.shared)
    }

    /// Lets a snapshot go.
    ///
    /// # Errors
    /// As [`Collection::writer`]; [`Error::NoSuchSnapshot`].
    pub fn drop_snapshot(&self, name: &str) -> Result<()> {
        self.writer()?.drop_snapshot(name)
    }
}
