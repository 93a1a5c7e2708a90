//! One pass over everything that is to be looked at.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use siltstone::{Collection, EmbeddingIdentity, Error, OnDamage, Order, Store, View};

use super::findings::Findings;
use super::folders::{Compared, Comparison};
use super::integrity::{self, Read};
use super::kind::{Part, SCAN_UNFINISHED, Status};
use super::privacy::Names;
use super::probe::{Probe, Probed, probe};
use super::scrub::{Progress, Scrub};
use super::{identity, stored, vectors};
use crate::command::context::Context;
use crate::command::status::files;
use crate::exit::{CliError, Exit};
use crate::ingest::scan::has_vanished;
use crate::render::units::percent;
use crate::sources::{self, SourceRoots};

/// What is to be looked at.
#[derive(Debug)]
pub(super) struct Asked {
    /// Empty: all collections.
    pub(super) collections: Vec<String>,
    pub(super) deep: bool,
    /// Whether every block of derived files is read, as a deep scan does: `--fix` makes them again.
    pub(super) derived: bool,
    pub(super) max_time: Option<Duration>,
    /// The moment that this snapshot keeps, instead of now.
    pub(super) snapshot: Option<String>,
    pub(super) probe: Option<Probe>,
}

/// What health knows of one collection, beside the findings.
#[derive(Debug, Serialize)]
pub(super) struct Surveyed {
    /// As it is shown.
    pub(super) collection: String,
    pub(super) status: Status,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    /// Documents in its folders; `null` when they are not known.
    pub(super) documents: Option<u64>,
    pub(super) embedded: Option<u64>,
    pub(super) coverage_percent: Option<f64>,
    pub(super) orphaned: u64,
    pub(super) missing: u64,
    pub(super) stale: u64,
    #[serde(skip)]
    pub(super) name: String,
    #[serde(skip)]
    pub(super) roots: Option<SourceRoots>,
    #[serde(skip)]
    pub(super) identity: EmbeddingIdentity,
    /// Documents whose rows are to be made again, whatever the digests say.
    #[serde(skip)]
    pub(super) again: BTreeSet<String>,
    #[serde(skip)]
    pub(super) orphaned_rows: u64,
}

/// Everything that a pass found out.
#[derive(Debug, Default)]
pub(super) struct Checked {
    pub(super) findings: Findings,
    pub(super) read: Read,
    pub(super) surveyed: Vec<Surveyed>,
    /// Collections that the sittings of a deep scan have done, and how many there are.
    pub(super) scanned: Option<(u64, u64)>,
    /// What came of `--probe`.
    pub(super) probed: Option<Probed>,
}

impl Checked {
    pub(super) fn status(&self) -> Status {
        Part::ALL.iter().map(|part| self.findings.status(*part)).fold(Status::Pass, Status::max)
    }

    /// Folders that are gone by themselves.
    pub(super) fn vanished(&self) -> Vec<PathBuf> {
        let roots = self.surveyed.iter().filter_map(|one| one.roots.as_ref()).flat_map(|roots| &roots.roots);
        roots.map(|root| root.path.clone()).filter(|path| has_vanished(path)).collect()
    }

    /// Folders of the collections that an update would change.
    pub(super) fn folders(&self) -> Vec<PathBuf> {
        let concerned = self.surveyed.iter().filter(|one| {
            let unfinished = one.roots.as_ref().is_some_and(SourceRoots::is_unfinished);
            unfinished || one.orphaned + one.missing + one.stale > 0
        });
        concerned
            .filter_map(|one| one.roots.as_ref())
            .flat_map(|roots| &roots.roots)
            .map(|root| root.path.clone())
            .collect()
    }
}

/// A pass under way.
struct Pass<'a> {
    context: &'a Context,
    names: &'a Names,
    asked: &'a Asked,
    scrub: Scrub,
    configured: Option<EmbeddingIdentity>,
    known: Option<BTreeMap<String, SourceRoots>>,
    checked: Checked,
}

pub(super) fn check(context: &Context, names: &Names, asked: &Asked) -> Result<Checked, CliError> {
    let mut checked = Checked::default();
    let only = (!asked.collections.is_empty()).then_some(asked.collections.as_slice());
    checked.read = integrity::quick(context, names, only, &mut checked.findings)?;
    if asked.derived && !asked.deep {
        let Checked { findings, read, .. } = &mut checked;
        integrity::derived(context, names, only, findings, read)?;
    }
    let store = match context.open_store() {
        Ok(store) => store,
        Err(error) if error.exit == Exit::Found => {
            let reason = names.sentence(&format!("the store cannot be opened: {}", error.message));
            let contents = Part::ALL.into_iter().filter(|part| *part != Part::Integrity);
            contents.for_each(|part| checked.findings.skip(part, reason.clone()));
            return Ok(checked);
        }
        Err(error) => return Err(error),
    };
    let configured = identity::configured(context, names, &mut checked.findings);
    let scrub = Scrub::begin(context, asked.max_time);
    let mut pass = Pass { context, names, asked, scrub, configured, known: None, checked };
    pass.load_sources(&store);
    pass.collections(&store)?;
    let mut checked = pass.checked;
    if let Some(wanted) = asked.probe {
        let collections = checked.surveyed.iter().map(|one| Ok(store.collection(&one.name)?));
        let collections = collections.collect::<Result<Vec<_>, CliError>>()?;
        checked.probed = Some(probe(context, names, &collections, wanted, &mut checked.findings)?);
    }
    Ok(checked)
}

impl Pass<'_> {
    fn load_sources(&mut self, store: &Store) {
        match sources::load_all(store.path()) {
            Ok(known) => self.known = Some(known),
            Err(error) => {
                let reason = self.names.sentence(&format!("{}; {}", error.message, error.next_step));
                for part in [Part::Orphaned, Part::Missing, Part::Content] {
                    self.checked.findings.skip(part, reason.clone());
                }
            }
        }
    }

    fn collections(&mut self, store: &Store) -> Result<(), CliError> {
        let names = self.context.names(store, &self.asked.collections)?;
        if self.asked.deep {
            // The structure was read of everything; from here on only whole files count, and the catalogue.
            self.checked.read.files = 1;
        }
        if let Some(live) = self.context.live() {
            live.stage("checking", names.len());
        }
        let (mut unknown, mut done) = (Vec::new(), 0);
        for name in &names {
            self.context.check_cancelled()?;
            self.context.notices.detail(&format!("looking at {name}"));
            if let Some(live) = self.context.live() {
                live.next(name);
            }
            let result = store.collection(name).map_err(CliError::from).and_then(|one| self.collection(&one));
            match result {
                Ok(is_done) => done += u64::from(is_done),
                Err(error) if error.exit == Exit::Found => {
                    let reason = self.names.sentence(&error.message);
                    for part in Part::ALL {
                        self.checked
                            .findings
                            .skip(part, format!("{}: {reason}", self.names.collection(name)));
                    }
                }
                Err(error) => return Err(error),
            }
            let is_known = self.known.as_ref().is_none_or(|known| known.contains_key(name));
            unknown.extend((!is_known).then(|| self.names.collection(name)));
        }
        if !unknown.is_empty() {
            let reason = format!(
                "{}: where their documents are is not known",
                crate::render::units::listed(&unknown, 3)
            );
            for part in [Part::Orphaned, Part::Missing, Part::Content] {
                self.checked.findings.skip(part, reason.clone());
            }
        }
        if self.asked.deep && self.asked.collections.is_empty() {
            self.hidden(store)?;
        }
        let all = names.len() as u64;
        if self.asked.deep {
            self.checked.scanned = Some((done, all));
            match all - done {
                0 => self.scrub.round_done(self.context),
                left if self.asked.max_time.is_some() && self.scrub.is_over() => {
                    let example = format!("{done} of {all} collections are done");
                    self.checked.findings.add(&SCAN_UNFINISHED, None, left, [example]);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Reads every byte of the collections that are not shown: vectors that were paid for wait there.
    fn hidden(&mut self, store: &Store) -> Result<(), CliError> {
        let all = store.all_names()?;
        for name in all.iter().filter(|name| name.starts_with('.')) {
            self.context.check_cancelled()?;
            if !self.scrub.is_over() {
                let Checked { findings, read, .. } = &mut self.checked;
                integrity::deep(self.context, self.names, name, findings, read)?;
            }
        }
        Ok(())
    }

    /// Looks at one collection. Says whether a deep scan has done all of it.
    fn collection(&mut self, collection: &Collection) -> Result<bool, CliError> {
        let (context, names, name) = (self.context, self.names, collection.name());
        let view = match &self.asked.snapshot {
            None => collection.view_with(OnDamage::Skip)?,
            Some(snapshot) => match collection.snapshot_with(snapshot, OnDamage::Skip) {
                Err(Error::NoSuchSnapshot { .. }) if self.asked.collections.is_empty() => {
                    let name = names.collection(name);
                    context.notices.notice(&format!("{name} is left out: it has no snapshot {snapshot:?}"));
                    return Ok(true);
                }
                view => view?,
            },
        };
        let Checked { findings, read, .. } = &mut self.checked;
        let mut again = BTreeSet::new();
        let bad = integrity::embeddings(&view, names, self.asked.deep, findings, read)?;
        let required = context.settings.required_metadata(name);
        let stored = stored::read(&view, &required, names, findings)?;
        again.extend(bad.iter().filter_map(|key| Some(key.rsplit_once('#')?.0.to_owned())));
        if let Some(configured) = &self.configured {
            identity::check(name, view.identity(), configured, names, findings);
        }
        let segments = files(collection.directory()).0;
        let (texts, is_done) = if self.asked.deep { self.deep(&view, segments)? } else { (None, false) };
        let findings = &mut self.checked.findings;
        let roots = self.known.as_ref().and_then(|known| known.get(name)).cloned();
        let compared = match &roots {
            None => None,
            Some(roots) => {
                let being_written = collection.writer_status().1;
                let comparison = Comparison {
                    context,
                    names,
                    collection: name,
                    stored: &stored,
                    roots,
                    texts: &texts,
                    being_written,
                };
                Some(comparison.compare(findings)?)
            }
        };
        let surveyed = surveyed(names, collection, &view, roots, compared, again, findings);
        self.checked.surveyed.push(surveyed);
        Ok(is_done)
    }

    /// Reads every byte of a collection and searches for every row, as far as time allows. Returns the digests of its
    /// texts, if they were read, and whether all is done.
    fn deep(&mut self, view: &View, segments: u64) -> Result<(super::folders::Texts, bool), CliError> {
        let (context, names, name) = (self.context, self.names, view.collection());
        let mut progress = self.scrub.progress(name, view.commit().0);
        if progress.is_done {
            return Ok((None, true));
        }
        // Every sitting comes further, however short it is.
        if self.scrub.is_over() && self.scrub.has_worked {
            return Ok((None, false));
        }
        self.scrub.has_worked = true;
        let failures = self.failures(name);
        let step =
            |stage: &str, segments: u64| context.live().map(|live| live.step(stage, "segments", 0, segments));
        if !progress.is_read {
            step("reading every byte", segments);
            let Checked { findings, read, .. } = &mut self.checked;
            progress.is_read = integrity::deep(context, names, name, findings, read)?;
            if self.is_left_here(name, progress, failures) {
                return Ok((None, false));
            }
        }
        let mut found = None;
        if !progress.is_compared {
            step("comparing texts and searches", 0);
            let findings = &mut self.checked.findings;
            let texts = texts(view)?;
            vectors::duplicates(view, &texts, names, findings);
            vectors::brute_force(view, names, findings)?;
            (progress.is_compared, found) = (true, Some(texts));
            if self.is_left_here(name, progress, failures) {
                return Ok((found, false));
            }
        }
        let findings = &mut self.checked.findings;
        progress.rows = vectors::find_themselves(context, view, progress.rows, &self.scrub, names, findings)?;
        progress.is_done = progress.rows >= view.len();
        self.is_left_here(name, progress, failures);
        Ok((found, progress.is_done))
    }

    /// Remembers what is done of a collection, and says whether it must be left there because time is over.
    fn is_left_here(&mut self, name: &str, progress: Progress, failures: usize) -> bool {
        let is_whole = progress.is_read && self.failures(name) == failures;
        self.scrub.record(self.context, name, progress, is_whole);
        self.scrub.is_over()
    }

    /// How many kinds of failure concern a collection so far.
    fn failures(&self, collection: &str) -> usize {
        let found = self.checked.findings.of(Part::Integrity);
        found.filter(|one| one.kind.status == Status::Fail && one.collections.contains(collection)).count()
    }
}

/// The digest of every text. Damaged rows are left out: they are in the report already.
fn texts(view: &View) -> Result<HashMap<String, blake3::Hash>, CliError> {
    let mut texts = HashMap::new();
    for row in view.iter(Order::Storage)? {
        match row {
            Ok(row) => drop(texts.insert(row.key.to_owned(), blake3::hash(row.text.as_bytes()))),
            Err(error) if error.is_damage() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(texts)
}

fn surveyed(
    names: &Names,
    collection: &Collection,
    view: &View,
    roots: Option<SourceRoots>,
    compared: Option<Compared>,
    mut again: BTreeSet<String>,
    findings: &Findings,
) -> Surveyed {
    let name = collection.name().to_owned();
    let is_compared = compared.is_some();
    let compared = compared.unwrap_or_default();
    again.extend(compared.wrong.iter().cloned());
    let missing = compared.missing.len() as u64;
    // Folders that are out of sight have no documents, and so no coverage either.
    let documents = (is_compared && compared.documents > 0).then_some(compared.documents);
    let embedded = documents.map(|all| all.saturating_sub(missing));
    Surveyed {
        collection: names.collection(&name),
        status: findings.status_of(&name),
        rows: view.len(),
        bytes: files(collection.directory()).1,
        documents,
        embedded,
        coverage_percent: documents.zip(embedded).map(|(all, embedded)| percent(embedded, all)),
        orphaned: compared.orphaned.len() as u64,
        missing,
        stale: (compared.stale.len() + compared.wrong.len()) as u64,
        name,
        roots,
        identity: view.identity().clone(),
        again,
        orphaned_rows: compared.orphaned_rows,
    }
}
