//! How hits look: for people, and as JSON.

use serde::Serialize;
use serde_json::{Map, Value};
use siltstone::Hit;

use super::find::Found;
use super::snippet::snippet;
use crate::command::context::Context;
use crate::exit::CliError;
use crate::render::plain::{name, one_line, shortened, wrapped};
use crate::render::units::{bytes, count, counted, listed};

const SNIPPET_BYTES: usize = 240;

#[derive(Debug, Serialize)]
struct Answer<'a> {
    query: &'a str,
    collections_searched: usize,
    rows_scanned: u64,
    hits: Vec<ShownHit<'a>>,
    damage: &'a [String],
    without_snapshot: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    explain: Option<Explained>,
}

/// What a search took.
#[derive(Debug, Serialize)]
struct Explained {
    rows_with_codes: u64,
    passed_heads: u64,
    passed_signs: u64,
    rows_scored: u64,
    bytes_read: u64,
    filtered_by_index: u64,
    filtered_by_metadata: u64,
    seconds: f64,
    threads: usize,
}

impl Explained {
    fn of(found: &Found) -> Self {
        let work = found.work;
        Self {
            rows_with_codes: work.rows_with_codes,
            passed_heads: work.passed_heads,
            passed_signs: work.passed_signs,
            rows_scored: found.rows_scored,
            bytes_read: work.bytes_read,
            filtered_by_index: work.filtered_by_index,
            filtered_by_metadata: work.filtered_by_metadata,
            seconds: found.seconds,
            threads: found.threads,
        }
    }

    fn lines(&self, rows_scanned: u64) -> Vec<String> {
        let share = |part: u64| 100.0 * part as f64 / self.rows_with_codes.max(1) as f64;
        let filtered = format!(
            "filtered: {} by the attribute index, {} by reading metadata",
            count(self.filtered_by_index),
            count(self.filtered_by_metadata)
        );
        let has_filter = self.filtered_by_index + self.filtered_by_metadata > 0;
        let mut lines = vec![
            format!(
                "compared: {}, {} of them by their search codes",
                counted(rows_scanned, "passage", "passages"),
                count(self.rows_with_codes)
            ),
            format!(
                "not ruled out by their heads: {} ({:.2} %); by their signs: {} ({:.2} %); scored exactly: {}",
                count(self.passed_heads),
                share(self.passed_heads),
                count(self.passed_signs),
                share(self.passed_signs),
                count(self.rows_scored)
            ),
            format!(
                "read: {}, in {:.1} ms with opening, {}",
                bytes(self.bytes_read),
                self.seconds * 1e3,
                counted(self.threads as u64, "thread", "threads")
            ),
        ];
        lines.extend(has_filter.then_some(filtered));
        lines
    }
}

#[derive(Debug, Serialize)]
struct ShownHit<'a> {
    rank: usize,
    score: f64,
    collection: &'a str,
    key: &'a str,
    file: &'a str,
    line: Option<u64>,
    title: Option<&'a str>,
    heading: Option<&'a str>,
    snippet: String,
    text: &'a str,
    metadata: &'a Map<String, Value>,
    commit: u64,
}

/// A text field of the metadata, unless it is empty.
fn field<'a>(hit: &'a Hit, name: &str) -> Option<&'a str> {
    hit.metadata.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn shown<'a>(query: &str, (rank, hit): (usize, &'a Hit)) -> ShownHit<'a> {
    ShownHit {
        rank,
        score: hit.score,
        collection: &hit.collection,
        key: &hit.key,
        file: field(hit, "file_path").unwrap_or(&hit.key),
        line: hit.metadata.get("line").and_then(Value::as_u64),
        title: field(hit, "api_name"),
        heading: field(hit, "heading"),
        snippet: snippet(&hit.text, query, SNIPPET_BYTES),
        text: &hit.text,
        metadata: &hit.metadata,
        commit: hit.commit.0,
    }
}

pub(super) fn show(context: &Context, query: &str, found: &Found, explain: bool) -> Result<(), CliError> {
    let hits: Vec<ShownHit<'_>> = (1..).zip(&found.hits).map(|hit| shown(query, hit)).collect();
    for damage in &found.damage {
        context.notices.warning(&format!("left out: {damage}"));
    }
    if !found.without_snapshot.is_empty() {
        let names = listed(&found.without_snapshot, 3);
        context.notices.notice(&format!("without a snapshot of this name, and so not searched: {names}"));
    }
    if context.json {
        return context.print_json(&Answer {
            query,
            collections_searched: found.collections.len(),
            rows_scanned: found.rows_scanned,
            hits,
            damage: &found.damage,
            without_snapshot: &found.without_snapshot,
            explain: explain.then(|| Explained::of(found)),
        });
    }
    for hit in &hits {
        print(context, hit, found.collections.len() > 1)?;
    }
    if explain {
        for line in Explained::of(found).lines(found.rows_scanned) {
            context.output.line(context.style.faint(&line))?;
        }
    }
    if hits.is_empty() && !found.collections.is_empty() {
        context.notices.notice(&format!(
            "no passage matches; {} in {} were searched",
            counted(found.rows_scanned, "passage", "passages"),
            counted(found.collections.len() as u64, "collection", "collections")
        ));
    }
    Ok(())
}

/// Two or more lines: what and where, then the snippet.
fn print(context: &Context, hit: &ShownHit<'_>, with_collection: bool) -> Result<(), CliError> {
    let style = context.style;
    let rank = format!("{:>2}.", hit.rank);
    let heading = hit.heading.or(hit.title).map(|text| shortened(&one_line(text), 100)).unwrap_or_default();
    let place = hit.line.map_or_else(|| name(hit.file), |line| format!("{}:{line}", name(hit.file)));
    let mut line = format!("{rank} {}  {}", style.green(&format!("{:.4}", hit.score)), style.bold(&place));
    if with_collection {
        line.push_str(&format!("  [{}]", name(hit.collection)));
    }
    if !heading.is_empty() {
        line.push_str(&format!("  {heading}"));
    }
    context.output.line(line)?;
    const INDENT: &str = "    ";
    let lines = match context.output.width {
        Some(width) => wrapped(&hit.snippet, width.saturating_sub(INDENT.len())),
        None => vec![hit.snippet.clone()],
    };
    for line in lines.iter().filter(|line| !line.is_empty()) {
        context.output.line(format!("{INDENT}{}", style.faint(line)))?;
    }
    Ok(())
}
