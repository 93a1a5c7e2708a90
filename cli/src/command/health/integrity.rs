//! Integrity: are the bytes those that were written? The engine's verification, collection by collection, so that a long
//! one can be interrupted.

use siltstone::{Depth, Finding, Report, Severity, Store, verify};

use super::component::{Component, Status};
use crate::command::context::Context;
use crate::exit::{CliError, Exit};
use crate::render::plain::one_line;
use crate::render::units::{bytes, count, counted};

/// What was read, for the report.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) collections: u64,
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) rows: u64,
}

pub(super) fn check(
    context: &Context,
    deep: bool,
    only: Option<&[String]>,
) -> Result<(Component, Read), CliError> {
    let (environment, root) = (&context.environment, context.settings.store.as_path());
    // Names that are wrong are met here first, with the engine's hints.
    match Store::open_in(environment.clone(), root) {
        Ok(store) => drop(context.names(&store, only.unwrap_or_default()).or_else(only_damage)?),
        Err(error) if error.is_damage() => {}
        Err(error) => return Err(error.into()),
    }
    let mut report = verify(environment, root, Depth::Quick, only)?;
    if deep {
        report = deepen(context, report, only)?;
    }
    let read =
        Read { collections: report.collections, files: report.files, bytes: report.bytes, rows: report.rows };
    Ok((component(context, &report, deep), read))
}

/// Damage is what the verification is for; any other error ends it.
fn only_damage(error: CliError) -> Result<Vec<String>, CliError> {
    if error.exit == Exit::Found { Ok(Vec::new()) } else { Err(error) }
}

/// Reads every byte of each collection. What the quick pass found outside collections is kept.
fn deepen(context: &Context, quick: Report, only: Option<&[String]>) -> Result<Report, CliError> {
    let (environment, root) = (&context.environment, context.settings.store.as_path());
    let names = match (only, Store::open_in(environment.clone(), root)) {
        (Some(only), _) => only.to_vec(),
        (None, Ok(store)) => store.all_names()?,
        // Without a catalogue there is nothing more to read.
        (None, Err(_)) => return Ok(quick),
    };
    let mut deep = Report { files: 1, ..Report::default() };
    deep.findings.extend(quick.findings.into_iter().filter(|finding| finding.collection.is_none()));
    for (number, name) in (1..).zip(&names) {
        context.check_cancelled()?;
        context.notices.detail(&format!("reading {name} ({number} of {})", names.len()));
        let one = match verify(environment, root, Depth::Deep, Some(std::slice::from_ref(name))) {
            Ok(one) => one,
            // Dropped by somebody while this ran.
            Err(siltstone::Error::NoSuchCollection { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        deep.findings.extend(
            one.findings.into_iter().filter(|finding| !deep.findings.contains(finding)).collect::<Vec<_>>(),
        );
        deep.collections += one.collections;
        deep.files += one.files.saturating_sub(1);
        deep.bytes += one.bytes;
        deep.rows += one.rows;
    }
    context.check_cancelled()?;
    Ok(deep)
}

fn component(context: &Context, report: &Report, deep: bool) -> Component {
    let mut component = Component::new("integrity");
    let of = |severity| report.findings.iter().filter(move |finding| finding.severity == severity);
    let numbers =
        [Severity::Damage, Severity::Derived, Severity::Note].map(|severity| of(severity).count() as u64);
    let [damage, derived, notes] = numbers;
    for severity in [Severity::Damage, Severity::Derived, Severity::Note] {
        for finding in of(severity) {
            component.example(|| described(finding));
        }
    }
    component.count = damage;
    component.status = match numbers {
        [0, 0, 0] => Status::Pass,
        [0, _, _] => Status::Info,
        _ => Status::Fail,
    };
    let read = match deep {
        true => format!(
            "every byte of {} read: {}, {}",
            counted(report.files, "file", "files"),
            bytes(report.bytes),
            counted(report.rows, "row", "rows")
        ),
        false => format!(
            "structure and headers of {} read; --deep-scan reads every byte",
            counted(report.files, "file", "files")
        ),
    };
    let found = match numbers {
        [0, 0, 0] => "all good".to_owned(),
        [0, 0, notes] => format!("nothing damaged, {} to know about", counted(notes, "thing", "things")),
        [0, derived, _] => format!(
            "nothing damaged; {} can be made again from whole rows",
            counted(derived, "derived file", "derived files")
        ),
        [damage, ..] => format!("{} damaged", counted(damage, "place is", "places are")),
    };
    component.summary = format!("{found} ({read})");
    component.fix = match (damage, derived, notes) {
        (0, 0, _) => None,
        (0, _, _) => Some("none needed: the next compaction or update makes derived files anew".to_owned()),
        _ => Some(context.siltstone("recover --to NEW_DIRECTORY")),
    };
    if damage > 0 && !deep {
        component.not_checked.push(format!(
            "rows, keys, metadata and text: `{}` reads all {} of them",
            context.siltstone("health --deep-scan"),
            count(report.files)
        ));
    }
    component
}

fn described(finding: &Finding) -> String {
    let kind = match finding.severity {
        Severity::Damage => "",
        Severity::Derived => " (derived)",
        Severity::Note => " (note)",
    };
    one_line(&format!("{}{kind}: {}", finding.path.display(), finding.flaw))
}
