//! Damage and derived files: what the engine can put right, and what it takes out because nothing tells what the bytes
//! were. Originals are kept in `aside/`, so this part of a fix is its own way back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;
use siltstone::backup::BackupInfo;
use siltstone::format::Flaw;
use siltstone::{LostRow, OnDamage, Remedy, RepairItem, RepairOptions, plan_repair};

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
    /// `mend`, `fetch`, `rebuild`, `derive`, `seal`, `quarantine` or `none`.
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

/// A row that was taken out, or several of which only the number is known.
#[derive(Debug, Serialize)]
pub(in super::super) struct Lost {
    pub(in super::super) collection: String,
    /// Null when it cannot be read any more.
    pub(in super::super) key: Option<String>,
    /// How many rows; null when nothing tells.
    pub(in super::super) rows: Option<u64>,
    pub(super) reason: String,
}

impl Lost {
    pub(super) fn of(names: &Names, row: &LostRow) -> Lost {
        Lost {
            collection: names.collection(&row.collection),
            key: row.key.as_deref().map(|key| names.document(key)),
            rows: (row.rows > 0).then_some(row.rows),
            reason: names.sentence(&row.flaw.to_string()),
        }
    }
}

/// Rows that came back from one backup, or would.
#[derive(Debug, Serialize)]
pub(in super::super) struct Returned {
    collection: String,
    backup: String,
    rows: u64,
    #[serde(skip)]
    pub(super) name: String,
    #[serde(skip)]
    pub(super) keys: Vec<String>,
}

/// A backup that could not be used.
#[derive(Debug, Serialize)]
pub(in super::super) struct PassedOver {
    backup: String,
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
    /// Rows that were beyond repair, those that came back included.
    pub(in super::super) lost: Vec<Lost>,
    /// Those of them that came back from backups.
    pub(in super::super) returned: Vec<Returned>,
    /// Snapshots that went with what they named.
    pub(in super::super) dropped_snapshots: Vec<String>,
    /// Snapshots that nothing can put right; with `--dry-run` those that `--force` lets go.
    pub(in super::super) hurt_snapshots: Vec<String>,
    passed_over: Vec<PassedOver>,
    /// The lost rows, under their real names.
    #[serde(skip)]
    pub(super) rows: Vec<LostRow>,
    /// How many rows each collection had when the repair was done.
    #[serde(skip)]
    pub(super) rows_after: BTreeMap<String, u64>,
}

impl Repaired {
    pub(in super::super) fn has_changed(&self) -> bool {
        !(self.mended.is_empty() && self.lost.is_empty() && self.kept.is_empty())
    }

    /// `2 derive, 1 mend`: how many of each remedy.
    pub(in super::super) fn described(mends: &[Mend]) -> String {
        let words = ["mend", "fetch", "rebuild", "derive", "seal", "quarantine", "none"];
        let said = [
            "mended in place",
            "taken from a backup",
            "written anew",
            "derived again",
            "sealed",
            "taken out",
            "beyond repair",
        ];
        let counts = words.iter().zip(said).filter_map(|(word, said)| {
            let number = mends.iter().filter(|mend| mend.remedy == *word).count() as u64;
            (number > 0).then(|| format!("{} {said}", counted(number, "structure", "structures")))
        });
        counts.collect::<Vec<_>>().join(", ")
    }
}

/// How many rows, for people.
pub(in super::super) fn rows_in_words(lost: &[Lost]) -> String {
    let known: u64 = lost.iter().filter_map(|lost| lost.rows).sum();
    match (known, lost.iter().any(|lost| lost.rows.is_none())) {
        (0, true) => "an unknown number of rows".to_owned(),
        (known, true) => format!("at least {}", counted(known, "row", "rows")),
        (known, false) => counted(known, "row", "rows"),
    }
}

impl Repaired {
    /// What it comes to for rows and snapshots, a sentence each. `mood` is `will` or `would`; empty of what was done.
    pub(in super::super) fn consequences(&self, mood: &str) -> Vec<String> {
        let mut lines = Vec::new();
        let verb = |done: &str, planned: &str| {
            if mood.is_empty() { done.to_owned() } else { format!("{mood} {planned}") }
        };
        if !self.lost.is_empty() {
            let rows = rows_in_words(&self.lost);
            lines.push(format!("{rows} beyond repair {} and put aside", verb("taken out", "be taken out")));
        }
        for one in &self.returned {
            let rows = counted(one.rows, "row", "rows");
            lines.push(format!(
                "{}: {rows} {} from {}",
                one.collection,
                verb("came back", "come back"),
                one.backup
            ));
        }
        for one in &self.passed_over {
            lines.push(format!("{} {}: {}", one.backup, verb("was not used", "not be used"), one.reason));
        }
        for snapshot in &self.dropped_snapshots {
            lines.push(format!("snapshot that went, and is kept aside: {snapshot}"));
        }
        for snapshot in &self.hurt_snapshots {
            lines.push(match mood.is_empty() {
                true => format!("snapshot that stays damaged: {snapshot}"),
                false => format!(
                    "snapshot that nothing can put right, to be dropped with --force only: {snapshot}"
                ),
            });
        }
        lines
    }

    /// The collections to which rows came back, by their real names.
    pub(super) fn collections_with_returned_rows(&self) -> BTreeSet<String> {
        self.returned.iter().map(|one| one.name.clone()).collect()
    }

    /// How what was replaced can be had back, if anything was.
    pub(super) fn way_back(&self) -> Option<String> {
        let kept = self.kept.first()?;
        let folder = Path::new(kept).parent().map(|folder| folder.display().to_string()).unwrap_or_default();
        Some(match folder.is_empty() {
            true => "the files as they were are in `aside` of their collections".to_owned(),
            false => format!("the files as they were are in {folder}, by their names"),
        })
    }
}

/// What would be done; reads every byte.
pub(super) fn plan(
    context: &Context,
    names: &Names,
    only: Option<&[String]>,
    codes: &Codes,
    backups: &[BackupInfo],
) -> Result<Repaired, CliError> {
    let options = RepairOptions {
        only: only.map(<[String]>::to_vec),
        quarantine: true,
        drop_snapshots: false,
        backups: backups.to_vec(),
    };
    let plan = plan_repair(&context.environment, &context.settings.store, &options)?;
    let mended = plan.items.iter().map(|item| mend(names, item)).chain(codes.planned(context, names));
    Ok(Repaired {
        mended: mended.collect(),
        lost: plan.lost.iter().map(|row| Lost::of(names, row)).collect(),
        returned: returned(names, plan.returned),
        hurt_snapshots: snapshots(names, &plan.hurt_snapshots),
        passed_over: passed_over(names, plan.passed_over),
        ..Repaired::default()
    })
}

/// Does it, under the lock of each collection.
pub(super) fn repair(
    context: &Context,
    names: &Names,
    only: Option<&[String]>,
    are_doubted: bool,
    (drop_snapshots, backups): (bool, Vec<BackupInfo>),
) -> Result<Repaired, CliError> {
    let only_owned = only.map(<[String]>::to_vec);
    let options = RepairOptions { only: only_owned, quarantine: true, drop_snapshots, backups };
    let report = siltstone::repair(&context.environment, &context.settings.store, &options)?;
    let mut repaired = Repaired {
        mended: report.done.iter().map(|item| mend(names, item)).collect(),
        left: report.left.iter().map(|item| mend(names, item)).collect(),
        kept: report.kept.iter().map(|path| names.path(path)).collect(),
        lost: report.lost.iter().map(|row| Lost::of(names, row)).collect(),
        returned: returned(names, report.returned),
        dropped_snapshots: snapshots(names, &report.dropped_snapshots),
        hurt_snapshots: snapshots(names, &report.hurt_snapshots),
        passed_over: passed_over(names, report.passed_over),
        rows: report.lost,
        rows_after: BTreeMap::new(),
    };
    let with_losses: BTreeSet<String> = repaired.rows.iter().map(|row| row.collection.clone()).collect();
    for name in with_losses {
        let rows = context.open_store()?.collection(&name)?.view_with(OnDamage::Skip)?.len();
        repaired.rows_after.insert(name, rows);
    }
    // From segments that are good by now.
    let codes = Codes::look(context, only, are_doubted)?;
    codes.make_again(context, names, only, &mut repaired)?;
    Ok(repaired)
}

fn returned(names: &Names, returned: Vec<siltstone::Returned>) -> Vec<Returned> {
    let shown = returned.into_iter().map(|one| Returned {
        collection: names.collection(&one.collection),
        backup: one.backup,
        rows: one.keys.len() as u64,
        name: one.collection,
        keys: one.keys,
    });
    shown.collect()
}

fn snapshots(names: &Names, named: &[(String, String)]) -> Vec<String> {
    let shown = named.iter().map(|(collection, snapshot)| {
        format!("{}: {}", names.collection(collection), names.show("snapshot", snapshot))
    });
    shown.collect()
}

fn passed_over(names: &Names, passed: Vec<siltstone::PassedOver>) -> Vec<PassedOver> {
    let shown =
        passed.into_iter().map(|one| PassedOver { backup: one.backup, reason: names.sentence(&one.reason) });
    shown.collect()
}

fn mend(names: &Names, item: &RepairItem) -> Mend {
    let because = |flaw: &Flaw| Some(names.sentence(&flaw.to_string()));
    let (remedy, reason) = match &item.remedy {
        Remedy::Mend { bits } => ("mend", Some(counted(*bits, "bit", "bits"))),
        Remedy::Fetch { backup, flaw } => {
            ("fetch", Some(format!("{backup} has it whole; {}", names.sentence(&flaw.to_string()))))
        }
        Remedy::Rebuild { flaw } => ("rebuild", because(flaw)),
        Remedy::Derive { flaw } => ("derive", because(flaw)),
        Remedy::Seal => ("seal", None),
        Remedy::Quarantine { flaw } => ("quarantine", because(flaw)),
        Remedy::None { flaw } => ("none", because(flaw)),
        _ => ("none", None),
    };
    Mend { path: names.path(&item.path), structure: item.structure, offset: item.offset, remedy, reason }
}
