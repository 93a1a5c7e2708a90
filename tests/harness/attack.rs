//! What may be asked of a store whose bytes were changed behind its back, and what it may answer: the truth, or an
//! error that says that there is damage. Never a panic, never another row.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use siltstone::{Depth, Error, OnDamage, Order, Record, Report, Store, View, WriterOptions, verify};

use crate::anatomy::{Anatomy, dissect, segments};
use crate::answers::{Moment, RowValue, answers, questions};
use crate::fixture::{self, STORE, later_environment, vector};
use crate::sim_disk::SimDisk;

/// A pristine store, and all that it ever answered.
#[derive(Debug)]
pub struct Subject {
    /// Its files.
    pub disk: SimDisk,
    /// What it answers.
    pub moments: Vec<Moment>,
    /// Its segment files.
    pub segments: BTreeMap<PathBuf, Anatomy>,
    /// Rows of another history that may come back with old versions of its files: never in strict mode.
    pub other_history: Vec<RowValue>,
}

/// What a promise says when it is broken.
pub type Broken = String;

impl Subject {
    /// Reads a good store.
    pub fn new(disk: SimDisk) -> Self {
        let moments = answers(&fixture::open(&disk).unwrap()).unwrap();
        let files = segments(&disk.files());
        let segments = files.into_iter().map(|path| {
            let anatomy = dissect(&path, &disk.read_file(&path).unwrap());
            (path, anatomy)
        });
        Self { segments: segments.collect(), moments, disk, other_history: Vec::new() }
    }

    /// Whether this row was ever committed.
    fn ever_had(&self, row: &RowValue) -> bool {
        self.segments.values().any(|anatomy| anatomy.rows.contains(row)) || self.other_history.contains(row)
    }
}

/// Runs a check, and turns a panic into a broken promise.
///
/// # Errors
/// What the check says, or what it panicked with.
pub fn caught<T>(check: impl FnOnce() -> Result<T, Broken>) -> Result<T, Broken> {
    catch_unwind(AssertUnwindSafe(check)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(format!("panic: {}", text.unwrap_or_default()))
    })
}

/// Verifies every byte.
///
/// # Errors
/// The verification itself fails.
pub fn verified(disk: &SimDisk) -> Result<Report, Broken> {
    verify(&later_environment(disk), Path::new(STORE), Depth::Deep, None)
        .map_err(|error| format!("verify fails: {error}"))
}

/// Nothing but damage may be the reason for an error.
fn damage_only(error: Error, what: &str) -> Result<(), Broken> {
    match error.is_damage() {
        true => Ok(()),
        false => Err(format!("{what} fails with another error than damage: {error}")),
    }
}

fn open_moment(store: &Store, moment: &Moment, on_damage: OnDamage) -> siltstone::Result<View> {
    let collection = store.collection(&moment.collection)?;
    match &moment.snapshot {
        Some(name) => collection.snapshot_with(name, on_damage),
        None => collection.view_with(on_damage),
    }
}

/// How a store stood up to being asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stood {
    /// Moments that answered everything as if nothing had happened.
    pub unharmed: u64,
    /// Moments that could be opened and gave the truth or an error.
    pub partly: u64,
    /// Moments that could not be opened.
    pub refused: u64,
    /// Rows that could not be read.
    pub lost_rows: u64,
    /// Rows that a lost frame had replaced or deleted and that showed again.
    pub shown_again: u64,
}

impl std::ops::AddAssign for Stood {
    fn add_assign(&mut self, other: Self) {
        self.unharmed += other.unharmed;
        self.partly += other.partly;
        self.refused += other.refused;
        self.lost_rows += other.lost_rows;
        self.shown_again += other.shown_again;
    }
}

/// Asks everything of every moment. In strict mode no answer may be wrong or incomplete without an error, but for a
/// search: it may leave out a row whose vector no longer is among the closest, and which cannot be read. In skip mode
/// rows outside `may_lose` must be there.
///
/// # Errors
/// The first answer that is neither the truth nor damage.
pub fn ask_all(
    disk: &SimDisk,
    subject: &Subject,
    on_damage: OnDamage,
    may_lose: &dyn Fn(&Moment, &RowValue) -> bool,
) -> Result<Stood, Broken> {
    let mut stood = Stood::default();
    let store = match fixture::open(disk) {
        Ok(store) => store,
        Err(error) => {
            damage_only(error, "opening the store")?;
            stood.refused += subject.moments.len() as u64;
            return lose_everything(subject, on_damage, may_lose, stood);
        }
    };
    for moment in &subject.moments {
        match open_moment(&store, moment, on_damage) {
            Ok(view) => stood += Asked { view: &view, moment, subject, on_damage, may_lose }.everything()?,
            Err(error) => {
                damage_only(error, "opening a view")?;
                stood.refused += 1;
                lose_all_of(moment, on_damage, may_lose)?;
            }
        }
    }
    Ok(stood)
}

fn lose_everything(
    subject: &Subject,
    on_damage: OnDamage,
    may_lose: &dyn Fn(&Moment, &RowValue) -> bool,
    stood: Stood,
) -> Result<Stood, Broken> {
    subject.moments.iter().try_for_each(|moment| lose_all_of(moment, on_damage, may_lose))?;
    Ok(stood)
}

fn lose_all_of(
    moment: &Moment,
    on_damage: OnDamage,
    may_lose: &dyn Fn(&Moment, &RowValue) -> bool,
) -> Result<(), Broken> {
    let kept = moment.rows.iter().find(|row| !may_lose(moment, row));
    match kept.filter(|_| on_damage == OnDamage::Skip) {
        Some(row) => Err(format!("{:?} cannot be opened, and so {:?} is lost", moment.collection, row.key)),
        None => Ok(()),
    }
}

struct Asked<'a> {
    view: &'a View,
    moment: &'a Moment,
    subject: &'a Subject,
    on_damage: OnDamage,
    may_lose: &'a dyn Fn(&Moment, &RowValue) -> bool,
}

impl Asked<'_> {
    fn everything(&self) -> Result<Stood, Broken> {
        let mut stood = Stood::default();
        let mut unreadable = self.by_key(&mut stood)?;
        for order in [Order::Key, Order::Storage] {
            unreadable |= self.in_order(order, &mut stood)?;
        }
        unreadable |= self.searches()?;
        match unreadable || !self.view.damage().is_empty() {
            true => stood.partly = 1,
            false => stood.unharmed = 1,
        }
        Ok(stood)
    }

    fn is_strict(&self) -> bool {
        self.on_damage == OnDamage::Fail
    }

    /// A row must be that of the moment. When damage was skipped, it may be an older one of a lost frame.
    fn check(&self, row: RowValue, stood: &mut Stood) -> Result<String, Broken> {
        if self.moment.get(&row.key) == Some(&row) {
            return Ok(row.key);
        }
        let may_show_again = !self.view.damage().is_empty()
            && self.moment.get(&row.key).is_none_or(|now| (self.may_lose)(self.moment, now));
        if !self.is_strict() && may_show_again && self.subject.ever_had(&row) {
            stood.shown_again += 1;
            return Ok(row.key);
        }
        Err(format!("a wrong row was returned: {row:?}"))
    }

    /// Whether a row may be missing: never silently in strict mode.
    fn miss(&self, key: &str, how: &str) -> Result<(), Broken> {
        let row = self.moment.get(key);
        if row.is_none_or(|row| !self.is_strict() && (self.may_lose)(self.moment, row)) {
            return Ok(());
        }
        Err(format!("{key:?} is missing {how}"))
    }

    fn by_key(&self, stood: &mut Stood) -> Result<bool, Broken> {
        let rows = self.subject.segments.values().flat_map(|anatomy| &anatomy.rows);
        let keys: BTreeSet<&str> = rows.map(|row| row.key.as_str()).chain(["never"]).collect();
        let mut unreadable = false;
        for key in keys {
            match self.view.get(key) {
                Ok(Some(row)) => {
                    self.check(RowValue::from(&row), stood)?;
                }
                Ok(None) => {
                    self.miss(key, "without an error")?;
                    if self.moment.get(key).is_some() {
                        stood.lost_rows += 1;
                    }
                }
                Err(error) => {
                    damage_only(error, "get")?;
                    unreadable = true;
                    if self.moment.get(key).is_some() {
                        stood.lost_rows += 1;
                        if !self.is_strict() {
                            self.miss(key, "by key")?;
                        }
                    }
                }
            }
        }
        Ok(unreadable)
    }

    fn in_order(&self, order: Order, stood: &mut Stood) -> Result<bool, Broken> {
        let rows = match self.view.iter(order) {
            Ok(rows) => rows,
            Err(error) if self.is_strict() => return damage_only(error, "iter").map(|()| true),
            Err(error) => return Err(format!("iter fails although damage is skipped: {error}")),
        };
        let (mut found, mut unreadable) = (Vec::new(), false);
        for row in rows {
            match row {
                Ok(row) => found.push(self.check(RowValue::from(&row), stood)?),
                Err(error) => {
                    damage_only(error, "a row of iter")?;
                    unreadable = true;
                }
            }
        }
        let distinct: BTreeSet<_> = found.iter().collect();
        if distinct.len() != found.len() || (order == Order::Key && !found.is_sorted()) {
            return Err(format!("rows come twice or out of order: {found:?}"));
        }
        for row in self.moment.rows.iter().filter(|row| !distinct.contains(&row.key)) {
            // In strict mode an error stands for the row, or for several.
            if !(self.is_strict() && unreadable) {
                self.miss(&row.key, "from iter")?;
            }
        }
        Ok(unreadable)
    }

    fn searches(&self) -> Result<bool, Broken> {
        let mut unreadable = false;
        for (question, right) in questions(self.view.identity().dims).iter().zip(&self.moment.searches) {
            let answer = match self.view.search(&question.vector, &question.search()) {
                Ok(answer) => answer,
                Err(error) => {
                    damage_only(error, "search")?;
                    unreadable = true;
                    continue;
                }
            };
            let is_readable = |key: &str| {
                let row = self.view.get(key).ok().flatten();
                row.is_some_and(|row| self.moment.get(key) == Some(&RowValue::from(&row)))
            };
            let mut hits = Vec::new();
            for hit in &answer.hits {
                let row = self.moment.get(&hit.key);
                let is_true = row.is_some_and(|row| row.text == hit.text && row.commit == hit.commit.0);
                if is_true {
                    hits.push((hit.key.clone(), hit.score.to_bits()));
                } else if self.is_strict() || self.view.damage().is_empty() {
                    return Err(format!("a wrong hit: {hit:?}"));
                }
            }
            // Rows that shall be among the hits come in their order with their scores. All that can be read are there,
            // unless rows that show again took their places.
            let known: Vec<_> =
                hits.iter().filter(|(key, _)| right.iter().any(|(other, _)| other == key)).collect();
            if !is_subsequence(&known, &right.iter().collect::<Vec<_>>()) {
                return Err(format!("a search answers {hits:?} in place of {right:?}"));
            }
            let whole: Vec<_> = right.iter().filter(|(key, _)| is_readable(key)).cloned().collect();
            if (self.is_strict() || self.view.damage().is_empty()) && !is_subsequence(&whole, &hits) {
                return Err(format!("a search leaves out rows that can be read: {hits:?} of {right:?}"));
            }
        }
        Ok(unreadable)
    }
}

fn is_subsequence<T: PartialEq>(part: &[T], whole: &[T]) -> bool {
    let mut whole = whole.iter();
    part.iter().all(|item| whole.any(|other| other == item))
}

/// What opening for writing did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrote {
    /// A row was committed, and nothing that was readable before is lost.
    Committed,
    /// Damage was named, and no bytes were cut.
    Refused,
}

/// Opens a collection for writing and commits a row. No byte of a segment may change, and whatever a reader that skips
/// damage could see before it must see afterwards.
///
/// # Errors
/// Bytes are gone, a row is gone, or the error is another one than damage.
pub fn write_to(disk: &SimDisk, collection: &str) -> Result<Wrote, Broken> {
    let before = readable(disk, collection);
    let files: Vec<_> =
        segments(&disk.files()).into_iter().map(|path| (disk.read_file(&path).unwrap(), path)).collect();
    let result = commit_a_row(disk, collection);
    for (bytes, path) in &files {
        let now = disk.read_file(path).map_err(|error| format!("{}: {error}", path.display()))?;
        if !now.starts_with(bytes) {
            return Err(format!("opening for writing changed {}", path.display()));
        }
    }
    if disk.files().iter().any(|path| path.parent().is_some_and(|parent| parent.ends_with("aside"))) {
        return Err("opening for writing cut something off".to_owned());
    }
    let wrote = match result {
        Ok(()) => Wrote::Committed,
        Err(error) => {
            damage_only(error, "writing")?;
            Wrote::Refused
        }
    };
    let mut after = readable(disk, collection);
    if wrote == Wrote::Committed && after.remove(NEW_KEY).is_none_or(|row| row.text != NEW_KEY) {
        return Err("the new row cannot be read".to_owned());
    }
    match before.iter().find(|(key, row)| after.get(*key) != Some(row)) {
        Some((key, _)) => Err(format!("after writing, {key:?} cannot be read any more")),
        None => Ok(wrote),
    }
}

const NEW_KEY: &str = "written after the damage";

fn commit_a_row(disk: &SimDisk, collection: &str) -> siltstone::Result<()> {
    let collection = fixture::open(disk)?.collection(collection)?;
    let vector = vector(collection.identity().dims, 77);
    let mut writer = collection.writer_with(WriterOptions::default())?;
    writer.upsert(Record::new(NEW_KEY, &vector).text(NEW_KEY))?;
    writer.commit().map(drop)
}

/// The rows that can be read when damage is skipped.
pub fn readable(disk: &SimDisk, collection: &str) -> BTreeMap<String, RowValue> {
    let view = fixture::open(disk)
        .and_then(|store| store.collection(collection))
        .and_then(|collection| collection.view_with(OnDamage::Skip));
    let Ok(view) = view else { return BTreeMap::new() };
    let Ok(rows) = view.iter(Order::Storage) else { return BTreeMap::new() };
    rows.filter_map(|row| row.ok()).map(|row| (row.key.to_owned(), RowValue::from(&row))).collect()
}
