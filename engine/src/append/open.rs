//! Opening for writing: taking the lock, clearing away what an interrupted writer left, and making sure that
//! everything that looks committed is durable before anything is built on it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use siltstone_format::header::SegmentIdentity;
use siltstone_format::layout::WitnessSlot;
use siltstone_format::manifest::{Manifest, SegmentEntry, SegmentState};
use siltstone_format::names::{ASIDE_DIR, LOCK_FILE, WITNESS_FILE};
use siltstone_format::witness::Witness;

use super::seal::free_number;
use super::{Batch, OpenPart, SealedPart, Writer, WriterOptions};
use crate::collection::Shared;
use crate::disk::{DiskFile, Mode, durable};
use crate::error::{Error, Result};
use crate::event::Event;
use crate::lock::Lock;
use crate::segment::create::{Continues, create};
use crate::segment::{OpenFile, Reach, Stop};
use crate::view::{At, OnDamage};
use crate::witness::WitnessFile;
use crate::{catalogue, lock, manifest, sweep, view, witness};

/// How many cut tails are kept; the oldest goes first.
const KEPT_TAILS: usize = 16;
const COPY_BYTES: usize = 1 << 20;

impl Writer {
    pub(crate) fn open(shared: &Arc<Shared>, options: WriterOptions) -> Result<Self> {
        Self::open_locked(shared, options, lock_of(shared)?)
    }

    /// As [`Writer::open`], by who has the lock already.
    pub(crate) fn open_locked(shared: &Arc<Shared>, options: WriterOptions, lock: Lock) -> Result<Self> {
        Self::open_beside(shared, options, lock, false)
    }

    /// As [`Writer::open_locked`]; but damaged sealed segments are passed over when `skips_damage` says so. Rows in them
    /// that cannot be read are then neither found nor replaced, so that this is for taking those segments out only.
    pub(crate) fn open_beside(
        shared: &Arc<Shared>,
        options: WriterOptions,
        lock: Lock,
        skips_damage: bool,
    ) -> Result<Self> {
        let environment = &shared.environment;
        let disk = &*environment.disk;
        let catalogue = catalogue::load(environment, &shared.root)?;
        if catalogue::entry_in(&catalogue, &shared.root, shared).is_none() {
            return Err(gone(shared));
        }
        // A directory sync that failed before may have left names that everybody sees and that are not on disk.
        catalogue::confirm(environment, &shared.root)?;
        disk.sync_dir(&shared.directory).map_err(Error::io("sync", &shared.directory))?;
        let witness = witness::load(disk, &shared.directory, &shared.id)?;
        let mut manifest = manifest::current(disk, &shared.directory, &shared.id)?;
        shared.check_manifest(&manifest)?;
        if manifest.features.read_only != 0 {
            let kind = siltstone_format::names::FileKind::Manifest(manifest.generation);
            let path = shared.directory.join(kind.file_name());
            return Err(newer(&path, "manifest", manifest.features.read_only));
        }
        sweep::collection(shared, &mut manifest)?;

        let number =
            manifest.segments.last().filter(|entry| entry.state == SegmentState::Open).map(|e| e.segment);
        let open = match number {
            Some(number) => open_tail(shared, &mut manifest, number, &witness)?,
            None => None,
        };
        let mut damage = Vec::new();
        let slot = witness.latest.as_ref();
        let parts = view::open_parts(shared, &manifest, &witness, At::Now, OnDamage::Skip, &mut damage)?;
        let is_in_the_way = |found: &&view::Damage| !skips_damage && !may_write_beside(&manifest, found);
        if let Some(found) = damage.iter().find(is_in_the_way) {
            return Err(Error::flaw(&found.path, found.flaw.clone()));
        }
        if let Some(part) = parts.iter().find(|part| part.features_read_only != 0) {
            return Err(newer(&part.path(), "segment header", part.features_read_only));
        }
        let view = view::build(shared, &manifest, parts, At::Now, OnDamage::Skip, damage);
        let last_commit = open.as_ref().map_or(0, |open| open.state.walk.greatest_commit);
        let last_commit =
            last_commit.max(view.commit).max(slot.map_or(0, |slot| slot.commit)).max(frozen(&manifest));
        let witness = confirm_witness(shared, &witness, open.as_ref(), &view)?;

        let (mut sealed, mut open) = (Vec::new(), open);
        for part in view.parts {
            match &mut open {
                Some(open) if open.state.place.segment == part.segment.place.segment => open.live = part.live,
                _ => sealed.push(SealedPart { segment: part.segment, live: part.live }),
            }
        }
        let batch = Batch::new(shared.identity.dims, options.compression);
        let shared = Arc::clone(shared);
        Ok(Self {
            shared,
            options,
            manifest,
            sealed,
            open,
            witness,
            last_commit,
            batch,
            poisoned: None,
            skips_damage,
            _lock: lock,
        })
    }
}

/// Takes the writer's lock of a collection.
pub(crate) fn lock_of(shared: &Shared) -> Result<Lock> {
    let lock = lock::acquire(&shared.environment, shared.directory.join(LOCK_FILE));
    lock.map_err(|error| if error.is_missing_file() { gone(shared) } else { error })
}

fn gone(shared: &Shared) -> Error {
    Error::NoSuchCollection { name: shared.name.clone(), similar: Vec::new() }
}

fn newer(path: &Path, structure: &'static str, features: u64) -> Error {
    let expected = "0: no feature is known, so the collection can be read but not written";
    let found = format!("{features:#x}");
    let flaw = siltstone_format::Flaw::new(structure, "features_read_only", 0, 1, expected, found);
    Error::NewerFormat { path: path.to_owned(), flaw: Box::new(flaw) }
}

/// Damage in a segment that was frozen for it does not keep anybody from writing; any other does, because the rows that
/// a new row replaces could not be found.
fn may_write_beside(manifest: &Manifest, found: &view::Damage) -> bool {
    use siltstone_format::names::FileKind;
    let name = found.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    manifest.segments.iter().any(|entry| {
        matches!(entry.state, SegmentState::Frozen { .. })
            && FileKind::of(&name) == Some(FileKind::Segment(entry.segment))
    })
}

/// The greatest commit that a frozen segment is known to have had.
fn frozen(manifest: &Manifest) -> u64 {
    let commits = manifest.segments.iter().map(|entry| match entry.state {
        SegmentState::Frozen { last_commit, .. }
        | SegmentState::Sealed { last_commit, .. }
        | SegmentState::Capped { last_commit, .. } => last_commit,
        SegmentState::Open => 0,
    });
    commits.max().unwrap_or(0)
}

/// Walks the open segment; cuts a tear, freezes a damaged segment, confirms what nobody confirmed.
fn open_tail(
    shared: &Shared,
    manifest: &mut Manifest,
    number: u64,
    witness: &Witness,
) -> Result<Option<OpenPart>> {
    let environment = &shared.environment;
    let place = shared.place(number);
    let path = place.path();
    let file = match environment.disk.open(&path, Mode::Write) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let (expected, found) = ("the file that the manifest names", "no such file");
            return Err(Error::flaw(
                &path,
                siltstone_format::Flaw::new("segment", "file", 0, 1, expected, found),
            ));
        }
        file => file.map_err(Error::io("open", &path))?,
    };
    let mut state = OpenFile::start(&*file, place)?;
    if state.features_read_only != 0 {
        return Err(newer(&path, "segment header", state.features_read_only));
    }
    let slot = witness.latest.as_ref();
    match state.walk.advance(&*file, &state.place, &Reach::of_open(witness))? {
        Stop::End => {}
        Stop::Tear { file_bytes } => cut(shared, &*file, &path, state.walk.end, file_bytes)?,
        Stop::Damage => {
            for flaw in &state.walk.gaps {
                environment.observer.event(&Event::DamageLeft { path: path.clone(), flaw: flaw.clone() });
            }
            return freeze(shared, manifest, &state).map(Some);
        }
    }
    let from = slot.filter(|slot| slot.segment == number).map_or(0, |slot| slot.end_bytes);
    let from = from.max(siltstone_format::limits::HEADER_PAGE_BYTES);
    if from < state.walk.end {
        make_durable_again(&*file, &path, from, state.walk.end)?;
        environment.observer.event(&Event::CommitsConfirmed { path, bytes: state.walk.end - from });
    }
    let segment = state.segment(&*file)?;
    let mut keys = HashMap::new();
    for (number, at) in segment.frames.iter().enumerate() {
        let frame = segment.frame(number)?;
        for row in 0..at.rows {
            let Some(key) = frame.key(row) else { break };
            keys.insert(Box::from(key.map_err(|flaw| segment.damaged(flaw))?), at.first_row + row);
        }
    }
    let live = crate::bitmap::Bitmap::empty(segment.rows);
    let seed = state.place.seed();
    Ok(Some(OpenPart { file, state, seed, keys, live }))
}

/// Leaves a damaged segment alone from now on, and begins a new one after every commit number that was seen in it.
fn freeze(shared: &Shared, manifest: &mut Manifest, damaged: &OpenFile) -> Result<OpenPart> {
    let environment = &shared.environment;
    let (number, walk) = (damaged.place.segment, &damaged.walk);
    let identity = SegmentIdentity::new(&shared.name, shared.identity.clone());
    let continues = Continues { segment: number, chain: walk.chain, commit: walk.greatest_commit };
    let mut next = manifest.clone();
    let number_of_new = free_number(shared, manifest)?;
    let place = shared.place(number_of_new);
    let created = create(&*environment.disk, place, &identity, continues, environment.clock.now_ms());
    let (file, state) = created?;
    for entry in next.segments.iter_mut().filter(|entry| entry.segment == number) {
        let (end_bytes, last_commit, chain) = (walk.end, walk.greatest_commit, walk.chain);
        entry.state = SegmentState::Frozen { end_bytes, last_commit, chain };
    }
    next.segments.push(SegmentEntry { segment: number_of_new, state: SegmentState::Open });
    next.next_segment = number_of_new + 1;
    *manifest = manifest::publish(environment, &shared.directory, next)?;
    let seed = state.place.seed();
    Ok(OpenPart { file, state, seed, keys: HashMap::new(), live: crate::bitmap::Bitmap::full(0) })
}

/// Writes the same bytes again and syncs them. A sync that failed before may have left pages that read well and are
/// not on disk; a later sync would not write them.
fn make_durable_again(file: &dyn DiskFile, path: &Path, from: u64, to: u64) -> Result<()> {
    let mut at = from;
    while at < to {
        let mut bytes = vec![0; COPY_BYTES.min((to - at) as usize)];
        file.read_at(&mut bytes, at).map_err(Error::io("read", path))?;
        file.write_at(&bytes, at).map_err(Error::io("write", path))?;
        at += bytes.len() as u64;
    }
    file.sync().map_err(Error::io("sync", path))
}

/// Keeps the bytes of a tear in a file of their own and cuts them off.
fn cut(shared: &Shared, file: &dyn DiskFile, path: &Path, from: u64, to: u64) -> Result<()> {
    let environment = &shared.environment;
    let disk = &*environment.disk;
    let aside = shared.directory.join(ASIDE_DIR);
    match disk.create_dir(&aside) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(Error::io("create", &aside)(error));
        }
        _ => disk.sync_dir(&shared.directory).map_err(Error::io("sync", &shared.directory))?,
    }
    let mut tails = disk.list(&aside).map_err(Error::io("list", &aside))?;
    tails.retain(|entry| entry.name.starts_with("tail-"));
    while tails.len() >= KEPT_TAILS {
        let oldest = aside.join(&tails.remove(0).name);
        disk.remove(&oldest).map_err(Error::io("remove", &oldest))?;
    }
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let name = format!("tail-{:013}-{stem}-{from}", environment.clock.now_ms());
    durable::publish_copy(disk, &aside, &name, file, from..to).map_err(|error| match error {
        Error::Io { action: "read", source, .. } => Error::io("read", path)(source),
        error => error,
    })?;
    file.truncate(from).map_err(Error::io("truncate", path))?;
    file.sync().map_err(Error::io("sync", path))?;
    let (path, kept) = (path.to_owned(), aside.join(name));
    environment.observer.event(&Event::TornTailCut { path, offset: from, bytes: to - from, kept });
    Ok(())
}

/// Makes the witness say what is durable now, and makes that durable. A damaged one is made anew: everything that it
/// could have named was just read and hashed.
fn confirm_witness(
    shared: &Shared,
    found: &Witness,
    open: Option<&OpenPart>,
    view: &view::View,
) -> Result<WitnessFile> {
    let disk = &*shared.environment.disk;
    let path = shared.directory.join(WITNESS_FILE);
    let slot = match &found.latest {
        Some(slot) if found.flaws.is_empty() => slot.clone(),
        slot => {
            let sequence = slot.as_ref().map_or(0, |slot| slot.sequence) + 2;
            let made = WitnessSlot { sequence, ..slot.clone().unwrap_or_else(|| witness::blank(shared.id)) };
            witness::create(disk, &shared.directory, &made)?;
            for flaw in &found.flaws {
                let event = Event::WitnessRewritten { path: path.clone(), flaw: flaw.clone() };
                shared.environment.observer.event(&event);
            }
            made
        }
    };
    let mut witness = WitnessFile::open(disk, &shared.directory, slot)?;
    // An open segment without frames promises nothing yet; the one before it still does.
    let last = match open.filter(|open| !open.state.walk.frames.is_empty()) {
        Some(open) => {
            let walk = &open.state.walk;
            Some((open.state.place.segment, walk.last_commit, walk.end, walk.chain))
        }
        None => view
            .parts
            .iter()
            .rev()
            .map(|part| &part.segment)
            .find(|segment| segment.digest.is_some())
            .map(|segment| (segment.place.segment, segment.last_commit, segment.end, segment.chain)),
    };
    if let Some((segment, commit, end, chain)) = last
        && (witness.slot.segment, witness.slot.commit, witness.slot.end_bytes) != (segment, commit, end)
        && commit >= witness.slot.commit
    {
        witness.record(segment, commit, end, chain)?;
    }
    witness.sync()?;
    Ok(witness)
}
