//! The report as a whole: for people, as JSON, as a file.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use serde::Serialize;

use super::component::{Component, Status};
use super::integrity::Read;
use crate::command::context::Context;
use crate::exit::CliError;
use crate::render::json;
use crate::render::plain::one_line;

#[derive(Debug, Serialize)]
pub(super) struct Report {
    status: Status,
    store: String,
    checked_at_ms: i64,
    deep: bool,
    collections: u64,
    files: u64,
    bytes: u64,
    rows_verified: u64,
    components: Vec<Component>,
}

impl Report {
    pub(super) fn new(context: &Context, deep: bool, read: Read, components: Vec<Component>) -> Report {
        Report {
            status: components.iter().map(|one| one.status).max().unwrap_or(Status::Pass),
            store: context.settings.store.display().to_string(),
            checked_at_ms: context.environment.clock.now_ms(),
            deep,
            collections: read.collections,
            files: read.files,
            bytes: read.bytes,
            rows_verified: read.rows,
            components,
        }
    }

    pub(super) fn status(&self) -> Status {
        self.status
    }

    /// Writes the report beside its place and renames it there: whoever watches the file sees whole reports only.
    pub(super) fn write(&self, path: &Path) -> Result<(), CliError> {
        let text = json::text(self)?;
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".tmp");
        let temporary = Path::new(&temporary);
        let written = File::create(temporary)
            .and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.write_all(b"\n")?;
                file.sync_all()
            })
            .and_then(|()| std::fs::rename(temporary, path));
        written.map_err(|error| {
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
        for one in &self.components {
            output.line(format!(
                "{}  {:<10} {}",
                painted(one.status),
                one.component,
                one_line(&one.summary)
            ))?;
            for example in &one.examples {
                output.line(format!("      {example}"))?;
            }
            for reason in &one.not_checked {
                output.line(format!("      not checked: {}", one_line(reason)))?;
            }
            if let Some(fix) = &one.fix {
                output.line(format!("      fix: {}", one_line(fix)))?;
            }
        }
        output.line(format!("{}  health of {}", painted(self.status), self.store))
    }
}
