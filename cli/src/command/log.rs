//! `siltstone log`: what the runs of `update` said, from the log under `logs/`.

use std::fs::File;
use std::io::{self, BufRead, BufReader};

use clap::Args;
use serde::Serialize;

use super::context::Context;
use super::since::since;
use crate::exit::{CliError, Exit};
use crate::render::plain::one_line;
use crate::runs::log_files;

#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// Only warnings and errors
    #[arg(long)]
    pub(crate) errors: bool,
    /// Only lines since then: a date such as 2025-06-30, or a time ago such as 7d
    #[arg(long, value_name = "WHEN", value_parser = since)]
    pub(crate) since: Option<i64>,
}

/// A line of the log.
#[derive(Debug, PartialEq, Serialize)]
struct Line<'a> {
    time_ms: i64,
    level: &'a str,
    text: &'a str,
}

impl Line<'_> {
    /// `2025-06-30T12:00:00Z INFO text`.
    fn read(text: &str) -> Option<Line<'_>> {
        let (time, rest) = text.split_once(' ')?;
        let (level, text) = rest.split_once(' ')?;
        let time_ms = time.parse::<jiff::Timestamp>().ok()?.as_millisecond();
        Some(Line { time_ms, level, text })
    }
}

pub(crate) fn run(args: &LogArgs, context: &Context) -> Result<Exit, CliError> {
    let mut shown = Vec::new();
    for path in log_files(&context.settings.logs) {
        let failed = |error: io::Error| {
            CliError::failed(
                format!("{} cannot be read: {error}", path.display()),
                "make the folder of logs readable, or name another one in siltstone.toml",
            )
        };
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed(error)),
        };
        for text in BufReader::new(file).split(b'\n') {
            let text = text.map_err(failed)?;
            let text = String::from_utf8_lossy(&text);
            let Some(line) = Line::read(&text) else { continue };
            let is_wanted = args.since.is_none_or(|since| line.time_ms >= since)
                && (!args.errors || matches!(line.level, "WARN" | "ERROR"));
            match is_wanted {
                false => {}
                true if context.json => shown.push(serde_json::json!(line)),
                true => context.output.line(one_line(&text))?,
            }
        }
    }
    if context.json {
        context.print_json(&serde_json::json!({ "lines": shown }))?;
    }
    Ok(Exit::Pass)
}

/// The last warnings and errors of the newest file of the log, oldest first. What cannot be read is not shown.
pub(crate) fn recent_errors(context: &Context, most: usize) -> Vec<String> {
    let newest = log_files(&context.settings.logs).pop();
    let bytes = newest.and_then(|path| std::fs::read(path).ok()).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let is_wrong = |text: &&str| Line::read(text).is_some_and(|line| matches!(line.level, "WARN" | "ERROR"));
    let mut lines: Vec<String> = text.lines().rev().filter(is_wrong).take(most).map(one_line).collect();
    lines.reverse();
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_and_others_passed_over() {
        let line = Line::read("1970-01-01T00:00:01Z WARN two words").unwrap();
        assert_eq!(line, Line { time_ms: 1_000, level: "WARN", text: "two words" });
        for text in ["", "x", "yesterday INFO x", "1970-01-01T00:00:01Z"] {
            assert_eq!(Line::read(text), None, "{text}");
        }
    }
}
