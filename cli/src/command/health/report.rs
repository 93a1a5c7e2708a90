//! The report as a whole: for people, as JSON, as a file. Its JSON is `siltstone-health-1`, which `--help` describes:
//! members are added in later versions, never renamed or removed.

use std::path::Path;

use serde::Serialize;

use super::check::{Asked, Checked, Surveyed};
use super::component::{Component, Remedies};
use super::fix::{Act, Fixed, Lost, Repaired};
use super::history::Entry;
use super::kind::{FOLDER_GONE, MISSING, MISSING_UNFINISHED, ORPHANED, ORPHANED_UNFINISHED, Part, Status};
use super::privacy::Names;
use crate::command::context::Context;
use crate::exit::{CliError, Exit};
use crate::render::units::{bytes, count, counted, percent};
use crate::render::{file, json};

/// Name and version of the JSON.
pub(super) const SCHEMA: &str = "siltstone-health-1";

#[derive(Debug, Serialize)]
pub(super) struct Report {
    schema: &'static str,
    pub(super) status: Status,
    exit: u8,
    pub(super) store: String,
    pub(super) checked_at_ms: i64,
    pub(super) deep: bool,
    collections: u64,
    files: u64,
    pub(super) bytes: u64,
    rows_verified: u64,
    pub(super) components: Vec<Component>,
    /// One a collection.
    pub(super) surveyed: Vec<Surveyed>,
    /// How far a deep scan is.
    scan: Option<Scan>,
    /// Texts that were embedded again and compared, with `--probe`.
    probed: Option<u64>,
    /// What `--fix` did before this was found.
    pub(super) fix: Option<Fixed>,
    /// Earlier runs over the whole store, oldest first.
    pub(super) history: Vec<Entry>,
}

#[derive(Debug, Serialize)]
struct Scan {
    collections_done: u64,
    collections: u64,
    is_complete: bool,
}

impl Report {
    pub(super) fn new(context: &Context, names: &Names, asked: &Asked, checked: Checked) -> Report {
        let (folders, vanished) = (checked.folders(), checked.vanished());
        let remedies = Remedies { context, names, deep: asked.deep, folders, vanished };
        let components = Part::ALL.into_iter().map(|part| component(part, asked, &checked, &remedies));
        let (components, status) = (components.collect(), checked.status());
        let Checked { read, surveyed, scanned, probed, .. } = checked;
        Report {
            schema: SCHEMA,
            status,
            exit: status.exit().code(),
            store: names.path(&context.settings.store),
            checked_at_ms: context.environment.clock.now_ms(),
            deep: asked.deep,
            collections: read.collections,
            files: read.files,
            bytes: surveyed.iter().map(|one| one.bytes).sum(),
            rows_verified: read.rows,
            components,
            surveyed,
            scan: scanned.map(|(collections_done, collections)| Scan {
                collections_done,
                collections,
                is_complete: collections_done == collections,
            }),
            probed: probed.map(|probed| probed.compared),
            fix: None,
            history: Vec::new(),
        }
    }

    /// Whether a deep scan came to its end over all of the store.
    pub(super) fn is_complete(&self) -> bool {
        self.scan.as_ref().is_some_and(|scan| scan.is_complete)
    }

    /// Adds what was done about it, and the exit code that follows.
    pub(super) fn fixed(&mut self, fixed: Option<Fixed>, exit: Exit) {
        (self.fix, self.exit) = (fixed, exit.code());
    }

    /// Writes the report: a page for people when the name ends in `.html`, else JSON.
    pub(super) fn write(&self, path: &Path) -> Result<(), CliError> {
        let is_page = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("html"));
        let text = if is_page { super::page::page(self) } else { json::text(self)? + "\n" };
        file::replace(path, text.as_bytes()).map_err(|error| {
            CliError::failed(
                format!("cannot write the report to {}: {error}", path.display()),
                "name a place that can be written with --output",
            )
        })
    }

    pub(super) fn print(&self, context: &Context) -> Result<(), CliError> {
        if context.json {
            return context.print_json(self);
        }
        let (output, style) = (&context.output, context.style);
        let painted = |status: Status| match status {
            Status::Pass => style.green(status.word()),
            Status::Info => style.yellow(status.word()),
            Status::Fail => style.red(status.word()),
        };
        if let Some(fixed) = &self.fix {
            print_fixed(context, fixed)?;
        }
        for one in &self.components {
            output.line(format!("{}  {:<10} {}", painted(one.status), one.component, one.summary))?;
            for finding in &one.findings {
                let line = format!("{} {}: {}", count(finding.count), finding.code, finding.meaning);
                output.line(format!("      {}", style.bold(&line)))?;
                for example in &finding.examples {
                    output.line(format!("        {example}"))?;
                }
                if let Some(fix) = &finding.fix {
                    output.line(format!("        fix: {fix}"))?;
                }
            }
            for reason in &one.not_checked {
                output.line(format!("      not checked: {reason}"))?;
            }
        }
        output.line(format!("{}  health of {}", painted(self.status), self.store))
    }
}

fn print_fixed(context: &Context, fixed: &Fixed) -> Result<(), CliError> {
    let (output, style) = (&context.output, context.style);
    match &fixed.repair {
        None if fixed.steps.is_empty() => output.line("nothing to fix that --fix could")?,
        None => {}
        Some(repair) => print_repair(context, repair, fixed.dry_run)?,
    }
    for step in &fixed.steps {
        let verb = if step.act == Act::Remove { "removed" } else { "embedded" };
        let done = counted(step.done, "document", "documents");
        output.line(match (fixed.dry_run, step.held_back.is_some() && step.done == 0) {
            (true, _) => format!("would {}", step.described()),
            (false, true) => format!("not done: {}", step.described()),
            (false, false) => format!("{}: {verb} {done}", step.collection),
        })?;
        if let Some(reason) = &step.held_back {
            output.line(format!("  {} {reason}", style.yellow("held back:")))?;
        }
        if let Some(next) = &step.next_step {
            output.line(format!("  next: {next}"))?;
        }
    }
    print_lost(context, &fixed.lost)?;
    for command in &fixed.undo {
        output.line(format!("undo: {command}"))?;
    }
    Ok(())
}

/// Rows named in full; the rest is in the JSON.
const MOST_LOST: usize = 20;

fn print_lost(context: &Context, lost: &[Lost]) -> Result<(), CliError> {
    if lost.is_empty() {
        return Ok(());
    }
    let (output, style) = (&context.output, context.style);
    let rows = super::fix::rows_in_words(lost);
    output.line(format!("{} {rows}: no backup and no document has them", style.red("lost:")))?;
    for one in lost.iter().take(MOST_LOST) {
        let name = match (&one.key, one.rows) {
            (Some(key), _) => key.clone(),
            (None, Some(rows)) => format!("{}, by no name", counted(rows, "row", "rows")),
            (None, None) => "rows, nobody knows how many".to_owned(),
        };
        output.line(format!("  {}: {name}", one.collection))?;
    }
    match lost.len().saturating_sub(MOST_LOST) {
        0 => Ok(()),
        more => output.line(format!("  and {} more; --json names all", count(more as u64))),
    }
}

fn print_repair(context: &Context, repair: &Repaired, dry_run: bool) -> Result<(), CliError> {
    let (output, style) = (&context.output, context.style);
    let verb = if dry_run { "would repair" } else { "repaired" };
    output.line(match repair.mended.is_empty() {
        true => format!("{verb}: nothing"),
        false => format!("{verb}: {}", Repaired::described(&repair.mended)),
    })?;
    if !repair.left.is_empty() {
        let left = Repaired::described(&repair.left);
        output.line(format!(
            "  {} {left}; `siltstone recover --to NEW_DIRECTORY` saves the rest",
            style.red("left:")
        ))?;
    }
    for line in repair.consequences(if dry_run { "would" } else { "" }) {
        output.line(format!("  {line}"))?;
    }
    if !repair.hurt_snapshots.is_empty() && !dry_run {
        let command = context.siltstone("health --deep-scan --fix --force");
        output.line(format!("  next: `{command}` drops the damaged snapshots and keeps them aside"))?;
    }
    for path in &repair.kept {
        output.line(format!("  kept as it was: {path}"))?;
    }
    Ok(())
}

/// One part of the report.
fn component(part: Part, asked: &Asked, checked: &Checked, remedies: &Remedies<'_>) -> Component {
    let deep = asked.deep;
    let findings = &checked.findings;
    let sum = |of: fn(&Surveyed) -> u64| checked.surveyed.iter().map(of).sum::<u64>();
    let rows = counted(sum(|one| one.rows), "passage", "passages");
    let (documents, missing) = (
        sum(|one| one.documents.unwrap_or(0)),
        findings.count(&MISSING) + findings.count(&MISSING_UNFINISHED),
    );
    let failures: u64 =
        findings.of(part).filter(|found| found.kind.status == Status::Fail).map(|found| found.count).sum();
    let summary = match part {
        Part::Integrity => integrity_summary(asked, failures, checked),
        Part::Orphaned => match findings.count(&ORPHANED) + findings.count(&ORPHANED_UNFINISHED) {
            0 if findings.count(&FOLDER_GONE) > 0 => format!(
                "{} of which the folder is gone",
                counted(findings.count(&FOLDER_GONE), "collection", "collections")
            ),
            0 => "no passage of a document that is gone".to_owned(),
            gone => format!(
                "{} of {}",
                counted(sum(|one| one.orphaned_rows), "passage", "passages"),
                counted(gone, "document that is gone", "documents that are gone")
            ),
        },
        Part::Missing if documents == 0 => "no documents to compare with".to_owned(),
        Part::Missing => {
            let embedded = documents.saturating_sub(missing);
            let of = counted(documents, "document", "documents");
            format!("{} of {of} are embedded ({} %)", count(embedded), percent(embedded, documents))
        }
        Part::Content if documents == 0 => "no documents to compare with".to_owned(),
        Part::Content => match sum(|one| one.stale) {
            0 if deep => "what is embedded says what the documents say, word for word".to_owned(),
            0 => "what is embedded was made from the documents as they are".to_owned(),
            stale => {
                format!("{} not embedded as they are now", counted(stale, "document is", "documents are"))
            }
        },
        Part::Metadata => match failures {
            0 => format!("the metadata of {rows} is complete"),
            flawed => format!("{} of {rows} lack something", count(flawed)),
        },
    };
    let mut component = Component::new(part, findings, remedies, summary);
    if part == Part::Missing && documents > 0 {
        component.coverage_percent = Some(percent(documents.saturating_sub(missing), documents));
    }
    let nothing_is_known = component.fix.is_none() && !component.not_checked.is_empty();
    if part == Part::Missing && nothing_is_known {
        component.fix = Some(remedies.siltstone("update PATH"));
    }
    component
}

fn integrity_summary(asked: &Asked, failures: u64, checked: &Checked) -> String {
    let known: u64 = checked.findings.of(Part::Integrity).map(|found| found.count).sum();
    let found = match (failures, known) {
        (0, 0) => "all good".to_owned(),
        (0, known) => format!("nothing wrong, {} to know about", counted(known, "thing", "things")),
        (failures, _) => format!("{} wrong", counted(failures, "thing is", "things are")),
    };
    let files = counted(checked.read.files, "file", "files");
    let read = if asked.derived { "structure, headers and derived files" } else { "structure and headers" };
    match asked.deep {
        true => format!(
            "{found} (every byte of {} read: {}, {})",
            files,
            bytes(checked.read.bytes),
            counted(checked.read.rows, "row", "rows")
        ),
        false => format!("{found} ({read} of {files}; rows and text not read: --deep-scan)"),
    }
}
