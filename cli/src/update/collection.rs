//! The update of one collection.

use std::collections::BTreeSet;
use std::time::Instant;

use rayon::prelude::*;
use siltstone::{EmbeddingIdentity, OnDamage, Record, Store, Writer};

use crate::command::context::Context;
use crate::exit::CliError;
use crate::ingest::embed::Embedder;
use crate::ingest::scan::{Document, Reason, RootState, Scan, ScanOptions, scan};
use crate::ingest::sources::{Scope, Source};
use crate::sources::{self, Coverage, SourceRoot, SourceRoots};

use super::estimate::estimate;
use super::guard::{self, Verdict};
use super::job::{Job, Looked, look};
use super::pending::Pending;
use super::progress::Progress;
use super::report::Ended;
use super::seen::SeenFiles;
use super::staging::{Staging, is_paid};
use super::stored::Stored;
use super::texts::Texts;
use super::vectors::{self, Sources};

/// Which parts of an update are wanted, and how far it may go.
#[derive(Clone, Debug)]
pub(super) struct Extent {
    pub(super) dry_run: bool,
    pub(super) allow_mass_removal: bool,
    /// Documents that are not in the store are embedded.
    pub(super) new: bool,
    /// Documents that changed are embedded.
    pub(super) changed: bool,
    /// Documents that are gone are removed.
    pub(super) gone: bool,
    /// Documents that are embedded afresh, whatever their digests say.
    pub(super) again: BTreeSet<String>,
    /// So many tokens, by the estimate, are sent at most.
    pub(super) most_tokens: Option<u64>,
    /// Every file is read, whatever its times say.
    pub(super) verify_content: bool,
}

impl Extent {
    pub(super) fn everything() -> Extent {
        Extent {
            dry_run: false,
            allow_mass_removal: false,
            new: true,
            changed: true,
            gone: true,
            again: BTreeSet::new(),
            most_tokens: None,
            verify_content: false,
        }
    }

    /// Whether the collection is up to date when it comes to its end. A part of an update neither begins nor ends one.
    fn is_whole(&self) -> bool {
        self.new && self.changed
    }

    /// Whether anything may be embedded.
    fn embeds(&self) -> bool {
        self.new || self.changed || !self.again.is_empty()
    }
}

/// Everything that the update of one collection needs.
pub(super) struct Run<'a> {
    pub(super) source: &'a Source,
    pub(super) context: &'a Context,
    pub(super) extent: &'a Extent,
    pub(super) scan_options: ScanOptions,
    pub(super) identity: &'a EmbeddingIdentity,
    pub(super) embedder: &'a dyn Embedder,
    pub(super) progress: &'a Progress,
}

impl Run<'_> {
    fn scan(&self) -> Scan {
        scan(self.source, &self.scan_options)
    }

    /// What would be done for a store that does not exist.
    pub(super) fn plan_only(&self, texts: &mut Texts) -> Result<Ended, CliError> {
        let scan = self.scan();
        let mut ended = Ended::of(&scan);
        let mut sources = Sources { texts, staging: &mut None, others: None };
        self.look_at_all(&scan, &Stored::default(), SeenFiles::none(), &mut ended, |jobs, ended| {
            estimate(&jobs, &mut sources, ended)
        })?;
        Ok(ended)
    }

    /// Brings the collection up to date.
    pub(super) fn update(&self, store: &Store, texts: &mut Texts) -> Result<Ended, CliError> {
        let ended = self.update_with(store, texts);
        texts.end(store, self.identity);
        ended
    }

    fn update_with(&self, store: &Store, texts: &mut Texts) -> Result<Ended, CliError> {
        let started = Instant::now();
        let started_ms = store.environment().clock.now_ms();
        let scan = self.scan();
        let mut ended = Ended::of(&scan);
        let exists = store.all_names()?.contains(&self.source.collection);
        if !exists && scan.documents.is_empty() {
            ended.is_let_go = scan.has_vanished() && self.extent.allow_mass_removal;
            if scan.state != RootState::Listed && !ended.is_let_go {
                ended.held_back = Some(match &scan.state {
                    RootState::Unreadable { message } => {
                        format!("{} cannot be listed: {message}", scan.root.display())
                    }
                    RootState::Missing => format!("{} is not there", scan.root.display()),
                    _ => format!("{} has no documents", scan.root.display()),
                });
            }
            return Ok(ended);
        }
        if self.extent.dry_run {
            let stored = match exists {
                true => {
                    let collection = store.collection(&self.source.collection)?;
                    let (stored, known) = Stored::read(&collection.view_with(OnDamage::Skip)?)?;
                    texts.begin(&self.source.collection, known);
                    stored
                }
                false => Stored::default(),
            };
            let is_paid = is_paid(self.embedder.identity());
            let mut staging = match is_paid {
                true => Some(Staging::open(store, &self.source.collection, self.identity, false)?),
                false => None,
            };
            let others = is_paid.then_some((store, self.identity, &*self.context.notices));
            let mut sources = Sources { texts, staging: &mut staging, others };
            let seen = self.seen(store, false);
            self.look_at_all(&scan, &stored, seen, &mut ended, |jobs, ended| {
                estimate(&jobs, &mut sources, ended)
            })?;
            let verdict = self.gone(&scan, &stored, &ended);
            (ended.removed, ended.held_back) = (verdict.remove, verdict.held_back);
            return Ok(ended);
        }
        // What is only removed needs no embedder.
        let collection = match self.extent.embeds() {
            true => store.open_or_create(&self.source.collection, self.identity)?,
            false => store.collection(&self.source.collection)?,
        };
        let mut writer = collection.writer()?;
        let view = writer.view()?;
        for damage in view.damage() {
            let path = damage.path.display();
            self.context
                .notices
                .warning(&format!("{path} is damaged: {}; what it hit is embedded again", damage.flaw));
        }
        let (stored, known) = Stored::read(&view)?;
        drop(view);
        texts.begin(&self.source.collection, known);
        let is_paid = is_paid(self.embedder.identity());
        let mut staging = match is_paid {
            true => Some(Staging::open(store, &self.source.collection, self.identity, true)?),
            false => None,
        };
        let others = is_paid.then_some((store, self.identity, &*self.context.notices));
        let roots = self.roots(&scan, &stored, started_ms);
        let mut recorded = false;
        let mut pending = Pending::new(self.context.settings.update.commit_rows);
        let looked = self.look_at_all(&scan, &stored, self.seen(store, true), &mut ended, |jobs, ended| {
            if !recorded && self.extent.is_whole() {
                // From here on an interrupted run is known to be one.
                recorded = true;
                self.record(store, &roots)?;
            }
            let sources = Sources { texts, staging: &mut staging, others };
            self.publish(jobs, &stored, sources, (&mut writer, &mut pending), ended)
        });
        // Whatever came in between: what is whole stays.
        let committed = pending.commit(&mut writer, &stored, &self.source.collection, &mut ended);
        looked.and(committed)?;
        if ended.stopped.is_none() && !ended.interrupted && self.extent.gone {
            let verdict = self.gone(&scan, &stored, &ended);
            ended.held_back = verdict.held_back;
            remove(&verdict.remove, &stored, &mut writer)?;
            ended.removed = verdict.remove;
        }
        ended.coverage = self.coverage(&scan, &ended, store.environment().clock.now_ms());
        if ended.stopped.is_none() && !ended.interrupted && self.extent.is_whole() {
            if ended.failed.is_empty() && ended.left + ended.over_limit == 0 {
                staging.map_or(Ok(()), Staging::drop_all)?;
            }
            if self.source.scope == Scope::Tree && ended.left + ended.over_limit == 0 {
                let finished_ms = Some(store.environment().clock.now_ms());
                ended.is_let_go = scan.has_vanished() && ended.held_back.is_none();
                let coverage = ended.coverage.or(roots.coverage);
                let roots = SourceRoots { finished_ms, coverage, ..roots };
                ended.roots = Some((self.source.collection.clone(), roots));
            }
        }
        ended.seconds = started.elapsed().as_secs_f64();
        Ok(ended)
    }

    /// What is known of the files without reading them. A list of only some of them would be none of the others.
    fn seen(&self, store: &Store, may_change: bool) -> SeenFiles {
        let may_change = may_change && self.source.scope == Scope::Tree;
        SeenFiles::open(store.path(), &self.source.collection, may_change)
    }

    /// Looks at documents in groups, sorts out what is unchanged, and hands the rest to `work`, which says whether to go on.
    fn look_at_all(
        &self,
        scan: &Scan,
        stored: &Stored,
        mut seen: SeenFiles,
        ended: &mut Ended,
        work: impl FnMut(Vec<Job>, &mut Ended) -> Result<bool, CliError>,
    ) -> Result<(), CliError> {
        let result = self.look_at(scan, stored, &mut seen, ended, work);
        let looked = result.as_ref().copied().unwrap_or(0);
        let unlooked = (looked..scan.documents.len()).filter_map(|at| scan.documents.id(at));
        ended.documents += unlooked.clone().count() as u64;
        ended.missing += unlooked.filter(|id| !stored.contains(id)).count() as u64;
        seen.finish(match scan.state {
            RootState::Listed => scan.documents.id(looked),
            // A folder that is not there for once is no reason to forget its files.
            _ => Some(""),
        });
        result.map(drop)
    }

    /// Returns how many documents were looked at.
    fn look_at(
        &self,
        scan: &Scan,
        stored: &Stored,
        seen: &mut SeenFiles,
        ended: &mut Ended,
        mut work: impl FnMut(Vec<Job>, &mut Ended) -> Result<bool, CliError>,
    ) -> Result<usize, CliError> {
        let settings = &self.context.settings;
        let documents = &scan.documents;
        self.progress.begin(&self.source.collection, documents.len() as u64);
        let mut left_to_embed = settings.update.max_files;
        let mut looked_at = 0;
        while looked_at < documents.len() {
            if self.context.cancel.is_cancelled() {
                ended.interrupted = true;
                return Ok(looked_at);
            }
            let mut group = self.group(documents, looked_at, stored, seen);
            let limit = self.scan_options.max_file_size_bytes;
            let look = |(_, document): &(usize, Document)| {
                let afresh = self.extent.again.contains(&document.id);
                look(document, stored, afresh, limit, &settings.chunks)
            };
            let looked: Vec<Looked> = group.unsettled.par_iter().map(look).collect();
            let same = group.known.len() - looked.len();
            ended.unchanged += same as u64;
            ended.documents += same as u64;
            ended.read += looked.len() as u64;
            let mut jobs = Vec::new();
            for ((at, document), looked) in group.unsettled.iter().zip(looked) {
                let now = match &looked {
                    Looked::Unchanged(now) => *now,
                    Looked::Work(job) => job.seen,
                    Looked::Unusable(_) => None,
                };
                if let Some(known) = group.known.get_mut(at - looked_at) {
                    *known = now;
                }
                let is_stored = stored.contains(&document.id);
                let is_document = match &looked {
                    Looked::Unusable(reason) => is_stored && reason.may_still_exist(),
                    _ => true,
                };
                ended.documents += u64::from(is_document);
                ended.missing += u64::from(is_document && !is_stored);
                match looked {
                    Looked::Unchanged(_) => ended.unchanged += 1,
                    Looked::Unusable(reason) => ended.unusable(document, reason),
                    Looked::Work(job) if !self.is_wanted(&job, stored) => ended.left += 1,
                    Looked::Work(_) if left_to_embed == 0 => ended.left += 1,
                    Looked::Work(job) => {
                        left_to_embed -= 1;
                        if job.replaced > 0 {
                            ended.replaced.push((job.document.id.clone(), job.replaced));
                        }
                        match is_stored {
                            true => ended.changed += 1,
                            false => ended.new += 1,
                        }
                        ended.chunks += job.chunks.len() as u64;
                        ended.estimated_tokens +=
                            job.chunks.iter().map(|chunk| chunk.tokens as u64).sum::<u64>();
                        jobs.push(*job);
                    }
                }
            }
            let from = looked_at;
            looked_at += group.known.len();
            for (at, now) in (from..).zip(&group.known) {
                if let (Some(id), Some(now)) = (documents.id(at), now) {
                    seen.note(id, now);
                }
            }
            if !jobs.is_empty() && !work(jobs, ended)? {
                return Ok(looked_at);
            }
            self.progress.advance(group.known.len() as u64, ended);
        }
        Ok(looked_at)
    }

    /// Gives the jobs their vectors, and every document that is whole to the writer. Says whether to go on.
    fn publish(
        &self,
        mut jobs: Vec<Job>,
        stored: &Stored,
        mut sources: Sources<'_, '_>,
        (writer, pending): (&mut Writer, &mut Pending),
        ended: &mut Ended,
    ) -> Result<bool, CliError> {
        vectors::reuse(&mut jobs, &mut sources, &mut ended.spent)?;
        self.keep_within_limit(&mut jobs, ended);
        let concurrency = self.context.settings.embedder.concurrency;
        let (cancel, spent) = (&self.context.cancel, &mut ended.spent);
        let staging = sources.staging;
        ended.stopped = vectors::embed(&mut jobs, self.embedder, concurrency, staging, cancel, spent)?;
        for job in jobs {
            if job.is_complete() {
                put(&job, stored, writer)?;
                if pending.add(job) {
                    pending.commit(writer, stored, &self.source.collection, ended)?;
                }
            } else if let Some(reason) = job.refused {
                ended.failed.push((job.document.id, reason));
            }
        }
        ended.interrupted |= self.context.cancel.is_cancelled();
        Ok(ended.stopped.is_none() && !ended.interrupted)
    }

    fn is_wanted(&self, job: &Job, stored: &Stored) -> bool {
        let id = &job.document.id;
        match stored.contains(id) {
            _ if self.extent.again.contains(id) => true,
            true => self.extent.changed,
            false => self.extent.new,
        }
    }

    /// Leaves out the documents whose missing vectors would exceed the limit.
    fn keep_within_limit(&self, jobs: &mut Vec<Job>, ended: &mut Ended) {
        let Some(most) = self.extent.most_tokens else { return };
        jobs.retain(|job| {
            let tokens = job.tokens_to_send();
            let fits = tokens == 0 || ended.tokens_sent + tokens <= most;
            match fits {
                true => ended.tokens_sent += tokens,
                false => ended.over_limit += 1,
            }
            fits
        });
    }

    /// The stored documents that are no longer there, as far as they may be removed.
    fn gone(&self, scan: &Scan, stored: &Stored, ended: &Ended) -> Verdict {
        let emptied: BTreeSet<&str> = ended.emptied.iter().map(String::as_str).collect();
        let has_vanished = scan.has_vanished();
        let is_gone = |id: &str| has_vanished || scan.is_gone(id) || emptied.contains(id);
        let gone = match has_vanished || !emptied.is_empty() || !stored.is_within(&scan.documents) {
            true => stored.ids().filter(|id| is_gone(id)).map(str::to_owned).collect(),
            false => Vec::new(),
        };
        let most_share = self.context.settings.update.max_removed_share;
        let allowed = self.extent.allow_mass_removal;
        guard::judge(scan, gone, stored.len(), most_share, allowed, |command| self.context.siltstone(command))
    }

    /// How much of the folder is in the store; not known of a folder that was not listed, or of which only some files count.
    fn coverage(&self, scan: &Scan, ended: &Ended, counted_ms: i64) -> Option<Coverage> {
        let is_known = self.source.scope == Scope::Tree && scan.state == RootState::Listed;
        let (documents, embedded) = (ended.documents, ended.documents.saturating_sub(ended.missing));
        is_known.then_some(Coverage { documents, embedded, counted_ms })
    }

    fn roots(&self, scan: &Scan, stored: &Stored, started_ms: i64) -> SourceRoots {
        let options = self.scan_options.clone();
        let (include, exclude) = self.source.globs.patterns().clone();
        SourceRoots {
            framework: self.source.framework.clone(),
            roots: vec![SourceRoot { path: scan.root.clone(), include, exclude }],
            max_file_size_bytes: options.max_file_size_bytes,
            never_enter: options.never_enter,
            started_ms: Some(started_ms),
            finished_ms: None,
            // As far as names tell, until files are read.
            coverage: Some(Coverage {
                documents: scan.documents.len() as u64,
                embedded: stored.count_of(&scan.documents),
                counted_ms: started_ms,
            }),
        }
    }

    /// Remembers that an update began. Files that are named one by one say nothing about where the others come from.
    fn record(&self, store: &Store, roots: &SourceRoots) -> Result<(), CliError> {
        if self.source.scope != Scope::Tree {
            return Ok(());
        }
        sources::edit(store.path(), |known| {
            let finished_ms = known.get(&self.source.collection).and_then(|before| before.finished_ms);
            known.insert(self.source.collection.clone(), SourceRoots { finished_ms, ..roots.clone() });
        })
    }
}

/// Replaces a document's rows. Nothing of it is durable before the commit that follows.
fn put(job: &Job, stored: &Stored, writer: &mut Writer) -> Result<(), CliError> {
    let keys: BTreeSet<String> = (0..job.chunks.len()).map(|index| job.key(index)).collect();
    for old in stored.keys(&job.document.id).filter(|old| !keys.contains(old)) {
        writer.delete(&old)?;
    }
    for ((chunk, hash), vector) in job.chunks.iter().zip(&job.hashes).zip(&job.vectors) {
        let Some(vector) = vector else { continue };
        let key = job.key(chunk.index);
        writer.upsert(Record::new(&key, vector).metadata(job.metadata(chunk, hash)).text(&chunk.text))?;
    }
    Ok(())
}

/// Removes the rows of documents that are gone, in one commit.
fn remove(documents: &[String], stored: &Stored, writer: &mut Writer) -> Result<(), CliError> {
    for key in documents.iter().flat_map(|id| stored.keys(id)) {
        writer.delete(&key)?;
    }
    writer.commit()?;
    Ok(())
}

impl Ended {
    /// Notes a document that cannot be used. One that is there and has become empty or binary counts as gone.
    fn unusable(&mut self, document: &Document, reason: Reason) {
        if !reason.may_still_exist() {
            self.emptied.push(document.id.clone());
        }
        self.skipped.push((document.path().display().to_string(), reason));
    }
}
