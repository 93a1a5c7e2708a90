//! Parts as they come: printed at once for people, gathered for JSON.

use std::path::Path;

use serde_json::{Value, json};

use super::part::Part;
use crate::command::context::Context;
use crate::exit::CliError;
use crate::render::plain::{name, one_line};
use crate::render::units::{count, counted, moment};

/// Digits of a digest that people compare.
const DIGEST_DIGITS: usize = 16;

/// Where parts go.
#[derive(Debug)]
pub(super) struct Shown<'a> {
    context: &'a Context,
    files: Vec<Value>,
    parts: Vec<Value>,
    pub(super) flaws: u64,
    flaws_of_file: u64,
}

impl<'a> Shown<'a> {
    pub(super) fn new(context: &'a Context) -> Shown<'a> {
        Shown { context, files: Vec::new(), parts: Vec::new(), flaws: 0, flaws_of_file: 0 }
    }

    pub(super) fn begin(&mut self, path: &Path, kind: &str, bytes: u64) -> Result<(), CliError> {
        self.flaws_of_file = 0;
        if self.context.json {
            return Ok(());
        }
        let path = name(&path.display().to_string());
        let title = format!("{kind} {path} ({})", counted(bytes, "byte", "bytes"));
        self.context.output.line(self.context.style.bold(&title))
    }

    pub(super) fn part(&mut self, part: Part) -> Result<(), CliError> {
        self.context.check_cancelled()?;
        self.flaws_of_file += part.flaws.len() as u64;
        self.flaws += part.flaws.len() as u64;
        if self.context.json {
            self.parts.push(part.json());
            return Ok(());
        }
        let (output, style) = (&self.context.output, self.context.style);
        let facts: Vec<String> = part.facts.iter().map(|(name, value)| fact(name, value)).collect();
        let verdict = if part.flaws.is_empty() { style.green("ok") } else { style.red("FLAWED") };
        output.line(format!(
            "  at {:<12} {:<16} {} {verdict}",
            count(part.offset),
            part.what,
            facts.join(" ")
        ))?;
        for flaw in &part.flaws {
            output.line(format!("     {} {}", style.red("flaw:"), one_line(&flaw.to_string())))?;
        }
        for line in &part.lines {
            output.line(format!("     {}", name(line)))?;
        }
        Ok(())
    }

    pub(super) fn end(&mut self, path: &Path, kind: &str, bytes: u64) -> Result<(), CliError> {
        if self.context.json {
            let parts = std::mem::take(&mut self.parts);
            let flaws = self.flaws_of_file;
            let path = path.display().to_string();
            self.files
                .push(json!({ "path": path, "kind": kind, "bytes": bytes, "flaws": flaws, "parts": parts }));
            return Ok(());
        }
        match self.flaws_of_file {
            0 => Ok(()),
            flaws => self.context.output.line(format!("  {}", counted(flaws, "flaw", "flaws"))),
        }
    }

    pub(super) fn finish(&mut self) -> Result<(), CliError> {
        match self.context.json {
            true => self
                .context
                .print_json(&json!({ "files": std::mem::take(&mut self.files), "flaws": self.flaws })),
            false => Ok(()),
        }
    }
}

/// `name=value`, with dates and digests as people read them.
fn fact(label: &str, value: &Value) -> String {
    let is_digest = matches!(
        label,
        "chain" | "previous_chain" | "digest" | "segment_digest" | "blake3" | "basis" | "space"
    );
    match value {
        Value::String(text) if is_digest => format!("{label}={}", text.get(..DIGEST_DIGITS).unwrap_or(text)),
        Value::String(text) if text.contains(char::is_whitespace) => format!("{label}={:?}", name(text)),
        Value::String(text) => format!("{label}={}", name(text)),
        Value::Number(number) if label.ends_with("_at_ms") => {
            format!("{}={:?}", label.trim_end_matches("_ms"), moment(number.as_i64().unwrap_or(i64::MAX)))
        }
        value => format!("{label}={value}"),
    }
}
