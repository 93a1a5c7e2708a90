//! What the commands that look at a store say about it, each as its own `--json` has it.

use serde_json::{Value, json};
use siltstone::{Depth, Severity, verify};

use crate::command::context::Context;
use crate::command::health::{self, Names};
use crate::command::status;
use crate::exit::CliError;

/// More findings than anybody reads.
const MOST_FINDINGS: usize = 5_000;

pub(super) fn status(context: &Context, names: &Names) -> Result<Value, CliError> {
    let mut found = status::look(context)?;
    if names.are_hidden() {
        hide_status(&mut found, names);
    }
    Ok(found)
}

fn hide_status(found: &mut Value, names: &Names) {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    if let Some(store) = found.get_mut("store") {
        *store = names.path(text(store).unwrap_or_default().as_ref()).into();
    }
    for list in ["/collections", "/damaged", "/updates/seen"] {
        for entry in found.pointer_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            entry.as_object_mut().into_iter().flatten().for_each(|(name, value)| hide(name, value, names));
        }
    }
}

/// Hides a member of what `status` says of a collection, if it names something.
fn hide(name: &str, value: &mut Value, names: &Names) {
    *value = match (name, &*value) {
        ("collection", Value::String(name)) => names.collection(name).into(),
        ("host", Value::String(host)) => names.show("host", host).into(),
        ("model", Value::String(model)) => names.show("model", model).into(),
        ("provider", Value::String(provider)) => names.provider(provider).into(),
        ("reason", Value::String(reason)) => names.sentence(reason).into(),
        ("snapshots", Value::Array(snapshots)) => {
            let snapshots = snapshots.iter().filter_map(Value::as_str);
            snapshots.map(|name| names.show("snapshot", name)).collect()
        }
        ("holder", Value::Object(holder)) => {
            let host = holder.get("host").and_then(Value::as_str).map(|host| names.show("host", host));
            let mut holder = holder.clone();
            holder.insert("host".to_owned(), host.into());
            holder.into()
        }
        _ => return,
    };
}

pub(super) fn health(context: &Context, names: &Names) -> Result<Value, CliError> {
    health::look(context, names)
}

/// Every byte, as `health --deep-scan` reads it.
pub(super) fn verification(context: &Context, names: &Names) -> Result<Value, CliError> {
    let report = verify(&context.environment, &context.settings.store, Depth::Deep, None)?;
    let findings = report.findings.iter().take(MOST_FINDINGS).map(|finding| {
        let flaw = &finding.flaw;
        // What was expected and found may quote names.
        let quoted = |text: &str| (!names.are_hidden()).then(|| text.to_owned());
        json!({
            "collection": finding.collection.as_deref().map(|name| names.collection(name)),
            "path": names.path(&finding.path),
            "severity": match finding.severity {
                Severity::Note => "note",
                Severity::Derived => "derived",
                Severity::Damage => "damage",
            },
            "structure": flaw.structure, "field": flaw.field, "offset": flaw.offset, "bytes": flaw.length,
            "expected": quoted(&flaw.expected), "found": quoted(&flaw.found),
        })
    });
    Ok(json!({
        "findings": findings.collect::<Vec<_>>(),
        "left_out": report.findings.len().saturating_sub(MOST_FINDINGS),
        "collections": report.collections, "files": report.files, "bytes": report.bytes, "rows": report.rows,
    }))
}
