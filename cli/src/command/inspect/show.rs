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
    /// Gathered as JSON, not printed.
    is_gathered: bool,
    /// Parts without a flaw, and with one, that are gathered of a file.
    most: usize,
    left_out: u64,
    files: Vec<Value>,
    parts: Vec<Value>,
    pub(super) flaws: u64,
    flaws_of_file: u64,
}

impl<'a> Shown<'a> {
    pub(super) fn new(context: &'a Context) -> Shown<'a> {
        Shown::with(context, context.json, usize::MAX)
    }

    /// Keeps what is shown, with so many parts of a file at most.
    pub(super) fn gathering(context: &'a Context, most: usize) -> Shown<'a> {
        Shown::with(context, true, most)
    }

    fn with(context: &'a Context, is_gathered: bool, most: usize) -> Shown<'a> {
        let (files, parts) = (Vec::new(), Vec::new());
        Shown { context, is_gathered, most, left_out: 0, files, parts, flaws: 0, flaws_of_file: 0 }
    }

    /// The file that was gathered last.
    pub(super) fn last(mut self) -> Option<Value> {
        self.files.pop()
    }

    pub(super) fn begin(&mut self, path: &Path, kind: &str, bytes: u64) -> Result<(), CliError> {
        (self.flaws_of_file, self.left_out) = (0, 0);
        if self.is_gathered {
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
        if self.is_gathered {
            let most = if part.flaws.is_empty() { self.most } else { self.most.saturating_mul(2) };
            match self.parts.len() < most {
                true => self.parts.push(part.json()),
                false => self.left_out += 1,
            }
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
        if self.is_gathered {
            let parts = std::mem::take(&mut self.parts);
            let flaws = self.flaws_of_file;
            let path = path.display().to_string();
            let mut file =
                json!({ "path": path, "kind": kind, "bytes": bytes, "flaws": flaws, "parts": parts });
            if let Some(file) = file.as_object_mut().filter(|_| self.left_out > 0) {
                file.insert("parts_left_out".to_owned(), self.left_out.into());
            }
            self.files.push(file);
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
