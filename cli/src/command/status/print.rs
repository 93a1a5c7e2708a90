//! What `siltstone status` prints for people.

use super::{Survey, Updates};
use crate::command::context::Context;
use crate::exit::CliError;
use crate::monitor::{Covered, Seen};
use crate::render::plain::name;
use crate::render::table::Table;
use crate::render::units::{age, bytes, count, counted, listed, moment, percent};

pub(super) fn print(
    context: &Context,
    survey: &Survey,
    updates: &Updates,
    with_documents: bool,
) -> Result<(), CliError> {
    let Survey { totals, collections, damaged } = survey;
    let output = &context.output;
    output.line(format!("store {}", context.settings.store.display()))?;
    if collections.is_empty() && damaged.is_empty() {
        output.line("no collections yet")?;
        context.notices.notice("next: `siltstone update PATH` indexes a folder of documents");
        return Ok(());
    }
    let mut header = vec![
        "collection",
        "documents",
        "coverage",
        "chunks",
        "dead",
        "segments",
        "on disk",
        "snapshots",
        "last commit",
    ];
    if !with_documents {
        header.retain(|title| *title != "documents");
    }
    let last = header.len() - 1;
    let mut table = Table::new(&header, 1, last);
    let documents = |number: Option<u64>| number.map(count).into_iter().collect::<Vec<_>>();
    for one in collections {
        let mut cells = vec![name(&one.collection)];
        cells.extend(documents(one.documents));
        cells.push(covered(one.coverage));
        cells.extend([one.chunks, one.dead_rows, one.segments].map(count));
        cells.extend([bytes(one.bytes), count(one.snapshots.len() as u64)]);
        cells.push(one.last_commit_ms.map_or_else(String::new, moment));
        table.row(cells);
    }
    let mut cells = vec![counted(totals.collections, "collection", "collections")];
    cells.extend(documents(totals.documents));
    cells.push(covered(totals.coverage));
    cells.extend([totals.chunks, totals.dead_rows, totals.segments].map(count));
    cells.extend([bytes(totals.bytes), count(totals.snapshots)]);
    table.row(cells);
    for line in table.lines() {
        output.line(line)?;
    }
    if let Some(all) = &totals.coverage {
        let documents = counted(all.documents, "document", "documents");
        let ago = age(context.environment.clock.now_ms().saturating_sub(all.counted_ms));
        output.line(format!(
            "{} of {documents} embedded, as their updates counted up to {ago} ago; `{}` counts anew",
            count(all.embedded),
            context.siltstone("health")
        ))?;
    }
    let unfinished = collections.iter().filter(|one| one.is_unfinished && one.writer.is_none());
    let unfinished: Vec<String> = unfinished.map(|one| name(&one.collection)).collect();
    if !unfinished.is_empty() {
        let command = context.siltstone("update");
        output.line(format!("interrupted: {}; `{command}` goes on", listed(&unfinished, 5)))?;
    }
    if totals.dead_bytes > 0 {
        let command = context.siltstone("compact");
        output.line(format!("dead rows take about {}; `{command}` rewrites", bytes(totals.dead_bytes)))?;
    }
    if totals.held_bytes > 0 {
        output.line(format!("snapshots alone keep {}", bytes(totals.held_bytes)))?;
    }
    what_was_done(context, updates)?;
    for (one, writer) in collections.iter().filter_map(|one| Some((one, one.writer.as_ref()?))) {
        output.line(format!("{} is being written to by {writer}", name(&one.collection)))?;
    }
    for one in damaged {
        let damaged = context.style.red("DAMAGED");
        output.line(format!("{damaged} {}: {}", name(&one.collection), one.reason))?;
    }
    if !damaged.is_empty() {
        output.line("next: run `siltstone health --deep-scan` for the extent of the damage")?;
    }
    Ok(())
}

/// `98.3 %`; nothing where it is not known.
fn covered(coverage: Option<Covered>) -> String {
    coverage.map_or_else(String::new, |covered| format!("{} %", percent(covered.embedded, covered.documents)))
}

/// Updates that are under way or ended without a word, and when what must be done regularly was last done.
fn what_was_done(context: &Context, updates: &Updates) -> Result<(), CliError> {
    let output = &context.output;
    if let Some(run) = &updates.last_run {
        let good = match updates.last_good_run_ms {
            _ if run.exit == 0 => String::new(),
            Some(ms) => format!("; the last good one ended {}", moment(ms)),
            None => "; there was no good one yet".to_owned(),
        };
        output.line(format!(
            "last update ended {} with exit code {}: {} processed at {} files/min, {} unchanged, {}{good}",
            moment(run.finished_ms),
            run.exit,
            counted(run.processed(), "file", "files"),
            count(run.files_per_minute() as u64),
            count(run.unchanged),
            counted(run.failed, "failure", "failures")
        ))?;
    }
    for (what, ms) in [
        ("last sound backup", updates.last_backup_ms),
        ("last verification of a backup", updates.last_verification_ms),
        ("last whole deep scan", updates.last_deep_scan_ms),
    ] {
        if let Some(ms) = ms {
            output.line(format!("{what} {}", moment(ms)))?;
        }
    }
    let now_ms = context.environment.clock.now_ms();
    for Seen { is_running, now } in &updates.seen {
        let (process, command) = (now.process, &now.command);
        let mut done = match now.done() {
            done if done.is_empty() => done,
            done => format!(": {done}"),
        };
        if now.is_update() || now.chunks_embedded > 0 {
            done += &format!(
                ", {} embedded, {} answered",
                counted(now.chunks_embedded, "chunk", "chunks"),
                counted(now.requests_answered, "request", "requests")
            );
        }
        if now.cost_usd > 0.0 {
            done += &format!(", ${:.4} spent", now.cost_usd);
        }
        output.line(match is_running {
            true => format!(
                "{command} of process {process} is {} since {}{done}; moved {} ago",
                now.stage,
                moment(now.started_ms),
                age(now_ms.saturating_sub(now.moved_ms))
            ),
            false => format!(
                "{} the {command} of process {process} ended without a word after {}{done}; \
                 what was committed is kept, `{}` goes on",
                context.style.yellow("DIED"),
                moment(now.written_ms),
                context.siltstone(command)
            ),
        })?;
    }
    Ok(())
}
