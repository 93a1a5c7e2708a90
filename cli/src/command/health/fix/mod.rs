//! `health --fix`: plans, shows, keeps the way back, acts, and says what it did. Nothing is done that one command could
//! not undo: each collection that is changed is kept as a snapshot first.

mod act;
mod backups;
mod codes;
mod lost;
mod plan;
mod repair;

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::check::{self, Asked, Checked};
use super::kind::{DAMAGE, DERIVED, Kind, Part, SEARCH_DIFFERS, VECTOR_LOST};
use super::privacy::Names;
use crate::command::context::Context;
use crate::exit::{CliError, Exit};

pub(super) use plan::{Act, Step};
pub(super) use repair::{Lost, Repaired, rows_in_words};

#[derive(Debug, Args)]
#[command(next_help_heading = "Fixing")]
pub(crate) struct FixArgs {
    /// Put right what can be: remove orphans, embed what is missing or stale, make derived files anew, mend damage
    #[arg(long)]
    pub(crate) fix: bool,
    /// Say what --fix would do, and do nothing
    #[arg(long, requires = "fix")]
    pub(crate) dry_run: bool,
    /// Fix only this component; may be repeated
    #[arg(long, value_name = "COMPONENT", requires = "fix")]
    pub(crate) only: Vec<Only>,
    /// Pay at most so much for embeddings of --fix, or of --probe; without it an unattended run pays nothing
    #[arg(long, value_name = "USD", value_parser = usd)]
    pub(crate) max_cost: Option<f64>,
    /// Never ask, and let damaged snapshots go that nothing can put right
    #[arg(long, requires = "fix")]
    pub(crate) force: bool,
    /// Take what is beyond repair from the backups in this repository as well; may be repeated [default: those in `backups`,
    /// and in `repository` under `[monitor]` of siltstone.toml]
    #[arg(long, value_name = "DIR", requires = "fix")]
    pub(crate) repository: Vec<PathBuf>,
}

/// A component, as `--only` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Only {
    Integrity,
    #[value(alias = "orphans")]
    Orphaned,
    Missing,
    #[value(alias = "stale")]
    Content,
}

impl FixArgs {
    /// Whether anything is to be changed.
    pub(super) fn acts(&self) -> bool {
        self.fix && !self.dry_run
    }

    /// Whether a component is to be put right.
    fn wants(&self, part: Part) -> bool {
        let named = |only: &Only| match only {
            Only::Integrity => part == Part::Integrity,
            Only::Orphaned => part == Part::Orphaned,
            Only::Missing => part == Part::Missing,
            Only::Content => part == Part::Content,
        };
        self.only.is_empty() || self.only.iter().any(named)
    }
}

/// An amount of money that is none of nonsense.
fn usd(text: &str) -> Result<f64, String> {
    let amount: f64 = text.trim_start_matches('$').parse().map_err(|_| "an amount like 0.50".to_owned())?;
    let is_sane = (0.0..=1e6).contains(&amount);
    if is_sane { Ok(amount) } else { Err("an amount from 0 to 1000000".to_owned()) }
}

/// What was done, or would be.
#[derive(Debug, Default, Serialize)]
pub(super) struct Fixed {
    pub(super) dry_run: bool,
    /// Damage and derived files; null when there are none, or they were not asked for.
    pub(super) repair: Option<Repaired>,
    pub(super) steps: Vec<Step>,
    /// Rows that were beyond repair and are still gone: no source and no backup had them.
    pub(super) lost: Vec<Lost>,
    /// What takes back what was done.
    pub(super) undo: Vec<String>,
    #[serde(skip)]
    pub(super) exit: Exit,
}

impl Fixed {
    /// Works out which of the rows that were beyond repair are still gone, now that everything else was done.
    pub(super) fn note_lost(
        &mut self,
        context: &Context,
        names: &Names,
        checked: &Checked,
    ) -> Result<(), CliError> {
        if let Some(repair) = self.repair.as_ref().filter(|_| !self.dry_run) {
            self.lost = lost::still_lost(context, names, repair, checked)?;
        }
        Ok(())
    }

    /// Whether the store is another one than before.
    pub(super) fn has_changed(&self) -> bool {
        self.repair.as_ref().is_some_and(Repaired::has_changed) || self.steps.iter().any(|step| step.done > 0)
    }
}

/// Fixes what `checked` found.
pub(super) fn fix(
    context: &Context,
    names: &Names,
    asked: &Asked,
    checked: &Checked,
    args: &FixArgs,
) -> Result<Fixed, CliError> {
    let only = (!asked.collections.is_empty()).then_some(asked.collections.as_slice());
    let any = |kinds: &[&Kind]| kinds.iter().any(|kind| checked.findings.count(kind) > 0);
    let are_doubted = any(&[&SEARCH_DIFFERS, &VECTOR_LOST]);
    let is_damaged = are_doubted || any(&[&DAMAGE, &DERIVED]);
    let planned = match is_damaged && args.wants(Part::Integrity) {
        true => {
            let codes = codes::Codes::look(context, only, are_doubted)?;
            let backups = backups::all(context, &args.repository);
            Some((repair::plan(context, names, only, &codes, &backups)?, backups))
        }
        false => None,
    };
    let plan = plan::plan(context, names, checked, args, &BTreeSet::new())?;
    if args.dry_run {
        let planned = planned.map(|(planned, _)| planned);
        let steps = plan.ready.into_iter().map(|one| one.step).chain(plan.refused).collect();
        return Ok(Fixed { dry_run: true, repair: planned, steps, ..Fixed::default() });
    }
    if let Some((planned, _)) = &planned {
        context.notices.notice(&format!("will repair: {}", Repaired::described(&planned.mended)));
        planned.consequences("will").iter().for_each(|line| context.notices.notice(line));
    }
    for one in &plan.ready {
        context.notices.notice(&format!("will {}", one.step.described()));
    }
    let is_empty = plan.ready.is_empty() && planned.is_none();
    let agreed_usd = plan.cost_usd();
    if !is_empty && plan::is_attended(args) && !agreed(context, agreed_usd)? {
        return Err(CliError::failed("nothing was changed", "run it again and answer y, or give --force"));
    }
    let Some((_, backups)) = planned else { return act::act(context, names, plan) };
    if let Some(live) = context.live() {
        live.stage("repairing", 0);
    }
    // Whoever was asked was told which snapshots go.
    let drop_snapshots = args.force || plan::is_attended(args);
    let repaired = repair::repair(context, names, only, are_doubted, (drop_snapshots, backups))?;
    // What was taken out is missing now, and is embedded again from its source: the rest is planned anew, for no more
    // money than was agreed to.
    let max_cost = args.max_cost.or(plan::is_attended(args).then_some(agreed_usd));
    let args = FixArgs { max_cost, force: true, only: args.only.clone(), repository: Vec::new(), ..*args };
    let left = if repaired.left.is_empty() { Exit::Pass } else { Exit::Found };
    let plan = match context.open_store() {
        Ok(_) => {
            let checked = check::check(context, names, asked)?;
            plan::plan(context, names, &checked, &args, &repaired.collections_with_returned_rows())?
        }
        Err(error) if error.exit == Exit::Found => plan::Plan::default(),
        Err(error) => return Err(error),
    };
    let mut fixed = act::act(context, names, plan)?;
    fixed.undo.extend(repaired.way_back());
    Ok(Fixed { exit: Context::worst([fixed.exit, left]), repair: Some(repaired), ..fixed })
}

fn agreed(context: &Context, cost_usd: f64) -> Result<bool, CliError> {
    let price = if cost_usd > 0.0 { format!(" and pay about ${cost_usd:.4}") } else { String::new() };
    context.notices.question(&format!("go on{price}? [y/N]"));
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(|error| {
        CliError::failed(format!("the answer cannot be read: {error}"), "give --force to be asked nothing")
    })?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
