//! The page. Everything that came from a document, a path or a log is escaped; there is no markup in any of them.

use std::fmt::Write as _;

use super::gathered::Seen;
use crate::command::context::Context;
use crate::exit::CliError;
use crate::monitor::{Figures, Now, State};
use crate::render::html::chart::{self, Bar, Series};
use crate::render::html::escape;
use crate::render::units::{age, bytes, count, counted, day, moment, percent};

/// Width of a chart that has a third of the page.
const SMALL: f64 = 340.0;
/// Runs and collections that the tables show.
const RUNS: usize = 10;
const COLLECTIONS: usize = 500;

pub(super) fn page(context: &Context, seen: &Seen) -> String {
    let state = seen.verdict.state;
    let mut out = head(&format!("{} siltstone", state.word()));
    top(&mut out, context, seen);
    updates(&mut out, context, &seen.figures);
    charts(&mut out, seen);
    out.push_str("<section class=\"grid\">");
    health(&mut out, &seen.figures);
    errors(&mut out, &seen.errors);
    out.push_str("</section>");
    runs(&mut out, seen);
    collections(&mut out, seen);
    foot(&mut out, Some(seen.figures.now_ms));
    out
}

/// What is shown while the store cannot be read.
pub(super) fn failed(error: &CliError) -> String {
    let mut out = head("UNKNOWN siltstone");
    let _ = write!(
        out,
        "<header><h1>{} Siltstone</h1><p>{}</p><p class=\"idle\">next: {}</p></header>",
        chip("critical", "UNKNOWN"),
        escape(&error.message),
        escape(&error.next_step)
    );
    foot(&mut out, None);
    out
}

fn head(title: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <title>{}</title><link rel=\"icon\" href=\"/icon.svg\"><link rel=\"stylesheet\" href=\"/style.css\">\
         <script src=\"/live.js\" defer></script></head><body><main>",
        escape(title)
    )
}

fn foot(out: &mut String, taken_ms: Option<i64>) {
    let taken = taken_ms.map_or_else(String::new, |ms| format!("taken {} · ", moment(ms)));
    let _ = writeln!(
        out,
        "<footer>{taken}siltstone {} · <a href=\"/api/status.json\">JSON</a> · <a href=\"/metrics\">metrics</a></footer>\
         </main></body></html>",
        env!("CARGO_PKG_VERSION")
    );
}

fn chip(class: &str, word: &str) -> String {
    format!("<span class=\"chip {class}\">{word}</span>")
}

fn state_chip(state: State) -> String {
    let class = match state {
        State::Ok => "ok",
        State::Warning => "warning",
        State::Critical => "critical",
    };
    chip(class, state.word())
}

/// Rounded down, so that only all is `100 %`.
fn share(ratio: f64) -> String {
    format!("{} %", (ratio * 1e3).floor() / 10.0)
}

fn top(out: &mut String, context: &Context, seen: &Seen) {
    let Figures { counts, storage, ages, now_ms, cost_today_usd, .. } = &seen.figures;
    let ago = |ms: Option<i64>| {
        ms.map_or_else(|| "never".to_owned(), |ms| format!("{} ago", age(now_ms.saturating_sub(ms))))
    };
    let facts = [
        ("collections", count(counts.collections)),
        ("passages", count(counts.chunks)),
        ("coverage", counts.coverage_ratio.map_or_else(|| "not known".to_owned(), share)),
        ("on disk", bytes(storage.total_bytes)),
        ("spent today", format!("${cost_today_usd:.2}")),
        ("good update", ago(ages.update_ms)),
        ("backup", ago(ages.backup_ms)),
        ("verified", ago(ages.verification_ms)),
        ("deep scan", ago(ages.deep_scan_ms)),
    ];
    let _ = write!(
        out,
        "<header><h1>{} Siltstone</h1><p class=\"store\">{}</p><dl>",
        state_chip(seen.verdict.state),
        escape(&context.settings.store.display().to_string())
    );
    for (name, value) in facts {
        let _ = write!(out, "<div><dt>{name}</dt><dd>{}</dd></div>", escape(&value));
    }
    out.push_str("</dl></header>");
    if seen.verdict.problems.is_empty() {
        return;
    }
    out.push_str("<section><h2>To look at</h2><ul class=\"problems\">");
    for problem in &seen.verdict.problems {
        let _ = write!(out, "<li>{} {}</li>", state_chip(problem.state), escape(&problem.text));
    }
    out.push_str("</ul></section>");
}

fn updates(out: &mut String, context: &Context, figures: &Figures) {
    out.push_str("<section><h2>Update</h2>");
    if figures.seen.is_empty() {
        out.push_str("<p class=\"empty\">none is running</p>");
    }
    for one in &figures.seen {
        let now = &one.now;
        let since = |ms: i64| age(figures.now_ms.saturating_sub(ms));
        if !one.is_running {
            let _ = write!(
                out,
                "<p class=\"run\">{} {} of process {} ended without a word after {}; what was committed is kept, \
                 <code>{}</code> goes on</p>",
                chip("warning", "DIED"),
                escape(&now.command),
                now.process,
                moment(now.written_ms),
                escape(&context.siltstone(&now.command))
            );
            continue;
        }
        let collection = match now.collection.is_empty() {
            true => String::new(),
            false => {
                format!(": {} ({} of {})", escape(&now.collection), now.frameworks_begun, now.frameworks)
            }
        };
        let money = match now.limit_usd {
            Some(limit) if now.requests_answered > 0 => {
                format!(", ${:.4} of ${limit:.2} spent", now.cost_usd)
            }
            _ => String::new(),
        };
        if !now.is_update() {
            other(out, now, &collection, &since);
            continue;
        }
        let label = format!("{} of {} files", count(now.files_done), count(now.files));
        let _ = write!(
            out,
            "<p class=\"run\">process {} is {} for {}{collection}</p>\
             <progress max=\"{}\" value=\"{}\" aria-label=\"{label}\">{label}</progress>\
             <p class=\"idle\">{label}, {} embedded, {} reused, {}{money}, {:.0} files/min; moved {} ago</p>",
            now.process,
            escape(&now.stage),
            since(now.started_ms),
            now.files.max(1),
            now.files_done,
            counted(now.chunks_embedded, "chunk", "chunks"),
            count(now.chunks_reused),
            counted(now.requests_answered, "request", "requests"),
            now.files_per_minute(),
            since(now.moved_ms)
        );
    }
    out.push_str("</section>");
}

/// A fix, a deep scan or a compaction that is under way.
fn other(out: &mut String, now: &Now, collection: &str, since: &impl Fn(i64) -> String) {
    let label = format!("{} of {} {}", count(now.files_done), count(now.files), escape(&now.unit));
    let bar = match now.files {
        0 => String::new(),
        all => format!(
            "<progress max=\"{all}\" value=\"{}\" aria-label=\"{label}\">{label}</progress>",
            now.files_done
        ),
    };
    let done = if now.files > 0 { format!("{label}; ") } else { String::new() };
    let _ = write!(
        out,
        "<p class=\"run\">{} of process {} is {} for {}{collection}</p>{bar}<p class=\"idle\">{done}moved {} ago</p>",
        escape(&now.command),
        now.process,
        escape(&now.stage),
        since(now.started_ms),
        since(now.moved_ms)
    );
}

fn charts(out: &mut String, seen: &Seen) {
    out.push_str("<section class=\"grid\">");
    let storage = &seen.figures.storage;
    let parts = storage.parts().map(|(part, size)| Bar {
        label: part.to_owned(),
        value: size as f64,
        shown: bytes(size),
        class: "bar",
    });
    let give_back = format!(
        "compaction would give back {}, dropping snapshots {}",
        bytes(storage.reclaimable_bytes),
        bytes(storage.snapshot_bytes)
    );
    section(out, "Storage", &chart::bars(&parts, None, SMALL), &give_back);
    let spent: f64 = seen.days.iter().map(|day| day.cost_usd).sum();
    let cost: Vec<Bar> = seen
        .days
        .iter()
        .map(|day| Bar {
            label: day.day.clone(),
            value: day.cost_usd,
            shown: format!("${:.4}", day.cost_usd),
            class: "bar",
        })
        .collect();
    let about = format!("${spent:.2} in {} days", seen.days.len());
    section(out, "Cost a day", &chart::columns(&cost, |value| format!("${value:.2}"), SMALL), &about);
    let limited: u64 = seen.days.iter().map(|day| day.rate_limited).sum();
    let requests: u64 = seen.days.iter().map(|day| day.requests).sum();
    let asked: Vec<Bar> = seen
        .days
        .iter()
        .map(|day| Bar {
            label: day.day.clone(),
            value: day.requests as f64,
            shown: format!("{}, {} put off", counted(day.requests, "request", "requests"), day.rate_limited),
            class: "bar",
        })
        .collect();
    let about = format!("{}, {} put off with 429", counted(requests, "request", "requests"), count(limited));
    section(out, "Requests a day", &chart::columns(&asked, |value| count(value as u64), SMALL), &about);
    let runs = |of: fn(&crate::runs::RunRecord) -> Option<f64>| -> Vec<(i64, f64)> {
        seen.runs.iter().filter_map(|run| Some((run.finished_ms, of(run)?))).collect()
    };
    let curves = [
        Series {
            name: "Files a minute",
            points: runs(|run| (run.processed() > 0).then(|| run.files_per_minute())),
            shown: |value| format!("{value:.0}"),
        },
        Series {
            name: "Errors",
            points: runs(|run| Some(run.error_percent())),
            shown: |value| format!("{value:.1} %"),
        },
        Series {
            name: "Size of the store",
            points: runs(|run| run.store_bytes.map(|size| size as f64)),
            shown: |value| bytes(value as u64),
        },
    ];
    for curve in &curves {
        let drawn = match curve.points.is_empty() {
            true => "<p class=\"empty\">no update has run yet</p>".to_owned(),
            false => chart::line(curve, SMALL),
        };
        section(out, curve.name, &drawn, "");
    }
    out.push_str("</section>");
}

/// `drawn` is markup already, `about` is not.
fn section(out: &mut String, title: &str, drawn: &str, about: &str) {
    let about =
        if about.is_empty() { String::new() } else { format!("<p class=\"idle\">{}</p>", escape(about)) };
    let _ = write!(out, "<section><h2>{}</h2>{drawn}{about}</section>", escape(title));
}

fn health(out: &mut String, figures: &Figures) {
    out.push_str("<section><h2>Health</h2>");
    match &figures.health {
        None => out.push_str("<p class=\"empty\">not checked yet: <code>siltstone health</code></p>"),
        Some(health) => {
            let class = match health.status.as_str() {
                "PASS" => "pass",
                "INFO" => "info",
                _ => "fail",
            };
            let coverage =
                health.coverage_percent.map_or_else(String::new, |part| format!(", coverage {part} %"));
            let _ = write!(
                out,
                "<p class=\"run\">{} {} ago, {}{coverage}</p><ul class=\"problems\">",
                chip(class, &escape(&health.status)),
                age(figures.now_ms.saturating_sub(health.checked_at_ms)),
                if health.deep { "every byte" } else { "structure and headers" },
            );
            for (component, failures) in &health.failures {
                let class = if *failures > 0 { "fail" } else { "pass" };
                let word = if *failures > 0 { "FAIL" } else { "PASS" };
                let failures = counted(*failures, "failure", "failures");
                let _ = write!(out, "<li>{} {component}: {failures}</li>", chip(class, word));
            }
            out.push_str("</ul>");
        }
    }
    out.push_str("</section>");
}

fn errors(out: &mut String, errors: &[String]) {
    out.push_str("<section><h2>Warnings and errors of the log</h2>");
    match errors.is_empty() {
        true => out.push_str("<p class=\"empty\">none</p>"),
        false => {
            out.push_str("<ul class=\"log\">");
            for line in errors.iter().rev() {
                let _ = write!(out, "<li>{}</li>", escape(line));
            }
            out.push_str("</ul>");
        }
    }
    out.push_str("</section>");
}

fn runs(out: &mut String, seen: &Seen) {
    if seen.runs.is_empty() {
        return;
    }
    out.push_str(
        "<section><h2>Last updates</h2><div class=\"wide\"><table><thead><tr><th>ended</th><th>exit</th><th>time</th>\
         <th>files</th><th>processed</th><th>files/min</th><th>failed</th><th>removed</th><th>embedded</th><th>reused</th><th>cost</th>\
         <th>memory</th></tr></thead><tbody>",
    );
    for run in seen.runs.iter().rev().take(RUNS) {
        let memory = run.peak_memory_bytes.map_or_else(|| "?".to_owned(), bytes);
        let _ = write!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{:.0}</td><td>{}</td><td>{}</td><td>{}</td>\
             <td>{}</td><td>${:.4}</td><td>{memory}</td></tr>",
            moment(run.finished_ms),
            run.exit,
            age((run.seconds() * 1e3) as i64),
            count(run.files),
            count(run.processed()),
            run.files_per_minute(),
            count(run.failed),
            count(run.removed),
            count(run.chunks_embedded),
            count(run.chunks_reused),
            run.cost_usd
        );
    }
    out.push_str("</tbody></table></div></section>");
}

fn collections(out: &mut String, seen: &Seen) {
    let _ = write!(
        out,
        "<section><h2>{}</h2><div class=\"wide\"><table><thead><tr><th>collection</th><th>coverage</th>\
         <th>passages</th><th>dead</th><th>segments</th><th>on disk</th><th>snapshots</th><th>last commit</th></tr></thead><tbody>",
        counted(seen.collections.len() as u64, "collection", "collections")
    );
    for one in seen.collections.iter().take(COLLECTIONS) {
        let writing =
            one.writer.as_ref().map_or_else(String::new, |_| format!(" {}", chip("info", "written to")));
        let _ = write!(
            out,
            "<tr><td class=\"name\">{}{writing}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(&one.collection),
            one.coverage.map_or_else(String::new, |covered| {
                let ago = age(seen.figures.now_ms.saturating_sub(covered.counted_ms));
                format!("{} %, {ago} ago", percent(covered.embedded, covered.documents))
            }),
            count(one.chunks),
            count(one.dead_rows),
            count(one.segments),
            bytes(one.bytes),
            count(one.snapshots.len() as u64),
            one.last_commit_ms.map_or_else(String::new, day)
        );
    }
    out.push_str("</tbody></table></div>");
    let more = seen.collections.len().saturating_sub(COLLECTIONS);
    if more > 0 {
        let _ = write!(out, "<p class=\"idle\">and {} more</p>", count(more as u64));
    }
    out.push_str("</section>");
}
