//! Encoding: search codes and attribute indexes for the sealed segments of a store, and the basis that codes are made with.
//!
//! Everything made here is derived. It is made under the locks that writing takes, so that two processes do not do the
//! same work, and published by rename; dying at any step leaves files that are whole, or that the next writer sweeps.

mod basis;
mod remove;
mod sample;

use std::path::PathBuf;
use std::sync::Arc;

use siltstone_format::Digest;
use siltstone_format::identity::EmbeddingIdentity;

use crate::append::{Writer, WriterOptions};
use crate::attributes;
use crate::codes::{self, Basis};
use crate::collection::{Collection, Shared};
use crate::error::{Error, Result};
use crate::event::Event;
use crate::segment::Segment;
use crate::store::Store;
use crate::view::OnDamage;

/// Fewest rows of a vector space that a basis is trained for: fewer are scanned in a moment.
pub const LEAST_ROWS: u64 = 1_000;
/// Fewest rows of an open segment that is sealed to be encoded.
const SEAL_ROWS: u64 = 64;
/// An open segment is sealed when it has more than one in this many of the rows before it. So at most a ninth of a
/// collection stays without codes, and the number of its segments grows with the logarithm of its rows.
const SEAL_SHARE: u64 = 8;

/// What an encoding did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Encoded {
    /// Bases that were trained.
    pub trained: u64,
    /// Open segments that were sealed.
    pub sealed: u64,
    /// Segments that got a code file, an attribute index or both.
    pub segments: u64,
    /// Rows of those segments.
    pub rows: u64,
    /// Files that were of no use and were removed: bases that are damaged, code files without a basis.
    pub removed: u64,
    /// Collections that somebody else was writing to: left for the next time.
    pub busy: u64,
}

impl Store {
    /// Makes search codes for everything that has none: for each vector space with at least [`LEAST_ROWS`] rows a basis,
    /// learnt from a sample of all of its collections, then a code file and an attribute index for each sealed segment. A
    /// basis is learnt anew when there are eight times as many rows, or when it lets more than twice the share of them
    /// pass that it did at first; then all codes of the space are made anew too. Open segments with at least 64 rows, and
    /// more than an eighth of the rows before them, are sealed first. Answers stay the same, and come sooner. What is
    /// damaged or stale is made again; what cannot be, because there is no basis any more, is removed. Hidden collections
    /// are left out.
    ///
    /// Durability: files are synced and renamed; losing them costs time only. Cost: reads all codes and attribute indexes,
    /// and the rows that have none, about twenty microseconds a row of 1536 elements and processor; some seconds when a
    /// basis is trained.
    ///
    /// # Errors
    /// Damage to a collection; a disk that refuses. What was encoded before stays.
    pub fn encode(&self) -> Result<Encoded> {
        self.encode_with(Reading::EveryBlock)
    }

    /// As [`Store::encode`], for who knows that nothing was added since: of files that are there only headers are read, and
    /// whether the basis still fits is not asked, so that it costs next to nothing when nothing is missing. A block that
    /// was damaged since it was written stays for [`Store::encode`]; searches notice it at first touch and answer without.
    ///
    /// # Errors
    /// As [`Store::encode`].
    pub fn encode_missing(&self) -> Result<Encoded> {
        self.encode_with(Reading::Headers)
    }

    fn encode_with(&self, reading: Reading) -> Result<Encoded> {
        // A basis may have been damaged since it was read: what is made now must be of use to others.
        self.bases.forget();
        let mut done = Encoded::default();
        self.remove_damaged_bases(&mut done)?;
        let mut spaces: Vec<(EmbeddingIdentity, Vec<Collection>)> = Vec::new();
        for collection in self.collections()? {
            match spaces.iter_mut().find(|(identity, _)| identity.same_space(collection.identity())) {
                Some((_, same)) => same.push(collection),
                None => spaces.push((collection.identity().clone(), vec![collection])),
            }
        }
        for (identity, collections) in &spaces {
            if reading == Reading::Headers && self.is_encoded(identity, collections)? {
                continue;
            }
            let basis = self.basis(identity, collections, &mut done)?;
            for collection in collections {
                let encoded = match &basis {
                    Some(basis) => encode_collection(&collection.shared, basis, true, reading, &mut done),
                    None => remove::remove_useless(&collection.shared, &mut done),
                };
                match encoded {
                    Err(Error::Locked { .. }) => done.busy += 1,
                    result => result?,
                }
            }
            if let Some(basis) = basis.filter(|_| done.busy == 0) {
                self.remove_older(identity, &basis)?;
            }
        }
        Ok(done)
    }

    /// Whether all collections of a space have, as far as headers tell, what encoding would make with the basis there is.
    fn is_encoded(&self, identity: &EmbeddingIdentity, collections: &[Collection]) -> Result<bool> {
        let Some(basis) = self.bases.newest(&*self.environment().disk, self.path(), identity)? else {
            return Ok(false);
        };
        let mut rows = 0;
        for collection in collections {
            let shared = &collection.shared;
            shared.look_again(None);
            let wanted = Wanted::of(shared, &basis, true, Reading::Headers)?;
            if wanted.any() {
                return Ok(false);
            }
            rows += wanted.rows;
        }
        Ok(!basis.is_outgrown(rows))
    }
}

impl Collection {
    /// Makes search codes for the sealed segments that have none, with the basis that the store has for their vector
    /// space; see [`Store::encode`], which makes one. Without one, code files that are of no use are removed.
    ///
    /// # Errors
    /// [`Error::Locked`] while somebody else writes; damage; a disk that refuses.
    pub fn encode(&self) -> Result<Encoded> {
        let (mut done, shared) = (Encoded::default(), &self.shared);
        let disk = &*shared.environment.disk;
        shared.bases.forget();
        match shared.bases.newest(disk, &shared.root, &shared.identity)? {
            Some(basis) => encode_collection(shared, &basis, false, Reading::EveryBlock, &mut done)?,
            None => remove::remove_useless(shared, &mut done)?,
        }
        Ok(done)
    }
}

/// How much of the derived files that are there is read to find out whether they are of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    Headers,
    EveryBlock,
}

/// Which derived files of a segment are missing, damaged as far as was read, or made with another basis.
struct Missing {
    codes: bool,
    attributes: bool,
}

impl Missing {
    fn of(shared: &Shared, segment: &Segment, basis: &Basis, reading: Reading) -> Self {
        let codes = shared.codes(segment).filter(|codes| codes.basis().digest() == basis.digest());
        let attributes = shared.attributes(segment);
        let (codes, attributes) = match reading {
            Reading::EveryBlock => (
                codes.filter(|codes| codes.check().is_empty()),
                attributes.filter(|index| index.check().is_empty()),
            ),
            // Headers of hundreds of files, mapped in large pages, would be hundreds of megabytes.
            Reading::Headers => {
                codes.iter().for_each(|codes| codes.let_go());
                attributes.iter().for_each(|index| index.let_go());
                (codes, attributes)
            }
        };
        Self { codes: codes.is_none(), attributes: attributes.is_none() }
    }

    fn any(&self) -> bool {
        self.codes || self.attributes
    }

    /// Makes them. Metadata that is damaged has no index, and its searches meet the damage as they always did.
    fn make(&self, shared: &Shared, segment: &Segment, basis: &Basis) -> Result<()> {
        let disk = &*shared.environment.disk;
        if self.codes {
            codes::write(segment, disk, basis)?;
        }
        match self.attributes.then(|| attributes::write(segment, disk)) {
            Some(Err(error)) if error.is_damage() => {
                unusable(shared, segment.place.attributes_path(), &error);
                Ok(())
            }
            written => written.unwrap_or(Ok(())),
        }
    }
}

fn unusable(shared: &Shared, path: PathBuf, error: &Error) {
    let reason = error.to_string();
    shared.environment.observer.event(&Event::DerivedFileUnusable { path, reason });
}

/// What there is to encode in a collection.
struct Wanted {
    /// The open segment is to be sealed.
    seal: bool,
    /// Some sealed segment lacks a file.
    missing: bool,
    sealed: Vec<Option<Digest>>,
    rows: u64,
}

impl Wanted {
    fn of(shared: &Arc<Shared>, basis: &Basis, may_seal: bool, reading: Reading) -> Result<Wanted> {
        let view = crate::view::load(shared, crate::view::At::Now, OnDamage::Skip)?;
        let (sealed, open): (Vec<_>, Vec<_>) =
            view.parts.iter().partition(|part| part.segment.digest.is_some());
        let rows_of = |parts: &[&crate::view::Part]| -> u64 {
            parts.iter().map(|part| u64::from(part.segment.rows)).sum()
        };
        let seal = may_seal && rows_of(&open) >= SEAL_ROWS && rows_of(&open) * SEAL_SHARE > rows_of(&sealed);
        let missing = |part: &&crate::view::Part| Missing::of(shared, &part.segment, basis, reading).any();
        Ok(Wanted {
            seal,
            missing: !seal && sealed.iter().any(missing),
            sealed: sealed.iter().map(|part| part.segment.digest).collect(),
            rows: view.len(),
        })
    }

    fn any(&self) -> bool {
        self.seal || self.missing
    }
}

fn encode_collection(
    shared: &Arc<Shared>,
    basis: &Basis,
    may_seal: bool,
    reading: Reading,
    done: &mut Encoded,
) -> Result<()> {
    // What is known of files may be older than they are.
    shared.look_again(None);
    let wanted = Wanted::of(shared, basis, may_seal, reading)?;
    if !wanted.any() {
        return Ok(());
    }
    let mut writer = Writer::open(shared, WriterOptions::default())?;
    if wanted.seal && writer.seal()? {
        done.sealed += 1;
    }
    for segment in writer.sealed_segments().filter(|segment| segment.digest.is_some()) {
        // A segment that was just sealed has its codes already; they are part of what this did.
        let is_new = !wanted.sealed.contains(&segment.digest);
        let missing = Missing::of(shared, segment, basis, reading);
        if missing.any() {
            missing.make(shared, segment, basis)?;
        } else if !is_new {
            continue;
        }
        done.segments += 1;
        done.rows += u64::from(segment.rows);
    }
    shared.look_again(None);
    Ok(())
}

/// Gives a segment that was just sealed its codes and its attribute index, when the store has a basis for it. Derived: a
/// disk that refuses is an event, and the next encoding makes them.
pub(crate) fn at_seal(shared: &Shared, segment: &Segment) {
    let disk = &*shared.environment.disk;
    let missing = Missing { codes: true, attributes: true };
    let basis = shared.bases.newest(disk, &shared.root, &shared.identity);
    let made = basis.and_then(|basis| basis.map_or(Ok(()), |basis| missing.make(shared, segment, &basis)));
    if let Err(error) = made {
        unusable(shared, segment.place.codes_path(), &error);
    }
}
