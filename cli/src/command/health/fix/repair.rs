//! Damage and derived files: what the engine can put right, and what it takes out because nothing tells what the bytes
//! were. Originals are kept in `aside/`, so this part of a fix is its own way back.

use std::path::Path;

use serde::Serialize;
use siltstone::format::Flaw;
use siltstone::{LostRow, Remedy, RepairItem, RepairOptions, plan_repair};

use super::codes::Codes;
use crate::command::context::Context;
use crate::command::health::privacy::Names;
use crate::exit::CliError;
use crate::render::units::counted;

/// One damaged structure, and what is done about it.
#[derive(Debug, Serialize)]
pub(in super::super) struct Mend {
    path: String,
    structure: &'static str,
    offset: u64,
    /// `mend`, `rebuild`, `derive`, `seal`, `quarantine` or `none`.
    remedy: &'static str,
    /// What is wrong, where the remedy does not say it.
    reason: Option<String>,
}

impl Mend {
    /// A derived file that is made again.
    pub(super) fn derived(names: &Names, path: &Path, flaw: &Flaw) -> Mend {
        let reason = Some(names.sentence(&flaw.to_string()));
        let (structure, offset) = (flaw.structure, flaw.offset);
        Mend { path: names.path(path), structure, offset, remedy: "derive", reason }
    }

    /// All search codes of a store, which are doubted.
    pub(super) fn all_codes(names: &Names, store: &Path) -> Mend {
        let reason = Some("searches are answered otherwise than by brute force".to_owned());
        Mend { path: names.path(store), structure: "search codes", offset: 0, remedy: "derive", reason }
    }
}

/// A row that was taken out.
#[derive(Debug, Serialize)]
pub(in super::super) struct Lost {
    collection: String,
    /// Null when it cannot be read any more.
    key: Option<String>,
    reason: String,
}

/// What repair would do, or did.
#[derive(Debug, Default, Serialize)]
pub(in super::super) struct Repaired {
    /// Put right, or with `--dry-run` to be put right.
    pub(in super::super) mended: Vec<Mend>,
    /// Still wrong.
    pub(in super::super) left: Vec<Mend>,
    /// Files that keep what was replaced or taken out.
    pub(in super::super) kept: Vec<String>,
    pub(in super::super) lost: Vec<Lost>,
    /// Snapshots that went with what they named.
    pub(in super::super) dropped_snapshots: Vec<String>,
}

impl Repaired {
    pub(in super::super) fn has_changed(&self) -> bool {
        !(self.mended.is_empty() && self.lost.is_empty() && self.kept.is_empty())
    }

    /// `2 derive, 1 mend`: how many of each remedy.
    pub(in super::super) fn described(mends: &[Mend]) -> String {
        let words = ["mend", "rebuild", "derive", "seal", "quarantine", "none"];
        let said =
            ["mended in place", "written anew", "derived again", "sealed", "taken out", "beyond repair"];
        let counts = words.iter().zip(said).filter_map(|(word, said)| {
            let number = mends.iter().filter(|mend| mend.remedy == *word).count() as u64;
            (number > 0).then(|| format!("{} {said}", counted(number, "structure", "structures")))
        });
        counts.collect::<Vec<_>>().join(", ")
    }
}

/// What would be done; reads every byte.
pub(super) fn plan(
    context: &Context,
    names: &Names,
    only: Option<&[String]>,
    codes: &Codes,
) -> Result<Repaired, CliError> {
    let plan = plan_repair(&context.environment, &context.settings.store, only)?;
    let mended = plan.items.iter().map(|item| mend(names, item)).chain(codes.planned(context, names));
    Ok(Repaired { mended: mended.collect(), ..Repaired::default() })
}

/// Does it, under the lock of each collection.
pub(super) fn repair(
    context: &Context,
    names: &Names,
    only: Option<&[String]>,
    are_doubted: bool,
) -> Result<Repaired, CliError> {
    let options = RepairOptions { only: only.map(<[String]>::to_vec), quarantine: true };
    let report = siltstone::repair(&context.environment, &context.settings.store, &options)?;
    let lost = |row: &LostRow| Lost {
        collection: names.collection(&row.collection),
        key: row.key.as_deref().map(|key| names.document(key)),
        reason: names.sentence(&row.flaw.to_string()),
    };
    let dropped = report.dropped_snapshots.iter();
    let mut repaired = Repaired {
        mended: report.done.iter().map(|item| mend(names, item)).collect(),
        left: report.left.iter().map(|item| mend(names, item)).collect(),
        kept: report.kept.iter().map(|path| names.path(path)).collect(),
        lost: report.lost.iter().map(lost).collect(),
        dropped_snapshots: dropped
            .map(|(collection, snapshot)| format!("{}: {snapshot}", names.collection(collection)))
            .collect(),
    };
    // From segments that are good by now.
    let codes = Codes::look(context, only, are_doubted)?;
    codes.make_again(context, names, only, &mut repaired)?;
    Ok(repaired)
}

fn mend(names: &Names, item: &RepairItem) -> Mend {
    let because = |flaw: &Flaw| Some(names.sentence(&flaw.to_string()));
    let (remedy, reason) = match &item.remedy {
        Remedy::Mend { bits } => ("mend", Some(counted(*bits, "bit", "bits"))),
        Remedy::Rebuild { flaw } => ("rebuild", because(flaw)),
        Remedy::Derive { flaw } => ("derive", because(flaw)),
        Remedy::Seal => ("seal", None),
        Remedy::Quarantine { flaw } => ("quarantine", because(flaw)),
        Remedy::None { flaw } => ("none", because(flaw)),
        _ => ("none", None),
    };
    Mend { path: names.path(&item.path), structure: item.structure, offset: item.offset, remedy, reason }
}
