//! The report as one page for a browser: no script, no network, nothing outside the file. Whatever came from a document
//! or a file name is escaped; the policy in the head forbids everything that could be fetched or run all the same.

use std::fmt::Write as _;

use super::check::Surveyed;
use super::component::Component;
use super::fix::{Fixed, Repaired, rows_in_words};
use super::history::Entry;
use super::kind::Status;
use super::report::Report;
use crate::render::html::chart::{self, Bar, PAGE, Series};
use crate::render::html::{STYLE, escape};
use crate::render::units::{bytes, count, counted, moment};

/// Collections drawn in a chart; the table has all.
const DRAWN: usize = 25;

/// The page.
pub(super) fn page(report: &Report) -> String {
    let mut out = String::new();
    let title = format!("Health of {}", report.store);
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <title>{}</title><style>{STYLE}</style></head><body><main>",
        escape(&title)
    );
    head(&mut out, report);
    report.fix.iter().for_each(|fixed| what_was_done(&mut out, fixed));
    out.push_str("<section class=\"cards\">");
    report.components.iter().for_each(|one| card(&mut out, one));
    out.push_str("</section>");
    charts(&mut out, report);
    table(&mut out, &report.surveyed);
    out.push_str("</main></body></html>\n");
    out
}

fn head(out: &mut String, report: &Report) {
    let rows: u64 = report.surveyed.iter().map(|one| one.rows).sum();
    let facts = [
        ("checked", moment(report.checked_at_ms)),
        ("scan", if report.deep { "every byte" } else { "structure and headers" }.to_owned()),
        ("collections", count(report.surveyed.len() as u64)),
        ("passages", count(rows)),
        ("on disk", bytes(report.bytes)),
    ];
    let _ = write!(
        out,
        "<header><h1>{} Health</h1><p class=\"store\">{}</p><dl>",
        chip(report.status),
        escape(&report.store)
    );
    for (name, value) in facts {
        let _ = write!(out, "<div><dt>{name}</dt><dd>{}</dd></div>", escape(&value));
    }
    out.push_str("</dl></header>");
}

fn what_was_done(out: &mut String, fixed: &Fixed) {
    let _ = write!(
        out,
        "<section><h2>{}</h2><ul>",
        if fixed.dry_run { "What would be done" } else { "What was done" }
    );
    if let Some(repair) = &fixed.repair {
        let _ = write!(out, "<li>repair: {}</li>", escape(&Repaired::described(&repair.mended)));
        for line in repair.consequences(if fixed.dry_run { "would" } else { "" }) {
            let _ = write!(out, "<li>{}</li>", escape(&line));
        }
    }
    for step in &fixed.steps {
        let _ = write!(out, "<li>{}: {} done", escape(&step.described()), count(step.done));
        if let Some(reason) = &step.held_back {
            let _ = write!(out, "; held back: {}", escape(reason));
        }
        out.push_str("</li>");
    }
    if !fixed.lost.is_empty() {
        let rows = escape(&rows_in_words(&fixed.lost));
        let _ = write!(out, "<li>lost: {rows}, which no backup and no document has</li>");
    }
    for command in &fixed.undo {
        let _ = write!(out, "<li>undo: <code>{}</code></li>", escape(command));
    }
    out.push_str("</ul></section>");
}

fn card(out: &mut String, one: &Component) {
    let _ = write!(
        out,
        "<article class=\"{}\"><h2>{} {}</h2><p>{}</p>",
        class(one.status),
        chip(one.status),
        one.component,
        escape(&one.summary)
    );
    for finding in &one.findings {
        let _ = write!(
            out,
            "<h3>{} <b>{}</b> {}</h3><p class=\"meaning\">{}</p><ul>",
            chip(finding.status),
            count(finding.count),
            finding.code,
            finding.meaning
        );
        for example in &finding.examples {
            let _ = write!(out, "<li>{}</li>", escape(example));
        }
        out.push_str("</ul>");
        if let Some(fix) = &finding.fix {
            let _ = write!(out, "<p class=\"fix\">fix: <code>{}</code></p>", escape(fix));
        }
    }
    for reason in &one.not_checked {
        let _ = write!(out, "<p class=\"skipped\">not checked: {}</p>", escape(reason));
    }
    out.push_str("</article>");
}

fn charts(out: &mut String, report: &Report) {
    let mut worst: Vec<&Surveyed> =
        report.surveyed.iter().filter(|one| one.coverage_percent.is_some()).collect();
    let covered = |one: &Surveyed| one.coverage_percent.unwrap_or(0.0);
    worst.sort_by(|a, b| covered(a).total_cmp(&covered(b)).then(a.collection.cmp(&b.collection)));
    let coverage = worst.iter().take(DRAWN).map(|one| Bar {
        label: one.collection.clone(),
        value: covered(one),
        shown: format!("{} %", covered(one)),
        class: class(one.status),
    });
    chart_of(
        out,
        "Coverage, lowest first",
        worst.len(),
        chart::bars(&coverage.collect::<Vec<_>>(), Some(100.0), PAGE),
    );
    let mut largest: Vec<&Surveyed> = report.surveyed.iter().collect();
    largest.sort_by(|a, b| b.bytes.cmp(&a.bytes).then(a.collection.cmp(&b.collection)));
    let sizes = largest.iter().take(DRAWN).map(|one| Bar {
        label: one.collection.clone(),
        value: one.bytes as f64,
        shown: bytes(one.bytes),
        class: class(one.status),
    });
    chart_of(
        out,
        "Size on disk, largest first",
        largest.len(),
        chart::bars(&sizes.collect::<Vec<_>>(), None, PAGE),
    );
    let findings = report.components.iter().flat_map(|one| &one.findings).map(|finding| Bar {
        label: finding.code.to_owned(),
        value: finding.count as f64,
        shown: count(finding.count),
        class: class(finding.status),
    });
    let findings: Vec<Bar> = findings.collect();
    if !findings.is_empty() {
        chart_of(out, "Findings", 0, chart::bars(&findings, None, PAGE));
    }
    history(out, &report.history);
}

fn history(out: &mut String, entries: &[Entry]) {
    if entries.len() < 2 {
        return;
    }
    let series = |name: &'static str, shown: fn(f64) -> String, of: fn(&Entry) -> f64| Series {
        name,
        shown,
        points: entries.iter().map(|entry| (entry.checked_at_ms, of(entry))).collect(),
    };
    for series in [
        series(
            "Coverage over time",
            |value| format!("{value} %"),
            |entry| entry.coverage_percent.unwrap_or(0.0),
        ),
        series(
            "Failures over time",
            |value| count(value as u64),
            |entry| entry.failures.iter().sum::<u64>() as f64,
        ),
        series("Size over time", |value| bytes(value as u64), |entry| entry.bytes as f64),
    ] {
        chart_of(out, series.name, 0, chart::line(&series, PAGE));
    }
}

fn chart_of(out: &mut String, title: &str, of: usize, svg: String) {
    let more = of.saturating_sub(DRAWN);
    let more = if more > 0 {
        format!(" <small>and {} more in the table</small>", count(more as u64))
    } else {
        String::new()
    };
    let _ = write!(out, "<section><h2>{title}{more}</h2>{svg}</section>");
}

fn table(out: &mut String, surveyed: &[Surveyed]) {
    let _ = write!(
        out,
        "<section><h2>{}</h2><div class=\"wide\"><table><thead><tr><th></th><th>collection</th><th>passages</th>\
         <th>documents</th><th>coverage</th><th>missing</th><th>stale</th><th>orphaned</th><th>on disk</th></tr></thead><tbody>",
        counted(surveyed.len() as u64, "collection", "collections")
    );
    for one in surveyed {
        let known = |value: Option<u64>| value.map_or_else(|| "?".to_owned(), count);
        let coverage = one.coverage_percent.map_or_else(|| "?".to_owned(), |percent| format!("{percent} %"));
        let _ = write!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{coverage}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            chip(one.status),
            escape(&one.collection),
            count(one.rows),
            known(one.documents),
            count(one.missing),
            count(one.stale),
            count(one.orphaned),
            bytes(one.bytes)
        );
    }
    out.push_str("</tbody></table></div></section>");
}

fn chip(status: Status) -> String {
    format!("<span class=\"chip {}\">{}</span>", class(status), status.word())
}

const fn class(status: Status) -> &'static str {
    match status {
        Status::Pass => "pass",
        Status::Info => "info",
        Status::Fail => "fail",
    }
}
