//! `health --fix`: plans, shows, keeps the way back, acts, and says what it did. Nothing is done that one command could
//! not undo: each collection that is changed is kept as a snapshot first.

mod act;
mod codes;
mod plan;
mod repair;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::check::{self, Asked, Checked};
use super::kind::{DAMAGE, DERIVED, Kind, Part, SEARCH_DIFFERS, VECTOR_LOST};
use super::privacy::Names;
use crate::command::context::Context;
use crate::exit::{CliError, Exit};

pub(super) use plan::{Act, Step};
pub(super) use repair::Repaired;

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
    /// Never ask
    #[arg(long, requires = "fix")]
    pub(crate) force: bool,
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
    /// Commands that take back what the steps did.
    pub(super) undo: Vec<String>,
    #[serde(skip)]
    pub(super) exit: Exit,
}

impl Fixed {
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
        true => Some(repair::plan(context, names, only, &codes::Codes::look(context, only, are_doubted)?)?),
        false => None,
    };
    let plan = plan::plan(context, names, checked, args)?;
    let mood = if args.dry_run { "would" } else { "will" };
    if let Some(planned) = &planned {
        context.notices.notice(&format!("{mood} repair: {}", Repaired::described(&planned.mended)));
    }
    for one in &plan.ready {
        context.notices.notice(&format!("{mood} {}", one.step.described()));
    }
    if args.dry_run {
        let steps = plan.ready.into_iter().map(|one| one.step).chain(plan.refused).collect();
        return Ok(Fixed { dry_run: true, repair: planned, steps, ..Fixed::default() });
    }
    let is_empty = plan.ready.is_empty() && planned.is_none();
    let agreed_usd = plan.cost_usd();
    if !is_empty && plan::is_attended(args) && !agreed(context, agreed_usd)? {
        return Err(CliError::failed("nothing was changed", "run it again and answer y, or give --force"));
    }
    let Some(_) = planned else { return act::act(context, names, plan) };
    if let Some(live) = context.live() {
        live.stage("repairing", 0);
    }
    let repaired = repair::repair(context, names, only, are_doubted)?;
    // What was taken out is missing now, and is embedded again from its source: the rest is planned anew, for no more
    // money than was agreed to.
    let max_cost = args.max_cost.or(plan::is_attended(args).then_some(agreed_usd));
    let args = FixArgs { only: args.only.clone(), max_cost, force: true, ..*args };
    let left = if repaired.left.is_empty() { Exit::Pass } else { Exit::Found };
    let plan = match context.open_store() {
        Ok(_) => plan::plan(context, names, &check::check(context, names, asked)?, &args)?,
        Err(error) if error.exit == Exit::Found => plan::Plan::default(),
        Err(error) => return Err(error),
    };
    let fixed = act::act(context, names, plan)?;
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
