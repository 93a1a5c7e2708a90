//! Integrity: are the bytes those that were written, and are the embeddings what embeddings of their collection must be?

use std::path::Path;

use siltstone::format::Flaw;
use siltstone::{
    Depth, EmbeddingIdentity, Error, Finding, Metric, Report, Severity, Store, View, verify, verify_derived,
};

use super::findings::Findings;
use super::kind::{DAMAGE, DERIVED, NOTE, VECTOR_INVALID, VECTOR_NORM};
use super::privacy::Names;
use crate::command::context::Context;
use crate::exit::{CliError, Exit};
use crate::render::plain::one_line;

/// How far the length of a normalised embedding may be from 1. Rounding to float32 costs a millionth; servers that
/// shorten vectors by themselves are less exact.
const LENGTH_TOLERANCE: f64 = 1e-3;

/// What was read, for the report.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) collections: u64,
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) rows: u64,
    /// What was noted already: the quick pass and the deep one meet the same damage.
    seen: Vec<Finding>,
}

/// Structures and headers of the whole store, or of some collections.
pub(super) fn quick(
    context: &Context,
    names: &Names,
    only: Option<&[String]>,
    findings: &mut Findings,
) -> Result<Read, CliError> {
    let (environment, root) = (&context.environment, context.settings.store.as_path());
    // Names that are wrong are met here first, with the engine's hints.
    match Store::open_in(environment.clone(), root) {
        Ok(store) => drop(context.names(&store, only.unwrap_or_default()).or_else(only_damage)?),
        Err(error) if error.is_damage() => {}
        Err(error) => return Err(error.into()),
    }
    let report = verify(environment, root, Depth::Quick, only)?;
    let (collections, files, bytes, rows) = (report.collections, report.files, report.bytes, report.rows);
    let mut read = Read { collections, files, bytes, rows, seen: Vec::new() };
    take(report, names, findings, &mut read);
    Ok(read)
}

/// Every block of the derived files.
pub(super) fn derived(
    context: &Context,
    names: &Names,
    only: Option<&[String]>,
    findings: &mut Findings,
    read: &mut Read,
) -> Result<(), CliError> {
    let report = verify_derived(&context.environment, &context.settings.store, only)?;
    take(report, names, findings, read);
    Ok(())
}

/// Damage is what the verification is for; any other error ends it.
fn only_damage(error: CliError) -> Result<Vec<String>, CliError> {
    if error.exit == Exit::Found { Ok(Vec::new()) } else { Err(error) }
}

/// Every byte of one collection. Says whether it is whole.
pub(super) fn deep(
    context: &Context,
    names: &Names,
    collection: &str,
    findings: &mut Findings,
    read: &mut Read,
) -> Result<bool, CliError> {
    let (environment, root) = (&context.environment, context.settings.store.as_path());
    let report = match verify(environment, root, Depth::Deep, Some(&[collection.to_owned()])) {
        Ok(report) => report,
        // Dropped by somebody while this ran.
        Err(Error::NoSuchCollection { .. }) => return Ok(true),
        Err(error) => return Err(error.into()),
    };
    // The catalogue is counted once.
    read.files += report.files.saturating_sub(1);
    read.bytes += report.bytes;
    read.rows += report.rows;
    let is_whole = !report.is_damaged();
    take(report, names, findings, read);
    Ok(is_whole)
}

/// Damage that was met while rows were read: a quick verification does not read the keys of sealed segments.
pub(super) fn met(
    collection: &str,
    path: &Path,
    flaw: &Flaw,
    names: &Names,
    findings: &mut Findings,
    read: &mut Read,
) {
    let finding = Finding {
        collection: Some(collection.to_owned()),
        path: path.to_owned(),
        severity: Severity::Damage,
        flaw: flaw.clone(),
    };
    take(Report { findings: vec![finding], ..Report::default() }, names, findings, read);
}

fn take(report: Report, names: &Names, findings: &mut Findings, read: &mut Read) {
    for finding in report.findings {
        if read.seen.contains(&finding) {
            continue;
        }
        let kind = match finding.severity {
            Severity::Damage => &DAMAGE,
            Severity::Derived => &DERIVED,
            Severity::Note => &NOTE,
        };
        findings.add(kind, finding.collection.as_deref(), 1, [described(&finding, names)]);
        read.seen.push(finding);
    }
}

/// Where, and what is wrong. What was expected and found may quote names, so it is left out where they are hidden.
fn described(finding: &Finding, names: &Names) -> String {
    let (path, flaw) = (names.path(&finding.path), &finding.flaw);
    // What merely lies there has no place in a file.
    if finding.severity == Severity::Note && (flaw.offset, flaw.length) == (0, 1) {
        return one_line(&format!("{path}: {}", flaw.found));
    }
    match names.are_hidden() {
        false => one_line(&format!("{path}: {flaw}")),
        true => {
            format!("{path}: {} {} at byte {}, {} long", flaw.structure, flaw.field, flaw.offset, flaw.length)
        }
    }
}

/// Rows whose embedding cannot be one: judged by the norm that is stored beside it, so that no vector is read. Returns
/// their keys. A deep scan reports by itself the damage that is met here.
pub(super) fn embeddings(
    view: &View,
    names: &Names,
    is_deep: bool,
    findings: &mut Findings,
    read: &mut Read,
) -> Result<Vec<String>, CliError> {
    let (name, identity) = (view.collection(), view.identity());
    let mut bad = Vec::new();
    for damage in view.damage().iter().filter(|_| !is_deep) {
        met(name, &damage.path, &damage.flaw, names, findings, read);
    }
    for item in view.norms() {
        let (key, squared_norm) = match item {
            Ok(item) => item,
            Err(Error::Damaged { path, flaw, .. }) => {
                if !is_deep {
                    met(name, &path, &flaw, names, findings, read);
                }
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let Some((kind, what)) = judge(squared_norm, identity) else { continue };
        let example = format!("{}: {}: {what}", names.collection(name), names.document(key));
        findings.add(kind, Some(name), 1, [example]);
        bad.push(key.to_owned());
    }
    Ok(bad)
}

fn judge(squared_norm: f64, identity: &EmbeddingIdentity) -> Option<(&'static super::kind::Kind, String)> {
    let length = squared_norm.sqrt();
    if !squared_norm.is_finite() {
        return Some((&VECTOR_INVALID, "elements that are no finite numbers".to_owned()));
    }
    if squared_norm == 0.0 && (identity.normalised || identity.metric == Metric::Cosine) {
        return Some((&VECTOR_INVALID, "all zeros".to_owned()));
    }
    let is_off = identity.normalised && (length - 1.0).abs() > LENGTH_TOLERANCE;
    is_off.then(|| (&VECTOR_NORM, format!("length {length:.4} instead of 1")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn norms_are_judged_by_what_the_collection_promises() {
        let unit = EmbeddingIdentity { normalised: true, ..EmbeddingIdentity::default() };
        let code = |norm, identity: &_| judge(norm, identity).map(|(kind, _)| kind.code);
        assert_eq!(code(1.0 + 1e-6, &unit), None);
        assert_eq!(code(1.01, &unit), Some("vector-norm"));
        assert_eq!(code(f64::NAN, &unit), Some("vector-invalid"));
        assert_eq!(code(f64::INFINITY, &unit), Some("vector-invalid"));
        assert_eq!(code(0.0, &unit), Some("vector-invalid"));
        let any = EmbeddingIdentity { metric: Metric::Euclidean, ..EmbeddingIdentity::default() };
        assert_eq!((code(25.0, &any), code(0.0, &any)), (None, None));
    }
}
