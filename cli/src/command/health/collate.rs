//! Orphaned, missing and metadata: what the collections hold, against their folders and their promises.

use std::path::PathBuf;

use siltstone::{Collection, OnDamage, Store};

use super::component::{Component, MOST_EXAMPLES, Status};
use super::survey::{Compared, Stored, compare, stored};
use crate::command::context::{Context, quoted};
use crate::exit::{CliError, Exit};
use crate::render::plain::one_line;
use crate::render::units::{count, counted, listed, percent};
use crate::sources::{self, SourceRoots};

/// The components under construction.
struct Contents {
    orphaned: Component,
    missing: Component,
    metadata: Component,
    orphaned_rows: u64,
    documents: u64,
    rows: u64,
    flawed_collection: Option<String>,
    /// Folders to update, so that what is found is put right.
    folders: Vec<PathBuf>,
    unfinished: Vec<String>,
    /// Collections whose sources nobody recorded.
    unknown: Vec<String>,
}

pub(super) fn check(context: &Context, given: &[String]) -> Result<Vec<Component>, CliError> {
    let mut contents = Contents {
        orphaned: Component::new("orphaned"),
        missing: Component::new("missing"),
        metadata: Component::new("metadata"),
        orphaned_rows: 0,
        documents: 0,
        rows: 0,
        flawed_collection: None,
        folders: Vec::new(),
        unfinished: Vec::new(),
        unknown: Vec::new(),
    };
    match Store::open_in(context.environment.clone(), &context.settings.store) {
        Ok(store) => contents.store(context, &store, given)?,
        Err(error) if error.is_damage() => {
            let reason = format!("the store cannot be opened: {error}");
            contents.each(|component| component.skip(one_line(&reason)));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(contents.finished(context))
}

impl Contents {
    fn each(&mut self, act: impl Fn(&mut Component)) {
        [&mut self.orphaned, &mut self.missing, &mut self.metadata].into_iter().for_each(act);
    }

    fn store(&mut self, context: &Context, store: &Store, given: &[String]) -> Result<(), CliError> {
        let names = context.names(store, given)?;
        let mut known = match sources::load_all(store.path()) {
            Ok(known) => Some(known),
            Err(error) => {
                let reason = format!("{}; {}", error.message, error.next_step);
                self.orphaned.skip(reason.clone());
                self.missing.skip(reason);
                None
            }
        };
        for name in names {
            context.check_cancelled()?;
            let roots = known.as_mut().map(|known| known.remove(&name));
            match store
                .collection(&name)
                .map_err(CliError::from)
                .and_then(|one| self.collection(context, &one, roots))
            {
                Err(error) if error.exit == Exit::Found => {
                    self.each(|component| component.skip(format!("{name}: {}", error.message)));
                }
                result => result?,
            }
        }
        Ok(())
    }

    /// `roots` is `None` when nothing is known of any collection, and `Some(None)` when nothing is known of this one.
    fn collection(
        &mut self,
        context: &Context,
        collection: &Collection,
        roots: Option<Option<SourceRoots>>,
    ) -> Result<(), CliError> {
        let name = collection.name();
        context.notices.detail(&format!("looking at {name}"));
        let view = collection.view_with(OnDamage::Skip)?;
        let stored = stored(&view, &context.settings.required_metadata(name))?;
        self.metadata(name, &stored);
        match roots {
            None => {}
            Some(None) => self.unknown.push(name.to_owned()),
            Some(Some(roots)) => {
                let compared = compare(name, &stored, &roots, &context.settings.chunks, &context.cancel)?;
                let being_written = matches!(collection.writer_status(), (_, true));
                self.compared(name, &roots, &compared, roots.is_unfinished() || being_written);
            }
        }
        Ok(())
    }

    fn metadata(&mut self, name: &str, stored: &Stored) {
        self.rows += stored.rows;
        self.metadata.count += stored.flawed_rows;
        if stored.flawed_rows > 0 {
            self.metadata.at_least(Status::Fail);
            self.flawed_collection.get_or_insert_with(|| name.to_owned());
        }
        for flaw in &stored.flaws {
            self.metadata.example(|| one_line(&format!("{name}: {flaw}")));
        }
    }

    fn compared(&mut self, name: &str, roots: &SourceRoots, compared: &Compared, unfinished: bool) {
        // Whatever an interrupted update had still to do is no failure of the store.
        let status = if unfinished { Status::Info } else { Status::Fail };
        self.documents += compared.documents;
        self.orphaned_rows += compared.orphaned_rows;
        self.orphaned.count += compared.orphaned_documents;
        self.missing.count += compared.missing_documents;
        if compared.orphaned_documents > 0 {
            self.orphaned.at_least(status);
        }
        if compared.missing_documents > 0 {
            self.missing.at_least(status);
        }
        for (component, examples) in
            [(&mut self.orphaned, &compared.orphans), (&mut self.missing, &compared.missing)]
        {
            examples.iter().for_each(|id| component.example(|| one_line(&format!("{name}: {id}"))));
            let reasons = compared.unreachable.iter().map(|reason| one_line(&format!("{name}: {reason}")));
            reasons.for_each(|reason| component.skip(reason));
        }
        if unfinished {
            self.missing.at_least(Status::Info);
            self.unfinished.push(name.to_owned());
        }
        if unfinished || compared.orphaned_documents + compared.missing_documents > 0 {
            self.folders.extend(roots.roots.iter().map(|root| root.path.clone()));
        }
    }

    fn finished(mut self, context: &Context) -> Vec<Component> {
        let update = update_command(context, &self.folders);
        if !self.unknown.is_empty() {
            let reason = format!("{}: where their documents are is not known", listed(&self.unknown, 3));
            self.orphaned.skip(reason.clone());
            self.missing.skip(reason);
        }
        self.orphaned.summary = match self.orphaned.count {
            0 => "no passage of a document that is gone".to_owned(),
            documents => format!(
                "{} of {} that are gone",
                counted(self.orphaned_rows, "passage", "passages"),
                counted(documents, "document", "documents")
            ),
        };
        let embedded = self.documents.saturating_sub(self.missing.count);
        let is_known = self.documents > 0;
        self.missing.coverage_percent = is_known.then(|| percent(embedded, self.documents));
        self.missing.summary = match self.missing.coverage_percent {
            None => "no documents to compare with".to_owned(),
            Some(coverage) => {
                format!(
                    "{} of {} are embedded ({coverage} %)",
                    count(embedded),
                    counted(self.documents, "document", "documents")
                )
            }
        };
        if !self.unfinished.is_empty() {
            let names = listed(&self.unfinished, 3);
            self.missing.summary.push_str(&format!("; an update of {names} did not finish, or is under way"));
        }
        self.orphaned.fix = (self.orphaned.count > 0).then(|| update.clone());
        self.missing.fix = (self.missing.count > 0 || !self.unfinished.is_empty()).then_some(update);
        if !self.unknown.is_empty() && self.missing.fix.is_none() {
            self.missing.fix = Some(context.siltstone("update PATH"));
        }
        self.metadata.summary = match self.metadata.count {
            0 => format!("the metadata of {} is complete", counted(self.rows, "passage", "passages")),
            flawed => {
                format!("{} of {} lack something", counted(flawed, "passage", "passages"), count(self.rows))
            }
        };
        self.metadata.fix = self.flawed_collection.as_ref().map(|name| {
            format!("say what its passages have under [metadata.{name:?}] in siltstone.toml, or index its documents anew")
        });
        let mut components = vec![self.orphaned, self.missing, self.metadata];
        for component in &mut components {
            shorten(&mut component.not_checked);
        }
        components
    }
}

/// Keeps the first few reasons, and says how many more there are.
fn shorten(reasons: &mut Vec<String>) {
    let more = reasons.len().saturating_sub(MOST_EXAMPLES);
    if more > 1 {
        reasons.truncate(MOST_EXAMPLES);
        reasons.push(format!("and {more} more"));
    }
}

/// The command that brings the collections of these folders up to date.
fn update_command(context: &Context, folders: &[PathBuf]) -> String {
    let mut folders = folders.to_vec();
    folders.sort();
    folders.dedup();
    let parent = folders.first().and_then(|first| first.parent()).map(PathBuf::from);
    let siblings =
        parent.as_ref().is_some_and(|parent| folders.iter().all(|one| one.parent() == Some(parent)));
    let arguments: Vec<String> = match parent.filter(|_| siblings && folders.len() > 3) {
        Some(parent) => vec![quoted(&parent)],
        None => folders.iter().map(|folder| quoted(folder)).collect(),
    };
    context.siltstone(&format!("update {}", arguments.join(" ")))
}
