//! The ends of logs, histories and the ledger of requests. A log for people names documents and folders in its sentences, so
//! a report that hides names does without; figures stay.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Gather;
use crate::command::health::Names;
use crate::exit::CliError;

/// Of each file, and of all together.
const MOST_BYTES: u64 = 256 << 10;
const MOST_FILES: usize = 40;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Lines for people.
    Log,
    /// Lines of JSON: a history of figures, or the ledger.
    Figures,
}

/// What a file of the folder is; nothing when it is not known to be siltstone's.
fn kind(name: &str) -> Option<Kind> {
    let is = |prefix: &str, ending: &str| name.starts_with(prefix) && name.ends_with(ending);
    match () {
        () if ["requests", "runs-", "health-"].iter().any(|prefix| is(prefix, ".jsonl")) => {
            Some(Kind::Figures)
        }
        () if is("", ".log") => Some(Kind::Log),
        () => None,
    }
}

pub(super) fn logs(report: &mut Gather<'_>) -> Result<(), CliError> {
    let folder = report.context.settings.logs.clone();
    let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let mut found: Vec<(std::time::SystemTime, PathBuf, Kind)> = Vec::new();
    for path in entries.map(|entry| entry.path()) {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let meta = std::fs::symlink_metadata(&path).ok().filter(std::fs::Metadata::is_file);
        if let (Some(kind), Some(meta)) = (kind(&name), meta) {
            found.push((meta.modified().unwrap_or(std::time::UNIX_EPOCH), path, kind));
        }
    }
    // The newest say most about an incident.
    found.sort_by(|a, b| (b.0, &b.1).cmp(&(a.0, &a.1)));
    let hidden = report.names.are_hidden();
    let wanted = found.into_iter().filter(|(_, _, kind)| !hidden || *kind != Kind::Log);
    for (_, path, _) in wanted.take(MOST_FILES) {
        report.context.check_cancelled()?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let (text, error) = match tail(&path) {
            Ok(text) if hidden => (figures(&text, report.names), None),
            Ok(text) => (text, None),
            Err(error) => (String::new(), Some(error.to_string())),
        };
        report.bundle.add(&format!("logs/{name}"), "the end of it", &text, error).map_err(super::failed)?;
    }
    Ok(())
}

/// The last lines of a file.
fn tail(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let from = file.metadata()?.len().saturating_sub(MOST_BYTES);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(match from {
        0 => text,
        // The first line is cut.
        _ => text.split_once('\n').map(|(_, rest)| rest.to_owned()).unwrap_or_default(),
    })
}

/// Lines of JSON in which only numbers, and words of siltstone's own, stay as they are.
fn figures(text: &str, names: &Names) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let Ok(Value::Object(mut entry)) = serde_json::from_str(line) else { continue };
        for (name, value) in &mut entry {
            let Value::String(text) = &*value else { continue };
            *value = match name.as_str() {
                "event" | "id" | "command" | "key" | "outcome" | "status" => continue,
                "framework" => names.show("framework", text).into(),
                "model" => names.show("model", text).into(),
                "provider" => names.provider(text).into(),
                _ => Value::Null,
            };
        }
        out += &Value::Object(entry).to_string();
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_a_long_log_is_taken_whole_lines_of_it() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("update.log");
        let lines: String = (0..40_000).map(|line| format!("line {line}\n")).collect();
        std::fs::write(&path, &lines).unwrap();
        let end = tail(&path).unwrap();
        assert!(end.len() as u64 <= MOST_BYTES && lines.ends_with(&end) && end.starts_with("line "));
        assert_eq!(end.lines().last(), Some("line 39999"));
    }

    #[test]
    fn figures_keep_no_names() {
        let names = Names::new(Path::new("/nowhere"), true);
        let line = r#"{"event":"reserved","framework":"Zebra","tokens":7,"provider":"ai.zebra.example","reason":"no zebra"}"#;
        let shown = figures(&format!("{line}\nnonsense about a Zebra\n"), &names);
        assert!(!shown.to_lowercase().contains("zebra"), "{shown}");
        assert!(shown.contains("\"tokens\":7") && shown.contains("framework-"), "{shown}");
    }

    #[test]
    fn files_that_are_not_siltstones_stay_where_they_are() {
        for name in ["page.md", "api-key.txt", "report.json", "requests.lock", ".env"] {
            assert!(kind(name).is_none(), "{name}");
        }
    }
}
