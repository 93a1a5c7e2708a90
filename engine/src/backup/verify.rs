//! Verifying a backup: every byte is read and compared with the index, and then the restore is rehearsed: unpacked in a
//! scratch directory on the same disk, verified there row by row, and removed.

use siltstone_format::backup::{VERIFICATION_FORMAT, Verification};
use siltstone_format::limits::FORMAT_VERSION;

use super::list::{BackupInfo, BackupKind};
use super::{scratch, shelf};
use crate::environment::Environment;
use crate::error::Result;
use crate::restore::Wanted;
use crate::safety;
use crate::verify::{Depth, Severity};

/// What a verification of a backup read and found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupReport {
    /// The backup, as it is known now.
    pub backup: BackupInfo,
    /// Files that were read and are as the index says.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Rows that were verified after the rehearsed restore, those that no longer count included.
    pub rows: u64,
    /// What is wrong, a sentence each, with the member and the place; empty when all is well.
    pub damage: Vec<String>,
}

/// Verifies a backup, and keeps beside it what was found. Needs as much room as the files of the backup take.
///
/// # Errors
/// [`Error::NewerFormat`](crate::Error::NewerFormat); no room; a disk that refuses. Damage is no error: it is in the report.
pub fn verify(environment: &Environment, backup: &BackupInfo) -> Result<BackupReport> {
    let mut report = BackupReport { backup: backup.clone(), files: 0, bytes: 0, rows: 0, damage: Vec::new() };
    match backup.kind {
        BackupKind::Safety => safety_copy(environment, &mut report)?,
        _ => match rehearse(environment, backup, &mut report) {
            Err(error) if error.is_damage() => report.damage.push(error.to_string()),
            result => result?,
        },
    }
    let verified_at_ms = environment.clock.now_ms();
    (report.backup.verified_at_ms, report.backup.verification) =
        (Some(verified_at_ms), report.damage.clone());
    if backup.kind != BackupKind::Safety {
        let found = Verification {
            format: VERIFICATION_FORMAT.to_owned(),
            version: FORMAT_VERSION,
            verified_at_ms,
            damage: report.damage.clone(),
        };
        shelf::keep_verification(environment, &backup.path, &found)?;
    }
    Ok(report)
}

fn rehearse(environment: &Environment, backup: &BackupInfo, report: &mut BackupReport) -> Result<()> {
    let content = super::open(environment, backup)?;
    let bytes = content.index().bytes();
    let looked =
        scratch::unpacked(environment, backup, (content, Wanted::Everything, bytes), |scratch, unpacked| {
            (report.files, report.bytes) = (unpacked.files, unpacked.bytes);
            let verified = crate::verify::verify(environment, scratch, Depth::Deep, None)?;
            report.rows = verified.rows;
            let damage = verified.findings.into_iter().filter(|finding| finding.severity == Severity::Damage);
            report.damage.extend(damage.map(|finding| {
                let path = finding.path.strip_prefix(scratch).unwrap_or(&finding.path);
                format!("{}: {}", path.display(), finding.flaw)
            }));
            Ok(())
        });
    looked?
}

/// A safety copy lies in the store: its collections are verified where they are.
fn safety_copy(environment: &Environment, report: &mut BackupReport) -> Result<()> {
    let path = report.backup.path.clone();
    let root = path.parent().unwrap_or(std::path::Path::new("."));
    let file = safety::files(environment, root)?.into_iter().find(|file| file.path == path);
    let Some(catalogue) = file.and_then(|file| file.catalogue) else {
        report.damage.push(format!("{}: the catalogue cannot be read", path.display()));
        return Ok(());
    };
    for entry in &catalogue.collections {
        let found = crate::verify::collection::verify(environment, root, entry, Depth::Deep)?;
        (report.files, report.bytes) = (report.files + found.files, report.bytes + found.bytes);
        report.rows += found.rows;
        let damage = found.findings.iter().filter(|finding| finding.severity == Severity::Damage);
        report.damage.extend(damage.map(|one| format!("{}: {}", one.path.display(), one.flaw)));
    }
    Ok(())
}
